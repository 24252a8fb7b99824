//! What the limits of a line and the breaker count, and what stops sending.

use super::super::history::{
    self, Contact, has_sent_to, last_results, nth_last, nth_last_contact, record,
};
use super::super::retention::clean;
use super::*;

#[test]
fn the_times_of_a_line_are_counted_by_contact() {
    let (_dir, state) = state();
    let sends = [
        (LINE, Contact::Known, 0),
        (LINE, Contact::FirstAnswer, 1),
        ("+15550109998", Contact::Cold, 2),
        (LINE, Contact::Cold, 3),
    ];
    for (line, contact, secs) in sends {
        state
            .write_durably(|tx| record(tx, line, contact, after(secs)))
            .expect("written");
    }
    let nth = |nth, now| state.read(|c| nth_last(c, LINE, nth, now)).expect("read");
    assert_eq!(nth(1, after(10)), Some(after(3)));
    assert_eq!(nth(3, after(10)), Some(NOW));
    assert_eq!(nth(4, after(10)), None);
    assert_eq!(
        nth(1, after(2)),
        Some(after(1)),
        "later times are a wrong clock's"
    );
    let cold = state
        .read(|c| nth_last_contact(c, LINE, Contact::Cold, 1, after(10)))
        .expect("read");
    assert_eq!(cold, Some(after(3)));
}

#[test]
fn results_are_those_of_the_last_bubbles_that_have_one() {
    let (_dir, state) = state();
    for (seq, next) in [(1, BubbleState::Failed), (2, BubbleState::Delivered)] {
        take_one(&state, &reply(seq, &format!("cmd_{seq}"), &["a"]));
        let number = dispatch_first(&state, 10, after(seq)).expect("dispatched");
        assert!(reach(&state, number, next, after(seq)));
    }
    take_one(&state, &reply(3, "cmd_3", &["a"]));
    dispatch_first(&state, 10, after(3)).expect("dispatched");
    let results = |since, limit| {
        let results = state.read(|c| last_results(c, since, limit)).expect("read");
        results
            .into_iter()
            .map(|result| result.state)
            .collect::<Vec<_>>()
    };
    let both = [BubbleState::Delivered, BubbleState::Failed];
    assert_eq!(results(NOW, 20), both, "one is still under way");
    assert_eq!(results(NOW, 1), both[..1]);
    assert_eq!(results(after(1), 20), both[..1]);
    let sent_to = |conversation: &str| state.read(|c| has_sent_to(c, conversation)).expect("read");
    assert!(sent_to(CONVERSATION));
    assert!(!sent_to("-;+15550100002"));
}

#[test]
fn pauses_survive_a_restart_and_end_with_the_owners_resume() {
    let (dir, state) = state();
    let breaker = pauses::Breaker {
        opened_at: 1,
        until: 2,
        code: "code".to_owned(),
    };
    state
        .write_durably(|tx| {
            pauses::pause_by_owner(tx, NOW)?;
            pauses::pause_by_owner(tx, after(9))?;
            pauses::open_breaker(tx, &breaker)?;
            pauses::pause_line(tx, LINE, "other_line", NOW)?;
            pauses::pause_line(tx, LINE, "again", after(9))
        })
        .expect("written");
    drop(state);
    let state = State::open(dir.path(), after(10)).expect("the same state");
    assert_eq!(
        state.read(pauses::paused_by_owner).expect("read"),
        Some(NOW)
    );
    assert_eq!(state.read(pauses::breaker).expect("read"), Some(breaker));
    let lines = state.read(pauses::paused_lines).expect("read");
    assert_eq!(lines[LINE].code, "other_line");
    state
        .write(|tx| pauses::resume_by_owner(tx, after(10)))
        .expect("resumed");
    assert_eq!(state.read(pauses::paused_by_owner).expect("read"), None);
    assert_eq!(state.read(pauses::breaker).expect("read"), None);
    assert!(state.read(pauses::paused_lines).expect("read").is_empty());
}

#[test]
fn old_times_are_removed() {
    let (_dir, state) = state();
    for secs in [0, 100_000] {
        state
            .write(|tx| history::record(tx, LINE, Contact::Known, after(secs)))
            .expect("written");
    }
    state
        .write(|tx| clean(tx, after(100_000), 10))
        .expect("cleaned");
    let second = state
        .read(|c| nth_last(c, LINE, 2, after(200_000)))
        .expect("read");
    assert_eq!(second, None);
}
