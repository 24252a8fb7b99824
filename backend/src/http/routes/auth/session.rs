//! `GET /auth/session`: who am I?

use std::sync::Arc;

use axum::extract::State;
use http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::http::App;
use crate::http::answer::{Json, SetCookies};
use crate::http::api_error::ApiError;
use crate::http::browser::Visitor;
use crate::http::browser::cookies::CookieKind;
use crate::http::callers::session_of;
use crate::http::route::{Route, route};
use crate::sessions::Session;

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

/// No session, or none that holds.
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
    /// When the session ends as things stand.
    expires_at: Timestamp,
    created_at: Timestamp,
    /// Until when what needs a fresh code may be done.
    step_up_until: Option<Timestamp>,
    /// When the person signed in elsewhere after this session began.
    newer_sign_in_at: Option<Timestamp>,
}

/// Who is signed in here.
#[utoipa::path(get, path = "/auth/session", tag = "auth")]
async fn session(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<(SetCookies, Json<Answer<'static>>), ApiError> {
    let found = session_of(&visitor, &headers, &app).await?;
    let mut cookies = SetCookies::default();
    let Some(session) = found else {
        if let Visitor::Browser(browser) = &visitor
            && browser.cookies.came(CookieKind::Session)
        {
            cookies.add(app.pages.cookies.clear(CookieKind::Session, browser.site));
        }
        let none = NoSession {
            authenticated: false,
        };
        return Ok((cookies, Json::of(&Answer::None(none))));
    };
    let live = describe(&session, app.services.clock.now());
    Ok((cookies, Json::of(&Answer::Live(live))))
}

fn describe(session: &Session, now: Timestamp) -> LiveSession<'_> {
    LiveSession {
        authenticated: true,
        user_id: session.user_id.to_string(),
        session_id: session.id.to_string(),
        phone: &session.phone,
        expires_at: session.ends_at(),
        created_at: session.created_at,
        step_up_until: session.stepped_up_until(now),
        newer_sign_in_at: session.newer_sign_in_at,
    }
}
