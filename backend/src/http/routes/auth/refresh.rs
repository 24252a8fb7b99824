//! `POST /auth/refresh`: the next refresh token; for an app with an access token.

use std::sync::Arc;

use axum::extract::State;
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;

use super::{AppSession, BrowserSession, max_age};
use crate::http::App;
use crate::http::answer::{Json, SetCookies};
use crate::http::api_error::ApiError;
use crate::http::browser::cookies::CookieKind;
use crate::http::callers::ShowsRefreshToken;
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

/// The next refresh token; for an app with an access token.
#[utoipa::path(post, path = "/auth/refresh", tag = "auth")]
async fn refresh(
    State(app): State<Arc<App>>,
    shown: ShowsRefreshToken,
) -> Result<(SetCookies, Json<Refreshed<'static>>), ApiError> {
    let now = app.services.clock.now();
    match shown {
        ShowsRefreshToken::Cookie(browser, token) => {
            let refreshed = app
                .services
                .sessions
                .refresh(&token, Transport::Cookie, now)
                .await?;
            let session = &refreshed.session;
            let next = refreshed.refresh_token.expose_secret();
            let age = max_age(session, now);
            let cookie = app
                .pages
                .cookies
                .set(CookieKind::Session, next, age, browser.site);
            let answer = Refreshed::Browser(BrowserSession::of(session, &app));
            Ok(([cookie].into(), Json::of(&answer)))
        }
        ShowsRefreshToken::Body(token) => {
            let token = token.expose_secret();
            let refreshed = app
                .services
                .sessions
                .refresh(token, Transport::Bearer, now)
                .await?;
            let access = refreshed.access.as_ref().ok_or(SessionError::SignedOut)?;
            let (session, next) = (&refreshed.session, &refreshed.refresh_token);
            let answer = Refreshed::App(AppSession::of(session, access, next, None, now));
            Ok((SetCookies::default(), Json::of(&answer)))
        }
    }
}
