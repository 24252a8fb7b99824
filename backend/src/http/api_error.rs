//! `ApiError`: every way in which a request can fail, with the status and the body of the answer.

use std::fmt::Display;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use shared_protocol::{InvalidMessage, Problem, ProblemCode, SignatureReason, Violation};

use crate::phone::InvalidPhone;
use crate::relay::auth::AuthError;
use crate::relay::intake::IntakeError;
use crate::store::StoreError;

/// Why a request failed. The text of a variant is the `detail` of the answer. The variant decides the answer's
/// [`ProblemCode`], and the code decides the status. Each `retry_after` is in seconds.
///
/// The conversion to a response writes no body. The middleware around every route writes it, because it knows the
/// request.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// A relay did not prove itself.
    // Operators of the older deployment search their logs for these words.
    #[error("Invalid signature")]
    Unauthorized(SignatureReason),
    /// The route needs a fixed token, and the request does not have it.
    #[error("this route needs its bearer token")]
    TokenRequired,
    /// The request needs a live session, and no valid token of one came with it.
    #[error("this request shows no live session; sign in, or refresh the session")]
    SignedOut,
    /// One address sent too many requests that failed to prove their sender.
    #[error("too many requests that failed to prove themselves")]
    RateLimited { retry_after: u32 },
    /// Too many codes were asked for or tried.
    #[error("too many codes were asked for; wait a while")]
    TooManyCodes { retry_after: u32 },
    #[error("{0}")]
    InvalidPhone(InvalidPhone),
    #[error("no code can be sent to this number")]
    CannotSend,
    #[error("this is not the code")]
    WrongCode { attempts_left: u32 },
    #[error("this code cannot be used any more; ask for a new one")]
    CodeExpired,
    #[error("too many wrong codes; ask for a new one later")]
    TooManyAttempts { retry_after: u32 },
    #[error("{0}")]
    CrossSiteOrigin(OriginFault),
    #[error("{0}")]
    CsrfFailed(CsrfFault),
    #[error("confirm a code in this session first; it counts for ten minutes")]
    StepUpRequired,
    #[error("this account cannot be used here")]
    AccountRefused,
    #[error("a service that this needs does not answer; try again")]
    ProviderUnavailable { retry_after: u32 },
    #[error("relay_id names another relay than the secret does")]
    RelayMismatch,
    #[error("this relay name is in use by another installation; stop that one, or move the relay")]
    RelayElsewhere,
    #[error("a message with this identity is stored with another body")]
    IdConflict { message_id: String },
    #[error("{0}")]
    MalformedJson(String),
    #[error("{} field(s) break a rule", .0.len())]
    InvalidFields(Vec<Violation>),
    #[error("the body is larger than {limit} bytes")]
    BodyTooLarge { limit: usize },
    #[error("{0}")]
    UnsupportedMediaType(&'static str),
    #[error("there is nothing at this path")]
    NotFound,
    /// The backend of the predecessor served this route, and this backend does not.
    #[error("{0}")]
    NotServed(&'static str),
    /// The session is unknown, has ended, or belongs to another person.
    #[error("there is no such session of yours")]
    SessionNotFound,
    #[error("this path does not take this method")]
    MethodNotAllowed,
    #[error("the body took too long to arrive")]
    RequestTimeout,
    #[error("{}", store_detail(.0))]
    StoreUnavailable(StoreError),
    #[error("this server is going down; try again")]
    ShuttingDown,
    #[error("something is wrong here; the log has it under the request id")]
    Internal(StoreError),
    #[error("something is wrong here; the log has it under the request id")]
    Panicked,
    #[error("the body ended before it was complete")]
    BrokenBody,
    /// The request breaks a rule of HTTP.
    #[error("{0}")]
    BadRequest(&'static str),
    #[error("the path and query are too long")]
    UriTooLong,
    #[error("the headers are too large")]
    HeadersTooLarge,
    /// The memory budget for bodies, or the client's part of it, is used up.
    #[error("too many bodies are on their way; try again")]
    Overloaded,
    #[error(
        "this backend is in development and serves this machine alone, but a proxy named a client elsewhere; \
         set APP_ENV=production to serve others"
    )]
    DevelopmentOnly,
}

