//! An answer that is a part of what waits, and an answer of a backend that does not read acks.

use archety_relay::pull::PollOutcome;
use archety_relay::state::ledger::BubbleState;
use serde_json::{Value, json};

use crate::commands::{acks_of, answer, reply};
use crate::pulls::puller;
use crate::*;

/// An answer after which further commands wait.
fn part(commands: &[Value]) -> Value {
    let mut part = answer(commands);
    part["more"] = json!(true);
    part["newest_message"] = json!({"message_guid": "g", "timestamp": 5});
    part
}

/// A relay with an empty state reads chat.db once it knows the newest message. It may find the row of a send whose
/// command comes with a later part.
#[tokio::test]
async fn the_newest_message_is_passed_on_once_all_parts_are_in_the_ledger() {
    let relay = Relay::start().await;
    let (mut puller, newest) = puller(&relay);
    for n in 1..=2 {
        let command = reply(n, &format!("cmd_{n}"), &["Hi"]);
        relay.backend.answer_next_pull(200, part(&[command]));
        assert_eq!(puller.step().await, PollOutcome::Again);
        assert!(newest.try_recv().is_err(), "part {n}");
    }
    relay.poll(&mut puller, &[reply(3, "cmd_3", &["Hi"])]).await;
    assert!(newest.try_recv().is_ok());
    assert_eq!(relay.states(), [BubbleState::Queued; 3]);
}

#[tokio::test]
async fn the_newest_message_is_not_passed_on_while_commands_cannot_be_written() {
    let relay = Relay::start().await;
    let (mut puller, newest) = puller(&relay);
    let execute = |sql: &'static str| {
        let batch = |tx: &rusqlite::Transaction<'_>| tx.execute_batch(sql);
        relay.state().write(batch).expect("executed");
    };
    execute(
        "create trigger full before insert on ledger_bubble begin select raise(abort, 'full'); end",
    );
    let commands = [reply(1, "cmd_a", &["Hi"])];
    relay.poll(&mut puller, &commands).await;
    assert!(newest.try_recv().is_err());
    execute("drop trigger full");
    relay.poll(&mut puller, &commands).await;
    assert!(newest.try_recv().is_ok());
}

#[tokio::test]
async fn a_backend_that_repeats_a_part_for_ever_does_not_keep_the_relay_from_reading() {
    let relay = Relay::start().await;
    let (mut puller, newest) = puller(&relay);
    let command = reply(1, "cmd_a", &["Hi"]);
    relay
        .backend
        .answer_next_pull(200, part(std::slice::from_ref(&command)));
    puller.step().await;
    assert!(newest.try_recv().is_err());
    relay.backend.answer_next_pull(200, part(&[command]));
    puller.step().await;
    assert!(newest.try_recv().is_ok());
}

/// A backend that was put back to the first release answers polls, but does not read their acks.
#[tokio::test]
async fn acks_are_taken_only_by_an_answer_of_a_backend_that_reads_them() {
    let relay = Relay::start().await;
    let (mut puller, _newest) = puller(&relay);
    relay.poll(&mut puller, &[reply(1, "cmd_a", &["Hi"])]).await;
    let mut of_first_release = answer(&[]);
    of_first_release
        .as_object_mut()
        .expect("an object")
        .remove("reads_acks");
    let expected = [json!(["cmd_a", 0, "received", null])];
    for (n, carried) in [&expected[..], &[], &[]].into_iter().enumerate() {
        relay
            .backend
            .answer_next_pull(200, of_first_release.clone());
        assert_eq!(puller.step().await, PollOutcome::Continue, "{n}");
        let pull = relay.backend.pulls().pop().expect("a pull");
        assert_eq!(acks_of(&pull), carried, "{n}");
        let wait = if carried.is_empty() { 25 } else { 0 };
        assert_eq!(
            pull["wait_seconds"], wait,
            "the backend holds polls without acks: {n}"
        );
    }
    relay.poll(&mut puller, &[]).await;
    let pull = relay.poll(&mut puller, &[]).await;
    assert_eq!(acks_of(&pull), expected, "it reads acks");
    let pull = relay.poll(&mut puller, &[]).await;
    assert_eq!(acks_of(&pull), [] as [Value; 0], "and has taken them");
}
