//! The password of an account at Supabase. It is derived and not stored.
//!
//! The password depends on a key of `SUPABASE_PASSWORD_KEYS` and on the account's id, so it is the same on every
//! replica and for every sign-in. A new password would end all sessions of the account.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::keyring::keyed_hash;

/// A character of each kind that the password rules of a project may require.
const SUFFIX: &str = "aA1!";

/// The password of the account `subject` under this key.
pub(super) fn derive(key: &SecretString, subject: Uuid) -> SecretString {
    let key = key.expose_secret().as_bytes();
    let hash = keyed_hash(key, &[b"archety supabase password v1", subject.as_bytes()]);
    SecretString::from(URL_SAFE_NO_PAD.encode(hash) + SUFFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_depends_on_its_key_and_subject_alone() {
        let key = SecretString::from("0123456789abcdef0123456789abcdef");
        let other = SecretString::from("fedcba9876543210fedcba9876543210");
        let password = derive(&key, Uuid::from_u128(1));
        // A change here would change the password of every account.
        assert_eq!(
            password.expose_secret(),
            "xFsN2YZ22hxf0fKDdhe-SPJtzvTvQNTv4kEifDsdXrwaA1!"
        );
        assert_eq!(password.expose_secret().len(), 47, "bcrypt takes 72 bytes");
        assert_ne!(
            password.expose_secret(),
            derive(&key, Uuid::from_u128(2)).expose_secret()
        );
        assert_ne!(
            password.expose_secret(),
            derive(&other, Uuid::from_u128(1)).expose_secret()
        );
    }
}
