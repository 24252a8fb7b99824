//! Every refusal, in the two shapes in which the server writes it.
//!
//! Which shape is the caller's choice, by `X-Supabase-Api-Version`. Besides there is the raw error of
//! the database, which leaks out of the older shape only.

use http::StatusCode;
use http::header::HeaderName;
use serde_json::{Value, json};
use stand_in::{Answer, random};

/// Set on every answer that has an error code.
const ERROR_CODE: HeaderName = HeaderName::from_static("x-sb-error-code");
/// Asks for the newer shape, and tells that it was given.
pub(crate) const API_VERSION: HeaderName = HeaderName::from_static("x-supabase-api-version");
/// The first version, and the only one so far.
const VERSION_2024: &str = "2024-01-01";

#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    detail: Detail,
    headers: Vec<(HeaderName, String)>,
}

/// What comes on top of code and message.
#[derive(Debug, Clone)]
enum Detail {
    None,
    /// An id to find the error by in the server's log.
    ErrorId,
    /// Says why: it is too short.
    WeakPassword,
    /// The database's own words.
    UniqueViolation {
        constraint: &'static str,
        key: String,
    },
    /// A panic that the outermost layer caught: it sets no header.
    Crash,
}

pub(crate) type Outcome = Result<Answer, Refusal>;

/// A refusal that is always told in the same words: status, code and message.
pub(crate) type Fixed = (u16, &'static str, &'static str);

pub(crate) const USER_BANNED: Fixed = (403, "user_banned", "User is banned");
pub(crate) const USER_BANNED_AT_GRANT: Fixed = (400, "user_banned", "User is banned");
pub(crate) const USER_GONE: Fixed = (
    403,
    "user_not_found",
    "User from sub claim in JWT does not exist",
);
pub(crate) const SESSION_GONE: Fixed = (
    403,
    "session_not_found",
    "Session from session_id claim in JWT does not exist",
);
pub(crate) const NOT_ADMIN: Fixed = (403, "not_admin", "User not allowed");
pub(crate) const NO_BEARER: Fixed = (
    401,
    "no_authorization",
    "This endpoint requires a valid Bearer token",
);
pub(crate) const UNKNOWN_GRANT: Fixed = (400, "invalid_credentials", "unsupported_grant_type");
pub(crate) const BAD_CREDENTIALS: Fixed = (400, "invalid_credentials", "Invalid login credentials");
pub(crate) const EMAIL_NOT_CONFIRMED: Fixed = (400, "email_not_confirmed", "Email not confirmed");
pub(crate) const PHONE_NOT_CONFIRMED: Fixed = (400, "phone_not_confirmed", "Phone not confirmed");
pub(crate) const EMAIL_LOGINS_OFF: Fixed =
    (422, "email_provider_disabled", "Email logins are disabled");
pub(crate) const PHONE_LOGINS_OFF: Fixed =
    (422, "phone_provider_disabled", "Phone logins are disabled");
pub(crate) const SIGNUPS_OFF: Fixed = (
    422,
    "signup_disabled",
    "Signups not allowed for this instance",
);
pub(crate) const SIGNUPS_BY_CODE_OFF: Fixed = (422, "otp_disabled", "Signups not allowed for otp");
pub(crate) const RATE_LIMITED: Fixed =
    (429, "over_request_rate_limit", "Request rate limit reached");
pub(crate) const REFRESH_NOT_FOUND: Fixed = (
    400,
    "refresh_token_not_found",
    "Invalid Refresh Token: Refresh Token Not Found",
);

impl From<Fixed> for Refusal {
    fn from((status, code, message): Fixed) -> Self {
        Self::new(status, code, message)
    }
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::from_u16(status).expect("statuses here are literals"),
            code,
            message: message.into(),
            detail: Detail::None,
            headers: Vec::new(),
        }
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new(400, "validation_failed", message)
    }

    pub(crate) fn bad_jwt(message: impl Into<String>) -> Self {
        Self::new(403, "bad_jwt", message)
    }

    pub(crate) fn weak_password(min_length: usize) -> Self {
        let message = format!("Password should be at least {min_length} characters.");
        Self::new(422, "weak_password", message).detailed(Detail::WeakPassword)
    }

    /// A duplicate that got past the check and ran into the database's constraint. `message` is
    /// what the newer shape says.
    pub(crate) fn unique_violation(column: &str, value: &str, message: &str) -> Self {
        let constraint = match column {
            "id" => "users_pkey",
            "email" => "users_email_partial_key",
            _ => "users_phone_key",
        };
        Self::new(500, "unexpected_failure", message).detailed(Detail::UniqueViolation {
            constraint,
            key: format!("Key ({column})=({value}) already exists."),
        })
    }

    /// An error that the server did foresee, with an id for its log.
    pub(crate) fn internal(message: &str) -> Self {
        Self::new(500, "unexpected_failure", message).detailed(Detail::ErrorId)
    }

    /// An error that the server did not foresee.
    pub(crate) fn crash() -> Self {
        Self::new(500, "unexpected_failure", "Internal Server Error").detailed(Detail::Crash)
    }

    fn detailed(mut self, detail: Detail) -> Self {
        self.detail = detail;
        self
    }

    pub(crate) fn with(mut self, name: &'static str, value: &impl ToString) -> Self {
        self.headers
            .push((HeaderName::from_static(name), value.to_string()));
        self
    }

    /// Writes it in the shape that the caller's version header asks for.
    pub(crate) fn answer(self, api_version: Option<&str>) -> Answer {
        let newer = api_version.is_some_and(|version| version >= VERSION_2024);
        let body = if newer { self.body_2024() } else { self.body() };
        let mut answer = Answer::json(self.status, &body);
        let silent = match self.detail {
            Detail::WeakPassword => newer,
            Detail::Crash => true,
            _ => false,
        };
        if !silent {
            answer = answer.with(ERROR_CODE, self.code);
        }
        if newer {
            answer = answer.with(API_VERSION, VERSION_2024);
        }
        for (name, value) in self.headers {
            answer = answer.with(name, &value);
        }
        answer
    }

    fn body(&self) -> Value {
        if let Detail::UniqueViolation { constraint, key } = &self.detail {
            return json!({
                "code": "23505",
                "message": format!("duplicate key value violates unique constraint \"{constraint}\""),
                "detail": key,
            });
        }
        let mut body = json!({
            "code": self.status.as_u16(),
            "error_code": self.code,
            "msg": self.message,
        });
        self.add_detail(&mut body);
        body
    }

    fn body_2024(&self) -> Value {
        let mut body = json!({ "code": self.code, "message": self.message });
        self.add_detail(&mut body);
        body
    }

    fn add_detail(&self, body: &mut Value) {
        match &self.detail {
            Detail::WeakPassword => body["weak_password"] = json!({ "reasons": ["length"] }),
            Detail::ErrorId => body["error_id"] = json!(random::uuid()),
            Detail::None | Detail::UniqueViolation { .. } | Detail::Crash => {}
        }
    }
}

/// 404 of the router, before any error shape.
pub(crate) fn no_such_path() -> Answer {
    Answer::text(
        StatusCode::NOT_FOUND,
        "text/plain; charset=utf-8",
        "404 page not found\n".to_owned(),
    )
}
