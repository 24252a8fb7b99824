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

/// Why a request was refused.
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
    /// Why a password is weak.
    Weak(Vec<&'static str>),
    /// The database's own words.
    UniqueViolation {
        constraint: &'static str,
        key: String,
    },
    /// A panic that the outermost layer caught: it sets no header.
    Crash,
}

pub(crate) type Outcome = Result<Answer, Refusal>;

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
        let mut refusal = Self::new(422, "weak_password", message);
        refusal.detail = Detail::Weak(vec!["length"]);
        refusal
    }

    /// A duplicate that got past the check and ran into the database's constraint. `message` is
    /// what the newer shape says.
    pub(crate) fn unique_violation(
        constraint: &'static str,
        column: &str,
        value: &str,
        message: &str,
    ) -> Self {
        let mut refusal = Self::new(500, "unexpected_failure", message);
        refusal.detail = Detail::UniqueViolation {
            constraint,
            key: format!("Key ({column})=({value}) already exists."),
        };
        refusal
    }

    /// An error that the server did foresee, with an id for its log.
    pub(crate) fn internal(message: &str) -> Self {
        let mut refusal = Self::new(500, "unexpected_failure", message);
        refusal.detail = Detail::ErrorId;
        refusal
    }

    /// An error that the server did not foresee.
    pub(crate) fn crash() -> Self {
        let mut refusal = Self::new(500, "unexpected_failure", "Internal Server Error");
        refusal.detail = Detail::Crash;
        refusal
    }

    /// The same with one more header.
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
            Detail::Weak(_) => newer,
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
            Detail::Weak(reasons) => body["weak_password"] = json!({ "reasons": reasons }),
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
