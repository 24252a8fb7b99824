//! The faults that are particular to this server; the general ones are [`Fault`]'s own.

use stand_in::{Answer, Fault};

use crate::error::{PHONE_LOGINS_OFF, RATE_LIMITED, Refusal};
use crate::gateway::{BAD_KEY, turn_away};

fn refused(refusal: impl Into<Refusal>) -> Answer {
    refusal.into().answer(None)
}

/// 429 `over_request_rate_limit`, as all calls from one address share a bucket.
pub fn rate_limited() -> Fault {
    Fault::Answer(refused(RATE_LIMITED))
}

/// 409 `conflict`, after five seconds of contention for a session. Worth a retry.
pub fn conflict() -> Fault {
    let message = "Too many concurrent token refresh requests on the same session or refresh token";
    Fault::Answer(refused((409, "conflict", message)))
}

/// 504 `request_timeout`: the server cut the request off. Nothing was written here; see
/// [`timed_out_after_writing`] for the other half.
pub fn timed_out() -> Fault {
    Fault::Answer(timeout())
}

/// The same, and the write did go through.
pub fn timed_out_after_writing() -> Fault {
    Fault::AnswerAfter(timeout())
}

fn timeout() -> Answer {
    let message = "Processing this request timed out, please retry after a moment.";
    refused((504, "request_timeout", message))
}

/// 403 `bad_jwt` for a good `sb_secret_` key, which the hosted gateway was seen to cause at times.
pub fn unrecognized_kid() -> Fault {
    Fault::Answer(refused(Refusal::bad_jwt(
        "invalid JWT: unable to parse or verify signature, token is unverifiable: error while executing \
         keyfunc: unrecognized JWT kid <nil> for algorithm ES256",
    )))
}

/// 422 `phone_provider_disabled`: the provider was turned off.
pub fn phone_provider_disabled() -> Fault {
    Fault::Answer(refused(PHONE_LOGINS_OFF))
}

/// 401 of the gateway, which does not know the key.
pub fn bad_api_key() -> Fault {
    Fault::Answer(turn_away(BAD_KEY))
}
