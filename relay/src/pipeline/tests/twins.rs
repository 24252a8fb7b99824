//! Copies of messages that iCloud inserts again, and real messages that look like copies of each other.

use messages_stand_in::{Attachment, MessageGuids};

use super::*;
use crate::state::seen::RowOutcome;

/// Delivers a photo from Ada without words, with the same file name and size each time.
fn receive_photo(mac: &mut Mac, sent: Date) -> i64 {
    let (chat, ada) = mac.direct_chat(ADA);
    let message = NewMessage::incoming(ada, sent).text("\u{fffc}");
    let row = mac.messages.deliver(chat, &message).unwrap();
    let now = mac.now();
    mac.messages
        .attach(row, &Attachment::photo("IMG_0001.jpeg", 48_213), now)
        .unwrap();
    row
}

/// A date with a fraction of a second, as iMessage has.
fn date_with_microseconds(mac: &Mac) -> Date {
    mac.advance(Duration::from_micros(250_001));
    mac.now()
}

/// Lets a day pass with the network proven all along, and delivers a message that is newer than all others.
fn advance_a_day_online(mac: &mut Mac) {
    mac.advance_online(hours(26));
    mac.receive(BOB, "newer");
    mac.prove_network();
    mac.run_relay();
    mac.advance(secs(60));
    mac.prove_network();
}

fn outcomes(mac: &Mac, rows: &[i64]) -> Vec<RowOutcome> {
    let outcome = |row: &i64| mac.outcome(*row).expect("accounted for");
    rows.iter().map(outcome).collect()
}

#[test]
fn two_photos_of_one_microsecond_are_two_messages() {
    for reads_between in [false, true] {
        let mut mac = Mac::new();
        let sent = date_with_microseconds(&mac);
        let first = receive_photo(&mut mac, sent);
        if reads_between {
            mac.run_relay();
        }
        let second = receive_photo(&mut mac, sent);
        mac.run_relay();
        let found = outcomes(&mac, &[first, second]);
        assert_eq!(found, [RowOutcome::Forwarded; 2], "{reads_between}");
    }
}

#[test]
fn two_late_photos_of_one_microsecond_in_one_batch_are_two_messages() {
    for reads_between in [false, true] {
        let mut mac = Mac::new();
        mac.prove_network();
        mac.run_relay();
        let sent = date_with_microseconds(&mac);
        mac.advance(hours(6));
        let first = receive_photo(&mut mac, sent);
        if reads_between {
            mac.run_relay();
            mac.advance(secs(90));
        }
        let second = receive_photo(&mut mac, sent);
        mac.run_relay();
        let found = outcomes(&mac, &[first, second]);
        assert_eq!(found, [RowOutcome::Forwarded; 2], "{reads_between}");
    }
}

#[test]
fn the_copy_of_a_photo_is_dropped_and_a_third_photo_of_that_instant_is_not() {
    let mut mac = Mac::new();
    let sent = date_with_microseconds(&mac);
    let originals = [receive_photo(&mut mac, sent), receive_photo(&mut mac, sent)];
    mac.run_relay();
    advance_a_day_online(&mut mac);
    let copies = [receive_photo(&mut mac, sent), receive_photo(&mut mac, sent)];
    let other = receive_photo(&mut mac, sent);
    mac.run_relay();
    assert_eq!(outcomes(&mac, &originals), [RowOutcome::Forwarded; 2]);
    assert_eq!(outcomes(&mac, &copies), [RowOutcome::Twin; 2]);
    assert_eq!(mac.outcome(other), Some(RowOutcome::Backfilled));
    // The next sync inserts all of them again.
    advance_a_day_online(&mut mac);
    let again = [0; 3].map(|_| receive_photo(&mut mac, sent));
    mac.run_relay();
    assert_eq!(outcomes(&mac, &again), [RowOutcome::Twin; 3]);
}

#[test]
fn two_late_equal_texts_of_one_second_in_one_batch_are_two_messages() {
    for away in [hours(6), hours(80)] {
        let mut mac = Mac::new();
        mac.prove_network();
        mac.run_relay();
        mac.advance(secs(60));
        let sent = mac.now();
        mac.advance(away);
        let rows = [
            mac.receive_dated(ADA, "ok", sent),
            mac.receive_dated(ADA, "ok", sent),
        ];
        mac.run_relay();
        assert_eq!(outcomes(&mac, &rows), [RowOutcome::Forwarded; 2]);
    }
}

