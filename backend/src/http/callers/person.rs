//! Extractors for a person who is signed in.
//!
//! The person has a live session and shows an app's access token or a browser's cookie. If a browser's request changes
//! something, it also needs the session's CSRF token.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::request::Parts;
use shared_protocol::ProblemCode;

use crate::http::App;
use crate::http::api_error::{ApiError, CsrfFault};
use crate::http::browser::Credentials;
use crate::http::browser::cookies::CookieKind;
use crate::http::browser::csrf::{CsrfBinding, has_valid_csrf_token};
use crate::http::route::{HandlerArgument, RouteAccess};
use crate::relay::auth::shown_bearer;
use crate::sessions::{Session, SessionError};
use crate::store::Actor;

/// A person who is signed in.
pub(in crate::http) struct SignedIn {
    pub(in crate::http) session: Arc<Session>,
}

impl SignedIn {
    /// The person, for row-level security.
    pub(in crate::http) fn actor(&self) -> Actor {
        self.session.actor()
    }
}

impl FromRequestParts<Arc<App>> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let credentials = Credentials::of(&parts.method, &parts.headers, app)?;
        let session = session_of(&credentials, &parts.headers, app).await?;
        let session = session.ok_or(ApiError::SignedOut)?;
        if credentials.browser().is_some() && !parts.method.is_safe() {
            let binding = CsrfBinding::of_session(session.id);
            if !has_valid_csrf_token(&app.services.keyring, binding, &parts.headers) {
                return Err(ApiError::CsrfFailed(CsrfFault::InvalidToken));
            }
        }
        Ok(Self { session })
    }
}

/// The problems with which the check of a session may fail.
const SESSION_PROBLEMS: &[ProblemCode] = &[
    ProblemCode::Unauthorized,
    ProblemCode::CrossSiteOrigin,
    ProblemCode::CsrfFailed,
    ProblemCode::ProviderUnavailable,
];

impl HandlerArgument for SignedIn {
    const ACCESS: RouteAccess = RouteAccess::User;
    const EXTRACTION_PROBLEMS: &'static [&'static [ProblemCode]] = &[SESSION_PROBLEMS];
}

/// A person who is signed in and has confirmed a code in this session recently.
pub(in crate::http) struct SteppedUp(pub(in crate::http) SignedIn);

impl FromRequestParts<Arc<App>> for SteppedUp {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let signed_in = SignedIn::from_request_parts(parts, app).await?;
        let stepped_up_until = signed_in.session.stepped_up_until(app.services.clock.now());
        match stepped_up_until {
            Some(_) => Ok(Self(signed_in)),
            None => Err(ApiError::StepUpRequired),
        }
    }
}

impl HandlerArgument for SteppedUp {
    const ACCESS: RouteAccess = RouteAccess::SteppedUpUser;
    const EXTRACTION_PROBLEMS: &'static [&'static [ProblemCode]] =
        &[SESSION_PROBLEMS, &[ProblemCode::StepUpRequired]];
}

/// The live session of a request. `None` if the request has no credentials or invalid ones. An error if the store
/// or the identity provider cannot check them now.
pub(in crate::http) async fn session_of(
    credentials: &Credentials,
    headers: &HeaderMap,
    app: &App,
) -> Result<Option<Arc<Session>>, ApiError> {
    let now = app.services.clock.now();
    let sessions = &app.services.sessions;
    let session = match credentials {
        Credentials::App => {
            let token = shown_bearer(headers).and_then(|token| std::str::from_utf8(token).ok());
            let Some(token) = token else { return Ok(None) };
            sessions.by_access_token(token, now).await
        }
        Credentials::Browser(browser) => {
            let Some(cookie) = browser.cookies.get(CookieKind::Session) else {
                return Ok(None);
            };
            sessions.by_cookie(cookie, now).await
        }
    };
    match session {
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
