//! `/auth/…`: sending and confirming codes, and sessions. One file per path.

mod confirm;
mod csrf_token;
mod logout;
mod refresh;
mod session;
mod sessions;
mod start;

use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;

use crate::audit::{Event, EventKind, count_only, record};
use crate::clock::Timestamp;
use crate::http::App;
use crate::http::api_error::{ApiError, CsrfFault};
use crate::http::browser::cookies::CookieKind;
use crate::http::browser::csrf::{CsrfBinding, create_csrf_token, has_valid_csrf_token};
use crate::http::browser::{Browser, Credentials};
use crate::http::callers::session_of;
use crate::http::context::Context;
use crate::http::route::Route;
use crate::otp;
use crate::phone::Phone;
use crate::sessions::{AccessToken, Session};

pub(super) fn routes() -> Vec<Route> {
    [
        start::routes(),
        confirm::routes(),
        session::routes(),
        csrf_token::routes(),
        refresh::routes(),
        logout::routes(),
        sessions::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The number and the client of a request that asks for a code or confirms one, after the checks of [`Self::check`].
struct CodeRequest {
    /// The session that the client already has.
    session: Option<Arc<Session>>,
    /// The client that may confirm the code.
    binding: otp::ChallengeBinding,
    phone: Phone,
    /// Whether the number was confirmed on the client's device before.
    device: otp::Device,
}

impl CodeRequest {
    /// Checks the client and the number. A browser has to send the CSRF token of its session or pre-session.
    /// Otherwise a page of another site could sign a person in to another account, or send codes at our cost.
    async fn check(
        app: &App,
        context: &Context,
        credentials: &Credentials,
        headers: &HeaderMap,
        phone: &str,
    ) -> Result<Self, ApiError> {
        let now = app.services.clock.now();
        let failures = &app.clients.sign_in_failures;
        if let Some(retry_after) = failures.wait_secs(context.client, now) {
            return Err(ApiError::TooManyCodes { retry_after });
        }
        let session = session_of(credentials, headers, app).await?;
        // A client with an invalid access token must not count as an anonymous app.
        if headers.contains_key(AUTHORIZATION) && session.is_none() {
            return Err(ApiError::SignedOut);
        }
        let binding = match credentials {
            Credentials::App => otp::ChallengeBinding::App,
            Credentials::Browser(browser) => {
                let binding = csrf_binding(session.as_deref(), browser)
                    .ok_or(ApiError::CsrfFailed(CsrfFault::NoCookie))?;
                if !has_valid_csrf_token(&app.services.keyring, binding, headers) {
                    return Err(ApiError::CsrfFailed(CsrfFault::InvalidToken));
                }
                otp::ChallengeBinding::Browser(binding.0)
            }
        };
        let phone = app.services.otp.parse_phone(phone);
        let phone = phone.map_err(ApiError::InvalidPhone)?;
        let device = device_of(credentials, headers, session.as_deref(), &phone, app, now);
        Ok(Self {
            session,
            binding,
            phone,
            device,
        })
    }
}

/// Writes an event to the audit log.
async fn record_event(app: &App, kind: EventKind, outcome: &'static str) {
    let event = Event::new(kind, outcome);
    record(&app.services.store, event, app.services.clock.now()).await;
}

/// Counts a failure in the metrics and against the client's address. A client without a session can cause any number
/// of failures, so the audit log does not have them.
fn count_failure(app: &App, context: &Context, kind: EventKind, outcome: &'static str) {
    count_only(kind, outcome);
    let now = app.services.clock.now();
    app.clients.sign_in_failures.count(context.client, now);
}

/// The binding of a browser's CSRF token: its live session, or else its pre-session. `None` if it has neither.
fn csrf_binding(session: Option<&Session>, browser: &Browser) -> Option<CsrfBinding> {
    match session {
        Some(session) => Some(CsrfBinding::of_session(session.id)),
        None => browser
            .cookies
            .get(CookieKind::PreSession)
            .map(CsrfBinding::of_pre_session),
    }
}

/// The header in which an app sends its `device_token`.
const DEVICE_TOKEN: &str = "x-device-token";

/// Whether this number was confirmed on this device before. A live session of the same number proves it, or the
/// cookie of a browser, or the device token of an app.
fn device_of(
    credentials: &Credentials,
    headers: &HeaderMap,
    session: Option<&Session>,
    phone: &Phone,
    app: &App,
    now: Timestamp,
) -> otp::Device {
    if session.is_some_and(|session| session.phone == phone.as_str()) {
        return otp::Device::Known;
    }
    let token = match credentials {
        Credentials::Browser(browser) => browser.cookies.get(CookieKind::Device),
        Credentials::App => headers
            .get(DEVICE_TOKEN)
            .and_then(|token| token.to_str().ok()),
    };
    match token {
        Some(value) if app.services.known_devices.is_known(value, phone, now) => otp::Device::Known,
        _ => otp::Device::Unknown,
    }
}

/// The session's cookie. The browser keeps it for as long as the session can last at most.
fn session_cookie(
    app: &App,
    browser: &Browser,
    session: &Session,
    token: &SecretString,
    now: Timestamp,
) -> (HeaderName, HeaderValue) {
    let micros = session.expires_at.as_micros() - now.as_micros();
    let max_age = Duration::from_micros(u64::try_from(micros).unwrap_or(0));
    let (kind, token) = (CookieKind::Session, token.expose_secret());
    app.pages.cookies.set(kind, token, max_age, browser.site)
}

/// The answer to an app that signs in or refreshes its session.
#[derive(Serialize, ToSchema)]
struct AppSession<'a> {
    access_token: &'a str,
    refresh_token: &'a str,
    user_id: String,
    token_type: &'static str,
    /// Seconds until the access token expires.
    expires_in: i64,
    /// When the access token expires.
    expires_at: Timestamp,
    /// The device token, only after a sign-in. The app keeps it when the session ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    device_token: Option<&'a str>,
}

impl<'a> AppSession<'a> {
    fn of(
        session: &Session,
        access: &'a AccessToken,
        refresh_token: &'a SecretString,
        device_token: Option<&'a str>,
        now: Timestamp,
    ) -> Self {
        Self {
            access_token: access.token.expose_secret(),
            refresh_token: refresh_token.expose_secret(),
            user_id: session.user_id.to_string(),
            token_type: "bearer",
            expires_in: access.expires_at.as_secs() - now.as_secs(),
            expires_at: access.expires_at,
            device_token,
        }
    }
}

/// The answer to a browser that signs in or refreshes its session. The tokens are in its cookies.
#[derive(Serialize, ToSchema)]
struct BrowserSession {
    user_id: String,
    expires_at: Timestamp,
    csrf_token: String,
}

impl BrowserSession {
    fn of(session: &Session, app: &App) -> Self {
        Self {
            user_id: session.user_id.to_string(),
            expires_at: session.ends_at(),
            csrf_token: create_csrf_token(
                &app.services.keyring,
                CsrfBinding::of_session(session.id),
            ),
        }
    }
}
