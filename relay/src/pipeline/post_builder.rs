//! Turns a message into the bytes that the outbox keeps.

use chatdb::lane;
use rusqlite::Connection;
use shared_protocol::{MAX_BODY_BYTES, Message, MessageIdentity, RelayName, ReplyVia};

use crate::clock::UnixMicros;
use crate::state::outbox::{self, NewPost};

/// Writes the relay's name and its way of replies into messages, and puts the messages into the outbox.
#[derive(Clone, Debug)]
pub struct PostBuilder {
    /// The relay's name, part of every message's identity.
    pub relay: RelayName,
    /// How the relay wants replies; `None` is the old protocol's inline reply.
    pub reply_via: Option<ReplyVia>,
}

impl PostBuilder {
    /// Completes `message` with the fields of this relay, and returns its JSON. Once these bytes are in the
    /// outbox they never change.
    ///
    /// Each field is bounded. Only a message with a hundred attachments of long transcripts and the
    /// longest names can exceed what the backend accepts, and is shortened.
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

    /// Puts a message into the outbox; returns 1 if it is new there, else 0.
    pub(super) fn enqueue(
        &self,
        state: &Connection,
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
            lane: lane(&message.chat_guid),
            webhook_id: &identity.webhook_id(),
            message_guid,
            event,
            revision,
            body: &body,
            now: UnixMicros::from_micros(now),
        };
        Ok(u32::from(outbox::enqueue(state, &post)?.is_some()))
    }
}
