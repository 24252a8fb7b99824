//! Changes of a message are posted to the chat in which the message was first posted.

use messages_stand_in::{Attachment, MessageGuids, TransferState};
use shared_protocol::Mode;

use super::*;

const TRIP: &str = "iMessage;+;chat77";

/// A group of Ada and Bob, and the direct chat of Ada.
struct Chats {
    group: i64,
    direct: i64,
    ada: i64,
}

/// The chat with the lower ROWID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LowerRowid {
    Group,
    Direct,
}

fn chats(mac: &mut Mac, lower: LowerRowid) -> Chats {
    let group = |mac: &mut Mac| {
        let trip = Chat::group([ADA, BOB]).with_guid(TRIP);
        mac.messages.insert_chat(&trip).unwrap()
    };
    let (group, direct) = match lower {
        LowerRowid::Group => (group(mac), mac.direct_chat(ADA).0),
        LowerRowid::Direct => {
            let (direct, _) = mac.direct_chat(ADA);
            (group(mac), direct)
        }
    };
    let ada = mac.messages.ensure_handle(ADA, "iMessage").unwrap();
    Chats { group, direct, ada }
}

/// The event, the mode and the chat of each post.
fn posts(mac: &Mac) -> Vec<(Event, Mode, String)> {
    mac.posted()
        .into_iter()
        .map(|message| (message.event, message.mode, message.chat_guid))
        .collect()
}

fn lanes(mac: &Mac) -> Vec<String> {
    mac.state()
        .read(|state| {
            let mut statement = state.prepare("select distinct lane from outbox")?;
            let lanes = statement.query_map([], |row| row.get(0))?;
            lanes.collect()
        })
        .unwrap()
}

#[test]
fn changes_are_posted_in_the_group_of_the_message_after_the_row_joins_a_direct_chat() {
    for lower in [LowerRowid::Group, LowerRowid::Direct] {
        let mut mac = Mac::new();
        let chats = chats(&mut mac, lower);
        let now = mac.now();
        let hello = NewMessage::incoming(chats.ada, now).text("helo all");
        let row = mac.messages.deliver(chats.group, &hello).unwrap();
        mac.run_relay();
        mac.messages.join(chats.direct, row).unwrap();
        mac.messages.edit(row, "hello all", mac.now()).unwrap();
        mac.run_relay();
        mac.messages.unsend(row, &[], mac.now()).unwrap();
        mac.run_relay();
        let group = |event| (event, Mode::Group, TRIP.to_owned());
        assert_eq!(
            posts(&mac),
            [Event::Message, Event::Edit, Event::Unsend].map(group),
            "{lower:?}"
        );
        let edit = &mac.posted()[1];
        assert_eq!(edit.participants, [ADA, BOB]);
        assert_eq!(lanes(&mac), ["+;chat77"]);
    }
}

#[test]
fn an_edit_is_posted_in_the_direct_chat_of_the_message_after_the_row_joins_a_group() {
    let mut mac = Mac::new();
    let chats = chats(&mut mac, LowerRowid::Group);
    let row = mac.receive(ADA, "helo");
    mac.run_relay();
    let first = mac.posted().pop().unwrap();
    mac.messages.join(chats.group, row).unwrap();
    mac.messages.edit(row, "hello", mac.now()).unwrap();
    mac.run_relay();
    let edit = mac.posted().pop().unwrap();
    assert_eq!(edit.event, Event::Edit);
    assert_eq!(
        (edit.mode, &edit.chat_guid, &edit.sender),
        (Mode::Direct, &first.chat_guid, &first.sender)
    );
    assert_eq!(edit.participants, first.participants);
}

