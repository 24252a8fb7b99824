//! Every way in which a request fails, with its status and body: the only place that knows both.

use std::fmt::Display;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use shared_protocol::{InvalidMessage, Problem, ProblemCode, SignatureReason, Violation};

use crate::phone::InvalidPhone;
use crate::relay::auth::AuthError;
use crate::relay::intake::IntakeError;
use crate::store::StoreError;

/// A request that failed.
///
/// As a response it is only a carrier: the frame around every route knows the request and writes the
/// body. Its code decides the status.
#[derive(Clone, Debug)]
pub(super) enum ApiError {
    Unauthorized(SignatureReason),
    /// The token of a route that is not a relay's.
    TokenRequired,
    /// The request has no token, or one that is not valid.
    SignedOut,
    /// Failed proofs of one address.
    RateLimited {
        retry_after: u32,
    },
    /// Codes, or tries of codes.
    TooManyCodes {
        retry_after: u32,
    },
    InvalidPhone(InvalidPhone),
    CannotSend,
    WrongCode {
        attempts_left: u32,
    },
    CodeExpired,
    TooManyAttempts {
        retry_after: u32,
    },
    CrossSiteOrigin(OriginFault),
    CsrfFailed(CsrfFault),
    StepUpRequired,
    AccountRefused,
    ProviderUnavailable {
        retry_after: u32,
    },
    RelayMismatch,
    RelayElsewhere,
    IdConflict {
        message_id: String,
    },
    MalformedJson(String),
    InvalidFields(Vec<Violation>),
    BodyTooLarge {
        limit: usize,
    },
    UnsupportedMediaType(&'static str),
    NotFound,
    /// Something that the predecessor's backend had.
    NotServed(&'static str),
    /// A session that is gone, or of another person.
    SessionNotFound,
    MethodNotAllowed,
    RequestTimeout,
    StoreUnavailable(StoreError),
    ShuttingDown,
    Internal(StoreError),
    Panicked,
    BrokenBody,
    /// The request cannot be understood as one.
    BadRequest(&'static str),
    UriTooLong,
    HeadersTooLarge,
    /// Bodies whose sender is not known yet fill the memory that is kept for them.
    Overloaded,
    /// A proxy on this machine brings requests of others to a backend that is in development.
    DevelopmentOnly,
}

/// Why a page may not call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OriginFault {
    /// It is not one of ours.
    NotListed,
    /// It is, but to the browser it is another site, so that no cookie of ours would reach us from it:
    /// `http://127.0.0.1` is not `http://localhost`.
    OtherSite,
}

/// Why a request of a browser that changes something is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CsrfFault {
    /// It came without the cookie that a token is bound to.
    NoCookie,
    /// Its token is missing, or bound to another cookie.
    Token,
}

/// The status that every answer with this code has, but for requests that no route sees.
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
        // No 401: clients take that for the end of the session that they have.
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
        // `Unknown` is read, never written.
        Code::Internal | Code::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A relay backs off by itself; a second keeps a short outage short.
const STORE_RETRY_AFTER_SECS: u32 = 2;

impl ApiError {
    /// One field breaks a rule.
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
            // The request is not one that any route sees.
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            _ => status_of(self.code()),
        }
    }

    fn detail(&self) -> String {
        match self {
            // The words that operators of the older deployment search for.
            Self::Unauthorized(_) => "Invalid signature".to_owned(),
            Self::TokenRequired => "this route needs its bearer token".to_owned(),
            Self::RateLimited { .. } => {
                "too many requests that failed to prove themselves".to_owned()
            }
            Self::SignedOut => "nobody is signed in here; sign in, or refresh the session".to_owned(),
            Self::TooManyCodes { .. } => "too many codes were asked for; wait a while".to_owned(),
            Self::InvalidPhone(fault) => fault.to_string(),
            Self::CannotSend => "no code can be sent to this number".to_owned(),
            Self::WrongCode { .. } => "this is not the code".to_owned(),
            Self::CodeExpired => "this code cannot be used any more; ask for a new one".to_owned(),
            Self::TooManyAttempts { .. } => {
                "too many wrong codes; ask for a new one later".to_owned()
            }
            Self::CrossSiteOrigin(OriginFault::NotListed) => {
                "requests from this page are not accepted; its origin is not one of WEB_ORIGINS"
                    .to_owned()
            }
            Self::CrossSiteOrigin(OriginFault::OtherSite) => {
                "to the browser this page is another site than this server, so that cookies would \
                 not arrive; open both under one domain (both as localhost, or both as 127.0.0.1)"
                    .to_owned()
            }
            Self::CsrfFailed(CsrfFault::NoCookie) => {
                "no cookie of ours came along; GET /auth/csrf-token sets one, and requests have to \
                 include credentials"
                    .to_owned()
            }
            Self::CsrfFailed(CsrfFault::Token) => {
                "X-CSRF-Token is missing or not of this session; GET /auth/csrf-token has one"
                    .to_owned()
            }
            Self::StepUpRequired => {
                "confirm a code in this session first; it counts for ten minutes".to_owned()
            }
            Self::AccountRefused => "this account cannot be used here".to_owned(),
            Self::ProviderUnavailable { .. } => {
                "a service that this needs does not answer; try again".to_owned()
            }
            Self::RelayMismatch => "relay_id names another relay than the secret does".to_owned(),
            Self::RelayElsewhere => {
                "this relay name is in use by another installation; stop that one, or move the relay"
                    .to_owned()
            }
            Self::IdConflict { .. } => {
                "a message with this identity is stored with another body".to_owned()
            }
            Self::MalformedJson(fault) => fault.clone(),
            Self::UriTooLong => "the path and query are too long".to_owned(),
            Self::HeadersTooLarge => "the headers are too large".to_owned(),
            Self::Overloaded => "too many bodies are on their way; try again".to_owned(),
            Self::DevelopmentOnly => {
                "this backend is in development and serves this machine alone, but a proxy named a \
                 client elsewhere; set APP_ENV=production to serve others"
                    .to_owned()
            }
            Self::BrokenBody => "the body ended before it was complete".to_owned(),
            Self::InvalidFields(violations) => {
                format!("{} field(s) break a rule", violations.len())
            }
            Self::BodyTooLarge { limit } => format!("the body is larger than {limit} bytes"),
            Self::UnsupportedMediaType(text) | Self::BadRequest(text) | Self::NotServed(text) => {
                (*text).to_owned()
            }
            Self::NotFound => "there is nothing at this path".to_owned(),
            Self::SessionNotFound => "there is no such session of yours".to_owned(),
            Self::MethodNotAllowed => "this path does not take this method".to_owned(),
            Self::RequestTimeout => "the body took too long to arrive".to_owned(),
            Self::StoreUnavailable(StoreError::ReadOnly) => {
                "the database is read-only at this time; try again".to_owned()
            }
            Self::StoreUnavailable(_) => "the database does not answer; try again".to_owned(),
            Self::ShuttingDown => "this server is going down; try again".to_owned(),
            Self::Internal(_) | Self::Panicked => {
                "something is wrong here; the log has it under the request id".to_owned()
            }
        }
    }

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

    /// The body of the answer. `server_time` in Unix seconds.
    pub(super) fn problem(&self, request_id: &str, server_time: i64) -> Problem {
        let status = self.status();
        let (reason, told_time) = match self {
            Self::Unauthorized(reason) => {
                let stale = *reason == SignatureReason::StaleTimestamp;
                (Some(*reason), stale.then_some(server_time))
            }
            _ => (None, None),
        };
        Problem {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            detail: self.detail(),
            code: self.code(),
            request_id: request_id.to_owned(),
            reason,
            violations: match self {
                Self::InvalidFields(violations) => violations.clone(),
                _ => Vec::new(),
            },
            message_id: match self {
                Self::IdConflict { message_id } => Some(message_id.clone()),
                _ => None,
            },
            retry_after: self.retry_after(),
            attempts_left: match self {
                Self::WrongCode { attempts_left } => Some(*attempts_left),
                _ => None,
            },
            server_time: told_time,
            version: None,
            environment: None,
        }
    }

    /// Logs what only the operator may know. What a caller did wrong is its own business.
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
