//! `GET /auth/csrf-token`: what a page has to send back to change anything.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::binding_of;
use crate::config::Site;
use crate::http::App;
use crate::http::access::session_of;
use crate::http::answer::json;
use crate::http::api_error::ApiError;
use crate::http::browser::Visitor;
use crate::http::browser::cookies::CookieKind;
use crate::http::browser::csrf::{Binding, issue};
use crate::ids::random_bytes;

/// Longer than anybody takes to sign in.
const PRE_SESSION_TTL: Duration = Duration::from_hours(12);

#[derive(Serialize)]
struct Token {
    csrf_token: String,
}

/// Bound to the session if there is one, else to a pre-session, which is made if need be.
pub(in crate::http) async fn csrf_token(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let session = session_of(&visitor, &headers, &app).await?;
    let (site, bound) = match &visitor {
        Visitor::Browser(browser) => (browser.site, binding_of(session.as_deref(), browser)),
        Visitor::App => (Site::Same, None),
    };
    if let Some(binding) = bound {
        let csrf_token = issue(&app.keyring, binding);
        return Ok(json(StatusCode::OK, &Token { csrf_token }));
    }
    let value = URL_SAFE_NO_PAD.encode(random_bytes::<32>());
    let csrf_token = issue(&app.keyring, Binding::of_pre_session(&value));
    let mut response = json(StatusCode::OK, &Token { csrf_token });
    let cookie = app
        .cookies
        .set(CookieKind::PreSession, &value, PRE_SESSION_TTL, site);
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}
