//! The identities of messages and conversations.
//!
//! Two requests with the same message identity, such as a retry, are stored once. Messages with the same
//! conversation identity belong to one conversation. Both identities must stay the same for years: a change
//! here would store messages twice and split conversations.

use sha2::{Digest, Sha256};

use crate::{Event, RelayName, WebhookId};

/// The identity of a message or of a change to one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageIdentity<'a> {
    /// The authenticated relay.
    pub relay: &'a RelayName,
    /// `message.guid` of chat.db.
    pub message_guid: &'a str,
    /// What happened to the message.
    pub event: Event,
    /// 0 for a message; see [`crate::Message::revision`].
    pub revision: u32,
}

impl MessageIdentity<'_> {
    /// The id of the signed request: `msg_` and 32 hexadecimal digits, the first half of a SHA-256 over the
    /// length-prefixed parts. Every attempt to deliver the message has the same id.
    pub fn webhook_id(&self) -> WebhookId {
        let mut hash = Sha256::new();
        hash.update(b"archety.message.v1");
        for part in [
            self.relay.as_str(),
            self.message_guid,
            self.event.as_str(),
            &self.revision.to_string(),
        ] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        WebhookId::message(&hash.finalize()[..16])
    }
}

/// The part of a chat guid that identifies the conversation: the guid without its service.
///
/// macOS 26 merges the chats that one conversation has on several services into a chat `any;…`; older versions keep
/// one chat for each service. Without the service, all of them are one conversation. The service is any text without a
/// semicolon that stands before `;-;` (a direct chat) or `;+;` (a group) and an id, because new services appear, such
/// as `iMessageLite` and `SatelliteSMS`.
pub fn conversation_guid(chat_guid: &str) -> &str {
    let Some((service, rest)) = chat_guid.split_once(';') else {
        return chat_guid;
    };
    let has_chat_sign = ["-;", "+;"]
        .iter()
        .any(|sign| rest.strip_prefix(sign).is_some_and(|id| !id.is_empty()));
    // The first release cut only these services, but from every guid, such as `iMessage;chat1`. Identities that it
    // has stored must stay the same.
    let first_release_cuts =
        ["iMessage", "SMS", "RCS", "any"].contains(&service) && !rest.is_empty();
    if (has_chat_sign && !service.is_empty()) || first_release_cuts {
        rest
    } else {
        chat_guid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(relay: &str, guid: &str, event: Event, revision: u32) -> String {
        let relay = RelayName::parse(relay).expect("valid name");
        MessageIdentity {
            relay: &relay,
            message_guid: guid,
            event,
            revision,
        }
        .webhook_id()
        .to_string()
    }

    #[test]
    fn the_id_of_a_message_never_changes() {
        // Backends and outboxes store this value. If it changed, every message in flight would be stored twice.
        assert_eq!(
            id(
                "default",
                "0A0A0A0A-0000-4000-8000-000000000001",
                Event::Message,
                0
            ),
            "msg_738d360a60c53a5363ff67ca839fb587"
        );
    }

    #[test]
    fn every_part_counts_and_parts_do_not_run_together() {
        let ids = [
            id("default", "a", Event::Message, 0),
            id("other", "a", Event::Message, 0),
            id("default", "b", Event::Message, 0),
            id("default", "a", Event::Edit, 0),
            id("default", "a", Event::Edit, 1),
            id("defaul", "ta", Event::Message, 0),
        ];
        for (i, a) in ids.iter().enumerate() {
            assert!(ids.iter().skip(i + 1).all(|b| a != b), "{ids:?}");
        }
    }

    #[test]
    fn service_prefixes_do_not_split_a_conversation() {
        for service in [
            "iMessage",
            "SMS",
            "RCS",
            "any",
            "iMessageLite",
            "SatelliteSMS",
            "imessage",
            "Some New Service",
        ] {
            assert_eq!(
                conversation_guid(&format!("{service};-;+15550100001")),
                "-;+15550100001"
            );
            assert_eq!(conversation_guid(&format!("{service};+;chat1")), "+;chat1");
        }
        for whole in [
            "test-123",
            "chat655304561542537998",
            "iMessage;",
            "any",
            "",
            ";-;+15550100001",
            "iMessageLite;-;",
            "iMessageLite;chat1",
            "-;+15550100001",
            "urn:biz:1;x;-;y",
        ] {
            assert_eq!(conversation_guid(whole), whole);
        }
        assert_eq!(conversation_guid("iMessage;chat1"), "chat1");
    }
}
