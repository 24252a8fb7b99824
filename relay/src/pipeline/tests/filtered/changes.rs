//! Held rows that change, move to another chat, are deleted, or are in a rebuilt chat.db.

use messages_stand_in::{Attachment, MessageGuids};
use shared_protocol::Mode;

use super::*;

#[test]
fn a_lifted_message_is_posted_with_its_newest_content() {
    let mut mac = Mac::new();
    let row = hold_back(&mut mac, FilterMark::Chat(Filter::SPAM), "helo");
    mac.messages.edit(row, "hello", mac.now()).unwrap();
    mac.run_relay();
    let body = |mac: &Mac| {
        let held = mac.state().read(filtered_rows::list).unwrap();
        Message::from_json(held[0].body.as_ref().unwrap()).unwrap()
    };
    assert_eq!(body(&mac).text, "hello", "the list entry has the new text");
    mac.advance(hours(40));
    let picture = Attachment::photo("a.jpg", 10);
    mac.messages.attach(row, &picture, mac.now()).unwrap();
    FilterMark::Chat(Filter::SPAM).lift(&mut mac, row);
    mac.run_relay();
    mac.run_relay();
    let posted = mac.posted();
    assert_eq!(mac.events(), [(Event::Message, 0)]);
    assert_eq!(
        (posted[0].text.as_str(), posted[0].attachments.len()),
        ("hello", 1)
    );
    // An edit of a row from more than a day before the last comparison is not looked for.
    mac.messages.edit(row, "hello!", mac.now()).unwrap();
    mac.advance(secs(1));
    mac.start(FirstRun::Now, Options::default());
    mac.run_relay();
    assert_eq!(mac.events(), [(Event::Message, 0)]);
    assert_eq!(mac.texts(), ["hello"]);
}

#[test]
fn an_edit_of_a_lifted_message_is_posted_as_an_edit() {
    let mut mac = Mac::new();
    let row = hold_back(&mut mac, FilterMark::Spam, "helo");
    FilterMark::Spam.lift(&mut mac, row);
    mac.run_relay();
    mac.messages.edit(row, "hello", mac.now()).unwrap();
    mac.run_relay();
    assert_eq!(mac.events(), [(Event::Message, 0), (Event::Edit, 2)]);
    assert_eq!(mac.texts(), ["helo", "hello"]);
}

#[test]
fn a_deleted_row_leaves_the_list_and_counts_as_new_if_it_reappears() {
    let mut mac = Mac::new();
    let row = hold_back(&mut mac, FilterMark::Chat(Filter::SPAM), "hello");
    let guid = mac.messages.guid_of(row).unwrap();
    mac.messages.delete_message(row).unwrap();
    mac.run_relay();
    assert!(mac.filtered().is_empty());
    let (chat, ada) = mac.direct_chat(ADA);
    mac.messages
        .set_chat_column(chat, "is_filtered", Filter::KNOWN.0)
        .unwrap();
    mac.advance(secs(60));
    let now = mac.now();
    let again = NewMessage::incoming(ada, now).text("hello").guid(guid);
    mac.messages.deliver(chat, &again).unwrap();
    mac.run_relay();
    assert_eq!(mac.texts(), ["hello"]);
}

#[test]
fn a_held_row_deleted_with_its_chat_leaves_the_list() {
    let mut mac = Mac::new();
    let row = hold_back(&mut mac, FilterMark::Chat(Filter::SPAM), "hello");
    let (chat, _) = mac.direct_chat(ADA);
    mac.messages.delete_message(row).unwrap();
    mac.messages
        .raw()
        .execute("delete from chat where ROWID = ?1", [chat])
        .unwrap();
    mac.run_relay();
    mac.run_relay();
    assert!(mac.filtered().is_empty() && mac.posted().is_empty());
}

#[test]
fn a_held_row_in_recently_deleted_is_posted_after_the_owner_restores_it() {
    let mut mac = Mac::new();
    let row = hold_back(&mut mac, FilterMark::Chat(Filter::SPAM), "hello");
    let (chat, _) = mac.direct_chat(ADA);
    mac.messages
        .move_to_recently_deleted(row, mac.now())
        .unwrap();
    mac.messages
        .set_chat_column(chat, "is_filtered", Filter::KNOWN.0)
        .unwrap();
    mac.run_relay();
    assert!(mac.posted().is_empty());
    assert_eq!(mac.filtered().len(), 1);
    let raw = mac.messages.raw();
    raw.execute(
        "insert into chat_message_join (chat_id, message_id) values (?1, ?2)",
        [chat, row],
    )
    .unwrap();
    raw.execute("delete from chat_recoverable_message_join", [])
        .unwrap();
    mac.run_relay();
    assert_eq!(mac.texts(), ["hello"]);
}

