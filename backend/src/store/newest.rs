//! The newest stored message of a relay, after which a relay that has lost its state resumes.
//!
//! The newest message is the one that was stored last. If the senders' clocks decided, a message from a phone whose
//! clock is years ahead would stay the newest for years, and the relay would skip everything sent before it.

use shared_protocol::RelayName;

use super::execute::Execute;
use super::statement::statements;
use super::{Store, StoreError};
use crate::clock::Timestamp;

statements! {
    /// Old messages that iCloud restored do not count: the relay did not read them in their order.
    NEWEST_MESSAGE {
        both: "select message_guid,
                 case when sent_at < created_at then sent_at else created_at end as sent_at
               from messages
               where relay = $1 and message_guid is not null and event = 'message'
                 and not is_backfill and sent_at is not null
               order by created_at desc, sent_at desc limit 1",
    }
}

/// The newest message of a relay.
#[derive(Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct NewestRow {
    /// `message.guid` of chat.db.
    pub message_guid: String,
    /// By the sender's clock, or when the message was stored if that is earlier.
    pub sent_at: Timestamp,
}

impl Store {
    /// The newest message of `relay`: the one stored last, without backfill and without changes of messages.
    pub async fn newest_message(&self, relay: &RelayName) -> Result<Option<NewestRow>, StoreError> {
        let params = (relay.as_str(),);
        self.reserved.reads().optional(NEWEST_MESSAGE, params).await
    }
}