/// Why requests from a page are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum OriginFault {
    #[error("requests from this page are not accepted; its origin is not one of WEB_ORIGINS")]
    NotListed,
    /// The page is listed, but the browser sends no cookies from it, because to the browser it is another site:
    /// `http://127.0.0.1` is not `http://localhost`.
    #[error(
        "to the browser this page is another site than this server, so that cookies would not arrive; open \
         both under one domain (both as localhost, or both as 127.0.0.1)"
    )]
    OtherSite,
}

/// Why a browser's request to change data is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CsrfFault {
    #[error(
        "no cookie of ours came along; GET /auth/csrf-token sets one, and requests have to include credentials"
    )]
    NoCookie,
    /// The CSRF token is missing, or bound to another session.
    #[error("X-CSRF-Token is missing or not of this session; GET /auth/csrf-token has one")]
    InvalidToken,
}

/// The status of every answer with this code, except for [`ApiError::UriTooLong`] and [`ApiError::HeadersTooLarge`].
pub(super) const fn status_of(code: ProblemCode) -> StatusCode {
    use ProblemCode as Code;
    match code {
        Code::BadRequest | Code::MalformedJson => StatusCode::BAD_REQUEST,
        Code::InvalidSignature | Code::Unauthorized => StatusCode::UNAUTHORIZED,
        Code::RelayMismatch
        | Code::CannotSend
        | Code::CrossSiteOrigin
        | Code::CsrfFailed
        | Code::StepUpRequired
        | Code::AccountRefused
        | Code::DevelopmentOnly => StatusCode::FORBIDDEN,
        Code::NotFound | Code::SessionNotFound => StatusCode::NOT_FOUND,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        Code::RelayElsewhere | Code::IdConflict | Code::AnswerPending => StatusCode::CONFLICT,
        Code::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        // A wrong code is no 401, which clients take for the end of their session.
        Code::InvalidFields
        | Code::InvalidPhone
        | Code::PhoneNotServed
        | Code::WrongCode
        | Code::CodeExpired => StatusCode::UNPROCESSABLE_ENTITY,
        Code::RateLimited | Code::TooManyAttempts => StatusCode::TOO_MANY_REQUESTS,
        Code::NotServed => StatusCode::NOT_IMPLEMENTED,
        Code::StoreUnavailable
        | Code::ShuttingDown
        | Code::ProviderUnavailable
        | Code::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        // This backend never answers `Unknown`.
        Code::Internal | Code::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// How long a client should wait while the database is unavailable. The time is short, because a relay itself waits
/// longer after each failure.
const STORE_RETRY_AFTER_SECS: u32 = 2;

impl ApiError {
    /// The error for one field that breaks a rule.
    pub(super) fn invalid(field: &str, rule: impl Display) -> Self {
        Self::InvalidFields(vec![Violation {
            field: field.to_owned(),
            message: rule.to_string(),
        }])
    }

    pub(super) fn code(&self) -> ProblemCode {
        match self {
            Self::Unauthorized(_) => ProblemCode::InvalidSignature,
            Self::TokenRequired | Self::SignedOut => ProblemCode::Unauthorized,
            Self::RateLimited { .. } | Self::TooManyCodes { .. } => ProblemCode::RateLimited,
            Self::InvalidPhone(InvalidPhone::Region | InvalidPhone::Paid) => {
                ProblemCode::PhoneNotServed
            }
            Self::InvalidPhone(_) => ProblemCode::InvalidPhone,
            Self::CannotSend => ProblemCode::CannotSend,
            Self::WrongCode { .. } => ProblemCode::WrongCode,
            Self::CodeExpired => ProblemCode::CodeExpired,
            Self::TooManyAttempts { .. } => ProblemCode::TooManyAttempts,
            Self::CrossSiteOrigin(_) => ProblemCode::CrossSiteOrigin,
            Self::CsrfFailed(_) => ProblemCode::CsrfFailed,
            Self::StepUpRequired => ProblemCode::StepUpRequired,
            Self::AccountRefused => ProblemCode::AccountRefused,
            Self::ProviderUnavailable { .. } => ProblemCode::ProviderUnavailable,
            Self::RelayMismatch => ProblemCode::RelayMismatch,
            Self::RelayElsewhere => ProblemCode::RelayElsewhere,
            Self::IdConflict { .. } => ProblemCode::IdConflict,
            Self::MalformedJson(_) | Self::BrokenBody => ProblemCode::MalformedJson,
            Self::InvalidFields(_) => ProblemCode::InvalidFields,
            Self::BodyTooLarge { .. } => ProblemCode::BodyTooLarge,
            Self::UnsupportedMediaType(_) => ProblemCode::UnsupportedMediaType,
            Self::NotFound => ProblemCode::NotFound,
            Self::NotServed(_) => ProblemCode::NotServed,
            Self::SessionNotFound => ProblemCode::SessionNotFound,
            Self::MethodNotAllowed => ProblemCode::MethodNotAllowed,
            Self::RequestTimeout => ProblemCode::RequestTimeout,
            Self::StoreUnavailable(_) => ProblemCode::StoreUnavailable,
            Self::ShuttingDown => ProblemCode::ShuttingDown,
            Self::Internal(_) | Self::Panicked => ProblemCode::Internal,
            Self::BadRequest(_) | Self::UriTooLong | Self::HeadersTooLarge => {
                ProblemCode::BadRequest
            }
            Self::Overloaded => ProblemCode::Overloaded,
            Self::DevelopmentOnly => ProblemCode::DevelopmentOnly,
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            _ => status_of(self.code()),
        }
    }

    /// In how many seconds the client may try again, if the answer says so.
    pub(super) fn retry_after(&self) -> Option<u32> {
        match self {
            Self::RateLimited { retry_after }
            | Self::TooManyCodes { retry_after }
            | Self::TooManyAttempts { retry_after }
            | Self::ProviderUnavailable { retry_after } => Some(*retry_after),
            Self::StoreUnavailable(_) => Some(STORE_RETRY_AFTER_SECS),
            Self::ShuttingDown | Self::Overloaded => Some(1),
            _ => None,
        }
    }

    /// The body of the answer. `server_time` is in Unix seconds.
    pub(super) fn problem(&self, request_id: &str, server_time: i64) -> Problem {
        let status = self.status();
        let mut problem = Problem {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            detail: self.to_string(),
            code: self.code(),
            request_id: request_id.to_owned(),
            reason: None,
            violations: Vec::new(),
            message_id: None,
            retry_after: self.retry_after(),
            attempts_left: None,
            server_time: None,
            version: None,
            environment: None,
        };
        match self {
            Self::Unauthorized(reason) => {
                problem.reason = Some(*reason);
                problem.server_time =
                    (*reason == SignatureReason::StaleTimestamp).then_some(server_time);
            }
            Self::InvalidFields(violations) => problem.violations.clone_from(violations),
            Self::IdConflict { message_id } => problem.message_id = Some(message_id.clone()),
            Self::WrongCode { attempts_left } => problem.attempts_left = Some(*attempts_left),
            _ => {}
        }
        problem
    }

    /// Logs the cause, which the answer does not contain. Mistakes of the caller are not logged.
    pub(super) fn log(&self) {
        match self {
            Self::StoreUnavailable(error) => {
                tracing::warn!(error = %error, cause = %cause(error), "store unavailable");
            }
            Self::Internal(error) => {
                tracing::error!(error = %error, cause = %cause(error), "request failed");
            }
            Self::Panicked => tracing::error!("request panicked"),
            _ => {}
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The `detail` of an answer whose cause is an unavailable database.
fn store_detail(error: &StoreError) -> &'static str {
    match error {
        StoreError::ReadOnly => "the database is read-only at this time; try again",
        _ => "the database does not answer; try again",
    }
}

/// The text of the error's source, for the log. Empty if there is none.
fn cause(error: &StoreError) -> String {
    std::error::Error::source(error)
        .map(ToString::to_string)
        .unwrap_or_default()
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Closed => Self::ShuttingDown,
            StoreError::Unavailable(_) | StoreError::ReadOnly | StoreError::Overloaded => {
                Self::StoreUnavailable(error)
            }
            StoreError::Statement(_) => Self::Internal(error),
        }
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Refused(reason) => Self::Unauthorized(reason),
            AuthError::Store(error) => error.into(),
        }
    }
}

impl From<InvalidMessage> for ApiError {
    fn from(error: InvalidMessage) -> Self {
        match error {
            InvalidMessage::Json(fault) => Self::MalformedJson(fault),
            InvalidMessage::Fields(violations) => Self::InvalidFields(violations),
        }
    }
}

impl From<IntakeError> for ApiError {
    fn from(error: IntakeError) -> Self {
        match error {
            IntakeError::Invalid(error) => error.into(),
            IntakeError::RelayMismatch => Self::RelayMismatch,
            IntakeError::Store(error) => error.into(),
        }
    }
}
