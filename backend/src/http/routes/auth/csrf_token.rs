//! `GET /auth/csrf-token`: the token that a page has to send back to change anything.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::AppendHeaders;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;

use super::csrf_binding;
use crate::config::Site;
use crate::http::App;
use crate::http::answer::{Json, SetCookies};
use crate::http::api_error::ApiError;
use crate::http::browser::Credentials;
use crate::http::browser::cookies::CookieKind;
use crate::http::browser::csrf::{CsrfBinding, create_csrf_token};
use crate::http::callers::session_of;
use crate::http::route::{Route, route};
use crate::ids::random_bytes;

/// The lifetime of a pre-session's cookie. This is much longer than a person needs to sign in.
const PRE_SESSION_TTL: Duration = Duration::from_hours(12);

pub(super) fn routes() -> Vec<Route> {
    vec![route!(csrf_token, ProviderUnavailable)]
}

#[derive(Serialize, ToSchema)]
#[schema(as = CsrfToken)]
struct Token {
    /// The token that a page sends as `X-CSRF-Token`.
    csrf_token: String,
}

/// Returns the CSRF token that a page needs to change anything.
///
/// The token is bound to the session, or else to a pre-session, which is made if there is none.
#[utoipa::path(get, path = "/auth/csrf-token", tag = "auth")]
async fn csrf_token(
    State(app): State<Arc<App>>,
    credentials: Credentials,
    headers: HeaderMap,
) -> Result<(SetCookies, Json<Token>), ApiError> {
    let session = session_of(&credentials, &headers, &app).await?;
    let (site, binding) = match &credentials {
        Credentials::Browser(browser) => (browser.site, csrf_binding(session.as_deref(), browser)),
        Credentials::App => (Site::Same, None),
    };
    let mut cookies = Vec::new();
    let binding = binding.unwrap_or_else(|| {
        let value = URL_SAFE_NO_PAD.encode(random_bytes::<32>());
        let kind = CookieKind::PreSession;
        cookies.push(app.pages.cookies.set(kind, &value, PRE_SESSION_TTL, site));
        CsrfBinding::of_pre_session(&value)
    });
    let csrf_token = create_csrf_token(&app.services.keyring, binding);
    Ok((AppendHeaders(cookies), Json::of(&Token { csrf_token })))
}
