//! Rows that Messages has not finished. They wait for content, and hold back no other row for long.

use messages_stand_in::{Attachment, Piece};
use rusqlite::types::Value;

use super::*;

fn deliver_unfinished(mac: &mut Mac) -> i64 {
    let (chat, ada) = mac.direct_chat(ADA);
    let message = NewMessage::incoming(ada, mac.now()).set("is_finished", 0);
    mac.messages.deliver(chat, &message).unwrap()
}

#[test]
fn an_unfinished_row_waits_for_its_text() {
    let mut mac = Mac::new();
    let row = deliver_unfinished(&mut mac);
    for passed in [0, 3, 60, 3_600] {
        mac.advance(secs(passed));
        mac.run_relay();
        assert_eq!(mac.waiting_reasons(), ["not_finished"], "{passed}");
    }
    mac.messages.set_text(row, "here I am").unwrap();
    mac.run_relay();
    mac.messages.set_column(row, "is_finished", 1).unwrap();
    mac.run_relay();
    assert_eq!(mac.events(), [(Event::Message, 0)]);
    assert_eq!(mac.texts(), ["here I am"]);
    assert!(mac.waiting_reasons().is_empty());
}

#[test]
fn an_unfinished_row_holds_back_its_chat_as_long_as_other_incomplete_rows_do() {
    let mut mac = Mac::new();
    deliver_unfinished(&mut mac);
    mac.receive(ADA, "behind it");
    mac.receive(BOB, "elsewhere");
    mac.run_relay();
    assert_eq!(mac.texts(), ["elsewhere"]);
    mac.advance(Duration::from_millis(3_900));
    mac.run_relay();
    assert_eq!(mac.texts(), ["elsewhere"]);
    mac.advance(Duration::from_millis(200));
    mac.run_relay();
    assert_eq!(mac.texts(), ["elsewhere", "behind it"]);
    assert_eq!(mac.waiting_reasons(), ["not_finished"]);
}

#[test]
fn a_finished_row_without_content_is_posted_without_content() {
    let mut mac = Mac::new();
    let row = deliver_unfinished(&mut mac);
    mac.run_relay();
    mac.advance(secs(30));
    mac.run_relay();
    assert!(mac.posted().is_empty());
    mac.messages.set_column(row, "is_finished", 1).unwrap();
    mac.run_relay();
    assert_eq!(mac.events(), [(Event::Other, 1)]);
}

#[test]
fn a_row_that_is_never_finished_is_posted_after_half_a_day_and_completed_by_an_edit() {
    let mut mac = Mac::new();
    let row = deliver_unfinished(&mut mac);
    mac.run_relay();
    mac.advance(secs(12 * 3_600 - 1));
    mac.sweep();
    assert!(mac.posted().is_empty());
    mac.advance(secs(1));
    mac.sweep();
    assert_eq!(mac.events(), [(Event::Other, 1)]);
    assert!(mac.waiting_reasons().is_empty());
    mac.messages.set_text(row, "at last").unwrap();
    mac.run_relay();
    assert_eq!(mac.events(), [(Event::Other, 1), (Event::Edit, 0)]);
    assert_eq!(mac.texts(), ["", "at last"]);
}

#[test]
fn a_row_with_content_is_posted_whether_or_not_the_row_is_finished() {
    let mut mac = Mac::new();
    let (chat, ada) = mac.direct_chat(ADA);
    let now = mac.now();
    let unfinished = || NewMessage::incoming(ada, now).set("is_finished", 0);
    let pieces = [Piece::attachment("PHOTO")];
    let photo = mac
        .messages
        .deliver(chat, &unfinished().pieces(&pieces))
        .unwrap();
    let file = Attachment::photo("a.jpg", 1).with_guid("PHOTO");
    mac.messages.attach(photo, &file, now).unwrap();
    mac.messages
        .deliver(chat, &unfinished().text("hi"))
        .unwrap();
    let subject = unfinished().set("subject", "Dinner".to_owned());
    mac.messages.deliver(chat, &subject).unwrap();
    mac.messages
        .deliver(chat, &unfinished().set("item_type", 4))
        .unwrap();
    mac.run_relay();
    assert_eq!(
        mac.texts(),
        ["", "hi", "Dinner", "started sharing location"]
    );
}

#[test]
fn an_app_row_without_content_waits_until_the_row_is_finished() {
    let mut mac = Mac::new();
    let (chat, ada) = mac.direct_chat(ADA);
    let message = NewMessage::incoming(ada, mac.now())
        .set("balloon_bundle_id", "com.example.game".to_owned())
        .set("is_finished", 0);
    let row = mac.messages.deliver(chat, &message).unwrap();
    mac.run_relay();
    mac.advance(secs(5));
    mac.run_relay();
    assert_eq!(mac.waiting_reasons(), ["not_finished"]);
    mac.messages.set_column(row, "is_finished", 1).unwrap();
    mac.run_relay();
    assert_eq!(mac.texts(), ["a message of an app"]);
}

#[test]
fn a_row_with_an_absent_or_null_finished_column_counts_as_finished() {
    let mut mac = Mac::new();
    let row = deliver_unfinished(&mut mac);
    mac.messages
        .set_column(row, "is_finished", Value::Null)
        .unwrap();
    mac.run_relay();
    assert_eq!(mac.waiting_reasons(), ["no_text"]);
    mac.advance(secs(3));
    mac.run_relay();
    assert_eq!(mac.events(), [(Event::Other, 1)]);

    let mut mac = Mac::new();
    let indexes = mac
        .messages
        .raw()
        .prepare(
            "select name from sqlite_master where type = 'index'
        and sql like '%is_finished%'",
        )
        .unwrap()
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap()
        .collect::<rusqlite::Result<Vec<_>>>()
        .unwrap();
    for index in indexes {
        mac.messages
            .raw()
            .execute_batch(&format!("drop index {index}"))
            .unwrap();
    }
    deliver_unfinished(&mut mac);
    mac.messages
        .raw()
        .execute_batch("alter table message drop column is_finished")
        .unwrap();
    mac.run_relay();
    mac.advance(secs(3));
    mac.run_relay();
    assert_eq!(mac.events(), [(Event::Other, 1)]);
}
