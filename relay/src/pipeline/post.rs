//! From a message to the bytes that the outbox keeps.

use shared_protocol::{MAX_BODY_BYTES, Message};

/// The body of a message as it is signed and posted, for ever the same bytes.
///
/// The fields are bounded one by one; only a message with a hundred attachments of the longest names
/// could still outgrow what the backend takes, and loses the last of them.
pub(super) fn body_of(message: &mut Message) -> Vec<u8> {
    loop {
        let body =
            serde_json::to_vec(message).expect("a message has only string keys and finite numbers");
        if body.len() <= MAX_BODY_BYTES || message.attachments.is_empty() {
            return body;
        }
        message.attachments.truncate(message.attachments.len() / 2);
    }
}
