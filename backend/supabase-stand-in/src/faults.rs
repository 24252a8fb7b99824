//! Faults of Supabase Auth. [`Fault`] has the faults that any HTTP service can have.

use stand_in::{Answer, Fault};

use crate::error::{AuthError, PHONE_LOGINS_OFF, RATE_LIMITED};
use crate::gateway::{BAD_KEY, error_answer};

fn answer_of(error: impl Into<AuthError>) -> Answer {
    error.into().answer(None)
}

/// 429 `over_request_rate_limit`: the caller's address has made too many requests.
pub fn rate_limited() -> Fault {
    Fault::Answer(answer_of(RATE_LIMITED))
}

/// 409 `conflict`, which the real server answers after waiting five seconds for a session's lock. The
/// client should try again.
pub fn conflict() -> Fault {
    let message = "Too many concurrent token refresh requests on the same session or refresh token";
    Fault::Answer(answer_of((409, "conflict", message)))
}

/// 504 `request_timeout`: the server gave up on the request before it wrote anything.
pub fn timed_out() -> Fault {
    Fault::Answer(timeout())
}

/// 504 `request_timeout`, but the server had processed the request.
pub fn timed_out_after_writing() -> Fault {
    Fault::AnswerAfter(timeout())
}

fn timeout() -> Answer {
    let message = "Processing this request timed out, please retry after a moment.";
    answer_of((504, "request_timeout", message))
}

/// 403 `bad_jwt` for a valid `sb_secret_` key, an error that the hosted gateway causes now and then.
pub fn unrecognized_kid() -> Fault {
    Fault::Answer(answer_of(AuthError::bad_jwt(
        "invalid JWT: unable to parse or verify signature, token is unverifiable: error while executing \
         keyfunc: unrecognized JWT kid <nil> for algorithm ES256",
    )))
}

/// 422 `phone_provider_disabled`: sign-in by phone is off in the project.
pub fn phone_provider_disabled() -> Fault {
    Fault::Answer(answer_of(PHONE_LOGINS_OFF))
}

/// 401 of the gateway for an unknown API key.
pub fn bad_api_key() -> Fault {
    Fault::Answer(error_answer(BAD_KEY))
}
