//! CSRF tokens: a random value and its MAC, bound to one session or to one pre-session.
//!
//! A pre-session is a random value in a cookie, which a browser has before it is signed in. A page gets a token in an
//! answer that only allowed pages can read, and sends it back in a header that only allowed pages can set. The token of
//! another session is refused. Every sign-in makes a new token.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName};
use uuid::Uuid;

use crate::ids::random_bytes;
use crate::keyring::{KeyUse, Keyring, digest};

pub(super) const HEADER: HeaderName = HeaderName::from_static("x-csrf-token");
const RANDOM_LEN: usize = 16;

/// A hash of the session or pre-session to which a CSRF token or a sent code is bound.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct CsrfBinding(pub(in crate::http) [u8; 32]);

impl CsrfBinding {
    pub(in crate::http) fn of_session(id: Uuid) -> Self {
        Self(digest(&[b"session".as_slice(), id.as_bytes()].concat()))
    }

    /// The binding of a browser without a session.
    pub(in crate::http) fn of_pre_session(value: &str) -> Self {
        Self(digest(
            &[b"pre-session".as_slice(), value.as_bytes()].concat(),
        ))
    }
}

/// A new token with this binding.
pub(in crate::http) fn create_csrf_token(keyring: &Keyring, binding: CsrfBinding) -> String {
    let random: [u8; RANDOM_LEN] = random_bytes();
    let mac = keyring.mac(KeyUse::Csrf, &[&binding.0, &random]);
    URL_SAFE_NO_PAD.encode([&random[..], &mac[..]].concat())
}

/// Whether a request has exactly one token, and the token is valid for this binding.
pub(in crate::http) fn has_valid_csrf_token(
    keyring: &Keyring,
    binding: CsrfBinding,
    headers: &HeaderMap,
) -> bool {
    let mut tokens = headers.get_all(HEADER).iter();
    let (Some(token), None) = (tokens.next(), tokens.next()) else {
        return false;
    };
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(token.as_bytes()) else {
        return false;
    };
    let Some((random, mac)) = bytes.split_at_checked(RANDOM_LEN) else {
        return false;
    };
    keyring.verifies(KeyUse::Csrf, &[&binding.0, random], mac)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_token_is_valid_only_for_its_own_session() {
        let keyring = Keyring::parse("0123456789abcdef0123456789abcdef").expect("a key");
        let own = CsrfBinding::of_session(Uuid::from_u128(1));
        let token = create_csrf_token(&keyring, own);
        assert_ne!(token, create_csrf_token(&keyring, own));
        let headers_with = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(HEADER, HeaderValue::from_str(value).expect("ASCII"));
            }
            headers
        };
        assert!(has_valid_csrf_token(
            &keyring,
            own,
            &headers_with(&[&token])
        ));
        assert!(!has_valid_csrf_token(
            &keyring,
            CsrfBinding::of_session(Uuid::from_u128(2)),
            &headers_with(&[&token])
        ));
        assert!(!has_valid_csrf_token(
            &keyring,
            CsrfBinding::of_pre_session("x"),
            &headers_with(&[&token])
        ));
        for bad in [&[][..], &[""], &["AAAA"], &[&token, &token], &[&token[1..]]] {
            assert!(
                !has_valid_csrf_token(&keyring, own, &headers_with(bad)),
                "{bad:?}"
            );
        }
    }
}
