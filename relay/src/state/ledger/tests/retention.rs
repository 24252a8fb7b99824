//! The ledger stays small, and its statements use the indexes.

use super::super::retention::{KEPT_FOR, clean};
use super::*;

fn finish(state: &State) {
    let number = dispatch_first(state, 10, NOW).expect("dispatched");
    assert!(reach(state, number, BubbleState::Delivered, NOW));
}

#[test]
fn only_old_commands_that_are_done_and_told_are_removed() {
    let (_dir, state) = state();
    take_one(&state, &reply(1, "cmd_a", &["a"]));
    take_one(&state, &reply(2, "cmd_b", &["b"]));
    finish(&state);
    let old = NOW.plus(KEPT_FOR).plus(std::time::Duration::from_secs(1));
    let cleaned = |now| state.write(|tx| clean(tx, now, 10)).expect("cleaned");
    assert_eq!(cleaned(old), 0, "its ack was not taken");
    let pending = state.read(|c| acks::pending(c, 9)).expect("read");
    let numbers: Vec<i64> = pending.iter().map(|pending| pending.number).collect();
    state
        .write(|tx| acks::mark_taken(tx, &numbers))
        .expect("written");
    assert_eq!(cleaned(NOW.plus(KEPT_FOR)), 0, "not old yet");
    assert_eq!(cleaned(old), 1);
    assert_eq!(states(&state), [BubbleState::Queued]);
}

/// The numbers of the issue: 100,000 bubbles take at most 60 MB.
#[test]
fn ten_thousand_bubbles_take_less_than_six_megabytes() {
    let (dir, state) = state();
    let text = "A bubble of the length that bubbles have, which is some eighty characters or so.";
    state
        .write(|tx| {
            for n in 0..5_000_i64 {
                let id = format!("cmd_{n:032x}");
                let mut command = reply(n + 1, &id, &[text, text]);
                let guid = json!(format!("iMessage;-;+1555010{n:04}"));
                command.fields.insert("chat_guid".to_owned(), guid);
                let body = command.parse().expect("valid");
                take(tx, &command, &body, NOW)?;
                for bubble in [2 * n + 1, 2 * n + 2] {
                    let number = BubbleNumber(bubble);
                    assert!(dispatch(tx, number, CHAT, &baseline(n), NOW)?);
                    let guid = format!("8A6D5B3C-0000-4000-8000-{bubble:012}");
                    let row = OwnRow {
                        guid: &guid,
                        file: "file",
                        rowid: n + 1,
                        sent_at: NOW,
                        text,
                    };
                    let chat = format!("-;+1555010{n:04}");
                    let delivered = RowState {
                        state: BubbleState::Delivered,
                        code: None,
                    };
                    let matched = match_row(tx, &[&chat], &row, delivered, NOW)?;
                    assert_eq!(matched, Some(number));
                }
            }
            let pending = acks::pending(tx, 20_000)?;
            let numbers: Vec<i64> = pending.iter().map(|pending| pending.number).collect();
            acks::mark_taken(tx, &numbers)
        })
        .expect("written");
    state.checkpoint().expect("checkpointed");
    let size = std::fs::metadata(dir.path().join(super::super::super::STATE_FILE))
        .expect("there")
        .len();
    assert!(size < 6_000_000, "{size}");
}

#[test]
fn the_next_ack_is_found_by_the_indexes() {
    let (_dir, state) = state();
    let sql = format!("explain query plan select {NEXT_ACK}");
    let plan = state
        .read(|c| query::all(c, &sql, [], |row| row.get::<_, String>(3)))
        .expect("read")
        .join("\n");
    assert!(plan.contains("ledger_bubble_ack"), "{plan}");
    assert!(!plan.contains("SCAN ledger"), "{plan}");
}
