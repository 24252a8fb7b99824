//! `GET /auth/session`: who am I?

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use crate::clock::Timestamp;
use crate::http::App;
use crate::http::access::session_of;
use crate::http::answer::json;
use crate::http::api_error::ApiError;
use crate::http::browser::Visitor;
use crate::http::browser::cookies::CookieKind;
use crate::sessions::Session;

#[derive(Serialize)]
struct Nobody {
    authenticated: bool,
}

#[derive(Serialize)]
struct Somebody<'a> {
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

pub(in crate::http) async fn session(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let found = session_of(&visitor, &headers, &app).await?;
    let Some(session) = found else {
        let nobody = Nobody {
            authenticated: false,
        };
        let mut response = json(StatusCode::OK, &nobody);
        if let Visitor::Browser(browser) = &visitor
            && browser.cookies.came(CookieKind::Session)
        {
            let gone = app.cookies.clear(CookieKind::Session, browser.site);
            response.headers_mut().append(SET_COOKIE, gone);
        }
        return Ok(response);
    };
    Ok(json(StatusCode::OK, &describe(&session, app.clock.now())))
}

fn describe(session: &Session, now: Timestamp) -> Somebody<'_> {
    Somebody {
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