#[test]
fn a_held_group_message_is_posted_in_the_group_after_its_row_joins_a_direct_chat() {
    let mut mac = Mac::new();
    let (direct, ada) = mac.direct_chat(ADA);
    let trip = Chat {
        filter: Filter::SPAM,
        ..Chat::group([ADA, BOB]).with_guid("iMessage;+;chat77")
    };
    let group = mac.messages.insert_chat(&trip).unwrap();
    let now = mac.now();
    let row = mac
        .messages
        .deliver(group, &NewMessage::incoming(ada, now).text("to all"))
        .unwrap();
    mac.run_relay();
    mac.messages.join(direct, row).unwrap();
    mac.run_relay();
    assert!(mac.posted().is_empty(), "the group's mark counts");
    mac.messages
        .set_chat_column(group, "is_filtered", Filter::KNOWN.0)
        .unwrap();
    mac.run_relay();
    let posted = mac.posted();
    assert_eq!(
        (posted[0].mode, posted[0].chat_guid.as_str()),
        (Mode::Group, "iMessage;+;chat77")
    );
}

#[test]
fn a_held_row_of_a_merged_chat_is_held_by_the_new_chats_mark_and_keeps_its_conversation() {
    for (filter, posts) in [(Filter::SPAM, 0), (Filter::KNOWN, 1)] {
        let mut mac = Mac::new();
        let row = hold_back(&mut mac, FilterMark::Chat(Filter::SPAM), "hello");
        let (old, _) = mac.direct_chat(ADA);
        let merged = Chat {
            filter,
            ..Chat::direct(ADA).with_guid("any;-;+15550100001")
        };
        let merged = mac.messages.insert_chat(&merged).unwrap();
        mac.messages.join(merged, row).unwrap();
        let raw = mac.messages.raw();
        raw.execute("delete from chat_message_join where chat_id = ?1", [old])
            .unwrap();
        raw.execute("delete from chat where ROWID = ?1", [old])
            .unwrap();
        mac.run_relay();
        mac.run_relay();
        assert_eq!(mac.posted().len(), posts);
        mac.messages
            .set_chat_column(merged, "is_filtered", Filter::KNOWN.0)
            .unwrap();
        mac.run_relay();
        let posted = mac.posted();
        assert_eq!(posted.len(), 1);
        assert_eq!(posted[0].chat_guid, "iMessage;-;+15550100001");
    }
}

#[test]
fn a_row_is_not_held_by_the_mark_of_a_chat_it_has_left() {
    let mut mac = Mac::new();
    let row = hold_back(&mut mac, FilterMark::Chat(Filter::SPAM), "hello");
    let (marked, _) = mac.direct_chat(ADA);
    let unmarked = Chat::direct(ADA).with_guid("any;-;+15550100001");
    let unmarked = mac.messages.insert_chat(&unmarked).unwrap();
    mac.messages.join(unmarked, row).unwrap();
    mac.run_relay();
    assert!(mac.posted().is_empty(), "the row is in both chats");
    mac.messages
        .raw()
        .execute("delete from chat_message_join where chat_id = ?1", [marked])
        .unwrap();
    mac.run_relay();
    assert_eq!(mac.texts(), ["hello"]);
}

#[test]
fn held_messages_are_found_again_in_a_rebuilt_chat_db() {
    for guids in [MessageGuids::Kept, MessageGuids::Renewed] {
        for age in [hours(1), hours(24 * 30)] {
            let mut mac = Mac::new();
            for n in 0..20 {
                mac.receive_dated(BOB, &format!("{n}"), mac.now());
                mac.advance(secs(1));
            }
            hold_back(&mut mac, FilterMark::Chat(Filter::SPAM), "held");
            hold_back(&mut mac, FilterMark::Chat(Filter::SPAM), "held, too");
            let before = mac.posted().len();
            mac.advance(age);
            mac.receive(BOB, "newer");
            mac.run_relay();
            mac.messages.rebuild(12, guids).unwrap();
            mac.run_relay();
            mac.run_relay();
            assert_eq!(mac.posted().len(), before + 1, "{guids:?}, {age:?}");
            assert_eq!(mac.filtered().len(), 2, "{guids:?}, {age:?}");
            let (chat, _) = mac.direct_chat(ADA);
            mac.messages
                .set_chat_column(chat, "is_filtered", Filter::KNOWN.0)
                .unwrap();
            mac.run_relay();
            mac.run_relay();
            let texts = mac.texts();
            assert_eq!(
                texts[before + 1..],
                ["held", "held, too"],
                "{guids:?}, {age:?}"
            );
            let guids_now: Vec<_> = mac.posted()[before + 1..]
                .iter()
                .map(|message| message.message_guid.clone().unwrap())
                .collect();
            for guid in guids_now {
                let count = mac.messages.raw().query_row(
                    "select count(*) from message where guid = ?1",
                    [guid],
                    |row| row.get::<_, i64>(0),
                );
                assert_eq!(count, Ok(1), "posted under the guid that chat.db has");
            }
        }
    }
}

