//! `POST /auth/verify/start`: sends a code.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use super::{Asking, admit, asking, device_of, note, violation};
use crate::audit::EventKind;
use crate::http::App;
use crate::http::answer::json;
use crate::http::api_error::ApiError;
use crate::http::browser::Visitor;
use crate::http::context::Context;
use crate::http::json_body::JsonBody;
use crate::otp::{Channel, Start, StartError};

#[derive(Deserialize)]
pub(in crate::http) struct Body {
    phone: String,
    #[serde(default)]
    channel: Option<String>,
    #[serde(default)]
    purpose: Purpose,
}

/// What a code is for.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Purpose {
    /// A session.
    #[default]
    SignIn,
    /// More rights in the session that asks.
    StepUp,
}

#[derive(Serialize)]
struct Started {
    challenge_id: String,
    expires_in: u32,
    resend_after: u32,
    code_length: u32,
    sent: bool,
}

pub(in crate::http) async fn start(
    State(app): State<Arc<App>>,
    context: Context,
    visitor: Visitor,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Body>,
) -> Result<Response, ApiError> {
    admit(&app, context.client)?;
    let Asking { session, binding } = asking(&visitor, &headers, &app).await?;
    let phone = app
        .otp
        .parse_phone(&body.phone)
        .map_err(ApiError::InvalidPhone)?;
    let now = app.clock.now();
    let device = device_of(&visitor, &headers, session.as_deref(), &phone, &app, now);
    let channel = channel(&app, body.channel.as_deref())?;
    let step_up = match body.purpose {
        Purpose::SignIn => None,
        Purpose::StepUp => {
            let session = session.ok_or(ApiError::SignedOut)?;
            if session.phone != phone.as_str() {
                return Err(violation("phone", "is not the number of this session"));
            }
            Some(session.id)
        }
    };
    let ask = Start {
        phone: &phone,
        channel,
        binding,
        client: context.client,
        device,
        step_up,
    };
    let started = app.otp.start(ask, now).await;
    let outcome = started
        .as_ref()
        .map_or_else(StartError::outcome, |_| "accepted");
    note(&app, &context, EventKind::CodeStart, outcome).await;
    let started = started?;
    let answer = Started {
        challenge_id: started.challenge_id.to_string(),
        expires_in: started.expires_in_secs,
        resend_after: started.resend_after_secs,
        code_length: started.code_length,
        sent: started.sent,
    };
    Ok(json(StatusCode::OK, &answer))
}

fn channel(app: &App, named: Option<&str>) -> Result<Channel, ApiError> {
    app.otp.channel(named).ok_or_else(|| {
        let offered: Vec<_> = app.otp.channels().iter().map(|c| c.as_str()).collect();
        violation(
            "channel",
            &format!("must be one of: {}", offered.join(", ")),
        )
    })
}

impl From<StartError> for ApiError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Limited { retry_after } => Self::TooManyCodes { retry_after },
            StartError::CannotSend => Self::CannotSend,
            StartError::InvalidPhone => Self::InvalidPhone(crate::phone::InvalidPhone::Impossible),
            StartError::Unavailable { retry_after } => Self::ProviderUnavailable { retry_after },
            StartError::Store(error) => error.into(),
        }
    }
}
