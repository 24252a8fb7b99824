//! Finds the person to whom a confirmed number belongs: its earlier owner or a new person.
//!
//! A person who sent messages before the first sign-in finds these messages. If no message came from a number for
//! [`Store::SILENCE`], the number may have been reassigned, so it goes to a new person without the old data. A
//! sign-in on a known device keeps the number with its person, because a person who only uses the web app sends no
//! messages.

use crate::clock::Timestamp;
use crate::ids::row_id;
use crate::otp::Device;
use crate::phone::Phone;
use crate::store::people::{ConfirmedNumber, NumberOwner};
use crate::store::{Store, StoreError};

/// Finds or creates the person of a number that was just confirmed, and records the sign-in.
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
