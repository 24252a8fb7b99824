//! The dispatcher with a fake `osascript`, a shell script that notes its arguments: each text is passed on once and in
//! order, whatever the script says and wherever the relay dies, or it is listed for the owner.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod faults;
mod full_disk;
mod order;
mod relay;
mod when;

use std::time::{Duration, Instant};

use archety_relay::state::ledger::BubbleState::{Delivered, Dispatched, Queued, Unknown};
use relay::{CHAT, GROUP, Relay};
use serde_json::json;

#[tokio::test]
async fn bubbles_go_one_after_the_other_each_after_the_row_of_the_one_before() {
    let relay = Relay::new();
    relay.take(relay.reply("cmd_a", &["Hi", "it's \"me\"\n🙂"]));
    let run = relay.run();
    relay.wait_for(&[Dispatched, Queued]).await;
    relay.wait_for_calls(2).await;
    assert_eq!(
        relay.calls(),
        [vec!["find-chat", CHAT], vec!["send-to-chat", CHAT, "Hi"],]
    );
    relay.prove("Hi");
    relay.wait_for(&[Delivered, Dispatched]).await;
    relay.wait_for_calls(4).await;
    assert_eq!(relay.calls()[3], ["send-to-chat", CHAT, "it's \"me\"\n🙂"]);
    relay.prove("it's \"me\"\n🙂");
    relay.wait_for(&[Delivered, Delivered]).await;
    run.stop().await;
    assert_eq!(relay.calls().len(), 4);
}

/// Success of the script proves nothing. The rest of the reply waits for the text whose row is missing.
#[tokio::test]
async fn a_text_without_a_row_is_unknown_never_sent_again_and_holds_back_the_rest() {
    let relay = Relay::new();
    relay.take(relay.reply("cmd_a", &["Hi", "you"]));
    let run = relay.run();
    relay.wait_for(&[Unknown, Queued]).await;
    assert_eq!(relay.codes()[0].as_deref(), Some("no_row"));
    run.stop().await;
    let run = relay.run();
    relay.settle().await;
    run.stop().await;
    assert_eq!(relay.calls().len(), 2);
    // The row comes late.
    relay.prove("Hi");
    let run = relay.run();
    relay.wait_for(&[Delivered, Dispatched]).await;
    run.stop().await;
}

/// The relay died after it had written `dispatched`: before the script, within it or after it.
#[tokio::test]
async fn a_text_that_was_dispatched_before_a_crash_is_not_sent_again() {
    let relay = Relay::new();
    relay.take(relay.reply("cmd_a", &["Hi"]));
    relay.dispatch_first();
    relay.advance(Duration::from_secs(150));
    let run = relay.run();
    relay.wait_for(&[Unknown]).await;
    run.stop().await;
    assert!(relay.calls().is_empty());
}

/// The script outlives a relay that is killed. Messages may send the text until the script would have ended.
#[tokio::test]
async fn nothing_overtakes_a_text_whose_script_may_have_outlived_the_relay() {
    let relay = Relay::new();
    relay.take(relay.reply("cmd_a", &["one"]));
    relay.take(relay.reply("cmd_b", &["two"]));
    relay.dispatch_first();
    relay.advance(Duration::from_secs(100));
    let run = relay.run();
    // Longer than a row may take after the end of a script.
    tokio::time::sleep(2 * Relay::limits().row_within).await;
    assert_eq!(relay.states(), [Dispatched, Queued]);
    relay.prove("one");
    relay.wait_for(&[Delivered, Dispatched]).await;
    run.stop().await;
}

/// Messages may have taken a text although its script has failed.
#[tokio::test]
async fn of_two_replies_to_one_chat_the_second_waits_for_the_row_of_a_text_whose_script_has_failed()
{
    let relay = Relay::new();
    relay.take(relay.reply("cmd_a", &["one"]));
    relay.fail("send-to-chat", -1712);
    let run = relay.run();
    relay.wait_for_calls(2).await;
    relay.fail("nothing", 0);
    relay.take(relay.reply("cmd_b", &["two"]));
    relay.settle().await;
    assert_eq!(relay.states(), [Dispatched, Queued]);
    relay.prove("one");
    relay.wait_for(&[Delivered, Dispatched]).await;
    run.stop().await;
}

#[tokio::test]
async fn of_two_replies_to_one_chat_the_second_waits_for_the_row_of_the_first() {
    let relay = Relay::new();
    relay.take(relay.reply("cmd_a", &["one"]));
    relay.take(relay.reply("cmd_b", &["two"]));
    let run = relay.run();
    relay.wait_for(&[Dispatched, Queued]).await;
    relay.prove("one");
    relay.wait_for(&[Delivered, Dispatched]).await;
    run.stop().await;
}

#[tokio::test]
async fn codes_go_before_replies_and_replies_before_what_was_planned() {
    let relay = Relay::new();
    for (id, priority, chat) in [
        ("cmd_a", "scheduled", CHAT),
        ("cmd_b", "reply", CHAT),
        ("cmd_c", "otp", GROUP),
    ] {
        let mut command = relay.reply(id, &[priority]);
        command["priority"] = json!(priority);
        command["chat_guid"] = json!(chat);
        command["anchor_guid"] = json!(null);
        relay.take(command);
    }
    let run = relay.run();
    relay.wait_for(&[Queued, Dispatched, Dispatched]).await;
    relay.wait_for_calls(4).await;
    let texts: Vec<_> = relay
        .calls()
        .into_iter()
        .filter_map(|call| call.into_iter().nth(2))
        .collect();
    assert_eq!(texts, ["otp", "reply"]);
    run.stop().await;
}

#[tokio::test]
async fn another_chat_goes_on_after_a_while_beside_a_script_that_does_not_return() {
    let relay = Relay::new();
    relay.slow_down();
    relay.take(relay.reply("cmd_a", &["Hi", "you"]));
    let mut to_group = relay.reply("cmd_b", &["all"]);
    to_group["chat_guid"] = json!(GROUP);
    to_group["anchor_guid"] = json!("group-anchor");
    relay.take(to_group);
    let began = Instant::now();
    let run = relay.run();
    relay.wait_for_calls(4).await;
    let second_after = began.elapsed();
    assert_eq!(relay.calls()[3], ["send-to-chat", GROUP, "all"]);
    assert!(second_after >= Relay::limits().other_chat_after);
    assert!(
        second_after < Duration::from_secs(2),
        "the first still runs"
    );
    run.stop().await;
}
