//! Whatever a row holds, what is composed of it is a message that the backend takes.
//!
//! The rows here are wilder than any that the reader gives: every text of every length and of every
//! character, every number, any attachment. Only guids are never empty, which the reader sees to.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::rc::Rc;
use std::time::Duration;

use chatdb::{
    AttachmentRow, Body, BodyRun, Chat, ChatStyle, Digest, Known, Options, Reading, Row, Summary,
    WaitReason, compose, compose_change, lane,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use shared_protocol::{AttachmentState, Event, MAX_BODY_BYTES, Message};

/// The reader gives no date before 2001 or after 2200; up to there microseconds survive JSON.
const LATEST: i64 = 7_258_118_400_000_000;
/// Waited for longer than anything is.
const LONG_ENOUGH: Duration = Duration::from_secs(60);

/// Texts of every kind: control characters, quotes, placeholders, four-byte characters, and lengths
/// beyond every bound of the wire.
fn any_text() -> BoxedStrategy<String> {
    let piece = prop_oneof![
        any::<String>(),
        "[\u{0}-\u{1f}\u{7f}-\u{9f}\"\\\\]{1,8}",
        "[a-z;+:/@-]{0,12}",
        Just("\u{fffc}".to_owned()),
        Just("\u{1f469}\u{200d}\u{1f680}".to_owned()),
        Just(" ".to_owned()),
    ];
    let times = prop_oneof![
        12 => Just(1_usize),
        4 => 2..40_usize,
        2 => Just(400_usize),
        1 => Just(60_000_usize),
    ];
    (piece, times)
        .prop_map(|(piece, times)| {
            let most = 600_000 / piece.len().max(1);
            piece.repeat(times.min(most))
        })
        .boxed()
}

fn any_guid() -> BoxedStrategy<String> {
    prop_oneof![
        "[0-9A-F]{8}-[0-9A-F]{4}",
        "(iMessage|SMS|any);[+-];[a-z0-9+@.]{1,20}",
        any_text().prop_filter("a guid is never empty", |guid| !guid.is_empty()),
    ]
    .boxed()
}

fn any_code() -> BoxedStrategy<i64> {
    prop_oneof![any::<i64>(), -2..9_i64, 990..1_010_i64, 1_990..4_010_i64].boxed()
}

fn any_date() -> BoxedStrategy<i64> {
    prop_oneof![any::<i64>(), 978_307_200_000_000..LATEST].boxed()
}

fn any_state() -> impl Strategy<Value = AttachmentState> {
    use AttachmentState::{Failed, Finished, Transferring, Waiting};
    prop::sample::select(vec![Waiting, Transferring, Finished, Failed])
}

fn any_attachment() -> impl Strategy<Value = AttachmentRow> {
    (
        (any_guid(), of(any_text()), of(any_text())),
        (of(any::<u64>()), any_state(), any::<bool>(), any::<bool>()),
    )
        .prop_map(
            |((guid, mime_type, name), (size_bytes, state, is_sticker, is_hidden))| AttachmentRow {
                guid,
                mime_type,
                name,
                size_bytes,
                state,
                is_sticker,
                is_hidden,
            },
        )
}

fn any_attachments() -> BoxedStrategy<Vec<AttachmentRow>> {
    prop_oneof![
        6 => vec(any_attachment(), 0..4),
        // One of them over and over, to go beyond what the wire takes.
        1 => (any_attachment(), 90..300_usize).prop_map(|(attachment, times)| vec![attachment; times]),
    ]
    .boxed()
}

fn any_body() -> impl Strategy<Value = Body> {
    let run = (of(any::<i64>()), of(any_text())).prop_map(|(part, attachment_guid)| BodyRun {
        part,
        attachment_guid,
    });
    prop_oneof![
        Just(Body::Absent),
        Just(Body::Unreadable),
        (any_text(), vec(run, 0..4)).prop_map(|(text, runs)| Body::Text { text, runs }),
    ]
}

fn any_chat() -> impl Strategy<Value = Chat> {
    let participants = prop_oneof![
        4 => vec(any_text(), 0..4),
        1 => (any_text(), 400..900_usize).prop_map(|(text, times)| vec![text; times]),
    ];
    (
        (any::<i64>(), any_guid(), any::<bool>(), of(any_text())),
        (of(any_text()), of(any_text()), of(any_text())),
        (
            prop_oneof![3 => Just(0), 1 => any_code()],
            any::<bool>(),
            participants,
        ),
    )
        .prop_map(
            |(
                (rowid, guid, group, identifier),
                (display_name, account_login, last_addressed_handle),
                (filter, is_blocked, participants),
            )| Chat {
                rowid,
                guid,
                style: if group {
                    ChatStyle::Group
                } else {
                    ChatStyle::Direct
                },
                identifier,
                display_name,
                account_login,
                last_addressed_handle,
                filter,
                is_blocked,
                participants,
            },
        )
}

fn any_summary() -> impl Strategy<Value = Summary> {
    let length = prop_oneof![4 => 0..6_u32, 1 => any::<u32>()];
    (length, vec(any::<i64>(), 0..150)).prop_map(|(history_length, unsent_parts)| Summary {
        history_length,
        unsent_parts,
    })
}

prop_compose! {
    fn any_row()(
        (rowid, guid, sent_at) in (any::<i64>(), any_guid(), of(any_date())),
        (text, body, subject) in (of(any_text()), any_body(), of(any_text())),
        (handle, other_handle, is_from_me) in (of(any_text()), of(any_text()), any::<bool>()),
        (service, line, account) in (of(any_text()), of(any_text()), of(any_text())),
        (item_type, group_title, group_action_type, share_status) in (
            prop_oneof![3 => Just(0), 1 => any_code()], of(any_text()), any_code(), any_code()
        ),
        (associated_guid, associated_type, associated_emoji) in (
            of(prop_oneof![any_text(), "(p:-?[0-9]{1,3}/|bp:|)[0-9A-F]{0,8}"]), any_code(), of(any_text())
        ),
        (balloon, effect, thread_originator_guid) in (of(any_text()), of(any_text()), of(any_guid())),
        (summary, edited_at, part_count) in (any_summary(), of(any_date()), 0..3_i64),
        (is_empty, is_spam, is_system, is_audio) in any::<(bool, bool, bool, bool)>(),
        (filter_action, schedule_type, schedule_state) in (
            prop_oneof![3 => Just(0), 1 => any_code()], -1..4_i64, any_code()
        ),
        (has_attachments, is_link_preview) in any::<(bool, bool)>(),
        (chat, attachments) in (of(any_chat()), any_attachments()),
    ) -> Row {
        Row {
            rowid, guid, sent_at, text, body, subject, handle, other_handle, is_from_me, service, line,
            account, item_type, group_title, group_action_type, share_status, associated_guid,
            associated_type, associated_emoji, balloon, effect, thread_originator_guid, summary,
            edited_at, part_count, is_empty, is_spam, filter_action, schedule_type, schedule_state,
            is_system, is_audio, has_attachments, chat: chat.map(Rc::new), attachments, is_link_preview,
            digest: Digest::default(),
        }
    }
}

fn any_options() -> impl Strategy<Value = Options> {
    (any::<(bool, bool)>(), of(any_text())).prop_map(|((spam, note), owner_handle)| Options {
        relay_spam: spam,
        relay_note_to_self: note,
        owner_handle,
    })
}

prop_compose! {
    fn any_known()(
        text_was_empty in any::<bool>(),
        counts in prop::array::uniform4(prop_oneof![0..6_u32, any::<u32>()]),
        attachments in any::<[u8; 16]>(),
    ) -> Known {
        let [history_length, unsent_parts, unsend_revision, attachment_revision] = counts;
        Known {
            text_was_empty, history_length, unsent_parts, unsend_revision, attachment_revision,
            attachments: Digest(attachments),
        }
    }
}

/// The backend takes the message, and what it takes is what was composed.
fn is_acceptable(message: &Message, row: &Row) -> Result<(), TestCaseError> {
    prop_assert_eq!(message.violations(), vec![]);
    let mut message = message.clone();
    let body = serde_json::to_vec(&message).unwrap();
    // What the outbox keeps of a body that is too long: as many attachments as fit, and always the text.
    let kept = fitting(&mut message);
    prop_assert!(kept.len() <= MAX_BODY_BYTES, "{} bytes", kept.len());
    prop_assert!(kept == body || body.len() > MAX_BODY_BYTES);
    let taken = Message::from_json(&kept);
    prop_assert!(taken.is_ok(), "{taken:?}");
    let in_range = |date: Option<i64>| date.is_none_or(|date| (0..LATEST).contains(&date));
    if in_range(row.sent_at) && in_range(row.edited_at) {
        prop_assert!(taken.unwrap() == message, "something is lost on the wire");
    }
    let is_first = message.event == Event::Message;
    prop_assert!(is_first || message.revision >= 1 || message.event == Event::Edit);
    prop_assert!(!is_first || message.revision == 0);
    prop_assert_eq!(message.tapback.is_some(), message.event == Event::Tapback);
    prop_assert_eq!(message.from_owner, row.is_from_me);
    Ok(())
}

fn fitting(message: &mut Message) -> Vec<u8> {
    loop {
        let body = serde_json::to_vec(message).unwrap();
        if body.len() <= MAX_BODY_BYTES || message.attachments.is_empty() {
            return body;
        }
        message.attachments.truncate(message.attachments.len() / 2);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_row_makes_a_message_that_the_backend_takes(
        row in any_row(),
        options in any_options(),
        waited in prop_oneof![(0..6_000_u64).prop_map(Duration::from_millis), Just(LONG_ENOUGH), Just(Duration::MAX)],
        now in any_date(),
    ) {
        if let Reading::Post(message) = compose(&row, &options, waited, now) {
            is_acceptable(&message, &row)?;
        }
        // Nothing is waited for without end but a chat.
        let at_last = compose(&row, &options, LONG_ENOUGH, now);
        prop_assert_eq!(at_last == Reading::Wait(WaitReason::NoChat), row.chat.is_none());
        prop_assert!(row.chat.is_none() || !matches!(at_last, Reading::Wait(_)));
    }

    #[test]
    fn every_change_makes_messages_that_the_backend_takes(
        row in any_row(), options in any_options(), known in any_known(), now in any_date(),
    ) {
        let change = compose_change(&row, &options, &known, now);
        prop_assert_eq!(change.is_none(), row.chat.is_none());
        let Some(change) = change else { return Ok(()) };
        for message in &change.messages {
            is_acceptable(message, &row)?;
            prop_assert_eq!(message.message_guid.is_some(), true);
            match message.event {
                Event::Edit => {
                    let history = row.summary.history_length.min(i32::MAX as u32);
                    prop_assert!([0, history].contains(&message.revision));
                }
                Event::Unsend | Event::AttachmentUpdate => {}
                other => prop_assert!(false, "{other:?} is no change"),
            }
        }
        // Told once: what is known now calls for nothing more.
        let again = compose_change(&row, &options, &change.known, now).unwrap();
        prop_assert_eq!(&again.messages, &vec![]);
        prop_assert_eq!(again.known, change.known);
    }

    #[test]
    fn what_was_posted_is_known(row in any_row(), options in any_options(), now in any_date()) {
        if let Reading::Post(message) = compose(&row, &options, LONG_ENOUGH, now) {
            let known = Known::of(&row, &message);
            let change = compose_change(&row, &options, &known, now).unwrap();
            prop_assert!(change.messages.is_empty(), "{:?}", change.messages[0].event);
            prop_assert_eq!(change.known, known);
        }
    }

    #[test]
    fn the_lane_of_a_chat_is_the_same_on_every_service(id in "[+-];[a-z0-9+@.;]{1,20}") {
        let lanes = ["iMessage", "SMS", "RCS", "any"].map(|service| format!("{service};{id}"));
        for guid in &lanes {
            prop_assert_eq!(lane(guid), lane(&lanes[0]));
        }
    }
}

fn group_row(participants: &[&str]) -> Row {
    let chat = Chat {
        rowid: 1,
        guid: "any;+;chat1".to_owned(),
        style: ChatStyle::Group,
        identifier: Some("chat1".to_owned()),
        display_name: None,
        account_login: None,
        last_addressed_handle: None,
        filter: 0,
        is_blocked: false,
        participants: participants.iter().map(|&p| p.to_owned()).collect(),
    };
    Row {
        guid: "A".to_owned(),
        text: Some("hi".to_owned()),
        handle: Some("+15550100001".to_owned()),
        chat: Some(Rc::new(chat)),
        ..Row::default()
    }
}

fn composed(row: &Row, waited_millis: u64) -> Reading {
    compose(
        row,
        &Options::default(),
        Duration::from_millis(waited_millis),
        0,
    )
}

#[test]
fn a_new_groups_members_are_waited_for_but_not_long() {
    let alone = group_row(&[]);
    assert_eq!(composed(&alone, 0), Reading::Wait(WaitReason::NoHandle));
    assert!(matches!(composed(&alone, 500), Reading::Post(_)));
    assert!(matches!(
        composed(&group_row(&["+15550100001"]), 0),
        Reading::Post(_)
    ));
    let left = Row {
        item_type: 3,
        ..alone
    };
    assert!(matches!(composed(&left, 0), Reading::Post(_)));
}

#[test]
fn what_messages_will_send_later_is_not_told_before() {
    for (schedule_type, schedule_state, told) in [
        (0, 0, true),
        (0, 1, true),
        (2, 0, false),
        (2, 1, false),
        (2, 2, true),
        (2, 3, false),
        (2, 4, true),
        (1, 1, false),
        (1, 2, true),
    ] {
        let row = Row {
            is_from_me: true,
            schedule_type,
            schedule_state,
            ..group_row(&["+15550100001"])
        };
        let posts = matches!(composed(&row, 0), Reading::Post(_));
        assert_eq!(posts, told, "type {schedule_type}, state {schedule_state}");
    }
}

#[test]
fn the_wording_of_a_reaction_is_not_an_edit() {
    let row = |text: Option<&str>| Row {
        associated_type: 2000,
        associated_guid: Some("p:0/B".to_owned()),
        text: text.map(str::to_owned),
        ..group_row(&["+15550100001"])
    };
    let Reading::Post(message) = composed(&row(None), 0) else {
        panic!("a reaction without text is complete")
    };
    let known = Known::of(&row(None), &message);
    let late = row(Some("Loved \u{201c}hi\u{201d}"));
    let change = compose_change(&late, &Options::default(), &known, 0).unwrap();
    assert_eq!(change.messages, []);
}
