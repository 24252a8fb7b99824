//! The hosted gateway: requires an API key and replaces a key of the new kind (`sb_publishable_…`, `sb_secret_…`) by
//! a token.
//!
//! The gateway sets `Authorization` only if the request has no such header. Many clients send a key of the new kind
//! in both headers; then the gateway passes the key on and the server refuses it.

use http::StatusCode;
use http::header::AUTHORIZATION;
use serde_json::json;
use stand_in::{Answer, Request};
use time::OffsetDateTime;

use crate::keys::ProjectKeys;

/// Message and hint of a refused request.
pub(crate) type GatewayError = (&'static str, &'static str);

const NO_KEY: GatewayError = (
    "No API key found in request",
    "No `apikey` request header or url param was found.",
);
pub(crate) const BAD_KEY: GatewayError = (
    "Invalid API key",
    "Double check your Supabase `anon` or `service_role` API key.",
);
const IN_BROWSER: GatewayError = (
    "Forbidden use of secret API key in browser",
    "Secret API keys can only be used in a protected environment.",
);

pub(crate) fn error_answer((message, hint): GatewayError) -> Answer {
    let body = json!({ "message": message, "hint": hint });
    Answer::json(StatusCode::UNAUTHORIZED, &body)
}

/// Checks the API key. For a key of the new kind, sets `Authorization` if it is absent. The path of the public signing
/// keys needs no API key.
pub(crate) fn check_api_key(
    path: &str,
    request: &mut Request,
    keys: &ProjectKeys,
    now: OffsetDateTime,
) -> Result<(), GatewayError> {
    if path.starts_with("/.well-known/") {
        return Ok(());
    }
    let Some(key) = request.header("apikey") else {
        return Err(NO_KEY);
    };
    let role = if key == keys.secret_key {
        "service_role"
    } else if key == keys.publishable_key {
        "anon"
    } else if key == keys.legacy_anon_key || key == keys.legacy_service_key {
        return Ok(());
    } else {
        return Err(BAD_KEY);
    };
    let is_browser = request
        .header("user-agent")
        .is_some_and(|agent| agent.starts_with("Mozilla/"));
    if role == "service_role" && is_browser {
        return Err(IN_BROWSER);
    }
    if !request.headers.contains_key(AUTHORIZATION) {
        let value = format!("Bearer {}", keys.gateway_token(role, now));
        let value = value.parse().expect("a token is ASCII");
        request.headers.insert(AUTHORIZATION, value);
    }
    Ok(())
}
