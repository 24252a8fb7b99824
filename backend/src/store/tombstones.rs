//! Tombstones: keyed hashes of deleted messages, and of numbers that want no messages. They reveal nothing without the
//! key.
//!
//! A deleted message leaves a tombstone for [`Store::MESSAGE_TOMBSTONE_TTL`]. Before a message is stored, its
//! tombstone is looked up, so that a late retry does not store it again. A number that wants no messages keeps its
//! tombstone until the stop is lifted, even if no person has the number or the person is deleted.

use std::time::Duration;

use super::execute::Execute;
use super::statement::statements;
use super::transaction::Tx;
use super::{Pepper, Store, StoreError};
use crate::clock::Timestamp;
use crate::phone::Phone;

statements! {
    CREATE_TOMBSTONE {
        both: "insert into tombstones (hash, kind, created_at) values ($1, $2, $3)
               on conflict (hash) do nothing",
    }
    /// $1 is a JSON list of hexadecimal hashes, since SQLite has no arrays.
    CREATE_MESSAGE_TOMBSTONES {
        postgres: "insert into tombstones (hash, kind, created_at, expires_at)
                   select distinct decode(given.hash, 'hex'), 'message', $2::timestamptz, $3::timestamptz
                   from jsonb_array_elements_text(($1::text)::jsonb) as given (hash) order by 1
                   on conflict (hash) do update
                   set expires_at = greatest(tombstones.expires_at, excluded.expires_at)",
        sqlite: "insert into tombstones (hash, kind, created_at, expires_at)
                 select distinct unhex(value), 'message', $2, $3 from json_each($1) where true
                 on conflict (hash) do update
                 set expires_at = max(tombstones.expires_at, excluded.expires_at)",
    }
    DELETE_TOMBSTONE { both: "delete from tombstones where hash = $1 and kind = $2" }
    READ_TOMBSTONE { both: "select kind from tombstones where hash = $1 and kind = $2" }
}

/// The kind of the tombstones of deleted messages.
const MESSAGE: &str = "message";
/// The kind of the tombstones of numbers that want no messages.
const STOP: &str = "stop";

impl Pepper {
    /// The tombstone of a message. A retry of the message has the same `identity` at its relay.
    pub fn message_tombstone(&self, relay: &str, identity: &str) -> [u8; 32] {
        // The name of a relay has no line break.
        self.hash(MESSAGE, &format!("{relay}\n{identity}"))
    }

    fn stop_tombstone(&self, phone: &Phone) -> [u8; 32] {
        self.hash(STOP, phone.as_str())
    }
}

/// The row that the statement which deletes a message returns.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct DeletedMessage {
    relay: String,
    /// `None` for an adopted message of an older deployment, which no relay sends again.
    identity: Option<String>,
    /// `message.guid` of chat.db, if the statement returns it.
    #[sqlx(default)]
    message_guid: Option<String>,
}

impl DeletedMessage {
    /// The relay and the message's guid, if relays may hold texts of the message.
    pub(in crate::store) fn at_relay(&self) -> Option<(&str, &str)> {
        Some((&self.relay, self.message_guid.as_deref()?))
    }

    /// The tombstone in hexadecimal; `None` if no relay sends the message again.
    fn tombstone(&self, pepper: &Pepper) -> Option<String> {
        let hash = pepper.message_tombstone(&self.relay, self.identity.as_deref()?);
        Some(hex::encode(hash))
    }
}

/// Creates the tombstones of deleted messages, in the transaction that deleted them.
pub(in crate::store) async fn create_tombstones(
    tx: &mut Tx,
    deleted: &[DeletedMessage],
    pepper: &Pepper,
    now: Timestamp,
) -> Result<(), StoreError> {
    let hashes: serde_json::Value = (deleted.iter())
        .filter_map(|row| row.tombstone(pepper))
        .collect();
    let hashes = hashes.to_string();
    let params = (hashes, now, now.plus(Store::MESSAGE_TOMBSTONE_TTL));
    tx.execute(CREATE_MESSAGE_TOMBSTONES, params).await?;
    Ok(())
}

impl Store {
    /// How long a retry of a deleted message is recognised.
    pub const MESSAGE_TOMBSTONE_TTL: Duration = Duration::from_hours(30 * 24);

    /// Records that this number wants no messages. The record stays until [`Self::lift_stop`], also once the person is
    /// deleted.
    pub async fn record_stop(
        &self,
        pepper: &Pepper,
        phone: &Phone,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let hash = pepper.stop_tombstone(phone);
        let params = (&hash[..], STOP, now);
        self.pools
            .writes()
            .execute(CREATE_TOMBSTONE, params)
            .await?;
        Ok(())
    }

    /// Deletes what [`Self::record_stop`] recorded.
    pub async fn lift_stop(&self, pepper: &Pepper, phone: &Phone) -> Result<(), StoreError> {
        let hash = pepper.stop_tombstone(phone);
        let params = (&hash[..], STOP);
        self.pools
            .writes()
            .execute(DELETE_TOMBSTONE, params)
            .await?;
        Ok(())
    }

    /// Whether a stop of this number is recorded.
    pub async fn wants_no_messages(
        &self,
        pepper: &Pepper,
        phone: &Phone,
    ) -> Result<bool, StoreError> {
        let hash = pepper.stop_tombstone(phone);
        let mut reads = self.pools.reads();
        let found: Option<String> = reads
            .optional_value(READ_TOMBSTONE, (&hash[..], STOP))
            .await?;
        Ok(found.is_some())
    }
}
