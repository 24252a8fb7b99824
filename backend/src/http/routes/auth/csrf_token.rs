//! `GET /auth/csrf-token`: what a page has to send back to change anything.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;

use super::binding_of;
use crate::config::Site;
use crate::http::App;
use crate::http::answer::{Json, SetCookies};
use crate::http::api_error::ApiError;
use crate::http::browser::Visitor;
use crate::http::browser::cookies::CookieKind;
use crate::http::browser::csrf::{Binding, issue};
use crate::http::callers::session_of;
use crate::http::route::{Route, route};
use crate::ids::random_bytes;

/// Longer than a person takes to sign in.
const PRE_SESSION_TTL: Duration = Duration::from_hours(12);

pub(super) fn routes() -> Vec<Route> {
    vec![route!(csrf_token, ProviderUnavailable)]
}

#[derive(Serialize, ToSchema)]
#[schema(as = CsrfToken)]
struct Token {
    /// To be sent back as `X-CSRF-Token`.
    csrf_token: String,
}

/// What a page has to send back to change anything.
///
/// Bound to the session if there is one, else to a pre-session, which is made if need be.
#[utoipa::path(get, path = "/auth/csrf-token", tag = "auth")]
async fn csrf_token(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<(SetCookies, Json<Token>), ApiError> {
    let session = session_of(&visitor, &headers, &app).await?;
    let (site, bound) = match &visitor {
        Visitor::Browser(browser) => (browser.site, binding_of(session.as_deref(), browser)),
        Visitor::App => (Site::Same, None),
    };
    let mut cookies = SetCookies::default();
    let binding = bound.unwrap_or_else(|| {
        let value = URL_SAFE_NO_PAD.encode(random_bytes::<32>());
        let kind = CookieKind::PreSession;
        cookies.add(app.pages.cookies.set(kind, &value, PRE_SESSION_TTL, site));
        Binding::of_pre_session(&value)
    });
    let csrf_token = issue(&app.services.keyring, binding);
    Ok((cookies, Json::of(&Token { csrf_token })))
}
