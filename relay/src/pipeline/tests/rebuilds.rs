//! Another chat.db at the same path, and a relay whose state was lost.

use messages_stand_in::MessageGuids;

use super::*;

#[test]
fn a_rebuilt_file_with_low_rowids_loses_no_message_and_posts_none_twice() {
    for guids in [MessageGuids::Kept, MessageGuids::Renewed] {
        let mut mac = Mac::new();
        for n in 0..40 {
            mac.advance(secs(60));
            mac.receive(ADA, &format!("before {n}"));
        }
        mac.run_relay();
        assert_eq!(mac.posted().len(), 40);
        mac.advance(secs(60));
        mac.receive(ADA, "in the file, not yet read");
        mac.messages.rebuild(20, guids).unwrap();
        mac.receive(BOB, "after the rebuild");
        mac.run_relay();
        mac.run_relay();
        assert_eq!(mac.posted().len(), 42, "{guids:?}");
        assert_eq!(
            mac.texts()[40..],
            ["in the file, not yet read", "after the rebuild"],
            "{guids:?}"
        );
        assert!(mac.quarantined().is_empty());
        mac.advance(secs(1));
        mac.receive(ADA, "and on it goes");
        mac.run_relay();
        assert_eq!(
            mac.texts().last().map(String::as_str),
            Some("and on it goes")
        );
    }
}

#[test]
fn a_rebuild_is_noticed_when_the_new_file_has_more_rows_than_the_old_one() {
    let mut mac = Mac::new();
    mac.receive(ADA, "one");
    mac.run_relay();
    let other = mac.folder.path().join("other.db");
    let mut restored = StandIn::create(&other, Style::Ventura)
        .unwrap()
        .with_seed(77);
    let chat = restored.insert_chat(&Chat::direct(BOB)).unwrap();
    let bob = restored.ensure_handle(BOB, "iMessage").unwrap();
    for n in 0..30 {
        let sent = mac.ago(hours(24 * 30 - n));
        restored
            .deliver(
                chat,
                &NewMessage::incoming(bob, sent).text(format!("ancient {n}")),
            )
            .unwrap();
    }
    drop(restored);
    mac.messages.replace_with(&other).unwrap();
    mac.run_relay();
    assert_eq!(
        mac.texts(),
        ["one"],
        "no message from before the first run is posted"
    );
    mac.advance(secs(1));
    mac.receive(BOB, "news");
    mac.run_relay();
    assert_eq!(mac.texts(), ["one", "news"]);
}

#[test]
fn deleted_messages_do_not_count_as_a_rebuild() {
    let mut mac = Mac::new();
    let rows: Vec<_> = (0..5).map(|n| mac.receive(ADA, &format!("{n}"))).collect();
    mac.run_relay();
    for row in &rows[1..] {
        mac.messages.delete_message(*row).unwrap();
    }
    mac.receive(ADA, "still here");
    mac.run_relay();
    assert_eq!(mac.posted().len(), 6);
}

#[test]
fn a_relay_with_a_lost_state_resumes_at_the_backends_newest_message() {
    let mut mac = Mac::new();
    mac.receive(ADA, "stored");
    mac.run_relay();
    let last = mac.posted().pop().unwrap();
    mac.advance(hours(1));
    mac.receive(ADA, "came while the state was lost");
    mac.advance(hours(1));
    mac.lose_state();
    mac.run_relay();
    assert!(mac.posted().is_empty(), "until the backend was asked");
    let guid = last.message_guid.unwrap();
    mac.newest
        .send(Some(newest(&guid, last.timestamp.as_micros())))
        .unwrap();
    mac.run_relay();
    assert_eq!(mac.texts(), ["came while the state was lost"]);
    assert!(!mac.posted()[0].is_backfill);
    mac.newest
        .send(Some(newest(&guid, last.timestamp.as_micros())))
        .unwrap();
    mac.run_relay();
    assert_eq!(mac.posted().len(), 1, "a second answer is not used");
}

#[test]
fn a_relay_unknown_to_the_backend_posts_no_earlier_message() {
    let mut mac = Mac::before_first_run(Style::Ventura);
    mac.receive_dated(ADA, "before", mac.ago(hours(1)));
    mac.run_relay();
    mac.newest.send(None).unwrap();
    mac.run_relay();
    assert!(mac.posted().is_empty());
}

#[test]
fn a_restored_older_file_that_grew_again_is_noticed() {
    let mut mac = Mac::new();
    for n in 0..150 {
        mac.receive(ADA, &format!("{n}"));
        mac.advance(secs(1));
    }
    mac.run_relay();
    // The owner restores a copy that lacks the last 30 rows, and Messages then writes 40 others.
    let restored_at = mac.clock.now();
    for row in 121..=150 {
        mac.messages.delete_message(row).unwrap();
    }
    mac.messages
        .raw()
        .execute(
            "update sqlite_sequence set seq = 120 where name = 'message'",
            [],
        )
        .unwrap();
    mac.messages = StandIn::open(mac.folder.path().join("chat.db"))
        .unwrap()
        .with_seed(99);
    for n in 0..40 {
        mac.advance(Duration::from_millis(1_001));
        mac.receive(BOB, &format!("other {n}"));
    }
    assert!(mac.messages.sequence().unwrap() > 150);
    mac.run_relay();
    mac.run_relay();
    assert_eq!(
        mac.posted().len(),
        190,
        "restored at {restored_at}: every row of the restored file is posted"
    );
}

#[test]
fn a_row_inserted_after_the_backends_newest_message_but_sent_earlier_is_posted() {
    let mut mac = Mac::new();
    mac.advance(hours(2));
    mac.receive(ADA, "stored");
    mac.run_relay();
    let last = mac.posted().pop().unwrap();
    mac.receive_dated(BOB, "sent a minute before, came after", mac.ago(secs(60)));
    mac.advance(hours(1));
    mac.lose_state();
    mac.receive(BOB, "before the backend has answered");
    mac.run_relay();
    assert!(mac.posted().is_empty());
    let target = newest(&last.message_guid.unwrap(), last.timestamp.as_micros());
    mac.newest.send(Some(target)).unwrap();
    mac.run_relay();
    assert_eq!(
        mac.texts(),
        [
            "sent a minute before, came after",
            "before the backend has answered"
        ]
    );
}
