//! Which person a confirmed number belongs to: the one whose it was, or a new one.
//!
//! A person who texted before they first signed in finds what they said. A number that was silent for
//! [`Store::SILENCE`] has a new owner, who inherits nothing, unless the device proves that this number was
//! confirmed on it before: a person who uses the web app alone never texts.

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::ids::row_id;
use crate::otp::Device;
use crate::phone::Phone;
use crate::store::people::{Holder, NewHolder};
use crate::store::{Store, StoreError};

/// The person who signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolved {
    pub user_id: Uuid,
    /// The person who had the number before and was archived just now. Their accounts at the provider are to be
    /// deleted before the new person gets one: [`Store::retired_accounts`] lists them, also after a
    /// crash in between.
    pub archived: Option<Uuid>,
    pub is_new: bool,
}

/// Finds the person who signs in with a number that was just confirmed, and notes that they did.
pub async fn resolve_for_sign_in(
    store: &Store,
    phone: &Phone,
    device: Device,
    now: Timestamp,
) -> Result<Resolved, StoreError> {
    let new = NewHolder {
        id: row_id(now),
        phone: phone.as_str(),
        is_known_device: device == Device::Known,
    };
    let (user_id, archived, is_new) = match store.resolve_holder(new, now).await? {
        Holder::Known(user_id) => (user_id, None, false),
        Holder::New(user_id) => (user_id, None, true),
        Holder::After { user_id, archived } => (user_id, Some(archived), true),
    };
    Ok(Resolved {
        user_id,
        archived,
        is_new,
    })
}