#[test]
fn a_mark_absent_from_a_rebuilt_chat_db_counts_as_lifted() {
    for guids in [MessageGuids::Kept, MessageGuids::Renewed] {
        let mut mac = Mac::new();
        hold_back(&mut mac, FilterMark::Chat(Filter::SPAM), "hello");
        mac.advance(hours(1));
        mac.messages.rebuild(10, guids).unwrap();
        let (chat, _) = mac.direct_chat(ADA);
        mac.messages
            .set_chat_column(chat, "is_filtered", Filter::KNOWN.0)
            .unwrap();
        mac.run_relay();
        mac.run_relay();
        assert_eq!(mac.texts(), ["hello"], "{guids:?}");
        assert!(mac.filtered().is_empty());
    }
}

#[test]
fn a_held_message_of_a_moved_group_is_posted_under_the_chat_guid_of_the_groups_first_post() {
    let mut mac = Mac::before_first_run(Style::Tahoe);
    mac.run_relay();
    let group = |service: &str, guid: &str| Chat::group([ADA, BOB]).on(service).with_guid(guid);
    let old = Chat {
        filter: Filter::SPAM,
        ..group("SMS", "SMS;+;chat111")
    };
    let old = mac.messages.insert_chat(&old).unwrap();
    let new = mac
        .messages
        .insert_chat(&group("RCS", "RCS;+;chat222"))
        .unwrap();
    let ada = mac.messages.ensure_handle(ADA, "SMS").unwrap();
    for (chat, text) in [(old, "held"), (new, "posted first")] {
        let message = NewMessage::incoming(ada, mac.now()).text(text);
        mac.messages.deliver(chat, &message).unwrap();
        mac.run_relay();
        mac.advance(secs(70));
    }
    for identifier in ["chat111", "chat222"] {
        mac.messages
            .assign_identifier(new, identifier, "joined")
            .unwrap();
    }
    let message = NewMessage::incoming(ada, mac.now()).text("joined");
    mac.messages.deliver(new, &message).unwrap();
    mac.run_relay();
    mac.messages
        .set_chat_column(old, "is_filtered", Filter::KNOWN.0)
        .unwrap();
    mac.run_relay();
    let posts: Vec<_> = mac
        .posted()
        .into_iter()
        .map(|message| (message.text, message.chat_guid))
        .collect();
    let expected = ["posted first", "joined", "held"];
    assert_eq!(
        posts,
        expected.map(|text| (text.to_owned(), "RCS;+;chat222".to_owned()))
    );
}

#[test]
fn a_held_link_and_its_held_preview_are_posted_once() {
    for text_first in [true, false] {
        let mut mac = Mac::new();
        let (chat, handle) = filtered_chat(&mut mac, Filter::SPAM, "+15550100009");
        let link = "https://example.com/a";
        let text = NewMessage::incoming(handle, mac.now()).text(link);
        let balloon = "com.apple.messages.URLBalloonProvider".to_owned();
        let preview = text.clone().set("balloon_bundle_id", balloon);
        let mut rows = [text, preview];
        if !text_first {
            rows.reverse();
        }
        for row in rows {
            mac.messages.deliver(chat, &row).unwrap();
            mac.run_relay();
            mac.advance(secs(1));
        }
        assert!(mac.posted().is_empty());
        mac.messages
            .set_chat_column(chat, "is_filtered", Filter::KNOWN.0)
            .unwrap();
        mac.run_relay();
        mac.run_relay();
        assert_eq!(mac.texts(), [link], "{text_first}");
        assert!(mac.filtered().is_empty());
    }
}
