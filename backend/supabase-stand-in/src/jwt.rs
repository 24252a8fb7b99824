//! Verifies a JWT, with the error messages of the real server's library.
//!
//! The order of the checks is that library's, too: shape, algorithm, key, signature, then claims. A
//! client must not depend on the messages; they are the real ones so that logs look alike.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::keys::ProjectKeys;
use crate::settings::Signing;

pub(crate) type Claims = Map<String, Value>;

/// Algorithms that the real server's library knows, accepted or not.
const ALGORITHMS: [&str; 7] = ["HS256", "HS384", "HS512", "RS256", "ES256", "EdDSA", "none"];

/// The claims of a valid token, or the real server's message about a token that is not valid.
pub(crate) fn verify(
    token: &str,
    keys: &ProjectKeys,
    now: OffsetDateTime,
) -> Result<Claims, String> {
    verified_claims(token, keys, now)
        .map_err(|reason| format!("invalid JWT: unable to parse or verify signature, {reason}"))
}

fn verified_claims(token: &str, keys: &ProjectKeys, now: OffsetDateTime) -> Result<Claims, String> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        return Err("token is malformed: token contains an invalid number of segments".into());
    };
    let message = &token[..header.len() + 1 + claims.len()];
    let header = decode(header).ok_or("token is malformed: could not JSON decode header")?;
    let claims = decode(claims).ok_or("token is malformed: could not JSON decode claim")?;
    let algorithm = header.get("alg").and_then(Value::as_str);
    let algorithm = algorithm
        .filter(|name| ALGORITHMS.contains(name))
        .ok_or("token is unverifiable: signing method (alg) is unavailable")?;
    let is_accepted = match keys.signing {
        Signing::Hs256 => algorithm == "HS256",
        Signing::Es256 => matches!(algorithm, "HS256" | "ES256"),
        Signing::Es256Only => algorithm == "ES256",
    };
    if !is_accepted {
        return Err(format!(
            "token signature is invalid: signing method {algorithm} is invalid"
        ));
    }
    let kid = header.get("kid").and_then(Value::as_str);
    check_signature(algorithm, kid, message, signature, keys)?;
    check_lifetime(&claims, now)?;
    Ok(claims)
}

fn check_signature(
    algorithm: &str,
    kid: Option<&str>,
    message: &str,
    signature: &str,
    keys: &ProjectKeys,
) -> Result<(), String> {
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    let names_key_pair = keys.signing != Signing::Hs256 && kid == Some(&keys.kid);
    match algorithm {
        // A token signed with the legacy secret whose `kid` is the key pair's: the key has the wrong type.
        "HS256" if names_key_pair => Err(
            "token signature is invalid: key is of invalid type: HMAC verify expects []byte".into(),
        ),
        "HS256" if keys.hs256_verifies(message, &signature) => Ok(()),
        "HS256" => Err("token signature is invalid: signature is invalid".into()),
        _ if !names_key_pair => Err(format!(
            "token is unverifiable: error while executing keyfunc: unrecognized JWT kid {} for \
             algorithm ES256",
            kid.unwrap_or("<nil>")
        )),
        _ if keys.es256_verifies(message, &signature) => Ok(()),
        _ => Err("token signature is invalid: crypto/ecdsa: verification error".into()),
    }
}

fn check_lifetime(claims: &Claims, now: OffsetDateTime) -> Result<(), String> {
    match claims.get("exp").and_then(Value::as_i64) {
        Some(expiry) if now.unix_timestamp() >= expiry => {
            Err("token has invalid claims: token is expired".into())
        }
        _ => Ok(()),
    }
}

fn decode(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