#[test]
fn a_row_of_a_group_and_a_direct_chat_is_posted_in_the_group_for_every_order_of_the_joins() {
    for lower in [LowerRowid::Group, LowerRowid::Direct] {
        for group_first in [true, false] {
            let mut mac = Mac::new();
            let chats = chats(&mut mac, lower);
            let now = mac.now();
            let row = mac
                .messages
                .insert_message(&NewMessage::incoming(chats.ada, now).text("to all"))
                .unwrap();
            mac.run_relay();
            assert!(mac.posted().is_empty(), "the row is in no chat yet");
            let mut joins = [chats.direct, chats.group];
            if group_first {
                joins.reverse();
            }
            for chat in joins {
                mac.messages.join(chat, row).unwrap();
            }
            mac.run_relay();
            assert_eq!(
                posts(&mac),
                [(Event::Message, Mode::Group, TRIP.to_owned())],
                "{lower:?}, {group_first}"
            );
        }
    }
}

#[test]
fn a_waiting_row_that_joins_a_group_is_posted_in_the_group() {
    let mut mac = Mac::new();
    let chats = chats(&mut mac, LowerRowid::Direct);
    let now = mac.now();
    let row = mac
        .messages
        .deliver(chats.direct, &NewMessage::incoming(chats.ada, now))
        .unwrap();
    mac.run_relay();
    assert_eq!(mac.waiting_reasons(), ["no_text"]);
    mac.messages.join(chats.group, row).unwrap();
    mac.messages.set_text(row, "to all").unwrap();
    mac.run_relay();
    assert_eq!(
        posts(&mac),
        [(Event::Message, Mode::Group, TRIP.to_owned())]
    );
}

#[test]
fn late_texts_and_attachments_are_posted_in_the_first_chat_of_the_message() {
    let mut mac = Mac::new();
    let chats = chats(&mut mac, LowerRowid::Direct);
    let now = mac.now();
    let silent = mac
        .messages
        .deliver(chats.group, &NewMessage::incoming(chats.ada, now))
        .unwrap();
    let photo = mac
        .messages
        .deliver(
            chats.group,
            &NewMessage::incoming(chats.ada, now).text("see"),
        )
        .unwrap();
    mac.advance(secs(3));
    mac.run_relay();
    mac.run_relay();
    mac.advance(secs(3));
    mac.run_relay();
    assert_eq!(mac.posted().len(), 2);
    for row in [silent, photo] {
        mac.messages.join(chats.direct, row).unwrap();
    }
    mac.messages.set_text(silent, "late").unwrap();
    let picture = Attachment::photo("a.jpg", 10).in_state(TransferState::TRANSFERRING);
    mac.messages.attach(photo, &picture, mac.now()).unwrap();
    mac.run_relay();
    let later: Vec<_> = posts(&mac).split_off(2);
    let group = |event| (event, Mode::Group, TRIP.to_owned());
    assert_eq!(later, [Event::Edit, Event::AttachmentUpdate].map(group));
}

#[test]
fn a_change_keeps_the_chat_of_the_message_after_the_chat_was_deleted() {
    let mut mac = Mac::new();
    let chats = chats(&mut mac, LowerRowid::Direct);
    let now = mac.now();
    let hello = NewMessage::incoming(chats.ada, now).text("helo all");
    let row = mac.messages.deliver(chats.group, &hello).unwrap();
    mac.run_relay();
    mac.messages.join(chats.direct, row).unwrap();
    mac.messages
        .raw()
        .execute("delete from chat where ROWID = ?1", [chats.group])
        .unwrap();
    mac.messages.edit(row, "hello all", mac.now()).unwrap();
    mac.run_relay();
    let edit = mac.posted().pop().unwrap();
    assert_eq!(edit.event, Event::Edit);
    assert_eq!(
        (edit.mode, edit.chat_guid.as_str(), edit.sender.as_str()),
        (Mode::Group, TRIP, ADA)
    );
}

