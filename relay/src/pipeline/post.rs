//! From a message to the bytes that the outbox keeps.

use rusqlite::Connection;
use shared_protocol::{MAX_BODY_BYTES, Message, MessageIdentity, RelayName, ReplyVia};

use crate::clock::UnixMicros;
use crate::state::outbox::{self, Enqueued, NewPost};

/// What this relay writes on every message.
#[derive(Clone, Debug)]
pub struct Postmark {
    /// Its name, part of every message's identity.
    pub relay: RelayName,
    /// How it wants replies; `None` is the old protocol's inline reply.
    pub reply_via: Option<ReplyVia>,
}

impl Postmark {
    /// The body of a message as it is signed and posted, for ever the same bytes.
    ///
    /// The fields are bounded one by one; only a message with a hundred attachments of long transcripts
    /// and the longest names could still outgrow what the backend takes, and is shortened.
    pub(super) fn body_of(&self, message: &mut Message) -> Vec<u8> {
        message.reply_via = self.reply_via;
        message.relay_id =
            (self.relay != RelayName::default()).then(|| self.relay.as_str().to_owned());
        loop {
            let body = serde_json::to_vec(message)
                .expect("a message has only string keys and finite numbers");
            if body.len() <= MAX_BODY_BYTES || !chatdb::shorten(message) {
                return body;
            }
        }
    }

    /// Puts a message into the outbox; tells 1 if it was not there yet.
    pub(super) fn enqueue(
        &self,
        state: &Connection,
        lane: &str,
        message: &mut Message,
        now: i64,
    ) -> rusqlite::Result<u32> {
        let body = self.body_of(message);
        let message_guid = message.message_guid.as_deref().unwrap_or_default();
        let (event, revision) = (message.event, message.revision);
        let identity = MessageIdentity {
            relay: &self.relay,
            message_guid,
            event,
            revision,
        };
        let post = NewPost {
            lane,
            webhook_id: &identity.webhook_id(),
            message_guid,
            event,
            revision,
            body: &body,
            now: UnixMicros::from_micros(now),
        };
        let enqueued = outbox::enqueue(state, &post)?;
        Ok(u32::from(matches!(enqueued, Enqueued::New { .. })))
    }
}
