//! `POST /auth/refresh`: the next refresh token; for an app with an access token.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, Request, State};
use axum::response::Response;
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::confirm::max_age;
use crate::clock::Timestamp;
use crate::http::App;
use crate::http::answer::json;
use crate::http::api_error::ApiError;
use crate::http::browser::cookies::CookieKind;
use crate::http::browser::csrf::{Binding, holds, issue};
use crate::http::browser::{Browser, Visitor};
use crate::http::json_body::JsonBody;
use crate::sessions::{RefreshToken, Refreshed, SessionError, Transport};

#[derive(Deserialize)]
struct Shown {
    refresh_token: SecretString,
}

#[derive(Serialize)]
struct ForApp<'a> {
    access_token: &'a str,
    refresh_token: &'a str,
    user_id: String,
    token_type: &'static str,
    expires_in: i64,
    expires_at: i64,
}

#[derive(Serialize)]
struct ForBrowser {
    user_id: String,
    expires_at: i64,
    csrf_token: String,
}

pub(in crate::http) async fn refresh(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    request: Request,
) -> Result<Response, ApiError> {
    if let Visitor::Browser(browser) = &visitor
        && let Some(cookie) = browser.cookies.get(CookieKind::Session)
    {
        return by_cookie(&app, browser, cookie, request.headers()).await;
    }
    by_token(&app, request).await
}

async fn by_cookie(
    app: &App,
    browser: &Browser,
    cookie: &str,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let token = RefreshToken::parse(cookie).ok_or(ApiError::SignedOut)?;
    if !holds(&app.keyring, Binding::of_session(token.session_id), headers) {
        return Err(ApiError::CsrfFailed);
    }
    let now = app.clock.now();
    let refreshed = app.sessions.refresh(cookie, Transport::Cookie, now).await?;
    let session = &refreshed.session;
    let answer = ForBrowser {
        user_id: session.user_id.to_string(),
        expires_at: session.ends_at().as_secs(),
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

async fn by_token(app: &Arc<App>, request: Request<Body>) -> Result<Response, ApiError> {
    let JsonBody(shown) = JsonBody::<Shown>::from_request(request, app).await?;
    let now = app.clock.now();
    let text = shown.refresh_token.expose_secret();
    let refreshed = app.sessions.refresh(text, Transport::Bearer, now).await?;
    for_app(&refreshed, now)
}

fn for_app(refreshed: &Refreshed, now: Timestamp) -> Result<Response, ApiError> {
    let access = refreshed.access.as_ref().ok_or(SessionError::SignedOut)?;
    let answer = ForApp {
        access_token: access.token.expose_secret(),
        refresh_token: refreshed.refresh_token.expose_secret(),
        user_id: refreshed.session.user_id.to_string(),
        token_type: "bearer",
        expires_in: access.expires_at.as_secs() - now.as_secs(),
        expires_at: access.expires_at.as_secs(),
    };
    Ok(json(StatusCode::OK, &answer))
}
