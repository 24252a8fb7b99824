//! Random rows: texts of any length with any character, any numbers and any attachments. As the reader guarantees, guids
//! are not empty, and addresses are in their normal form.

use std::rc::Rc;

use chatdb::{
    Address, AppCard, AttachmentRow, Awaited, Body, BodyRun, Chat, ChatStyle, Declaration, Digest,
    KnownPoll, Lines, Options, Payload, Poll, PollOption, PostedContent, Relation, RichLink, Row,
    SentFlags, Summary, TextReaction, Vote,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use shared_protocol::{AttachmentState, TapbackAction, TapbackKind};

/// The reader returns only dates before this one, which is the year 2200. JSON keeps the microseconds of such dates.
pub(crate) const END_OF_DATES: i64 = 7_258_118_400_000_000;

/// Texts of every kind: control characters, quotes, placeholders, four-byte characters, and lengths
/// beyond every limit of the backend.
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
            let max_times = 600_000 / piece.len().max(1);
            piece.repeat(times.min(max_times))
        })
        .boxed()
}

/// A few addresses, so that a row's own address, its peer and the known own addresses are often the same.
pub(crate) fn any_address() -> BoxedStrategy<String> {
    let known = prop::sample::select(vec![
        "+15550100001",
        "P:+15550100001",
        "\u{202a}tel:+1 555 010 0001\u{202c}",
        "sam@example.com",
        "E:Sam@Example.com",
        "+15550109999",
        "30300",
        "P:",
    ]);
    prop_oneof![2 => known.prop_map(str::to_owned), 1 => any_text()]
        .prop_filter_map("the reader gives addresses in their normal form", |text| {
            Address::parse(&text).map(Address::into_string)
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

/// Any number, and often one near the codes that Messages writes into `item_type` and `associated_message_type`.
fn any_code() -> BoxedStrategy<i64> {
    prop_oneof![any::<i64>(), -2..9_i64, 990..1_010_i64, 1_990..4_010_i64].boxed()
}

pub(crate) fn any_date() -> BoxedStrategy<i64> {
    prop_oneof![any::<i64>(), 978_307_200_000_000..END_OF_DATES].boxed()
}

fn any_state() -> impl Strategy<Value = AttachmentState> {
    use AttachmentState::{Failed, Finished, Transferring, Waiting};
    prop::sample::select(vec![Waiting, Transferring, Finished, Failed])
}

fn any_attachment() -> impl Strategy<Value = AttachmentRow> {
    (
        (any_guid(), of(any_text()), of(any_text())),
        (of(any::<u64>()), any_state(), any::<bool>(), any::<bool>()),
        (of(any_text()), of(any_text())),
    )
        .prop_map(
            |(
                (guid, mime_type, name),
                (size_bytes, state, is_sticker, is_hidden),
                (description, transcript),
            )| AttachmentRow {
                guid,
                mime_type,
                name,
                size_bytes,
                state,
                is_sticker,
                is_hidden,
                description,
                transcript,
            },
        )
}

fn any_attachments() -> BoxedStrategy<Vec<AttachmentRow>> {
    prop_oneof![
        6 => vec(any_attachment(), 0..4),
        // The same text many times, so that the body exceeds what the backend accepts.
        1 => (any_attachment(), 90..300_usize).prop_map(|(attachment, times)| vec![attachment; times]),
    ]
    .boxed()
}

fn any_body() -> impl Strategy<Value = Body> {
    let run = (
        of(any::<i64>()),
        of(any_text()),
        of(any_text()),
        of(any_text()),
    )
        .prop_map(|(part, attachment_guid, mention, transcript)| BodyRun {
            part,
            attachment_guid,
            mention,
            transcript,
        });
    let runs = prop_oneof![
        6 => vec(run.clone(), 0..4),
        1 => (run, 500..700_usize).prop_map(|(run, times)| vec![run; times]),
    ];
    prop_oneof![
        Just(Body::Absent),
        Just(Body::Unreadable),
        (any_text(), runs).prop_map(|(text, runs)| Body::Text { text, runs }),
    ]
}

fn any_chat() -> impl Strategy<Value = Chat> {
    let participants = prop_oneof![
        4 => vec(any_address(), 0..4),
        1 => (any_address(), 400..900_usize).prop_map(|(text, times)| vec![text; times]),
    ];
    (
        (any::<i64>(), any_guid(), any::<bool>(), of(any_address())),
        (of(any_text()), of(any_address()), of(any_address())),
        (
            prop_oneof![3 => Just(0), 1 => any_code()],
            any::<bool>(),
            participants,
        ),
    )
        .prop_map(
            |(
                (rowid, guid, is_group, identifier),
                (display_name, account_login, last_addressed_handle),
                (filter, is_blocked, participants),
            )| Chat {
                rowid,
                guid,
                style: if is_group {
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
                other_chats_of_group: Vec::new(),
                posted_as: None,
            },
        )
}

fn any_summary() -> impl Strategy<Value = Summary> {
    let length = prop_oneof![4 => 0..6_u32, 1 => any::<u32>()];
    let parts = || {
        vec(prop_oneof![0..4_i64, any::<i64>()], 0..150).prop_map(|mut parts| {
            parts.sort_unstable();
            parts.dedup();
            parts
        })
    };
    (length, parts(), parts()).prop_map(|(history_length, unsent_parts, original_parts)| Summary {
        history_length,
        unsent_parts,
        original_parts,
        first_text: None,
    })
}

fn any_payload() -> impl Strategy<Value = Payload> {
    let option = || (any_text(), any_text()).prop_map(|(id, text)| PollOption { id, text });
    let vote = (any_text(), of(any_text())).prop_map(|(option, participant)| Vote {
        option,
        participant,
    });
    prop_oneof![
        (of(any_text()), of(any_text()), of(any_text())).prop_map(|(url, original_url, title)| {
            Payload::Link(RichLink {
                url,
                original_url,
                title,
            })
        }),
        (of(any_text()), vec(option(), 0..4))
            .prop_map(|(title, options)| Payload::Poll(Poll { title, options })),
        vec(vote, 0..4).prop_map(Payload::Votes),
        (of(any_text()), of(any_text()), vec(any_text(), 0..3)).prop_map(
            |(name, spoken, captions)| Payload::App(AppCard {
                name,
                spoken,
                captions
            })
        ),
    ]
}

/// The ids of balloons of several kinds, and ids that no app has.
fn any_balloon() -> impl Strategy<Value = String> {
    let known = [
        "com.apple.messages.URLBalloonProvider",
        "com.apple.messages.MSMessageExtensionBalloonPlugin:0000000000:com.apple.messages.Polls",
        "com.apple.messages.MSMessageExtensionBalloonPlugin:A:com.apple.PassbookUIService.PeerPaymentMessagesExtension",
        "com.apple.messages.MSMessageExtensionBalloonPlugin:A:com.example.game",
    ];
    prop_oneof![
        any_text(),
        prop::sample::select(known.to_vec()).prop_map(str::to_owned)
    ]
}

fn any_poll() -> impl Strategy<Value = KnownPoll> {
    let option = (any_text(), any_text()).prop_map(|(id, text)| PollOption { id, text });
    (any_guid(), of(any_text()), vec(option, 0..4)).prop_map(|(guid, title, options)| KnownPoll {
        guid,
        title,
        options,
    })
}

fn any_relation() -> impl Strategy<Value = Relation> {
    use TapbackAction::{Added, Removed};
    use TapbackKind::{Emoji, Laugh, Like, Sticker};
    let reaction = (
        prop::sample::select(vec![Added, Removed]),
        prop::sample::select(vec![Like, Laugh, Emoji, Sticker]),
        (of(any_text()), of(any_guid())),
    );
    let reaction = reaction.prop_map(|(action, kind, (emoji, target))| TextReaction {
        action,
        kind,
        emoji,
        target,
    });
    prop_oneof![
        4 => Just(Relation::None),
        1 => any_guid().prop_map(Relation::LinkPreview),
        1 => any_guid().prop_map(Relation::LinkOf),
        1 => any_guid().prop_map(Relation::TextOfLink),
        1 => any_guid().prop_map(Relation::EditNotice),
        2 => reaction.prop_map(Relation::Reaction),
    ]
}

fn any_awaited() -> BoxedStrategy<Option<Awaited>> {
    let awaited = [
        Awaited::Reference,
        Awaited::Link,
        Awaited::Edit,
        Awaited::OtherSide,
    ];
    prop_oneof![3 => Just(None), 1 => prop::sample::select(awaited.to_vec()).prop_map(Some)].boxed()
}

prop_compose! {
    pub(crate) fn any_row()(
        (rowid, guid, sent_at) in (any::<i64>(), any_guid(), of(any_date())),
        (text, body, subject) in (of(any_text()), any_body().boxed(), of(any_text())),
        (handle, other_handle, is_from_me) in (of(any_address()), of(any_text()), any::<bool>()),
        (service, line, account) in (of(any_text()), of(any_address()), of(any_address())),
        (item_type, group_title, group_action_type, share_status) in (
            prop_oneof![3 => Just(0), 1 => any_code()], of(any_text()), any_code(), any_code()
        ),
        (associated_guid, associated_type, associated_emoji) in (
            of(prop_oneof![any_text(), "(p:-?[0-9]{1,3}/|bp:|)[0-9A-F]{0,8}"]), any_code(), of(any_text())
        ),
        (balloon, effect, thread_originator_guid) in (of(any_balloon().boxed()), of(any_text()), of(any_guid())),
        (payload, poll) in (of(any_payload().boxed()), of(any_poll().boxed())),
        (thread_originator_part, reply_to_guid) in (
            of(prop_oneof![any_text(), "-?[0-9]{1,20}:[0-9]{1,2}:[0-9]{1,2}"]), of(any_guid())
        ),
        is_unfinished in any::<bool>(),
        (summary, edited_at, part_count) in (any_summary().boxed(), of(any_date()), 0..3_i64),
        (is_spam, is_system, is_auto_reply) in any::<(bool, bool, bool)>(),
        (filter_action, schedule_type, schedule_state) in (
            prop_oneof![3 => Just(0), 1 => any_code()], -1..4_i64, any_code()
        ),
        (has_attachments, is_own_copy, is_to_itself) in any::<(bool, bool, bool)>(),
        (relation, awaits) in (any_relation().boxed(), any_awaited()),
        (chat, attachments) in (of(any_chat().boxed()), any_attachments()),
    ) -> Row {
        Row {
            rowid, guid, sent_at, text, body, subject, handle, other_handle, is_from_me, service, line,
            account, item_type, group_title, group_action_type, share_status, associated_guid,
            associated_type, associated_emoji, balloon, payload, poll, effect, thread_originator_part, reply_to_guid, is_unfinished, thread_originator_guid,
            summary, edited_at, part_count, is_spam, filter_action, schedule_type, schedule_state,
            is_system, has_attachments, chat: chat.map(Rc::new), attachments, relation, awaits,
            is_own_copy, is_to_itself,
            sent: SentFlags { is_auto_reply, ..SentFlags::default() },
            digest: Digest::default(), is_unreadable: false,
        }
    }
}

fn any_lines() -> impl Strategy<Value = Lines> {
    let addresses = |count| {
        vec(any_address(), count).prop_map(|texts| {
            let parsed = texts.iter().filter_map(|text| Address::parse(text));
            parsed.collect::<Vec<_>>()
        })
    };
    (
        addresses(0..3),
        addresses(0..2),
        addresses(0..3),
        any::<bool>(),
    )
        .prop_map(|(line, own, found, has_name)| {
            let lines = Some(line).filter(|line| !line.is_empty());
            let declaration = Declaration {
                lines: lines.into_iter().collect(),
                own,
                others: Vec::new(),
            };
            let mut lines = Lines::new(declaration).with_found(found, None);
            if has_name {
                lines.choose_name();
            }
            lines
        })
}

pub(crate) fn any_options() -> impl Strategy<Value = Options> {
    (any::<(bool, bool)>(), any_lines()).prop_map(|((spam, note), lines)| Options {
        relay_spam: spam,
        relay_note_to_self: note,
        lines,
    })
}

prop_compose! {
    pub(crate) fn any_posted_content()(
        text_was_empty in any::<bool>(),
        awaits_title in any::<bool>(),
        counts in prop::array::uniform4(prop_oneof![0..6_u32, any::<u32>()]),
        attachments in any::<[u8; 16]>(),
    ) -> PostedContent {
        let [history_length, unsent_parts, unsend_revision, attachment_revision] = counts;
        PostedContent {
            text_was_empty, awaits_title, history_length, unsent_parts, unsend_revision, attachment_revision,
            attachments_digest: Digest(attachments),
        }
    }
}
