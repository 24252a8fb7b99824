//! What is special about browsers: they send cookies by themselves, from whatever page they show.
//!
//! `origins` decides which pages may call at all, `cookies` names and writes our cookies, `csrf` proves
//! that a page could read an answer of ours before it changes anything, `cors` lets allowed pages read
//! answers. A request is a browser's if it has an `Origin` (also `null`), a `Sec-Fetch-Site`, or one of
//! our cookies; anything else is an app's. Other headers of the `Sec-Fetch-*` family prove nothing:
//! Node's own `fetch` sends `sec-fetch-mode`. Where an `Authorization` header is shown, cookies are
//! ignored, never a fallback, and no origin is asked: a page has to be given a token to show one.

pub(super) mod cookies;
pub(super) mod cors;
pub(super) mod csrf;
mod origins;

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::header::{AUTHORIZATION, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, Method};
use shared_protocol::ProblemCode;

use super::App;
use super::api_error::ApiError;
use super::route::Argument;
use crate::config::Site;
use cookies::ShownCookies;

/// Who is calling, as far as browsers go.
pub(super) enum Visitor {
    /// No browser: nothing is sent that its program did not put there.
    App,
    /// A browser, on a page that may call.
    Browser(Browser),
}

/// A browser, on a page that may call.
pub(super) struct Browser {
    /// How the page's site relates to ours.
    pub(super) site: Site,
    /// Our cookies that it sent.
    pub(super) cookies: ShownCookies,
}

impl Visitor {
    /// Who sent a request with these headers; an error if it is a page that may not.
    pub(super) fn of(method: &Method, headers: &HeaderMap, app: &App) -> Result<Self, ApiError> {
        if headers.contains_key(AUTHORIZATION) {
            return Ok(Self::App);
        }
        let cookies = ShownCookies::read(headers, app.pages.cookies);
        let is_browser =
            headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site") || cookies.any();
        if !is_browser {
            return Ok(Self::App);
        }
        let site = origins::check(method, headers, &app.pages.config).map_err(|fault| {
            // A page that is refused cannot read why; its author, on this machine, can.
            if app.pages.config.allows_localhost {
                tracing::warn!(origin = ?headers.get(ORIGIN), ?fault, "a page may not call");
            }
            ApiError::CrossSiteOrigin(fault)
        })?;
        Ok(Self::Browser(Browser { site, cookies }))
    }
}

impl FromRequestParts<Arc<App>> for Visitor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        Self::of(&parts.method, &parts.headers, app)
    }
}

impl Argument for Visitor {
    const PROBLEMS: &'static [&'static [ProblemCode]] = &[&[ProblemCode::CrossSiteOrigin]];
}
