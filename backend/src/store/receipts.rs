//! Recognises repetitions: of signed requests by their receipts, and of messages whose body has no id by a window of
//! the body. The window is the time in which equal bodies count as one message.

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
    /// Returns when the window of the body was opened. Opens the window now if it is closed or does not exist. This is
    /// one statement, so that two replicas cannot both open a window.
    OPEN_BODY_WINDOW {
        both: "insert into body_windows (relay, body_hash, opened_at) values ($1, $2, $3)
               on conflict (relay, body_hash) do update set opened_at =
                 case when body_windows.opened_at <= $4 then excluded.opened_at
                      else body_windows.opened_at end
               returning opened_at",
    }
}

/// The key by which a signed request is recognised.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// The authenticated relay.
    pub relay: RelayName,
    pub webhook_id: String,
    /// Unix seconds.
    pub signed_at: i64,
}

/// Whether a signed request is a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayCheck {
    /// The request is new and its receipt was stored.
    New,
    /// The receipt of the request was stored before.
    Replay,
}

impl Store {
    /// Stores the receipt of a request without a message, unless it is stored already. The receipt of a request with a
    /// message is stored with the message.
    pub async fn take_receipt(
        &self,
        receipt: &Receipt,
        now: Timestamp,
    ) -> Result<ReplayCheck, StoreError> {
        let params = (
            receipt.relay.as_str(),
            &receipt.webhook_id,
            receipt.signed_at,
            now,
        );
        let rows = self.reserved.writes().execute(TAKE_RECEIPT, params).await?;
        Ok(if rows == 1 {
            ReplayCheck::New
        } else {
            ReplayCheck::Replay
        })
    }

    /// Returns when the window of the body was opened. Equal bodies in one window count as one message. Opens a window
    /// now if the body has none, or if it was opened at or before `closed_before`.
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
