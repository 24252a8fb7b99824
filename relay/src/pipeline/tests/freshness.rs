//! Live, late, old and copied rows: which are posted as live or as backfill, and which are dropped or quarantined.

use super::*;
use crate::state::seen::RowOutcome;

#[test]
fn a_first_run_posts_only_messages_that_appear_after_it() {
    let mut mac = Mac::before_first_run(Style::Ventura);
    for n in 0..50 {
        mac.receive_dated(ADA, &format!("old {n}"), mac.ago(hours(24 * n)));
    }
    mac.run_relay();
    assert!(mac.posted().is_empty());
    mac.advance(secs(1));
    mac.receive(ADA, "hello sage!");
    mac.run_relay();
    assert_eq!(mac.texts(), ["hello sage!"]);
}

#[test]
fn a_sync_after_the_first_start_posts_no_message_from_before_it() {
    let mut mac = Mac::new();
    mac.advance(secs(30));
    for n in 1..200 {
        mac.receive_dated(ADA, &format!("from another device {n}"), mac.ago(hours(n)));
    }
    let live = mac.receive(BOB, "and this one is new");
    mac.run_relay();
    assert_eq!(mac.texts(), ["and this one is new"]);
    assert!(mac.quarantined().is_empty());
    assert_eq!(mac.outcome(live), Some(RowOutcome::Forwarded));
    assert_eq!(mac.outcome(1), Some(RowOutcome::Recorded));
}

#[test]
fn a_first_run_with_a_time_span_posts_the_messages_of_that_span_as_backfill() {
    let mut mac = Mac::before_first_run(Style::Ventura);
    mac.receive_dated(ADA, "too old", mac.ago(hours(72)));
    mac.receive_dated(ADA, "yesterday", mac.ago(hours(20)));
    mac.receive_dated(ADA, "an hour ago", mac.ago(hours(1)));
    mac.start(FirstRun::Since(hours(48)), Options::default());
    mac.run_relay();
    assert_eq!(mac.texts(), ["yesterday", "an hour ago"]);
    assert!(mac.posted().iter().all(|message| message.is_backfill));
}

#[test]
fn messages_that_arrived_during_downtime_are_live() {
    let mut mac = Mac::new();
    mac.prove_network();
    mac.run_relay();
    mac.advance(hours(72));
    for n in (0..72).rev() {
        mac.receive_dated(ADA, &format!("{n} hours ago"), mac.ago(hours(n)));
    }
    mac.run_relay();
    assert_eq!(mac.posted().len(), 72);
    assert!(mac.posted().iter().all(|message| !message.is_backfill));
    assert!(mac.quarantined().is_empty());
}

#[test]
fn thirty_messages_of_six_offline_hours_are_live_in_any_order() {
    let mut mac = Mac::new();
    mac.receive(ADA, "before");
    mac.prove_network();
    mac.run_steps(
        |messages, clock, step| {
            if step != 1 {
                return;
            }
            clock.advance(hours(6));
            let (chat, handle) = direct_chat(messages, ADA);
            // The rows appear in another order than they were sent.
            for n in [5, 3, 4, 1, 2] {
                for m in 0..6 {
                    let sent = clock.now().minus(hours(n)).plus(secs(m * 60)).as_micros();
                    let text = format!("{n} {m}");
                    messages
                        .deliver(chat, &NewMessage::incoming(handle, date(sent)).text(text))
                        .unwrap();
                }
            }
        },
        3,
    );
    assert_eq!(mac.posted().len(), 31);
    assert!(mac.posted().iter().all(|message| !message.is_backfill));
    assert!(mac.quarantined().is_empty());
}

#[test]
fn synced_copies_of_delivered_messages_are_dropped_and_unknown_messages_are_backfill() {
    let mut mac = Mac::new();
    mac.prove_network();
    let first = mac.now();
    mac.receive(ADA, "hello");
    mac.run_relay();
    mac.advance_online(hours(26));
    mac.receive(BOB, "something newer");
    mac.prove_network();
    mac.run_relay();
    mac.advance(secs(60));
    mac.prove_network();
    let copy = mac.receive_dated(ADA, "hello", first);
    let unknown = mac.receive_dated(ADA, "never seen", first);
    mac.run_relay();
    assert_eq!(mac.outcome(copy), Some(RowOutcome::Twin));
    assert_eq!(mac.outcome(unknown), Some(RowOutcome::Backfilled));
    assert_eq!(mac.texts(), ["hello", "something newer", "never seen"]);
    assert!(mac.posted()[2].is_backfill);
}

