//! A person who is signed in.
//!
//! `SignedIn` is a person with a live session, by an app's access token or by a browser's cookie. What
//! rides on a cookie and changes something also needs the session's CSRF token.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use shared_protocol::ProblemCode;

use crate::clock::Timestamp;
use crate::http::App;
use crate::http::api_error::{ApiError, CsrfFault};
use crate::http::browser::Visitor;
use crate::http::browser::cookies::CookieKind;
use crate::http::browser::csrf::{Binding, holds};
use crate::http::route::{Access, Argument};
use crate::relay::auth::shown_bearer;
use crate::sessions::{Session, SessionError};
use crate::store::Actor;

/// A person who is signed in.
pub(in crate::http) struct SignedIn {
    pub(in crate::http) session: Arc<Session>,
}

impl SignedIn {
    /// The person, as the store wants to know them.
    pub(in crate::http) fn actor(&self) -> Actor {
        self.session.actor()
    }
}

impl FromRequestParts<Arc<App>> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let visitor = Visitor::of(&parts.method, &parts.headers, app)?;
        let session = session_of(&visitor, &parts.headers, app).await?;
        let session = session.ok_or(ApiError::SignedOut)?;
        let rides_on_cookie = !parts.headers.contains_key(AUTHORIZATION);
        if rides_on_cookie && !parts.method.is_safe() {
            let binding = Binding::of_session(session.id);
            if !holds(&app.services.keyring, binding, &parts.headers) {
                return Err(ApiError::CsrfFailed(CsrfFault::Token));
            }
        }
        Ok(Self { session })
    }
}

/// How a proof of a session may fail.
const OF_A_SESSION: &[ProblemCode] = &[
    ProblemCode::Unauthorized,
    ProblemCode::CrossSiteOrigin,
    ProblemCode::CsrfFailed,
    ProblemCode::ProviderUnavailable,
];

impl Argument for SignedIn {
    const ACCESS: Access = Access::User;
    const PROBLEMS: &'static [&'static [ProblemCode]] = &[OF_A_SESSION];
}

/// The same, who has also confirmed a code in this session just now.
pub(in crate::http) struct SteppedUp(pub(in crate::http) SignedIn);

impl FromRequestParts<Arc<App>> for SteppedUp {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let signed_in = SignedIn::from_request_parts(parts, app).await?;
        require_step_up(&signed_in.session, app.services.clock.now())?;
        Ok(Self(signed_in))
    }
}

impl Argument for SteppedUp {
    const ACCESS: Access = Access::SteppedUpUser;
    const PROBLEMS: &'static [&'static [ProblemCode]] =
        &[OF_A_SESSION, &[ProblemCode::StepUpRequired]];
}

fn require_step_up(session: &Session, now: Timestamp) -> Result<(), ApiError> {
    session
        .stepped_up_until(now)
        .map(drop)
        .ok_or(ApiError::StepUpRequired)
}

/// The live session of a request, if it shows one. A credential that was shown and does not hold is no
/// session; one that cannot be judged right now is an error.
pub(in crate::http) async fn session_of(
    visitor: &Visitor,
    headers: &HeaderMap,
    app: &App,
) -> Result<Option<Arc<Session>>, ApiError> {
    let now = app.services.clock.now();
    let found = if headers.contains_key(AUTHORIZATION) {
        let token = shown_bearer(headers).and_then(|token| std::str::from_utf8(token).ok());
        match token {
            Some(token) => app.services.sessions.by_access_token(token, now).await,
            None => return Ok(None),
        }
    } else {
        let Visitor::Browser(browser) = visitor else {
            return Ok(None);
        };
        match browser.cookies.get(CookieKind::Session) {
            Some(cookie) => app.services.sessions.by_cookie(cookie, now).await,
            None => return Ok(None),
        }
    };
    match found {
        Ok(session) => Ok(Some(session)),
        Err(SessionError::SignedOut) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl From<SessionError> for ApiError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::SignedOut => Self::SignedOut,
            SessionError::Unavailable { retry_after } => Self::ProviderUnavailable { retry_after },
            SessionError::Store(error) => error.into(),
        }
    }
}
