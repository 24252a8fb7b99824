//! What the script and chat.db say when something is wrong.

use std::time::Duration;

use archety_relay::dispatch::SendLimits;
use archety_relay::state::ledger::Baseline;
use archety_relay::state::ledger::BubbleState::{Dispatched, Failed, Held, Queued, Unknown};
use archety_relay::state::ledger::dispatching::in_flight;
use archety_relay::state::ledger::owner::{Resolution, resolve};
use archety_relay::state::read_position;
use serde_json::json;

use crate::relay::{CHAT, GROUP, PEER, Relay};

/// Only this error of only the look-up, and only in a direct chat.
#[tokio::test]
async fn a_direct_chat_that_messages_has_not_loaded_is_reached_by_its_participant() {
    let relay = Relay::new();
    relay.fail("find-chat", -1728);
    relay.take(relay.reply("cmd_a", &["Hi"]));
    let run = relay.run();
    relay.wait_for_calls(2).await;
    relay.wait_for(&[Dispatched]).await;
    assert_eq!(
        relay.calls()[1],
        ["send-to-participant", "iMessage", PEER, "Hi"]
    );
    run.stop().await;
}

#[tokio::test]
async fn a_group_that_messages_has_not_loaded_is_never_reached_by_participant() {
    let relay = Relay::new();
    relay.fail("find-chat", -1728);
    let mut reply = relay.reply("cmd_a", &["Hi"]);
    reply["chat_guid"] = json!(GROUP);
    reply["anchor_guid"] = json!("group-anchor");
    relay.take(reply);
    let run = relay.run();
    relay.wait_for(&[Failed]).await;
    assert_eq!(relay.codes()[0].as_deref(), Some("chat_not_found"));
    assert_eq!(relay.calls(), [vec!["find-chat", GROUP]]);
    run.stop().await;
}

#[tokio::test]
async fn a_text_to_a_chat_without_the_answered_row_is_never_reached_by_participant() {
    let relay = Relay::new();
    relay.fail("find-chat", -1728);
    let mut reply = relay.reply("cmd_a", &["Hi"]);
    reply["anchor_guid"] = json!("gone");
    relay.take(reply);
    let run = relay.run();
    relay.wait_for(&[Failed]).await;
    assert_eq!(relay.calls(), [vec!["find-chat", CHAT]]);
    run.stop().await;
}

#[tokio::test]
async fn an_unknown_chat_fails_and_runs_no_script() {
    let relay = Relay::new();
    let mut reply = relay.reply("cmd_a", &["Hi"]);
    reply["anchor_guid"] = json!("gone");
    reply["chat_guid"] = json!("iMessage;-;+15550100077");
    relay.take(reply);
    let run = relay.run();
    relay.wait_for(&[Failed]).await;
    assert_eq!(relay.codes()[0].as_deref(), Some("chat_not_found"));
    assert!(relay.calls().is_empty());
    run.stop().await;
}

#[tokio::test]
async fn what_was_certainly_not_sent_waits_and_goes_once_it_can() {
    for (error, code) in [
        (-1743, "automation_denied"),
        (-600, "messages_not_running"),
        (-1712, "timeout"),
        (-609, "connection_lost"),
    ] {
        let relay = Relay::new();
        relay.fail("find-chat", error);
        relay.take(relay.reply("cmd_a", &["Hi"]));
        let run = relay.run();
        relay.wait_for_code(code).await;
        relay.settle().await;
        assert_eq!(relay.states(), [Queued], "{error}");
        assert_eq!(relay.calls().len(), 1, "one attempt a minute");
        relay.fail("nothing", 0);
        relay.advance(Duration::from_mins(1));
        relay.wait_for(&[Dispatched]).await;
        run.stop().await;
    }
}

