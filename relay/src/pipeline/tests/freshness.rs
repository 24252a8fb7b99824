//! Which rows are posted as live or as old, and which are dropped or held: live, late, old and copied
//! ones.

use super::*;
use crate::state::seen::RowOutcome;

#[test]
fn a_first_run_starts_now_and_replays_nothing() {
    let mut mac = Mac::before_first_run(Style::Ventura);
    for n in 0..50 {
        mac.said(ADA, &format!("old {n}"), mac.ago(hours(24 * n)));
    }
    mac.look();
    assert!(mac.posted().is_empty());
    mac.pass(secs(1));
    mac.says(ADA, "hello sage!");
    mac.look();
    assert_eq!(mac.texts(), ["hello sage!"]);
}

#[test]
fn a_sync_after_the_first_start_posts_no_message_from_before_it() {
    let mut mac = Mac::new();
    mac.pass(secs(30));
    for n in 1..200 {
        mac.said(ADA, &format!("from another device {n}"), mac.ago(hours(n)));
    }
    let live = mac.says(BOB, "and this one is new");
    mac.look();
    assert_eq!(mac.texts(), ["and this one is new"]);
    assert!(mac.held().is_empty());
    assert_eq!(mac.outcome(live), Some(RowOutcome::Forwarded));
    assert_eq!(mac.outcome(1), Some(RowOutcome::Recorded));
}

#[test]
fn a_first_run_with_a_time_span_posts_earlier_messages_as_backfill() {
    let mut mac = Mac::before_first_run(Style::Ventura);
    mac.said(ADA, "too old", mac.ago(hours(72)));
    mac.said(ADA, "yesterday", mac.ago(hours(20)));
    mac.said(ADA, "an hour ago", mac.ago(hours(1)));
    mac.start(FirstRun::Since(hours(48)), Options::default());
    mac.look();
    assert_eq!(mac.texts(), ["yesterday", "an hour ago"]);
    assert!(mac.posted().iter().all(|message| message.is_backfill));
}

#[test]
fn messages_that_arrived_during_downtime_are_live() {
    let mut mac = Mac::new();
    mac.in_touch();
    mac.look();
    mac.pass(hours(72));
    for n in (0..72).rev() {
        mac.said(ADA, &format!("{n} hours ago"), mac.ago(hours(n)));
    }
    mac.look();
    assert_eq!(mac.posted().len(), 72);
    assert!(mac.posted().iter().all(|message| !message.is_backfill));
    assert!(mac.held().is_empty());
}

