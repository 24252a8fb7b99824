//! A device on which somebody signed in with a number before: the cookie that says so.
//!
//! It lets nobody in. It only keeps a share of the day's codes and of the tries for those who were here
//! before, so that strangers cannot use both up. It names no one: a random value, and its MAC together
//! with the number.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::ids::random_bytes;
use crate::keyring::{Keyring, Purpose};
use crate::phone::Phone;

const RANDOM_LEN: usize = 16;

/// Makes and checks the cookie's value.
pub struct KnownDevices(Arc<Keyring>);

impl KnownDevices {
    /// Under the keys of `keyring`.
    pub fn new(keyring: Arc<Keyring>) -> Self {
        Self(keyring)
    }

    /// A new value for somebody who has just signed in.
    pub fn remember(&self, phone: &Phone) -> String {
        let random: [u8; RANDOM_LEN] = random_bytes();
        let mac = self
            .0
            .mac(Purpose::Device, &[&random, phone.as_str().as_bytes()]);
        URL_SAFE_NO_PAD.encode([&random[..], &mac[..]].concat())
    }

    /// Whether `value` was made for this number.
    pub fn knows(&self, value: &str, phone: &Phone) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(value) else {
            return false;
        };
        bytes
            .split_at_checked(RANDOM_LEN)
            .is_some_and(|(random, mac)| {
                let parts = [random, phone.as_str().as_bytes()];
                self.0.verifies(Purpose::Device, &parts, mac)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_known_for_its_own_number_alone() {
        let ring = Keyring::parse("0123456789abcdef0123456789abcdef").expect("a key");
        let devices = KnownDevices::new(Arc::new(ring));
        let phone = |text| Phone::parse(text).expect("a phone");
        let value = devices.remember(&phone("+15551234567"));
        assert!(devices.knows(&value, &phone("+15551234567")));
        assert!(!devices.knows(&value, &phone("+15551234568")));
        for bad in ["", "AAAA", &value[1..]] {
            assert!(!devices.knows(bad, &phone("+15551234567")), "{bad}");
        }
    }
}
