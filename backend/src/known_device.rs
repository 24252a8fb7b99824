//! The token of a known device: a device on which a person signed in with a number before.
//!
//! A browser keeps the token in a cookie, an app keeps it itself. The token signs no one in and only gives
//! access to the part of the rate limits that is reserved for known devices. A token consists of its creation
//! time, a random value and the MAC of both together with the number. A token expires after a year, because
//! numbers change hands and a copied token must not be valid for ever.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::Timestamp;
use crate::ids::random_bytes;
use crate::keyring::{KeyUse, Keyring};
use crate::phone::Phone;

/// A token's lifetime after the sign-in that created it.
pub(crate) const TTL: Duration = Duration::from_hours(24 * 365);

const TIME_LEN: usize = size_of::<i64>();
const RANDOM_LEN: usize = 16;

/// Creates and verifies device tokens.
pub struct KnownDevices(Arc<Keyring>);

impl KnownDevices {
    pub fn new(keyring: Arc<Keyring>) -> Self {
        Self(keyring)
    }

    /// A new token for a device on which a person has just signed in with `phone`.
    pub fn create_token(&self, phone: &Phone, now: Timestamp) -> String {
        let created_at = now.as_secs().to_be_bytes();
        let random: [u8; RANDOM_LEN] = random_bytes();
        let parts = [&created_at[..], &random, phone.as_str().as_bytes()];
        let mac = self.0.mac(KeyUse::Device, &parts);
        URL_SAFE_NO_PAD.encode([&created_at[..], &random, &mac].concat())
    }

    /// Whether `token` was created for this number and has not expired.
    pub fn is_known(&self, token: &str, phone: &Phone, now: Timestamp) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(token) else {
            return false;
        };
        let Some((created_at, rest)) = bytes.split_first_chunk::<TIME_LEN>() else {
            return false;
        };
        let Some((random, mac)) = rest.split_at_checked(RANDOM_LEN) else {
            return false;
        };
        let parts = [&created_at[..], random, phone.as_str().as_bytes()];
        self.0.verifies(KeyUse::Device, &parts, mac)
            && i64::from_be_bytes(*created_at) > now.minus(TTL).as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn devices() -> KnownDevices {
        let ring = Keyring::parse("0123456789abcdef0123456789abcdef").expect("a key");
        KnownDevices::new(Arc::new(ring))
    }

    fn phone(text: &str) -> Phone {
        Phone::parse(text).expect("a phone")
    }

    #[test]
    fn a_device_is_known_for_its_own_number_alone() {
        let devices = devices();
        let token = devices.create_token(&phone("+15551234567"), NOW);
        assert!(devices.is_known(&token, &phone("+15551234567"), NOW));
        assert!(!devices.is_known(&token, &phone("+15551234568"), NOW));
        for bad in ["", "AAAA", &"A".repeat(40), &token[1..]] {
            assert!(!devices.is_known(bad, &phone("+15551234567"), NOW), "{bad}");
        }
    }

    #[test]
    fn a_device_is_known_for_a_year() {
        let (devices, phone) = (devices(), phone("+15551234567"));
        let token = devices.create_token(&phone, NOW);
        let last = NOW.plus(TTL).minus(Duration::from_secs(1));
        assert!(devices.is_known(&token, &phone, last));
        assert!(!devices.is_known(&token, &phone, NOW.plus(TTL)));
        // A changed creation time breaks the MAC.
        let mut bytes = URL_SAFE_NO_PAD.decode(&token).expect("base64");
        let later = NOW.plus(TTL).as_secs().to_be_bytes();
        bytes[..TIME_LEN].copy_from_slice(&later);
        let forged = URL_SAFE_NO_PAD.encode(bytes);
        assert!(!devices.is_known(&forged, &phone, NOW.plus(TTL)));
    }
}
