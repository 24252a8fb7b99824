//! `POST /auth/verify/start`: sends a code.

use std::sync::Arc;

use axum::extract::State;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{CodeRequest, count_failure, record_event};
use crate::audit::EventKind;
use crate::http::App;
use crate::http::answer::Json;
use crate::http::api_error::ApiError;
use crate::http::browser::Credentials;
use crate::http::context::Context;
use crate::http::json_body::JsonBody;
use crate::http::route::{Route, route};
use crate::otp::{Channel, StartError, StartRequest};

pub(super) fn routes() -> Vec<Route> {
    vec![route!(
        start,
        CannotSend,
        CsrfFailed,
        InvalidPhone,
        PhoneNotServed,
        ProviderUnavailable,
        RateLimited,
        Unauthorized
    )]
}

#[derive(Deserialize, ToSchema)]
#[schema(as = StartBody)]
struct Body {
    /// The number in any usual form. Without a country code it belongs to the default region.
    phone: String,
    /// How the code is sent: `sms`, `call` or `whatsapp`, if the operator offers it.
    #[serde(default)]
    channel: Option<String>,
    #[serde(default)]
    purpose: Purpose,
}

/// The purpose of a code.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Purpose {
    /// The code begins a session.
    #[default]
    SignIn,
    /// The code steps up the session of the client.
    StepUp,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Started)]
struct StartAnswer {
    /// The id of the code for `confirm`.
    challenge_id: String,
    /// Seconds until the code expires.
    expires_in: u32,
    /// Seconds until the code can be asked for again.
    resend_after: u32,
    code_length: u32,
    /// Whether this request sent the code. If not, an earlier code is still valid.
    sent: bool,
}

/// Sends a code.
#[utoipa::path(post, path = "/auth/verify/start", tag = "auth")]
async fn start(
    State(app): State<Arc<App>>,
    context: Context,
    credentials: Credentials,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Body>,
) -> Result<Json<StartAnswer>, ApiError> {
    let CodeRequest {
        session,
        binding,
        phone,
        device,
    } = CodeRequest::check(&app, &context, &credentials, &headers, &body.phone).await?;
    let channel = parse_channel(&app, body.channel.as_deref())?;
    let step_up = match body.purpose {
        Purpose::SignIn => None,
        Purpose::StepUp => {
            let session = session.ok_or(ApiError::SignedOut)?;
            if session.phone != phone.as_str() {
                return Err(ApiError::invalid(
                    "phone",
                    "is not the number of this session",
                ));
            }
            Some(session.id)
        }
    };
    let request = StartRequest {
        phone,
        channel,
        binding,
        client: context.client,
        device,
        step_up,
    };
    let now = app.services.clock.now();
    let started = app.services.otp.start(&request, now).await;
    let kind = EventKind::CodeStart;
    match &started {
        Ok(_) => record_event(&app, kind, "accepted").await,
        Err(error) => count_failure(&app, &context, kind, error.outcome()),
    }
    let started = started?;
    let answer = StartAnswer {
        challenge_id: started.challenge_id.to_string(),
        expires_in: started.expires_in_secs,
        resend_after: started.resend_after_secs,
        code_length: started.code_length,
        sent: started.sent,
    };
    Ok(Json::of(&answer))
}

/// The channel that a client chooses by name, or else the default. An error if the operator does not offer it.
fn parse_channel(app: &App, name: Option<&str>) -> Result<Channel, ApiError> {
    let otp = &app.services.otp;
    otp.channel(name).ok_or_else(|| {
        let offered: Vec<_> = otp.channels().iter().map(<&str>::from).collect();
        ApiError::invalid("channel", format!("must be one of: {}", offered.join(", ")))
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
