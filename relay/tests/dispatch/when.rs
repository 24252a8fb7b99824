//! When nothing is sent: without the lease, while the owner pauses sending, before and after a text's time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use archety_relay::clock::UnixMicros;
use archety_relay::pull::{LeaseProof, PollTime};
use archety_relay::state::ledger::BubbleState::{Delivered, Dispatched, Expired, Queued, Unknown};
use archety_relay::state::ledger::pauses;
use serde_json::json;

use crate::relay::Relay;

#[tokio::test]
async fn nothing_is_sent_without_a_young_proof_of_the_lease_by_both_clocks() {
    let relay = Relay::new();
    let now = relay.now();
    // The answer has just come.
    let proof = |wall: UnixMicros, uptime: Instant| LeaseProof {
        sent: PollTime { wall, uptime },
        answered_at: now,
        server_time: now.as_secs(),
    };
    let minute = Duration::from_mins(1);
    let old = Instant::now().checked_sub(minute).unwrap();
    let proofs = [
        None,
        // The Mac has slept: its monotonic clock stood still.
        Some(proof(now.minus(minute), Instant::now())),
        // The wall clock was set back meanwhile.
        Some(proof(now, old)),
        Some(proof(now.plus(Duration::from_secs(1)), Instant::now())),
    ];
    relay.take(relay.reply("cmd_a", &["Hi"]));
    for proof in proofs {
        relay.link.lease.send_replace(proof);
        let run = relay.run();
        relay.settle().await;
        assert_eq!(relay.states(), [Queued], "{proof:?}");
        assert!(relay.calls().is_empty());
        run.stop().await;
    }
    let run = relay.run();
    relay.hold_lease();
    relay.wait_for(&[Dispatched]).await;
    run.stop().await;
}

#[tokio::test]
async fn the_owner_pauses_and_resumes() {
    let relay = Relay::new();
    let now = relay.now();
    let pause = |tx: &rusqlite::Transaction<'_>| pauses::pause_by_owner(tx, now);
    relay.state.write(pause).unwrap();
    relay.take(relay.reply("cmd_a", &["Hi"]));
    let run = relay.run();
    relay.settle().await;
    assert!(relay.calls().is_empty());
    let resume = |tx: &rusqlite::Transaction<'_>| pauses::resume_by_owner(tx, now);
    relay.state.write(resume).unwrap();
    relay.wait_for(&[Dispatched]).await;
    run.stop().await;
}

#[tokio::test]
async fn a_text_waits_for_its_time_and_expires_after_it() {
    let relay = Relay::new();
    let now = relay.now().as_secs();
    let mut early = relay.reply("cmd_a", &["early"]);
    early["not_before"] = json!(now + 60);
    relay.take(early);
    let mut late = relay.reply("cmd_b", &["late", "too"]);
    late["not_after"] = json!(now - 1);
    relay.take(late);
    let run = relay.run();
    relay.wait_for(&[Queued, Expired, Expired]).await;
    assert!(relay.calls().is_empty());
    relay.advance(Duration::from_mins(1));
    relay.hold_lease();
    relay.wait_for(&[Dispatched, Expired, Expired]).await;
    run.stop().await;
}

/// The backend may cancel the rest of a reply once it has got what the person wrote meanwhile.
#[tokio::test]
async fn the_next_bubble_waits_for_messages_on_their_way_to_the_backend_but_not_for_ever() {
    let relay = Relay::new();
    relay.take(relay.reply("cmd_a", &["Hi", "you"]));
    let run = relay.run();
    relay.wait_for(&[Dispatched, Queued]).await;
    relay.receive("incoming");
    relay.prove("Hi");
    let began = Instant::now();
    relay.wait_for(&[Delivered, Dispatched]).await;
    assert!(began.elapsed() >= Relay::limits().incoming_wait);
    run.stop().await;
}

