//! The cookie of a device on which a person signed in with a number before.
//!
//! It lets nobody in. It only keeps a share of the day's codes and of the tries for known devices, so that
//! strangers cannot use both up. It holds the time when it was made, a random value, and the MAC of both
//! together with the number. It is over after a year, even if the browser keeps it: numbers change hands,
//! and a copied cookie must not be good for ever.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::Timestamp;
use crate::ids::random_bytes;
use crate::keyring::{KeyUse, Keyring};
use crate::phone::Phone;

/// How long a device stays known after the last sign-in.
pub(crate) const TTL: Duration = Duration::from_hours(24 * 365);

const TIME_LEN: usize = size_of::<i64>();
const RANDOM_LEN: usize = 16;

/// Makes and checks the cookie's value.
pub struct KnownDevices(Arc<Keyring>);

impl KnownDevices {
    pub fn new(keyring: Arc<Keyring>) -> Self {
        Self(keyring)
    }

    /// A new value for a person who has just signed in.
    pub fn remember(&self, phone: &Phone, now: Timestamp) -> String {
        let made_at = now.as_secs().to_be_bytes();
        let random: [u8; RANDOM_LEN] = random_bytes();
        let parts = [&made_at[..], &random, phone.as_str().as_bytes()];
        let mac = self.0.mac(KeyUse::Device, &parts);
        URL_SAFE_NO_PAD.encode([&made_at[..], &random, &mac].concat())
    }

    /// Whether `value` was made for this number, and not too long ago.
    pub fn knows(&self, value: &str, phone: &Phone, now: Timestamp) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(value) else {
            return false;
        };
        let Some((made_at, rest)) = bytes.split_first_chunk::<TIME_LEN>() else {
            return false;
        };
        let Some((random, mac)) = rest.split_at_checked(RANDOM_LEN) else {
            return false;
        };
        let parts = [&made_at[..], random, phone.as_str().as_bytes()];
        self.0.verifies(KeyUse::Device, &parts, mac)
            && i64::from_be_bytes(*made_at) > now.minus(TTL).as_secs()
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
        let value = devices.remember(&phone("+15551234567"), NOW);
        assert!(devices.knows(&value, &phone("+15551234567"), NOW));
        assert!(!devices.knows(&value, &phone("+15551234568"), NOW));
        for bad in ["", "AAAA", &"A".repeat(40), &value[1..]] {
            assert!(!devices.knows(bad, &phone("+15551234567"), NOW), "{bad}");
        }
    }

    #[test]
    fn a_device_is_known_for_a_year() {
        let (devices, bo) = (devices(), phone("+15551234567"));
        let value = devices.remember(&bo, NOW);
        let last = NOW.plus(TTL).minus(Duration::from_secs(1));
        assert!(devices.knows(&value, &bo, last));
        assert!(!devices.knows(&value, &bo, NOW.plus(TTL)));
        // Nobody makes it younger.
        let mut bytes = URL_SAFE_NO_PAD.decode(&value).expect("base64");
        let later = NOW.plus(TTL).as_secs().to_be_bytes();
        bytes[..TIME_LEN].copy_from_slice(&later);
        let forged = URL_SAFE_NO_PAD.encode(bytes);
        assert!(!devices.knows(&forged, &bo, NOW.plus(TTL)));
    }
}
