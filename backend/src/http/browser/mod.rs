//! Checks for browsers, which send cookies by themselves, even for a page of another site.
//!
//! `origins` decides which pages may send requests, `cookies` names, reads and writes our cookies, `csrf` requires a
//! page that changes data to show a token from an answer of ours, and `cors` lets allowed pages read answers.
//!
//! A request with an `Authorization` header is an app's. Its cookies are ignored and its origin is not checked: a page
//! can send that header only if it was given a token. Any other request is a browser's if it has an `Origin` (also
//! `null`), a `Sec-Fetch-Site`, or one of our cookies, and else an app's. Other headers of the `Sec-Fetch-*` family
//! prove nothing: Node's own `fetch` sends `sec-fetch-mode`.

pub(super) mod cookies;
pub(super) mod cors;
pub(super) mod csrf;
mod origins;

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::AppendHeaders;
use http::header::{AUTHORIZATION, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, Method};
use shared_protocol::ProblemCode;

use super::App;
use super::answer::SetCookies;
use super::api_error::ApiError;
use super::route::HandlerArgument;
use crate::config::Site;
use cookies::{CookieKind, ReceivedCookies};

/// Where the credentials of a request are, if it has any.
pub(super) enum Credentials {
    /// In the `Authorization` header or in the body, as apps send them.
    App,
    /// In the cookies of a browser.
    Browser(Browser),
}

/// A browser that shows a page of an allowed origin.
pub(super) struct Browser {
    /// Whether the page belongs to our site or to another one.
    pub(super) site: Site,
    pub(super) cookies: ReceivedCookies,
}

impl Credentials {
    /// The credentials of a request with these headers; an error if a page sent it that may not send requests.
    pub(super) fn of(method: &Method, headers: &HeaderMap, app: &App) -> Result<Self, ApiError> {
        if headers.contains_key(AUTHORIZATION) {
            return Ok(Self::App);
        }
        let cookies = ReceivedCookies::read(headers, app.pages.cookies);
        let is_browser = headers.contains_key(ORIGIN)
            || headers.contains_key("sec-fetch-site")
            || cookies.has_any();
        if !is_browser {
            return Ok(Self::App);
        }
        let site = origins::check(method, headers, &app.pages.config).map_err(|fault| {
            // The refused page cannot read the answer, so a developer on this machine finds the reason in the log.
            if app.pages.config.allows_localhost {
                tracing::warn!(origin = ?headers.get(ORIGIN), ?fault, "a page may not call");
            }
            ApiError::CrossSiteOrigin(fault)
        })?;
        Ok(Self::Browser(Browser { site, cookies }))
    }

    pub(super) fn browser(&self) -> Option<&Browser> {
        match self {
            Self::App => None,
            Self::Browser(browser) => Some(browser),
        }
    }

    /// The headers that remove the session's cookie from a browser. Empty if the request did not have the cookie.
    pub(super) fn clear_session_cookie(&self, app: &App) -> SetCookies {
        let mut cookies = Vec::new();
        if let Self::Browser(browser) = self
            && browser.cookies.contains(CookieKind::Session)
        {
            cookies.push(app.pages.cookies.clear(CookieKind::Session, browser.site));
        }
        AppendHeaders(cookies)
    }
}

impl FromRequestParts<Arc<App>> for Credentials {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        Self::of(&parts.method, &parts.headers, app)
    }
}

impl HandlerArgument for Credentials {
    const EXTRACTION_PROBLEMS: &'static [&'static [ProblemCode]] =
        &[&[ProblemCode::CrossSiteOrigin]];
}