#[tokio::test]
async fn a_clock_that_is_set_back_lengthens_no_pause() {
    let relay = Relay::new();
    let mut reply = relay.reply("cmd_a", &["Hi", "you"]);
    reply["bubbles"][1]["pause_ms"] = json!(2_000);
    relay.take(reply);
    let run = relay.run();
    relay.wait_for(&[Dispatched, Queued]).await;
    relay.prove("Hi");
    relay.wait_for(&[Delivered, Queued]).await;
    relay.settle().await;
    relay.set_clock(UnixMicros::from_secs(relay.now().as_secs() - 6 * 3_600));
    relay.settle().await;
    assert_eq!(relay.states(), [Delivered, Queued]);
    relay.advance(Duration::from_secs(2));
    relay.wait_for(&[Delivered, Dispatched]).await;
    run.stop().await;
}

#[tokio::test]
async fn the_heartbeat_can_tell_that_a_line_is_at_its_limit() {
    let relay = Relay::new();
    let limit = 20;
    let texts: Vec<_> = (0..=limit).map(|n| format!("text {n}")).collect();
    let reply = texts.iter().map(String::as_str).collect::<Vec<_>>();
    relay.take(relay.reply("cmd_a", &reply));
    let run = relay.run();
    for (n, text) in texts[..limit].iter().enumerate() {
        let mut states = vec![Delivered; n];
        states.push(Dispatched);
        states.resize(limit + 1, Queued);
        relay.wait_for(&states).await;
        assert_eq!(relay.link.limited_chats.load(Ordering::SeqCst), 0);
        relay.prove(text);
    }
    while relay.link.limited_chats.load(Ordering::SeqCst) != 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    relay.advance(Duration::from_mins(1));
    let mut states = vec![Delivered; limit];
    states.push(Dispatched);
    relay.wait_for(&states).await;
    run.stop().await;
}

/// The state of a running relay is being written by another part when the text could go.
async fn change_while_dispatching_waits(relay: &Relay, change: impl FnOnce(&Relay)) {
    let (holds, is_held) = tokio::sync::oneshot::channel();
    let (finish, is_finished) = std::sync::mpsc::channel::<()>();
    let state = Arc::clone(&relay.state);
    relay.hold("find-chat");
    relay.take(relay.reply("cmd_a", &["Hi"]));
    let run = relay.run();
    relay.wait_for_calls(1).await;
    let other = tokio::task::spawn_blocking(move || {
        state.write(|_| {
            holds.send(()).unwrap();
            is_finished.recv().unwrap();
            Ok(())
        })
    });
    is_held.await.unwrap();
    relay.release("find-chat");
    // The dispatcher now waits for the other transaction.
    relay.settle().await;
    change(relay);
    finish.send(()).unwrap();
    other.await.unwrap().unwrap();
    relay.settle().await;
    run.stop().await;
    assert_eq!(relay.states(), [Queued]);
    assert_eq!(relay.sent(), [""; 0]);
}

#[tokio::test]
async fn a_lease_that_ends_while_the_ledger_is_busy_keeps_the_text() {
    let relay = Relay::new();
    change_while_dispatching_waits(&relay, |relay| {
        relay.link.lease.send_replace(None);
    })
    .await;
}

#[tokio::test]
async fn a_mac_that_sleeps_while_the_ledger_is_busy_keeps_the_text() {
    let relay = Relay::new();
    let night = Duration::from_hours(9);
    change_while_dispatching_waits(&relay, |relay| relay.sleep(night)).await;
}

#[tokio::test]
async fn a_text_that_was_passed_to_messages_never_expires() {
    let relay = Relay::new();
    relay.take(relay.reply("cmd_a", &["Hi", "you"]));
    let run = relay.run();
    relay.wait_for(&[Dispatched, Queued]).await;
    relay.wait_for_calls(2).await;
    relay.advance(Duration::from_hours(7));
    relay.wait_for(&[Unknown, Queued]).await;
    relay.prove("Hi");
    relay.wait_for(&[Delivered, Expired]).await;
    run.stop().await;
}