#[test]
fn none_of_thirty_messages_is_held_after_six_hours_offline() {
    let mut mac = Mac::new();
    mac.says(ADA, "before");
    mac.in_touch();
    mac.watch(
        |messages, clock, step| {
            if step != 1 {
                return;
            }
            clock.advance(hours(6));
            let (chat, handle) = peer(messages, ADA);
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
    assert!(mac.held().is_empty());
}

/// A sync that inserts again, under new guids, messages that were delivered a day ago, and others.
#[test]
fn synced_copies_of_delivered_messages_are_dropped_and_unknown_messages_are_backfill() {
    let mut mac = Mac::new();
    mac.in_touch();
    let first = mac.now();
    mac.says(ADA, "hello");
    mac.look();
    mac.pass_in_touch(hours(26));
    mac.says(BOB, "something newer");
    mac.in_touch();
    mac.look();
    mac.pass(secs(60));
    mac.in_touch();
    let twin = mac.said(ADA, "hello", first);
    let stranger = mac.said(ADA, "never seen", first);
    mac.look();
    assert_eq!(mac.outcome(twin), Some(RowOutcome::Twin));
    assert_eq!(mac.outcome(stranger), Some(RowOutcome::Backfilled));
    assert_eq!(mac.texts(), ["hello", "something newer", "never seen"]);
    assert!(mac.posted()[2].is_backfill);
}

#[test]
fn equal_texts_within_one_second_are_two_messages() {
    let mut mac = Mac::new();
    let now = mac.now();
    mac.said(ADA, "ok", now);
    mac.said(ADA, "ok", now);
    mac.look();
    assert_eq!(mac.texts(), ["ok", "ok"]);
}

#[test]
fn a_single_late_message_behind_newer_ones_is_held_in_quarantine() {
    let mut mac = Mac::new();
    mac.pass_in_touch(hours(5));
    mac.says(BOB, "newer");
    mac.look();
    mac.pass_in_touch(secs(900));
    let late = mac.said(ADA, "two hours old", mac.ago(hours(2)));
    mac.look();
    assert_eq!(mac.texts(), ["newer"]);
    assert_eq!(mac.outcome(late), Some(RowOutcome::Quarantined));
    let held = mac.held();
    assert_eq!(held.len(), 1);
    assert_eq!(
        Message::from_json(&held[0].body).unwrap().text,
        "two hours old"
    );
    mac.look();
    assert_eq!(mac.held().len(), 1, "a second look holds it once");
}

#[test]
fn a_clock_five_years_ahead_or_behind_loses_no_message() {
    for jump in [5 * 365 * 24 * 3600, -5 * 365 * 24 * 3600] {
        let mut mac = Mac::new();
        mac.in_touch();
        mac.look();
        let honest = mac.clock.now();
        mac.clock.set(UnixMicros::from_secs(START + jump));
        mac.said(
            ADA,
            "sent by an honest clock",
            date(honest.plus(secs(60)).as_micros()),
        );
        mac.look();
        mac.clock.set(honest.plus(secs(120)));
        mac.in_touch();
        mac.says(ADA, "after the clock was set right");
        mac.look();
        assert_eq!(
            mac.texts(),
            ["sent by an honest clock", "after the clock was set right"],
            "clock off by {jump} s"
        );
    }
}

#[test]
fn a_message_dated_in_the_future_makes_no_message_old_after_a_restart() {
    let mut mac = Mac::new();
    let future = date(mac.clock.now().plus(hours(24 * 365)).as_micros());
    mac.said(BOB, "from 2027", future);
    mac.look();
    mac.pass_in_touch(hours(3));
    // Messages hung for two hours, and no other message came.
    for n in (1..5).rev() {
        mac.said(ADA, &format!("{n}"), mac.ago(Duration::from_mins(30 * n)));
    }
    mac.look();
    assert_eq!(mac.posted().len(), 5);
    assert!(mac.posted().iter().all(|message| !message.is_backfill));
}

#[test]
fn a_first_run_with_a_clock_years_ahead_begins_once_the_clock_is_right() {
    let mut mac = Mac::before_first_run(Style::Ventura);
    mac.start_unanswered(FirstRun::Now, Options::default());
    let honest = mac.clock.now();
    mac.clock.set(honest.plus(hours(5 * 365 * 24)));
    mac.look();
    mac.said(
        ADA,
        "while the clock was wrong",
        date(honest.plus(secs(1)).as_micros()),
    );
    mac.look();
    assert!(
        mac.posted().is_empty(),
        "no signed answer came under that clock"
    );
    mac.clock.set(honest.plus(secs(60)));
    mac.newest.send(None).unwrap();
    mac.says(ADA, "after it was set right");
    mac.look();
    assert_eq!(
        mac.texts(),
        ["while the clock was wrong", "after it was set right"]
    );
}

#[test]
fn a_clock_years_ahead_removes_no_record() {
    let mut mac = Mac::new();
    let row = mac.says(ADA, "helo");
    mac.in_touch();
    mac.look();
    let honest = mac.clock.now();
    mac.clock.set(honest.plus(hours(5 * 365 * 24)));
    mac.sweep();
    mac.clock.set(honest.plus(secs(60)));
    assert_eq!(mac.outcome(row), Some(RowOutcome::Forwarded));
}
