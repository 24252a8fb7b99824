//! The hosted gateway: wants an API key, and turns the new kind into a token the server understands.
//!
//! It fills in `Authorization` only when there is none. A new key sent there as well goes through as it
//! is, and the server refuses it: a mistake that many clients make.

use http::StatusCode;
use http::header::AUTHORIZATION;
use serde_json::json;
use stand_in::{Answer, Request};
use time::OffsetDateTime;

use crate::keys::ProjectKeys;

/// Why a caller is turned away: message and hint.
pub(crate) type TurnedAway = (&'static str, &'static str);

const NO_KEY: TurnedAway = (
    "No API key found in request",
    "No `apikey` request header or url param was found.",
);
pub(crate) const BAD_KEY: TurnedAway = (
    "Invalid API key",
    "Double check your Supabase `anon` or `service_role` API key.",
);
const IN_BROWSER: TurnedAway = (
    "Forbidden use of secret API key in browser",
    "Secret API keys can only be used in a protected environment.",
);

pub(crate) fn turn_away((message, hint): TurnedAway) -> Answer {
    let body = json!({ "message": message, "hint": hint });
    Answer::json(StatusCode::UNAUTHORIZED, &body)
}

/// Lets a request through, or says why not.
pub(crate) fn check_api_key(
    path: &str,
    request: &mut Request,
    keys: &ProjectKeys,
    now: OffsetDateTime,
) -> Result<(), TurnedAway> {
    if path.starts_with("/.well-known/") {
        return Ok(());
    }
    let Some(key) = request.header("apikey") else {
        return Err(NO_KEY);
    };
    let role = if key == keys.secret_key {
        "service_role"
    } else if key == keys.publishable {
        "anon"
    } else if key == keys.anon || key == keys.service {
        return Ok(());
    } else {
        return Err(BAD_KEY);
    };
    let browser = request
        .header("user-agent")
        .is_some_and(|agent| agent.starts_with("Mozilla/"));
    if role == "service_role" && browser {
        return Err(IN_BROWSER);
    }
    if !request.headers.contains_key(AUTHORIZATION) {
        let value = format!("Bearer {}", keys.gateway_token(role, now));
        let value = value.parse().expect("a token is ASCII");
        request.headers.insert(AUTHORIZATION, value);
    }
    Ok(())
}
