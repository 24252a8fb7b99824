//! What was seen before: signed requests, and bodies that carry no identity of their own.

use shared_protocol::RelayName;

use super::execute::Execute;
use super::statement::statements;
use super::{Store, StoreError};
use crate::clock::Timestamp;

statements! {
    TAKE_RECEIPT {
        both: "insert into webhook_receipts (relay, webhook_id, signed_at, received_at)
               values ($1, $2, $3, $4) on conflict do nothing",
    }
    /// Opens a window, or returns the open one; a closed one is opened anew. In one statement, so that
    /// two replicas cannot both open one.
    OPEN_BODY_WINDOW {
        both: "insert into body_windows (relay, body_hash, opened_at) values ($1, $2, $3)
               on conflict (relay, body_hash) do update set opened_at =
                 case when body_windows.opened_at <= $4 then excluded.opened_at
                      else body_windows.opened_at end
               returning opened_at",
    }
}

/// A signed request, as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// The authenticated relay.
    pub relay: RelayName,
    /// Its id.
    pub webhook_id: String,
    /// When it was signed, Unix seconds.
    pub signed_at: i64,
}

/// Whether a signed request was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Never; from now on it is.
    First,
    /// It is a replay.
    Before,
}

impl Store {
    /// Remembers a signed request that stores no message.
    pub async fn take_receipt(
        &self,
        receipt: &Receipt,
        now: Timestamp,
    ) -> Result<Seen, StoreError> {
        let params = (
            receipt.relay.as_str(),
            &receipt.webhook_id,
            receipt.signed_at,
            now,
        );
        let rows = self.reserved.writes().execute(TAKE_RECEIPT, params).await?;
        Ok(if rows == 1 { Seen::First } else { Seen::Before })
    }

    /// When the window began in which this body counts as one message: now, or earlier if the same
    /// body came after `closed_before`.
    pub async fn open_body_window(
        &self,
        relay: &RelayName,
        body_hash: &[u8],
        now: Timestamp,
        closed_before: Timestamp,
    ) -> Result<Timestamp, StoreError> {
        let params = (relay.as_str(), body_hash, now, closed_before);
        self.reserved.writes().value(OPEN_BODY_WINDOW, params).await
    }
}
