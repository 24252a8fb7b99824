//! A relay route's answer to a request whose proof does not hold: told, counted, slowed down.

use shared_protocol::SignatureReason;

use crate::http::App;
use crate::http::api_error::ApiError;
use crate::http::context::Context;
use crate::relay::auth::{AuthError, Verdict};

pub(super) fn refuse(app: &App, context: &Context, error: AuthError) -> ApiError {
    let AuthError::Refused(reason) = error else {
        return error.into();
    };
    match count(app, context, reason) {
        Verdict::Tell => ApiError::Unauthorized(reason),
        Verdict::Wait { retry_after } => ApiError::RateLimited { retry_after },
    }
}

/// A request that was seen before. Its sender is known and hears it signed, however often it comes.
pub(in crate::http) fn replayed(app: &App, context: &Context) -> ApiError {
    count(app, context, SignatureReason::Replayed);
    ApiError::Unauthorized(SignatureReason::Replayed)
}

fn count(app: &App, context: &Context, reason: SignatureReason) -> Verdict {
    metrics::counter!("relay_auth_failures_total", "reason" => reason.as_str()).increment(1);
    let verdict = app
        .clients
        .relay_failures
        .count(context.client, app.services.clock.now());
    if verdict == Verdict::Tell {
        tracing::warn!(reason = reason.as_str(), fix = fix(reason), "relay refused");
    }
    verdict
}

/// What the operator of this backend can do about it.
const fn fix(reason: SignatureReason) -> &'static str {
    match reason {
        SignatureReason::HmacRefused => {
            "RELAY_AUTH=bearer refuses signatures here: set it to both, or auth = \"bearer\" on the relay"
        }
        SignatureReason::BearerRefused => {
            "let the relay sign (auth = \"hmac\"); to take its bare secret again set RELAY_AUTH=both and run \
             `archety-backend relay allow-bearer NAME`"
        }
        SignatureReason::StaleTimestamp => "set the clock of the relay's machine, or of this one",
        SignatureReason::Replayed => "none is needed: the relay signs again",
        SignatureReason::MissingCredentials
        | SignatureReason::MalformedHeader
        | SignatureReason::WrongPurpose => "it is no request of a relay of ours",
        SignatureReason::Mismatch | SignatureReason::WrongBearer | SignatureReason::Unknown => {
            "set the same RELAY_WEBHOOK_SECRET here and on the relay"
        }
    }
}
