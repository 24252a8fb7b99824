//! Another chat.db at the same path, and a relay whose state was lost.

use messages_stand_in::MessageGuids;

use super::*;

#[test]
fn a_rebuilt_file_with_low_rowids_loses_no_message_and_posts_none_twice() {
    for guids in [MessageGuids::Kept, MessageGuids::Renewed] {
        let mut mac = Mac::new();
        for n in 0..40 {
            mac.pass(secs(60));
            mac.says(ADA, &format!("before {n}"));
        }
        mac.look();
        assert_eq!(mac.posted().len(), 40);
        mac.pass(secs(60));
        mac.says(ADA, "in the file, not yet read");
        mac.messages.rebuild(20, guids).unwrap();
        mac.says(BOB, "after the rebuild");
        mac.look();
        mac.look();
        assert_eq!(mac.posted().len(), 42, "{guids:?}");
        assert_eq!(
            mac.texts()[40..],
            ["in the file, not yet read", "after the rebuild"],
            "{guids:?}"
        );
        assert!(mac.held().is_empty());
        mac.pass(secs(1));
        mac.says(ADA, "and on it goes");
        mac.look();
        assert_eq!(
            mac.texts().last().map(String::as_str),
            Some("and on it goes")
        );
    }
}

#[test]
fn a_rebuild_is_noticed_when_the_new_file_has_more_rows_than_the_old_one() {
    let mut mac = Mac::new();
    mac.says(ADA, "one");
    mac.look();
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
    mac.look();
    assert_eq!(
        mac.texts(),
        ["one"],
        "nothing older than the beginning is forwarded"
    );
    mac.pass(secs(1));
    mac.says(BOB, "news");
    mac.look();
    assert_eq!(mac.texts(), ["one", "news"]);
}

#[test]
fn deleted_messages_do_not_count_as_a_rebuild() {
    let mut mac = Mac::new();
    let rows: Vec<_> = (0..5).map(|n| mac.says(ADA, &format!("{n}"))).collect();
    mac.look();
    for row in &rows[1..] {
        mac.messages.delete_message(*row).unwrap();
    }
    mac.says(ADA, "still here");
    mac.look();
    assert_eq!(mac.posted().len(), 6);
}

#[test]
fn a_relay_with_a_lost_state_resumes_at_the_backends_newest_message() {
    let mut mac = Mac::new();
    mac.says(ADA, "stored");
    mac.look();
    let last = mac.posted().pop().unwrap();
    mac.pass(hours(1));
    mac.says(ADA, "came while the state was lost");
    mac.pass(hours(1));
    mac.lose_state();
    mac.look();
    assert!(mac.posted().is_empty(), "until the backend was asked");
    let guid = last.message_guid.unwrap();
    mac.newest
        .send(Some(newest(&guid, last.timestamp.as_micros())))
        .unwrap();
    mac.look();
    assert_eq!(mac.texts(), ["came while the state was lost"]);
    assert!(!mac.posted()[0].is_backfill);
    mac.newest
        .send(Some(newest(&guid, last.timestamp.as_micros())))
        .unwrap();
    mac.look();
    assert_eq!(mac.posted().len(), 1, "asked once, resumed once");
}

#[test]
fn a_relay_unknown_to_the_backend_starts_at_the_present() {
    let mut mac = Mac::before_first_run(Style::Ventura);
    mac.said(ADA, "before", mac.ago(hours(1)));
    mac.look();
    mac.newest.send(None).unwrap();
    mac.look();
    assert!(mac.posted().is_empty());
}

#[test]
fn a_restored_older_file_that_grew_again_is_noticed() {
    let mut mac = Mac::new();
    for n in 0..150 {
        mac.says(ADA, &format!("{n}"));
        mac.pass(secs(1));
    }
    mac.look();
    // The owner restores a copy that lacks the last 30 rows, and Messages then writes 40 others.
    let since = mac.clock.now();
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
        mac.pass(Duration::from_millis(1_001));
        mac.says(BOB, &format!("other {n}"));
    }
    assert!(mac.messages.sequence().unwrap() > 150);
    mac.look();
    mac.look();
    assert_eq!(
        mac.posted().len(),
        190,
        "{since}: every other row is posted"
    );
}

#[test]
fn a_row_inserted_after_the_backends_newest_message_but_sent_earlier_is_posted() {
    let mut mac = Mac::new();
    mac.pass(hours(2));
    mac.says(ADA, "stored");
    mac.look();
    let last = mac.posted().pop().unwrap();
    mac.said(BOB, "sent a minute before, came after", mac.ago(secs(60)));
    mac.pass(hours(1));
    mac.lose_state();
    mac.says(BOB, "before the backend has answered");
    mac.look();
    assert!(mac.posted().is_empty());
    let target = newest(&last.message_guid.unwrap(), last.timestamp.as_micros());
    mac.newest.send(Some(target)).unwrap();
    mac.look();
    assert_eq!(
        mac.texts(),
        [
            "sent a minute before, came after",
            "before the backend has answered"
        ]
    );
}
