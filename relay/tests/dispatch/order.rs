//! What holds back which text: a text that may not go holds back the later ones of its chat, and no other chat.

use std::time::Duration;

use archety_relay::state::ledger::BubbleState::{Delivered, Dispatched, Queued};
use archety_relay::state::ledger::history::{self, Contact};
use archety_relay::state::ledger::pauses;
use serde_json::json;

use crate::relay::{GROUP, LINE, OTHER_LINE, Relay};

impl Relay {
    /// A later command to the direct chat, without a line.
    fn take_later_reply(&self) {
        let mut later = self.reply("cmd_b", &["later"]);
        later["line"] = json!(null);
        self.take(later);
    }

    /// Uses up what a line may send in a minute.
    fn use_up(&self, line: &str) {
        let (now, count) = (self.now(), Self::limits().texts[0].count);
        self.write(|tx| {
            (0..count).try_for_each(|_| history::record(tx, line, Contact::Known, now))
        });
    }
}

#[tokio::test]
async fn a_later_reply_does_not_come_between_two_bubbles_while_the_second_has_its_pause() {
    let relay = Relay::new();
    let mut reply = relay.reply("cmd_a", &["Hi", "you"]);
    reply["bubbles"][1]["pause_ms"] = json!(2_000);
    relay.take(reply);
    relay.take_later_reply();
    let run = relay.run();
    relay.wait_for(&[Dispatched, Queued, Queued]).await;
    relay.wait_for_calls(2).await;
    relay.prove("Hi");
    relay.settle().await;
    assert_eq!(relay.states(), [Delivered, Queued, Queued]);
    relay.advance(Duration::from_secs(2));
    relay.wait_for(&[Delivered, Dispatched, Queued]).await;
    run.stop().await;
}

#[tokio::test]
async fn a_later_reply_does_not_overtake_one_whose_line_has_used_up_its_limit() {
    let relay = Relay::new();
    relay.use_up(LINE);
    relay.take(relay.reply("cmd_a", &["Hi"]));
    relay.take_later_reply();
    let run = relay.run();
    relay.settle().await;
    assert_eq!(relay.states(), [Queued, Queued]);
    relay.advance(Duration::from_mins(1));
    relay.wait_for(&[Dispatched, Queued]).await;
    run.stop().await;
}

#[tokio::test]
async fn a_later_reply_does_not_overtake_one_whose_line_is_paused() {
    let relay = Relay::new();
    let now = relay.now();
    relay.write(|tx| pauses::pause_line(tx, LINE, "code", now));
    relay.take(relay.reply("cmd_a", &["Hi"]));
    relay.take_later_reply();
    let run = relay.run();
    relay.settle().await;
    assert_eq!(relay.states(), [Queued, Queued]);
    relay.write(|tx| pauses::resume_by_owner(tx, now));
    relay.wait_for(&[Dispatched, Queued]).await;
    run.stop().await;
}

#[tokio::test]
async fn a_later_reply_does_not_come_between_two_bubbles_while_messages_come_in() {
    let relay = Relay::new();
    relay.take(relay.reply("cmd_a", &["Hi", "you"]));
    relay.take_later_reply();
    let run = relay.run();
    relay.wait_for(&[Dispatched, Queued, Queued]).await;
    relay.wait_for_calls(2).await;
    relay.receive("incoming");
    relay.prove("Hi");
    relay.wait_for_calls(4).await;
    run.stop().await;
    assert_eq!(relay.sent(), ["Hi", "you"]);
    assert_eq!(relay.states(), [Delivered, Dispatched, Queued]);
}

/// Of the limits, only the line's hold back the text; five thousand texts lie before it.
#[tokio::test]
async fn no_number_of_texts_that_may_not_go_hides_one_that_may() {
    let relay = Relay::new();
    let now = relay.now();
    relay.write(|tx| pauses::pause_line(tx, OTHER_LINE, "code", now));
    relay.use_up("tel:+15550107777");
    let waiting = (0..5_000).map(|number| {
        let mut reply = relay.reply(&format!("cmd_{number}"), &["waits"]);
        reply["chat_guid"] = json!(format!("iMessage;-;+1555020{number:04}"));
        reply["line"] = json!(if number % 2 == 0 {
            OTHER_LINE
        } else {
            "tel:+15550107777"
        });
        reply
    });
    relay.take_all(waiting.collect());
    let mut reply = relay.reply("cmd_last", &["goes"]);
    reply["chat_guid"] = json!(GROUP);
    reply["anchor_guid"] = json!("group-anchor");
    relay.take(reply);
    let run = relay.run();
    relay.wait_for_calls(2).await;
    run.stop().await;
    assert_eq!(relay.sent(), ["goes"]);
    let states = relay.states();
    assert_eq!(
        states.iter().filter(|state| **state == Queued).count(),
        5_000
    );
}

/// Whatever became of the chat since: the row that is answered names it, or an alias does.
#[tokio::test]
async fn a_chat_that_was_merged_into_another_is_found_by_the_answered_row_or_an_alias() {
    let relay = Relay::new();
    for (anchor, aliases) in [("anchor", json!([])), ("gone", json!([crate::relay::CHAT]))] {
        let mut reply = relay.reply(&format!("cmd_{anchor}"), &[anchor]);
        reply["chat_guid"] = json!("SMS;-;+15550100077");
        reply["anchor_guid"] = json!(anchor);
        reply["aliases"] = aliases;
        relay.take(reply);
    }
    let run = relay.run();
    relay.wait_for_calls(4).await;
    run.stop().await;
    for call in relay.calls() {
        assert_eq!(call[1], crate::relay::CHAT);
    }
    assert_eq!(relay.sent(), ["anchor", "gone"]);
}
