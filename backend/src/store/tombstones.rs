//! What is left of people who were deleted: keyed hashes, which tell nothing without the key.
//!
//! A message's is looked up by intake, so that a late retry does not bring it back. It goes after
//! [`Store::MESSAGE_TOMBSTONE_TTL`]. The wish to be left alone is kept by number and for ever, whether
//! the person is here, was deleted, or never was here.

use std::time::Duration;

use super::execute::Execute;
use super::statement::statements;
use super::transaction::Tx;
use super::{Pepper, Store, StoreError};
use crate::clock::Timestamp;
use crate::phone::Phone;

statements! {
    BURY_FOR_EVER {
        both: "insert into tombstones (hash, kind, created_at) values ($1, $2, $3)
               on conflict (hash) do nothing",
    }
    /// A JSON list of hexadecimal hashes: an array of bytes is not something that SQLite takes.
    BURY_MESSAGES {
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
    DIG_UP { both: "delete from tombstones where hash = $1 and kind = $2" }
    IS_BURIED { both: "select kind from tombstones where hash = $1 and kind = $2" }
}

const MESSAGE: &str = "message";
const STOP: &str = "stop";

impl Pepper {
    /// What is left of a message: its relay and what makes a retry the same message there.
    pub fn message_tombstone(&self, relay: &str, identity: &str) -> [u8; 32] {
        // No name of a relay has a line break.
        self.hash(MESSAGE, &format!("{relay}\n{identity}"))
    }

    fn stop_tombstone(&self, phone: &Phone) -> [u8; 32] {
        self.hash(STOP, phone.as_str())
    }
}

/// A message that was removed: its relay, and what makes a retry the same message there.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct Identity {
    relay: String,
    identity: Option<String>,
}

impl Identity {
    fn tombstone(&self, pepper: &Pepper) -> Option<String> {
        let hash = pepper.message_tombstone(&self.relay, self.identity.as_deref()?);
        Some(hex::encode(hash))
    }

    /// The hashes of those that have an identity, as a JSON list.
    fn tombstones(gone: &[Self], pepper: &Pepper) -> String {
        let hashes: Vec<_> = (gone.iter())
            .filter_map(|row| row.tombstone(pepper))
            .collect();
        serde_json::json!(hashes).to_string()
    }
}

/// Leaves the keyed hashes of messages that were just removed, in the transaction that removed them.
pub(in crate::store) async fn bury_messages(
    tx: &mut Tx,
    gone: &[Identity],
    pepper: &Pepper,
    now: Timestamp,
) -> Result<(), StoreError> {
    let hashes = Identity::tombstones(gone, pepper);
    let params = (hashes, now, now.plus(Store::MESSAGE_TOMBSTONE_TTL));
    tx.execute(BURY_MESSAGES, params).await?;
    Ok(())
}

impl Store {
    /// How long a deleted message is known, so that a late retry does not bring it back.
    pub const MESSAGE_TOMBSTONE_TTL: Duration = Duration::from_hours(30 * 24);

    /// Remembers for ever that this number wants no messages. It survives the person's deletion.
    pub async fn record_stop(
        &self,
        pepper: &Pepper,
        phone: &Phone,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let hash = pepper.stop_tombstone(phone);
        let params = (&hash[..], STOP, now);
        self.pools.writes().execute(BURY_FOR_EVER, params).await?;
        Ok(())
    }

    /// Takes the wish back, as START does.
    pub async fn lift_stop(&self, pepper: &Pepper, phone: &Phone) -> Result<(), StoreError> {
        let hash = pepper.stop_tombstone(phone);
        let params = (&hash[..], STOP);
        self.pools.writes().execute(DIG_UP, params).await?;
        Ok(())
    }

    /// Whether this number wants no messages.
    pub async fn wants_no_messages(
        &self,
        pepper: &Pepper,
        phone: &Phone,
    ) -> Result<bool, StoreError> {
        let hash = pepper.stop_tombstone(phone);
        let mut reads = self.pools.reads();
        let found: Option<String> = reads.optional_value(IS_BURIED, (&hash[..], STOP)).await?;
        Ok(found.is_some())
    }
}