#[test]
fn two_equal_texts_are_both_posted_from_a_backlog_of_several_transactions() {
    let mut mac = Mac::new();
    mac.prove_network();
    mac.run_relay();
    let sent = mac.now();
    mac.advance(hours(6));
    for n in 0..1_100 {
        let text = if n % 499 == 0 {
            "ok".to_owned()
        } else {
            format!("{n}")
        };
        mac.receive_dated(ADA, &text, sent);
    }
    mac.run_relay();
    let texts = mac.texts();
    assert_eq!(texts.len(), 1_100);
    assert_eq!(texts.iter().filter(|text| *text == "ok").count(), 3);
}

#[test]
fn a_sync_with_two_equal_unknown_texts_posts_both_as_backfill() {
    let mut mac = Mac::new();
    let sent = mac.now();
    mac.receive(ADA, "known");
    mac.run_relay();
    advance_a_day_online(&mut mac);
    let rows = ["known", "ok", "ok"].map(|text| mac.receive_dated(ADA, text, sent));
    mac.run_relay();
    let found = outcomes(&mac, &rows);
    assert_eq!(
        found,
        [
            RowOutcome::Twin,
            RowOutcome::Backfilled,
            RowOutcome::Backfilled
        ]
    );
}

#[test]
fn equal_texts_of_one_microsecond_in_one_batch_are_one_message() {
    let mut mac = Mac::new();
    let sent = date_with_microseconds(&mac);
    let rows = [
        mac.receive_dated(ADA, "hi", sent),
        mac.receive_dated(ADA, "hi", sent),
    ];
    mac.run_relay();
    let found = outcomes(&mac, &rows);
    assert_eq!(found, [RowOutcome::Forwarded, RowOutcome::Twin]);
}

#[test]
fn a_rebuild_with_other_guids_posts_each_photo_once() {
    let mut mac = Mac::new();
    let sent = date_with_microseconds(&mac);
    receive_photo(&mut mac, sent);
    receive_photo(&mut mac, sent);
    mac.run_relay();
    // The row is in the file, and was not read before the rebuild.
    receive_photo(&mut mac, sent);
    mac.advance(secs(1));
    mac.messages.rebuild(10, MessageGuids::Renewed).unwrap();
    mac.run_relay();
    mac.run_relay();
    assert_eq!(mac.posted().len(), 3);
    let began = |mac: &Mac| {
        mac.state()
            .read(|state| crate::state::meta::get(state, crate::state::meta::REBUILD_BEGAN_AT))
            .unwrap()
    };
    assert_eq!(
        began(&mac),
        None,
        "every row of the new file is accounted for"
    );
}

#[test]
fn two_equal_texts_are_both_posted_after_a_rebuild_read_in_two_attempts() {
    let mut mac = Mac::new();
    mac.receive(ADA, "before");
    mac.run_relay();
    mac.advance(secs(60));
    let sent = mac.now();
    mac.receive_dated(ADA, "ok", sent);
    mac.receive_dated(ADA, "ok", sent);
    mac.messages.rebuild(10, MessageGuids::Renewed).unwrap();
    let source = mac.state().read(crate::state::read_position::load).unwrap();
    let source = source.unwrap();
    let began_at = mac.clock.now().as_micros();
    mac.run_relay();
    assert_eq!(mac.texts(), ["before", "ok", "ok"]);
    // The state is as after a kill between the two rows: the second row of the new file was not read.
    mac.state()
        .write(|tx| {
            crate::state::read_position::save(tx, &source)?;
            crate::state::read_position::set_anchors(tx, &source.anchors)?;
            crate::state::meta::set(
                tx,
                crate::state::meta::REBUILD_BEGAN_AT,
                &began_at.to_string(),
            )?;
            tx.execute("delete from outbox where seq = 3", [])?;
            tx.execute(
                "delete from seen where guid = (select guid from seen where outcome = 'forwarded'
                 order by message_rowid desc limit 1)",
                [],
            )
        })
        .unwrap();
    mac.advance(secs(60));
    mac.run_relay();
    assert_eq!(mac.texts(), ["before", "ok", "ok"]);
}
