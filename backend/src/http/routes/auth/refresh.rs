//! `POST /auth/refresh`: exchanges a refresh token for the next one. An app also gets an access token.

use std::sync::Arc;

use axum::extract::State;
use axum::response::AppendHeaders;
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;

use super::{AppSession, BrowserSession, session_cookie};
use crate::http::App;
use crate::http::answer::{Json, SetCookies};
use crate::http::api_error::ApiError;
use crate::http::callers::RefreshCredentials;
use crate::http::route::{Route, route};
use crate::sessions::{SessionError, Transport};

pub(super) fn routes() -> Vec<Route> {
    vec![route!(refresh, ProviderUnavailable)]
}

#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum Refreshed<'a> {
    Browser(BrowserSession),
    App(AppSession<'a>),
}

/// Exchanges a refresh token for the next one. An app also gets an access token.
#[utoipa::path(post, path = "/auth/refresh", tag = "auth")]
async fn refresh(
    State(app): State<Arc<App>>,
    credentials: RefreshCredentials,
) -> Result<(SetCookies, Json<Refreshed<'static>>), ApiError> {
    let now = app.services.clock.now();
    match credentials {
        RefreshCredentials::Cookie(browser, token) => {
            let refreshed = app
                .services
                .sessions
                .refresh(&token, Transport::Cookie, now)
                .await?;
            let session = &refreshed.session;
            let cookie = session_cookie(&app, &browser, session, &refreshed.refresh_token, now);
            let answer = Refreshed::Browser(BrowserSession::of(session, &app));
            Ok((AppendHeaders(vec![cookie]), Json::of(&answer)))
        }
        RefreshCredentials::Body(token) => {
            let token = token.expose_secret();
            let refreshed = app
                .services
                .sessions
                .refresh(token, Transport::Bearer, now)
                .await?;
            let access = refreshed.access.as_ref().ok_or(SessionError::SignedOut)?;
            let (session, next) = (&refreshed.session, &refreshed.refresh_token);
            let answer = Refreshed::App(AppSession::of(session, access, next, None, now));
            Ok((AppendHeaders(Vec::new()), Json::of(&answer)))
        }
    }
}
