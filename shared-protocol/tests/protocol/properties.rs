//! Properties of all messages and all signatures.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use shared_protocol::{
    Attachment, AttachmentState, Edit, Event, InvalidMessage, Message, MessageTime, Mode, Purpose,
    ReplyVia, SigningKey, Tapback, TapbackAction, TapbackKind, WebhookId, verify,
};

use crate::signed::{Signed, secrets};

/// Times before the year 2242, which a double stores to the microsecond.
fn time() -> impl Strategy<Value = MessageTime> {
    (0..(1_i64 << 33) * 1_000_000).prop_map(MessageTime::from_micros)
}

fn tapback() -> impl Strategy<Value = Tapback> {
    (
        select(vec![TapbackAction::Added, TapbackAction::Removed]),
        select(vec![
            TapbackKind::Love,
            TapbackKind::Emoji,
            TapbackKind::Sticker,
        ]),
        of("\\PC{1,8}"),
        of("\\PC{1,40}"),
        of(any::<i64>()),
    )
        .prop_map(|(action, kind, emoji, target_guid, target_part)| Tapback {
            action,
            kind,
            emoji,
            target_guid,
            target_part,
        })
}

fn edit() -> impl Strategy<Value = Edit> {
    (
        of(time()),
        any::<u32>(),
        vec(any::<i64>(), 0..4),
        any::<bool>(),
    )
        .prop_map(
            |(edited_at, history_length, unsent_parts, fully_unsent)| Edit {
                edited_at,
                history_length,
                unsent_parts,
                fully_unsent,
            },
        )
}

fn attachment() -> impl Strategy<Value = Attachment> {
    let state = select(vec![
        AttachmentState::Waiting,
        AttachmentState::Transferring,
        AttachmentState::Finished,
        AttachmentState::Failed,
    ]);
    let size = of(0..=i64::MAX.cast_unsigned());
    (
        ".{1,40}",
        of(".{0,40}"),
        of(".{0,40}"),
        size,
        any::<bool>(),
        state,
        (of(any::<i64>()), of(".{0,40}"), of(".{0,200}")),
    )
        .prop_map(
            |(guid, mime_type, name, size_bytes, is_sticker, state, more)| {
                let (part, description, transcript) = more;
                Attachment {
                    guid,
                    mime_type,
                    name,
                    size_bytes,
                    part,
                    description,
                    transcript,
                    is_sticker,
                    state,
                }
            },
        )
}

prop_compose! {
    fn message()(
        chat_guid in ".{1,60}",
        mode in select(vec![Mode::Direct, Mode::Group]),
        sender in "\\PC{1,40}",
        text in ".{1,200}",
        timestamp in time(),
        participants in vec(".{0,40}", 0..5),
    )(
        names in [of(".{1,40}"), of("\\PC{1,40}"), of(".{0,40}"), of(".{1,40}"), of(".{0,40}"),
            of(".{0,40}"), of(".{0,40}"), of(".{1,40}"), of(".{0,40}")],
        event in select(Event::ALL.to_vec()),
        revision in 0..=i32::MAX.cast_unsigned(),
        flags in any::<[bool; 6]>(),
        tapback in tapback(),
        edit in of(edit()),
        attachments in vec(attachment(), 0..4),
        mentions in vec("\\PC{1,40}", 0..3),
        reply_to_part in of(any::<i64>()),
        reply_via in of(select(vec![ReplyVia::Commands, ReplyVia::Inline])),
        required in Just((chat_guid, mode, sender, text, timestamp, participants)),
    ) -> Message {
        let (chat_guid, mode, sender, text, timestamp, participants) = required;
        let [message_guid, line, service, reply_to_guid, effect, persona_id, relay_id, link_of_guid,
            group_name] = names;
        let [from_owner, is_backfill, truncated, rehearsal, answered, automatic] = flags;
        let tapback = (event == Event::Tapback).then_some(tapback);
        Message {
            message_guid, event, revision, from_owner, line, service, is_backfill, answered, automatic, reply_to_guid,
            reply_to_part, link_of_guid, mentions, group_name, rehearsal, tapback, edit, attachments, effect, truncated, persona_id, relay_id, reply_via,
            ..Message::new(chat_guid, mode, sender, text, timestamp, participants)
        }
    }
}

fn id() -> impl Strategy<Value = WebhookId> {
    "msg_[A-Za-z0-9_-]{1,200}"
        .prop_map(|id| WebhookId::parse(&id, Purpose::Message).expect("a good id"))
}

/// Secrets of each form that `RELAY_WEBHOOK_SECRET` may have.
fn secret() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9a-f]{64}",
        any::<[u8; 32]>().prop_map(|key| SigningKey::from_bytes(key).to_whsec().to_string()),
    ]
}

proptest! {
    #[test]
    fn a_message_is_the_same_after_json(message in message()) {
        prop_assert_eq!(message.violations(), []);
        let json = serde_json::to_vec(&message).unwrap();
        prop_assert_eq!(Message::from_json(&json), Ok(message));
    }

    #[test]
    fn no_body_makes_the_parser_panic(body in vec(any::<u8>(), 0..200)) {
        prop_assert!(Message::from_json(&body).is_err());
    }

    #[test]
    fn a_damaged_body_is_read_or_explained(message in message(), at: Index, byte: u8) {
        let mut json = serde_json::to_vec(&message).unwrap();
        let at = at.index(json.len());
        json[at] = byte;
        if let Err(InvalidMessage::Fields(found)) = Message::from_json(&json) {
            prop_assert!(!found.is_empty());
        }
    }

    #[test]
    fn a_signed_request_verifies(
        secret in secret(), id in id(), now in 0..100_000_000_000_i64, skew in -300..=300_i64,
        body in vec(any::<u8>(), 0..300),
    ) {
        let timestamp = (now + skew).max(0);
        let signed = Signed::by(&secret, &id, timestamp, &body);
        let backend_secrets = secrets(&secret);
        let verified = verify(&backend_secrets, Purpose::Message, signed.headers(), &body, now).unwrap();
        prop_assert_eq!((verified.id, verified.timestamp), (id, timestamp));
    }

    #[test]
    fn a_request_with_a_changed_byte_is_refused(
        secret in secret(), id in id(), body in vec(any::<u8>(), 1..300),
        part in 0..4_usize, at: Index, change in 1..=255_u8,
    ) {
        let now = 1_700_000_000;
        let mut signed = Signed::by(&secret, &id, now, &body);
        let bytes = match part {
            0 => &mut signed.id,
            1 => &mut signed.timestamp,
            2 => &mut signed.signature,
            _ => &mut signed.body,
        };
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        let backend_secrets = secrets(&secret);
        let verified = verify(&backend_secrets, Purpose::Message, signed.headers(), &signed.body, now);
        prop_assert!(verified.is_err());
    }

    #[test]
    fn no_headers_make_the_verifier_panic(
        id in vec(any::<u8>(), 0..300),
        timestamp in vec(any::<u8>(), 0..30),
        signature in vec(any::<u8>(), 0..600),
        now: i64,
    ) {
        let signed = Signed { id, timestamp, signature, body: vec![] };
        let backend_secrets = secrets("an attacker does not know this secret");
        prop_assert!(verify(&backend_secrets, Purpose::Message, signed.headers(), b"", now).is_err());
    }
}
