//! Which person a confirmed number belongs to: the one whose it was, or a new one.
//!
//! A person who texted before they first signed in finds what they said. A number that was silent for
//! [`Store::SILENCE`] has a new owner, who inherits nothing, unless the device proves that this number was
//! confirmed on it before: a person who uses the web app alone never texts.

use crate::clock::Timestamp;
use crate::ids::row_id;
use crate::otp::Device;
use crate::phone::Phone;
use crate::store::people::{ConfirmedNumber, NumberOwner};
use crate::store::{Store, StoreError};

/// Finds the person who signs in with a number that was just confirmed, and notes that they did.
pub async fn resolve_for_sign_in(
    store: &Store,
    phone: &Phone,
    device: Device,
    now: Timestamp,
) -> Result<NumberOwner, StoreError> {
    let number = ConfirmedNumber {
        phone: phone.as_str(),
        new_user_id: row_id(now),
        is_known_device: device == Device::Known,
    };
    store.resolve_owner(number, now).await
}
