//! The key that signs and verifies.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use super::WebhookId;

/// Shortest key that production accepts, in bytes (Standard Webhooks 1.0.0, "24 to 64 bytes").
pub const MIN_KEY_BYTES: usize = 24;

const WHSEC: &str = "whsec_";

/// An HMAC-SHA256 key. It is wiped on drop and never printed.
pub struct SigningKey(Zeroizing<Vec<u8>>);

impl SigningKey {
    /// Reads a secret: the base64 after `whsec_`, or else the text's own UTF-8 bytes.
    ///
    /// A secret that begins with `whsec_` and is no valid base64 is refused. Its UTF-8 bytes would make a key,
    /// too, but another key than that of other libraries, and the owner would not notice a lost character.
    pub fn parse(secret: &str) -> Result<Self, InvalidKey> {
        let secret = secret.trim();
        let bytes = match secret.strip_prefix(WHSEC) {
            Some(encoded) => STANDARD.decode(encoded).map_err(|_| InvalidKey::Base64)?,
            None => secret.as_bytes().to_vec(),
        };
        if bytes.is_empty() {
            return Err(InvalidKey::Empty);
        }
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// A key of the given bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// Whether the key is shorter than [`MIN_KEY_BYTES`].
    pub fn is_weak(&self) -> bool {
        self.0.len() < MIN_KEY_BYTES
    }

    /// The key as a `whsec_` secret, the form that every Standard Webhooks library takes.
    pub fn to_whsec(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{WHSEC}{}", STANDARD.encode(self.0.as_slice())))
    }

    /// Signs `{id}.{timestamp}.{body}` and returns `v1,<base64>`; `timestamp` in Unix seconds.
    pub fn sign(&self, id: &WebhookId, timestamp: i64, body: &[u8]) -> String {
        let mac = self.mac(id.as_str(), &timestamp.to_string(), body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }

    /// Whether one of `signatures` was made with this key. The body is hashed once, and every signature is
    /// compared in constant time.
    pub(super) fn matches_any(
        &self,
        signatures: &[Vec<u8>],
        id: &WebhookId,
        timestamp: i64,
        body: &[u8],
    ) -> bool {
        let mac = self.mac(id.as_str(), &timestamp.to_string(), body);
        let expected = mac.finalize().into_bytes();
        let no_match = Choice::from(0);
        signatures
            .iter()
            .fold(no_match, |found, signature| {
                found | expected[..].ct_eq(signature)
            })
            .into()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// Why a text is not a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// The secret has no bytes.
    #[error("the secret is empty")]
    Empty,
    /// `whsec_` is followed by something else than padded standard base64.
    #[error("what follows whsec_ is not base64; copy the secret again, whole")]
    Base64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Purpose;

    /// The example of the Standard Webhooks 1.0.0 specification and its reference libraries.
    #[test]
    fn the_example_of_the_specification_has_the_published_signature() {
        let key = SigningKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("valid");
        let mac = key.mac(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(
            STANDARD.encode(mac.finalize().into_bytes()),
            "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        let id = WebhookId::parse("msg_p5jXN8AQM9LWM0D4loKWxJek", Purpose::Message).expect("valid");
        assert_eq!(
            key.sign(&id, 1_614_265_330, br#"{"test": 2432232314}"#),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn a_hex_secret_is_not_decoded() {
        let text = SigningKey::parse("00ff00ff00ff00ff00ff00ff00ff00ff").expect("valid");
        assert_eq!(text.as_bytes(), b"00ff00ff00ff00ff00ff00ff00ff00ff");
        let again = SigningKey::parse(&text.to_whsec()).expect("its own whsec form");
        assert_eq!(again.as_bytes(), text.as_bytes());
    }

    #[test]
    fn malformed_secrets_are_refused_not_reinterpreted() {
        for bad in [
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
            "whsec_***",
            "whsec_ab cd",
        ] {
            assert_eq!(
                SigningKey::parse(bad).err(),
                Some(InvalidKey::Base64),
                "{bad}"
            );
        }
        for empty in ["", "  ", "whsec_"] {
            assert_eq!(
                SigningKey::parse(empty).err(),
                Some(InvalidKey::Empty),
                "{empty:?}"
            );
        }
    }

    #[test]
    fn the_placeholder_of_the_published_curl_command_is_weak() {
        let key = SigningKey::parse("YOUR_RELAY_SECRET_HERE").expect("valid");
        assert!(key.is_weak());
        assert!(!SigningKey::from_bytes([0; 32]).is_weak());
        assert_eq!(format!("{key:?}"), "SigningKey(…)");
    }
}
