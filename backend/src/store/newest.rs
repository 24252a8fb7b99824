//! The newest stored message of a relay: where one that lost its state resumes.
//!
//! Newest by our clock. By the senders' clocks one message from a phone whose clock is years ahead
//! would stay the newest for those years, and the relay would skip everything before it.

use shared_protocol::RelayName;

use super::execute::Execute;
use super::statement::statements;
use super::{Store, StoreError};
use crate::clock::Timestamp;

statements! {
    /// Old messages that iCloud brought back say nothing about how far the relay had come.
    NEWEST_MESSAGE {
        both: "select message_guid,
                 case when sent_at < created_at then sent_at else created_at end as sent_at
               from messages
               where relay = $1 and message_guid is not null and event = 'message'
                 and not is_backfill and sent_at is not null
               order by created_at desc, sent_at desc limit 1",
    }
}

/// A stored message by Messages' own name for it.
#[derive(Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct NewestRow {
    /// `message.guid` of chat.db.
    pub message_guid: String,
    /// The sender's clock, but not after it was stored.
    pub sent_at: Timestamp,
}

impl Store {
    /// The message of `relay` that was stored last.
    pub async fn newest_message(&self, relay: &RelayName) -> Result<Option<NewestRow>, StoreError> {
        let params = (relay.as_str(),);
        self.reserved.reads().optional(NEWEST_MESSAGE, params).await
    }
}
