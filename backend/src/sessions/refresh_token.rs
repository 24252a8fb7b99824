//! The backend's refresh token, which is also the value of a browser's session cookie.
//!
//! A token consists of the session's id, a counter, and a MAC of both. So the backend can make the same token again
//! if the answer with it was lost, and can distinguish an old token from a forged one. The database stores only
//! digests of tokens.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::keyring::{KeyUse, Keyring, digest};
use crate::store::sessions::NextToken;

const PREFIX: &str = "rt_";
const LEN: usize = 16 + 8 + 32;

/// A well-formed token that a client presents. It may be forged.
pub struct RefreshToken {
    /// The session that the token names.
    pub session_id: Uuid,
    /// The number of the token in its session, from 1.
    pub counter: i64,
    mac: [u8; 32],
    digest: [u8; 32],
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RefreshToken(#{})", self.counter)
    }
}

/// A new token.
pub struct MintedToken {
    /// The token for the client.
    pub text: SecretString,
    /// The row for the database.
    pub stored: NextToken,
}

impl RefreshToken {
    pub fn parse(text: &str) -> Option<Self> {
        // Base64 makes 4 characters of 3 bytes. A text of more than twice the length is refused undecoded.
        let encoded = text
            .strip_prefix(PREFIX)
            .filter(|text| text.len() <= 2 * LEN)?;
        let bytes: [u8; LEN] = URL_SAFE_NO_PAD.decode(encoded).ok()?.try_into().ok()?;
        let (session_id, rest) = bytes.split_at(16);
        let (counter, mac) = rest.split_at(8);
        let counter = i64::from_be_bytes(counter.try_into().ok()?);
        (counter >= 1).then_some(Self {
            session_id: Uuid::from_slice(session_id).ok()?,
            counter,
            mac: mac.try_into().ok()?,
            digest: digest(text.as_bytes()),
        })
    }

    /// The token of this session with this counter, made with the newest key.
    pub fn mint(keyring: &Keyring, session_id: Uuid, counter: i64) -> MintedToken {
        let key_id = keyring.newest_id();
        let minted = Self::mint_with(keyring, key_id, session_id, counter);
        minted.expect("the newest key is listed")
    }

    /// The token made with the key of this id; `None` if the key was removed.
    pub fn mint_with(
        keyring: &Keyring,
        key_id: &str,
        session_id: Uuid,
        counter: i64,
    ) -> Option<MintedToken> {
        let counter_bytes = counter.to_be_bytes();
        let parts: [&[u8]; 2] = [session_id.as_bytes(), &counter_bytes];
        let mac = keyring.mac_under(key_id, KeyUse::SessionToken, &parts)?;
        let mut bytes = Vec::with_capacity(LEN);
        bytes.extend_from_slice(session_id.as_bytes());
        bytes.extend_from_slice(&counter_bytes);
        bytes.extend_from_slice(&mac);
        let text = SecretString::from(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(&bytes)));
        let digest = digest(text.expose_secret().as_bytes());
        let key_id = key_id.to_owned();
        Some(MintedToken {
            text,
            stored: NextToken {
                counter,
                digest,
                key_id,
            },
        })
    }

    /// Whether `digest` is the digest of this token.
    pub fn has_digest(&self, digest: &[u8]) -> bool {
        self.digest[..].ct_eq(digest).into()
    }

    /// Whether the MAC is valid under a listed key. Without this check a stranger who learns a session's id could end
    /// the session with a forged old token.
    pub fn is_genuine(&self, keyring: &Keyring) -> bool {
        let counter = self.counter.to_be_bytes();
        let parts: [&[u8]; 2] = [self.session_id.as_bytes(), &counter];
        keyring.verifies(KeyUse::SessionToken, &parts, &self.mac)
    }

    /// The digest of the token's text, under which the cache has the session.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> Keyring {
        Keyring::parse("0123456789abcdef0123456789abcdef").expect("a key")
    }

    #[test]
    fn the_same_session_and_counter_give_the_same_token() {
        let session = Uuid::from_u128(7);
        let first = RefreshToken::mint(&ring(), session, 1);
        let again = RefreshToken::mint(&ring(), session, 1);
        assert_eq!(first.text.expose_secret(), again.text.expose_secret());
        let read = RefreshToken::parse(first.text.expose_secret()).expect("a token");
        assert_eq!((read.session_id, read.counter), (session, 1));
        assert!(read.has_digest(&first.stored.digest) && read.is_genuine(&ring()));
        let next = RefreshToken::mint(&ring(), session, 2);
        assert!(!read.has_digest(&next.stored.digest));
    }

    #[test]
    fn a_damaged_token_is_refused() {
        let text = RefreshToken::mint(&ring(), Uuid::from_u128(7), 1).text;
        let text = text.expose_secret();
        for n in 0..text.len() {
            let mut damaged = text.to_owned().into_bytes();
            damaged[n] = if damaged[n] == b'A' { b'B' } else { b'A' };
            let damaged = String::from_utf8(damaged).expect("ASCII");
            let genuine = RefreshToken::parse(&damaged).is_some_and(|t| t.is_genuine(&ring()));
            assert!(!genuine, "character {n}");
        }
        for bad in [
            "",
            "rt_",
            &text[1..],
            &format!("{text}A"),
            &"rt_A".repeat(900),
        ] {
            assert!(RefreshToken::parse(bad).is_none(), "{bad}");
        }
    }
}
