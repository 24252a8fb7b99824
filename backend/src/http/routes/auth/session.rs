//! `GET /auth/session`: the session of the client.

use std::sync::Arc;

use axum::extract::State;
use axum::response::AppendHeaders;
use http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::http::App;
use crate::http::answer::{Json, SetCookies};
use crate::http::api_error::ApiError;
use crate::http::browser::Credentials;
use crate::http::callers::session_of;
use crate::http::route::{Route, route};

pub(super) fn routes() -> Vec<Route> {
    vec![route!(session, ProviderUnavailable)]
}

#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = WhoAmI)]
enum Answer<'a> {
    Live(LiveSession<'a>),
    None(NoSession),
}

/// The client has no session, or a session that is no longer valid.
#[derive(Serialize, ToSchema)]
struct NoSession {
    authenticated: bool,
}

/// A live session.
#[derive(Serialize, ToSchema)]
struct LiveSession<'a> {
    authenticated: bool,
    user_id: String,
    session_id: String,
    phone: &'a str,
    /// When the session ends if it is not used again.
    expires_at: Timestamp,
    created_at: Timestamp,
    /// Until when the session permits requests that need a fresh code.
    step_up_until: Option<Timestamp>,
    /// When the person signed in elsewhere after this session began.
    newer_sign_in_at: Option<Timestamp>,
}

/// Returns the session of the client, if there is one.
#[utoipa::path(get, path = "/auth/session", tag = "auth")]
async fn session(
    State(app): State<Arc<App>>,
    credentials: Credentials,
    headers: HeaderMap,
) -> Result<(SetCookies, Json<Answer<'static>>), ApiError> {
    let Some(session) = session_of(&credentials, &headers, &app).await? else {
        let none = NoSession {
            authenticated: false,
        };
        let cookies = credentials.clear_session_cookie(&app);
        return Ok((cookies, Json::of(&Answer::None(none))));
    };
    let live = LiveSession {
        authenticated: true,
        user_id: session.user_id.to_string(),
        session_id: session.id.to_string(),
        phone: &session.phone,
        expires_at: session.ends_at(),
        created_at: session.created_at,
        step_up_until: session.stepped_up_until(app.services.clock.now()),
        newer_sign_in_at: session.newer_sign_in_at,
    };
    Ok((AppendHeaders(Vec::new()), Json::of(&Answer::Live(live))))
}