#[test]
fn equal_texts_within_one_second_are_two_messages() {
    let mut mac = Mac::new();
    let now = mac.now();
    mac.receive_dated(ADA, "ok", now);
    mac.receive_dated(ADA, "ok", now);
    mac.run_relay();
    assert_eq!(mac.texts(), ["ok", "ok"]);
}

#[test]
fn a_single_late_message_older_than_the_newest_one_is_quarantined_once() {
    let mut mac = Mac::new();
    mac.advance_online(hours(5));
    mac.receive(BOB, "newer");
    mac.run_relay();
    mac.advance_online(secs(900));
    let late = mac.receive_dated(ADA, "two hours old", mac.ago(hours(2)));
    mac.run_relay();
    assert_eq!(mac.texts(), ["newer"]);
    assert_eq!(mac.outcome(late), Some(RowOutcome::Quarantined));
    let held = mac.quarantined();
    assert_eq!(held.len(), 1);
    assert_eq!(
        Message::from_json(&held[0].body).unwrap().text,
        "two hours old"
    );
    mac.run_relay();
    assert_eq!(
        mac.quarantined().len(),
        1,
        "a second read does not quarantine the message again"
    );
}

#[test]
fn a_clock_five_years_ahead_or_behind_loses_no_message() {
    for jump in [5 * 365 * 24 * 3600, -5 * 365 * 24 * 3600] {
        let mut mac = Mac::new();
        mac.prove_network();
        mac.run_relay();
        let true_time = mac.clock.now();
        mac.clock.set(UnixMicros::from_secs(START + jump));
        mac.receive_dated(
            ADA,
            "sent by a right clock",
            date(true_time.plus(secs(60)).as_micros()),
        );
        mac.run_relay();
        mac.clock.set(true_time.plus(secs(120)));
        mac.prove_network();
        mac.receive(ADA, "after the clock was set right");
        mac.run_relay();
        assert_eq!(
            mac.texts(),
            ["sent by a right clock", "after the clock was set right"],
            "clock off by {jump} s"
        );
    }
}

#[test]
fn a_message_dated_in_the_future_makes_no_message_old_after_a_restart() {
    let mut mac = Mac::new();
    let future = date(mac.clock.now().plus(hours(24 * 365)).as_micros());
    mac.receive_dated(BOB, "from 2027", future);
    mac.run_relay();
    mac.advance_online(hours(3));
    // Messages hung for two hours, and no other message came.
    for n in (1..5).rev() {
        mac.receive_dated(ADA, &format!("{n}"), mac.ago(Duration::from_mins(30 * n)));
    }
    mac.run_relay();
    assert_eq!(mac.posted().len(), 5);
    assert!(mac.posted().iter().all(|message| !message.is_backfill));
}

#[test]
fn a_first_run_with_a_clock_years_ahead_begins_once_the_clock_is_right() {
    let mut mac = Mac::before_first_run(Style::Ventura);
    mac.start_unanswered(FirstRun::Now, Options::default());
    let true_time = mac.clock.now();
    mac.clock.set(true_time.plus(hours(5 * 365 * 24)));
    mac.run_relay();
    mac.receive_dated(
        ADA,
        "while the clock was wrong",
        date(true_time.plus(secs(1)).as_micros()),
    );
    mac.run_relay();
    assert!(
        mac.posted().is_empty(),
        "no signed answer came under that clock"
    );
    mac.clock.set(true_time.plus(secs(60)));
    mac.newest.send(None).unwrap();
    mac.receive(ADA, "after it was set right");
    mac.run_relay();
    assert_eq!(
        mac.texts(),
        ["while the clock was wrong", "after it was set right"]
    );
}

#[test]
fn a_clock_years_ahead_removes_no_record() {
    let mut mac = Mac::new();
    let row = mac.receive(ADA, "helo");
    mac.prove_network();
    mac.run_relay();
    let true_time = mac.clock.now();
    mac.clock.set(true_time.plus(hours(5 * 365 * 24)));
    mac.sweep();
    mac.clock.set(true_time.plus(secs(60)));
    assert_eq!(mac.outcome(row), Some(RowOutcome::Forwarded));
}
