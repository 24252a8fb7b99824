//! `POST /auth/refresh`: the next refresh token; for an app with an access token.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::confirm::max_age;
use super::{for_app, violation};
use crate::clock::Timestamp;
use crate::http::App;
use crate::http::answer::json;
use crate::http::api_error::ApiError;
use crate::http::browser::cookies::CookieKind;
use crate::http::browser::csrf::{Binding, CsrfFault, holds, issue};
use crate::http::browser::{Browser, Visitor};
use crate::http::json_body::JsonBody;
use crate::sessions::{RefreshToken, SessionError, Transport};

#[derive(Deserialize)]
pub(in crate::http) struct Shown {
    #[serde(default)]
    refresh_token: Option<SecretString>,
}

#[derive(Serialize)]
struct ForBrowser {
    user_id: String,
    expires_at: Timestamp,
    csrf_token: String,
}

pub(in crate::http) async fn refresh(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    headers: HeaderMap,
    body: Option<JsonBody<Shown>>,
) -> Result<Response, ApiError> {
    if let Visitor::Browser(browser) = &visitor
        && let Some(cookie) = browser.cookies.get(CookieKind::Session)
    {
        return by_cookie(&app, browser, cookie, &headers).await;
    }
    let shown = body.and_then(|JsonBody(shown)| shown.refresh_token);
    match (shown, &visitor) {
        (Some(token), _) => by_token(&app, &token).await,
        // A page whose cookie is gone calls as it did while it was there: it is signed out.
        (None, Visitor::Browser(_)) => Err(ApiError::SignedOut),
        (None, Visitor::App) => Err(violation("refresh_token", "is required")),
    }
}

async fn by_cookie(
    app: &App,
    browser: &Browser,
    cookie: &str,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let token = RefreshToken::parse(cookie).ok_or(ApiError::SignedOut)?;
    if !holds(&app.keyring, Binding::of_session(token.session_id), headers) {
        return Err(ApiError::CsrfFailed(CsrfFault::Token));
    }
    let now = app.clock.now();
    let refreshed = app.sessions.refresh(cookie, Transport::Cookie, now).await?;
    let session = &refreshed.session;
    let answer = ForBrowser {
        user_id: session.user_id.to_string(),
        expires_at: session.ends_at(),
        csrf_token: issue(&app.keyring, Binding::of_session(session.id)),
    };
    let mut response = json(StatusCode::OK, &answer);
    let next = refreshed.refresh_token.expose_secret();
    let cookie = app.cookies.set(
        CookieKind::Session,
        next,
        max_age(session, now),
        browser.site,
    );
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}

async fn by_token(app: &App, token: &SecretString) -> Result<Response, ApiError> {
    let now = app.clock.now();
    let text = token.expose_secret();
    let refreshed = app.sessions.refresh(text, Transport::Bearer, now).await?;
    let access = refreshed.access.as_ref().ok_or(SessionError::SignedOut)?;
    Ok(for_app(
        &refreshed.session,
        access,
        &refreshed.refresh_token,
        None,
        now,
    ))
}
