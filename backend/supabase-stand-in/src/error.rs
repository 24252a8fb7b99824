//! The errors of Supabase Auth, in the two JSON shapes that it uses.
//!
//! The client chooses the shape with the header `X-Supabase-Api-Version`. In the older shape, a
//! violated unique constraint is answered with the raw error of the database.

use http::StatusCode;
use http::header::HeaderName;
use serde_json::{Value, json};
use stand_in::{Answer, random};

/// The response header that repeats the error code.
const ERROR_CODE: HeaderName = HeaderName::from_static("x-sb-error-code");
/// The request header that asks for the newer shape; also the response header that confirms it.
pub(crate) const API_VERSION: HeaderName = HeaderName::from_static("x-supabase-api-version");
/// The only API version so far. It selects the newer shape.
const VERSION_2024: &str = "2024-01-01";

#[derive(Debug, Clone)]
pub(crate) struct AuthError {
    status: StatusCode,
    code: &'static str,
    message: String,
    detail: Detail,
    headers: Vec<(HeaderName, String)>,
}

/// What an error has beyond code and message, and how that changes the answer.
#[derive(Debug, Clone)]
enum Detail {
    None,
    /// An id under which the server logs the error.
    ErrorId,
    /// The reason why a password is weak: its length. In the newer shape, the answer has no header with the error code.
    WeakPassword,
    /// The database's own error text.
    UniqueViolation {
        constraint: &'static str,
        key: String,
    },
    /// A panic that the outermost layer caught. The answer has no header with the error code.
    Crash,
}

pub(crate) type AuthResult = Result<Answer, AuthError>;

/// Status, code and message of an error whose message is always the same.
pub(crate) type FixedError = (u16, &'static str, &'static str);

pub(crate) const USER_BANNED: FixedError = (403, "user_banned", "User is banned");
/// `/token` answers a banned user with another status than the other routes.
pub(crate) const USER_BANNED_AT_GRANT: FixedError = (400, "user_banned", "User is banned");
pub(crate) const USER_GONE: FixedError = (
    403,
    "user_not_found",
    "User from sub claim in JWT does not exist",
);
pub(crate) const SESSION_GONE: FixedError = (
    403,
    "session_not_found",
    "Session from session_id claim in JWT does not exist",
);
pub(crate) const NOT_ADMIN: FixedError = (403, "not_admin", "User not allowed");
pub(crate) const NO_BEARER: FixedError = (
    401,
    "no_authorization",
    "This endpoint requires a valid Bearer token",
);
pub(crate) const UNKNOWN_GRANT: FixedError = (400, "invalid_credentials", "unsupported_grant_type");
pub(crate) const BAD_CREDENTIALS: FixedError =
    (400, "invalid_credentials", "Invalid login credentials");
pub(crate) const EMAIL_NOT_CONFIRMED: FixedError =
    (400, "email_not_confirmed", "Email not confirmed");
pub(crate) const PHONE_NOT_CONFIRMED: FixedError =
    (400, "phone_not_confirmed", "Phone not confirmed");
pub(crate) const EMAIL_LOGINS_OFF: FixedError =
    (422, "email_provider_disabled", "Email logins are disabled");
pub(crate) const PHONE_LOGINS_OFF: FixedError =
    (422, "phone_provider_disabled", "Phone logins are disabled");
pub(crate) const SIGNUPS_OFF: FixedError = (
    422,
    "signup_disabled",
    "Signups not allowed for this instance",
);
pub(crate) const SIGNUPS_BY_CODE_OFF: FixedError =
    (422, "otp_disabled", "Signups not allowed for otp");
pub(crate) const RATE_LIMITED: FixedError =
    (429, "over_request_rate_limit", "Request rate limit reached");
pub(crate) const REFRESH_NOT_FOUND: FixedError = (
    400,
    "refresh_token_not_found",
    "Invalid Refresh Token: Refresh Token Not Found",
);

impl From<FixedError> for AuthError {
    fn from((status, code, message): FixedError) -> Self {
        Self::new(status, code, message)
    }
}

impl AuthError {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::from_u16(status).expect("callers pass valid statuses"),
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

    /// A duplicate that passed the check and violated the database's constraint. `message` is the message
    /// of the newer shape.
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

    /// An internal error that the server handles, with an id for its log.
    pub(crate) fn internal(message: &str) -> Self {
        Self::new(500, "unexpected_failure", message).detailed(Detail::ErrorId)
    }

    /// A panic of the server.
    pub(crate) fn crash() -> Self {
        Self::new(500, "unexpected_failure", "Internal Server Error").detailed(Detail::Crash)
    }

    fn detailed(mut self, detail: Detail) -> Self {
        self.detail = detail;
        self
    }

    /// Adds a header to the answer.
    pub(crate) fn with(mut self, name: &'static str, value: &impl ToString) -> Self {
        self.headers
            .push((HeaderName::from_static(name), value.to_string()));
        self
    }

    /// The answer in the shape that the client's version header asks for.
    pub(crate) fn answer(self, api_version: Option<&str>) -> Answer {
        let newer = api_version.is_some_and(|version| version >= VERSION_2024);
        let body = if newer {
            self.newer_body()
        } else {
            self.older_body()
        };
        let mut answer = Answer::json(self.status, &body);
        let without_code_header = match self.detail {
            Detail::WeakPassword => newer,
            Detail::Crash => true,
            _ => false,
        };
        if !without_code_header {
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

    fn older_body(&self) -> Value {
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

    fn newer_body(&self) -> Value {
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

/// The router's 404, which is plain text.
pub(crate) fn no_such_path() -> Answer {
    Answer::text(
        StatusCode::NOT_FOUND,
        "text/plain; charset=utf-8",
        "404 page not found\n".to_owned(),
    )
}