#[tokio::test]
async fn an_error_while_sending_leaves_the_text_unknown() {
    for (error, code) in [
        (-1712, "timeout"),
        (-609, "connection_lost"),
        (-1728, "chat_not_found"),
        (22, "script_failed"),
    ] {
        let relay = Relay::new();
        relay.fail("send-to-chat", error);
        relay.take(relay.reply("cmd_a", &["Hi", "you"]));
        let run = relay.run();
        relay.wait_for(&[Unknown, Queued]).await;
        assert_eq!(relay.codes()[0].as_deref(), Some(code));
        relay.advance(Duration::from_mins(2));
        relay.settle().await;
        assert_eq!(relay.calls().len(), 2, "{error}");
        run.stop().await;
    }
}

#[tokio::test]
async fn a_text_that_would_come_from_another_line_is_held_until_the_owner_sends_it() {
    let relay = Relay::new();
    let mut reply = relay.reply("cmd_a", &["Hi"]);
    reply["line"] = json!("+15550108888");
    relay.take(reply);
    let run = relay.run();
    relay.wait_for(&[Held]).await;
    assert_eq!(relay.codes()[0].as_deref(), Some("another_line"));
    assert!(relay.calls().is_empty());
    let number = relay.entries()[0].number;
    let now = relay.now();
    let send = |tx: &rusqlite::Transaction<'_>| resolve(tx, number, Resolution::Send, now);
    relay.state.write_durably(send).unwrap().unwrap();
    relay.wait_for(&[Dispatched]).await;
    run.stop().await;
}

/// The row shows the line that Messages has used.
#[tokio::test]
async fn a_line_from_which_messages_does_not_send_is_paused() {
    let relay = Relay::new();
    relay.take(relay.reply("cmd_a", &["Hi", "you"]));
    let run = relay.run();
    relay.wait_for(&[Dispatched, Queued]).await;
    relay.wait_for_calls(2).await;
    relay.prove_from("Hi", "+15550108888");
    relay.wait_until(|| !relay.paused_lines().is_empty()).await;
    assert_eq!(relay.paused_lines(), ["+15550109999"]);
    run.stop().await;
}

#[tokio::test]
async fn a_missing_program_leaves_the_text_queued() {
    let relay = Relay::new();
    relay.remove_osascript();
    relay.take(relay.reply("cmd_a", &["Hi"]));
    let run = relay.run();
    relay.wait_for_code("osascript_missing").await;
    assert_eq!(relay.states(), [Queued]);
    run.stop().await;
}

#[tokio::test]
async fn a_script_that_hangs_is_killed_and_its_text_is_unknown() {
    let relay = Relay::new();
    relay.hold("send-to-chat");
    relay.take(relay.reply("cmd_a", &["Hi", "you"]));
    let limits = SendLimits {
        script_timeout: Duration::from_secs(1),
        ..Relay::limits()
    };
    let run = relay.run_with(limits);
    relay.wait_for(&[Unknown, Queued]).await;
    assert_eq!(relay.codes()[0].as_deref(), Some("timeout"));
    relay.release("send-to-chat");
    relay.advance(Duration::from_mins(2));
    relay.settle().await;
    run.stop().await;
    assert_eq!(relay.sent(), ["Hi"]);
}

/// The row of the text has a low ROWID in the new file.
#[tokio::test]
async fn a_text_whose_chat_db_is_replaced_during_the_look_up_counts_from_the_new_file() {
    let relay = Relay::new();
    relay.hold("find-chat");
    relay.take(relay.reply("cmd_a", &["Hi"]));
    let run = relay.run();
    relay.wait_for_calls(1).await;
    let began_at = relay.now().as_micros();
    relay.write(|tx| read_position::begin_chat_db_file(tx, began_at).map(|_| ()));
    relay.replace_chat_db();
    relay.release("find-chat");
    relay.wait_for(&[Dispatched]).await;
    let in_flight = relay.state.read(in_flight).unwrap().remove(0);
    let expected = Baseline {
        file: relay.state.read(read_position::chat_db_file).unwrap(),
        rowid: 1,
    };
    assert_eq!(in_flight.baseline, Some(expected));
    relay.wait_until(|| relay.sent() == ["Hi"]).await;
    run.stop().await;
    assert_eq!(relay.calls().len(), 3, "the chat is looked up again");
}
