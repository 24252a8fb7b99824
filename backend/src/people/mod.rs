//! Placeholder until the people's own module lands: finds or makes the row of a number.

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::ids::row_id;
use crate::phone::Phone;
use crate::store::{Store, StoreError};

/// The person who signs in.
pub struct Resolved {
    /// Our id.
    pub user_id: Uuid,
}

/// Finds or makes the person of a number.
pub async fn resolve_for_sign_in(
    store: &Store,
    phone: &Phone,
    now: Timestamp,
) -> Result<Resolved, StoreError> {
    let user_id = store
        .placeholder_person(phone.as_str(), row_id(now), now)
        .await?;
    Ok(Resolved { user_id })
}
