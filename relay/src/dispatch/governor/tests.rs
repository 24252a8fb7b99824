//! The daemon's own values, on a clock that is stepped.

use std::time::Duration;

use serde_json::json;
use shared_protocol::{Command, CommandBody};

use super::*;
use crate::state::State;
use crate::state::ledger::Baseline;
use crate::state::ledger::dispatching::{dispatch, sendable};
use crate::state::ledger::take::take;
use crate::state::ledger::transitions;

const NOW: UnixMicros = UnixMicros::from_secs(1_700_000_000);
const LINE: &str = "+15550109999";

fn state() -> (tempfile::TempDir, State) {
    let dir = tempfile::tempdir().expect("a folder");
    let state = State::open(dir.path(), NOW).expect("a new state");
    (dir, state)
}

/// Sends as many texts as the limits let go until `end`; returns when they went.
fn send_until(state: &State, contact: Contact, end: UnixMicros) -> Vec<UnixMicros> {
    let limits = SendLimits::default();
    let mut now = NOW;
    let mut sent = Vec::new();
    let run = |tx: &rusqlite::Transaction<'_>| {
        while now < end {
            if let Some(next) = next_allowed(tx, &limits, LINE, contact, now)? {
                now = next;
                continue;
            }
            history::record(tx, LINE, contact, now)?;
            sent.push(now);
            now = now.plus(Duration::from_millis(10));
        }
        Ok(())
    };
    state.write(run).expect("written");
    sent
}

/// The most texts that went within any time of this length.
fn most_within(sent: &[UnixMicros], window: Duration) -> usize {
    let within = sent.iter().enumerate().map(|(index, first)| {
        let later = sent[index..].iter();
        later.take_while(|at| at.since(*first) < window).count()
    });
    within.max().unwrap_or(0)
}

#[test]
fn a_line_sends_at_most_20_texts_a_minute_200_an_hour_and_1500_a_day() {
    let (_dir, state) = state();
    let days = |days: u64| NOW.plus(Duration::from_hours(24 * days));
    let sent = send_until(&state, Contact::Known, days(2));
    assert_eq!(most_within(&sent, Duration::from_mins(1)), 20);
    assert_eq!(most_within(&sent, Duration::from_hours(1)), 200);
    assert_eq!(most_within(&sent, Duration::from_hours(24)), 1_500);
    assert_eq!(sent.iter().filter(|at| **at < days(1)).count(), 1_500);
    let other = state.read(|c| {
        next_allowed(
            c,
            &SendLimits::default(),
            "+15550108888",
            Contact::Cold,
            days(2),
        )
    });
    assert_eq!(
        other.expect("read"),
        None,
        "each line has limits of its own"
    );
}

#[test]
fn first_answers_and_cold_chats_have_lower_limits() {
    let day = NOW.plus(Duration::from_hours(24));
    let (_dir, first) = state();
    let sent = send_until(&first, Contact::FirstAnswer, day);
    assert_eq!(sent.len(), 200);
    let (_dir, cold) = state();
    let sent = send_until(&cold, Contact::Cold, day);
    assert_eq!(most_within(&sent, Duration::from_hours(1)), 20);
    assert_eq!(sent.len(), 40);
    let known = cold.read(|c| next_allowed(c, &SendLimits::default(), LINE, Contact::Known, day));
    assert_eq!(known.expect("read"), None);
}

#[test]
fn times_after_a_clock_that_was_set_back_do_not_count() {
    let (_dir, state) = state();
    send_until(&state, Contact::Known, NOW.plus(Duration::from_hours(1)));
    let before = NOW.minus(Duration::from_hours(6));
    let next =
        state.read(|c| next_allowed(c, &SendLimits::default(), LINE, Contact::Known, before));
    assert_eq!(next.expect("read"), None);
}

/// Sends a text to a chat at `now`, which ends in a state.
fn result(state: &State, chat: u32, end: BubbleState, now: UnixMicros) {
    let id = format!("cmd_{chat}_{}", now.as_micros());
    let command: Command = serde_json::from_value(json!({
        "seq": now.as_secs(), "id": id, "kind": "send_message", "line": LINE,
        "chat_guid": format!("iMessage;-;+1555010{chat:04}"), "bubbles": [{"text": "Hi"}],
        "not_after": now.as_secs() + 21_600,
    }))
    .expect("a command");
    let body: CommandBody = command.parse().expect("valid");
    let write = |tx: &rusqlite::Transaction<'_>| {
        take(tx, &command, &body, now)?;
        let bubble = sendable(tx, 1)?.pop().expect("a bubble");
        let baseline = Baseline {
            file: "first".to_owned(),
            rowid: 1,
        };
        assert!(dispatch(tx, bubble.number, "c", &baseline, now)?);
        transitions::reach(tx, bubble.number, end, Some("code"), now)
    };
    assert!(state.write_durably(write).expect("written"));
}

/// Judges, and writes the change; returns whether the breaker lets texts go.
fn judged(state: &State, now: UnixMicros) -> BreakerState {
    let limits = SendLimits::default();
    let write = |tx: &rusqlite::Transaction<'_>| {
        if let Some(change) = judge_results(tx, &limits, now)? {
            apply(tx, &change, now)?;
        }
        breaker_state(tx, now)
    };
    state.write(write).expect("written")
}

fn at(secs: i64) -> UnixMicros {
    UnixMicros::from_secs(NOW.as_secs() + secs)
}

#[test]
fn three_chats_that_fail_in_a_row_stop_all_sending_for_15_minutes_then_one_text_is_tried() {
    let (_dir, state) = state();
    result(&state, 1, BubbleState::Failed, at(1));
    result(&state, 2, BubbleState::Unknown, at(2));
    assert_eq!(judged(&state, at(2)), BreakerState::Closed);
    result(&state, 3, BubbleState::Failed, at(3));
    let until = at(3 + 15 * 60);
    assert_eq!(judged(&state, at(3)), BreakerState::Open(until));
    assert_eq!(judged(&state, at(10)), BreakerState::Open(until));
    assert_eq!(judged(&state, until), BreakerState::OneTry);
    // The text that is tried fails: another pause.
    let tried = at(3 + 15 * 60 + 1);
    result(&state, 4, BubbleState::Failed, tried);
    let again = tried.plus(Duration::from_mins(15));
    assert_eq!(judged(&state, tried), BreakerState::Open(again));
    // The next one goes through: the failures from before do not count any more.
    let well = again.plus(Duration::from_secs(1));
    result(&state, 5, BubbleState::Delivered, well);
    assert_eq!(judged(&state, well), BreakerState::Closed);
    result(
        &state,
        6,
        BubbleState::Failed,
        well.plus(Duration::from_secs(1)),
    );
    assert_eq!(
        judged(&state, well.plus(Duration::from_secs(1))),
        BreakerState::Closed
    );
}

#[test]
fn five_failures_of_the_last_twenty_texts_stop_all_sending() {
    let (_dir, state) = state();
    for second in 1..=20 {
        let end = match second % 4 {
            0 => BubbleState::Failed,
            _ => BubbleState::Sent,
        };
        if second == 20 {
            assert_eq!(judged(&state, at(second)), BreakerState::Closed);
        }
        result(&state, 7, end, at(second));
    }
    assert!(matches!(judged(&state, at(20)), BreakerState::Open(_)));
    // The owner's `resume` goes on at once, and the failures do not stop it again.
    let resume = |tx: &rusqlite::Transaction<'_>| pauses::resume_by_owner(tx, at(30));
    state.write(resume).expect("written");
    assert_eq!(judged(&state, at(31)), BreakerState::Closed);
}
