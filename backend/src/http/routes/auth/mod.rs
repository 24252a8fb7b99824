//! `/auth/…`: a number is proved, a session begins, goes on, ends. One file per path.

mod confirm;
mod csrf_token;
mod logout;
mod refresh;
mod session;
mod sessions;
mod start;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;

use crate::audit::{Event, EventKind, count_only, record};
use crate::clock::Timestamp;
use crate::http::App;
use crate::http::api_error::{ApiError, CsrfFault};
use crate::http::browser::cookies::CookieKind;
use crate::http::browser::csrf::{Binding, holds, issue};
use crate::http::browser::{Browser, Visitor};
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

/// Turns away an address that was turned away too often, before it costs more than a look.
fn admit(app: &App, client: IpAddr) -> Result<(), ApiError> {
    match app
        .clients
        .sign_in_failures
        .waits(client, app.services.clock.now())
    {
        Some(retry_after) => Err(ApiError::TooManyCodes { retry_after }),
        None => Ok(()),
    }
}

/// Writes down what a person may want to know of later.
async fn keep(app: &App, kind: EventKind, outcome: &'static str) {
    let event = Event::new(kind, outcome);
    record(&app.services.store, event, app.services.clock.now()).await;
}

/// What strangers can make happen without end is counted, and counts against their address.
fn turned_away(app: &App, context: &Context, kind: EventKind, outcome: &'static str) {
    count_only(kind, outcome);
    let now = app.services.clock.now();
    app.clients.sign_in_failures.count(context.client, now);
}

/// The client that asks for a code or confirms one: its session, if it has one, and what the code is bound to.
struct Asking {
    session: Option<Arc<Session>>,
    binding: otp::ChallengeBinding,
}

/// A browser has to show the CSRF token of its session or pre-session: else another site's page could
/// sign a person in as another one, or spend our money.
async fn asking(visitor: &Visitor, headers: &HeaderMap, app: &App) -> Result<Asking, ApiError> {
    let session = session_of(visitor, headers, app).await?;
    // A token that does not hold must not make an anonymous app of the client that shows it.
    if headers.contains_key(AUTHORIZATION) && session.is_none() {
        return Err(ApiError::SignedOut);
    }
    let Visitor::Browser(browser) = visitor else {
        let binding = otp::ChallengeBinding::App;
        return Ok(Asking { session, binding });
    };
    let binding =
        binding_of(session.as_deref(), browser).ok_or(ApiError::CsrfFailed(CsrfFault::NoCookie))?;
    if !holds(&app.services.keyring, binding, headers) {
        return Err(ApiError::CsrfFailed(CsrfFault::Token));
    }
    Ok(Asking {
        session,
        binding: otp::ChallengeBinding::Browser(binding.0),
    })
}

/// A browser's live session, else what it was given before it had one.
fn binding_of(session: Option<&Session>, browser: &Browser) -> Option<Binding> {
    match session {
        Some(session) => Some(Binding::of_session(session.id)),
        None => browser
            .cookies
            .get(CookieKind::PreSession)
            .map(Binding::of_pre_session),
    }
}

/// In which header an app shows what it was given as `device_token`.
const DEVICE_TOKEN: &str = "x-device-token";

/// Whether this number was confirmed on this device before: a browser shows its cookie, an app its device
/// token, and either may be in a live session of that very number.
fn device_of(
    visitor: &Visitor,
    headers: &HeaderMap,
    session: Option<&Session>,
    phone: &Phone,
    app: &App,
    now: Timestamp,
) -> otp::Device {
    if session.is_some_and(|session| session.phone == phone.as_str()) {
        return otp::Device::Known;
    }
    let shown = match visitor {
        Visitor::Browser(browser) => browser.cookies.get(CookieKind::Device),
        Visitor::App => headers
            .get(DEVICE_TOKEN)
            .and_then(|token| token.to_str().ok()),
    };
    match shown {
        Some(value) if app.services.known_devices.knows(value, phone, now) => otp::Device::Known,
        _ => otp::Device::Unknown,
    }
}

/// What an app gets when its session begins and when it goes on.
#[derive(Serialize, ToSchema)]
struct AppSession<'a> {
    access_token: &'a str,
    refresh_token: &'a str,
    user_id: String,
    token_type: &'static str,
    /// Seconds for which the access token is good.
    expires_in: i64,
    /// When the access token ends.
    expires_at: Timestamp,
    /// Only when the session begins. The app keeps it when the session ends.
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

/// What a browser's page gets then; the tokens are in its cookies.
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
            csrf_token: issue(&app.services.keyring, Binding::of_session(session.id)),
        }
    }
}

/// A browser keeps the cookie for as long as the session may last; when it ends is decided here.
fn max_age(session: &Session, now: Timestamp) -> Duration {
    let micros = session.expires_at.as_micros() - now.as_micros();
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}
