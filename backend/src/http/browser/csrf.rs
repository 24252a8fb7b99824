//! CSRF tokens: a random value and its MAC for one session, or for the browser that will have one.
//!
//! A page gets one from an answer that only pages of our list can read, and sends it back in a header
//! that only they can set. Bound to the session, so that the token of another session is refused;
//! made anew at every sign-in.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use uuid::Uuid;

use crate::ids::random_bytes;
use crate::keyring::{KeyUse, Keyring, digest};

const HEADER: &str = "x-csrf-token";
const RANDOM_LEN: usize = 16;

/// What a token, or a code that is on its way, is bound to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct Binding(pub(in crate::http) [u8; 32]);

impl Binding {
    /// A live session.
    pub(in crate::http) fn of_session(id: Uuid) -> Self {
        Self(digest(&[b"session".as_slice(), id.as_bytes()].concat()))
    }

    /// A browser without a session.
    pub(in crate::http) fn of_pre_session(value: &str) -> Self {
        Self(digest(
            &[b"pre-session".as_slice(), value.as_bytes()].concat(),
        ))
    }
}

/// A new token.
pub(in crate::http) fn issue(keyring: &Keyring, binding: Binding) -> String {
    let random: [u8; RANDOM_LEN] = random_bytes();
    let mac = keyring.mac(KeyUse::Csrf, &[&binding.0, &random]);
    URL_SAFE_NO_PAD.encode([&random[..], &mac[..]].concat())
}

/// Whether a request shows a token for this binding, exactly once.
pub(in crate::http) fn holds(keyring: &Keyring, binding: Binding, headers: &HeaderMap) -> bool {
    let mut shown = headers.get_all(HEADER).iter();
    let (Some(token), None) = (shown.next(), shown.next()) else {
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
    fn a_token_is_good_for_its_own_session_alone() {
        let ring = Keyring::parse("0123456789abcdef0123456789abcdef").expect("a key");
        let own = Binding::of_session(Uuid::from_u128(1));
        let token = issue(&ring, own);
        assert_ne!(token, issue(&ring, own));
        let with = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(HEADER, HeaderValue::from_str(value).expect("ASCII"));
            }
            headers
        };
        assert!(holds(&ring, own, &with(&[&token])));
        assert!(!holds(
            &ring,
            Binding::of_session(Uuid::from_u128(2)),
            &with(&[&token])
        ));
        assert!(!holds(
            &ring,
            Binding::of_pre_session("x"),
            &with(&[&token])
        ));
        for bad in [&[][..], &[""], &["AAAA"], &[&token, &token], &[&token[1..]]] {
            assert!(!holds(&ring, own, &with(bad)), "{bad:?}");
        }
    }
}