#[test]
fn a_change_of_a_row_without_a_chat_is_posted_in_the_first_chat_of_the_message() {
    let mut mac = Mac::new();
    let row = mac.receive(ADA, "helo");
    mac.run_relay();
    let first = mac.posted().pop().unwrap();
    let raw = mac.messages.raw();
    raw.execute_batch("drop trigger if exists after_delete_on_chat_message_join")
        .unwrap();
    raw.execute("delete from chat_message_join", []).unwrap();
    mac.messages.edit(row, "hello", mac.now()).unwrap();
    mac.run_relay();
    let edit = mac.posted().pop().unwrap();
    assert_eq!(edit.event, Event::Edit);
    assert_eq!(edit.chat_guid, first.chat_guid);
}

#[test]
fn a_change_keeps_the_first_chat_guid_after_a_rebuild_or_update_renames_the_chat() {
    for kept_messages in [1, 10] {
        let mut mac = Mac::new();
        let row = mac.receive(ADA, "helo");
        let guid = mac.messages.guid_of(row).unwrap();
        mac.run_relay();
        let first = mac.posted().pop().unwrap();
        assert!(first.chat_guid.starts_with("iMessage;"), "{first:?}");
        mac.messages
            .rebuild(kept_messages, MessageGuids::Kept)
            .unwrap();
        let raw = mac.messages.raw();
        raw.execute(
            "update chat set guid = replace(guid, 'iMessage;', 'any;')",
            [],
        )
        .unwrap();
        let row: i64 = raw
            .query_row("select ROWID from message where guid = ?1", [guid], |row| {
                row.get(0)
            })
            .unwrap();
        mac.messages.edit(row, "hello", mac.now()).unwrap();
        mac.run_relay();
        let edit = mac.posted().pop().unwrap();
        assert_eq!(edit.event, Event::Edit);
        assert_eq!(edit.chat_guid, first.chat_guid);
        assert_eq!(edit.participants, first.participants);
    }
}

#[test]
fn edits_of_messages_without_a_recorded_first_chat_keep_their_mode() {
    let mut mac = Mac::new();
    let chats = chats(&mut mac, LowerRowid::Direct);
    let row = mac.receive(ADA, "helo");
    let now = mac.now();
    let all = NewMessage::incoming(chats.ada, now).text("helo all");
    let to_all = mac.messages.deliver(chats.group, &all).unwrap();
    mac.run_relay();
    mac.state()
        .write(|tx| tx.execute("update seen set chat_guid = null, chat_mode = null", []))
        .unwrap();
    mac.messages.join(chats.group, row).unwrap();
    mac.messages.join(chats.direct, to_all).unwrap();
    for (row, text) in [(row, "hello"), (to_all, "hello all")] {
        mac.messages.edit(row, text, mac.now()).unwrap();
    }
    mac.run_relay();
    let edits: Vec<_> = mac
        .posted()
        .split_off(2)
        .into_iter()
        .map(|message| (message.text, message.mode))
        .collect();
    assert!(
        edits.contains(&("hello".to_owned(), Mode::Direct))
            && edits.contains(&("hello all".to_owned(), Mode::Group)),
        "{edits:?}"
    );
}

#[test]
fn the_edit_of_a_quarantined_message_keeps_its_first_chat() {
    let mut mac = Mac::new();
    let chats = chats(&mut mac, LowerRowid::Direct);
    mac.advance_online(hours(5));
    mac.receive(BOB, "newer");
    mac.run_relay();
    mac.advance_online(secs(900));
    let late = NewMessage::incoming(chats.ada, mac.ago(hours(2))).text("helo");
    let row = mac.messages.deliver(chats.group, &late).unwrap();
    mac.run_relay();
    mac.messages.join(chats.direct, row).unwrap();
    mac.messages.edit(row, "hello", mac.now()).unwrap();
    mac.run_relay();
    let held = mac.quarantined();
    let body = Message::from_json(&held[0].body).unwrap();
    assert_eq!((body.mode, body.chat_guid.as_str()), (Mode::Group, TRIP));
    assert_eq!(body.text, "hello");
}
