//! Answers to pulls that do not verify, clocks that are wrong, and commands under old numbers.

use archety_relay::pull::PollOutcome;
use archety_relay::state::ledger::BubbleState;
use serde_json::{Value, json};
use stand_in::Fault;

use crate::backend::unsigned;
use crate::commands::{acks_of, answer, reply};
use crate::faults::{signed_for_another_request, signed_with_another_key};
use crate::pulls::puller;
use crate::*;

/// The code of the trouble of the pull that `status` shows.
fn pull_trouble(relay: &Relay) -> Option<String> {
    let read = relay
        .state()
        .read(|c| meta::get(c, meta::PULL))
        .expect("read")?;
    let status: TroubleStatus = serde_json::from_str(&read).expect("own JSON");
    status.trouble
}

#[tokio::test]
async fn an_answer_that_does_not_verify_brings_no_command_and_no_lease_and_takes_no_ack() {
    let commands = [reply(2, "cmd_forged", &["pay me"])];
    let body = answer(&commands).to_string();
    let faults = [
        Fault::Change(signed_with_another_key),
        Fault::Change(signed_for_another_request),
        Fault::AnswerAfter(unsigned(200, &body)),
    ];
    for fault in faults {
        let relay = Relay::start().await;
        let (mut puller, newest) = puller(&relay);
        relay.poll(&mut puller, &[reply(1, "cmd_a", &["Hi"])]).await;
        newest.try_recv().expect("the first answer verifies");
        relay.dispatch.lease.send_replace(None);
        relay.backend.spoil_pull(fault.clone());
        relay.backend.answer_next_pull(200, answer(&commands));
        assert!(
            matches!(puller.step().await, PollOutcome::Pause(_)),
            "{fault:?}"
        );
        assert_eq!(relay.states(), [BubbleState::Queued], "{fault:?}");
        assert!(relay.dispatch.lease.borrow().is_none(), "{fault:?}");
        assert!(newest.try_recv().is_err(), "{fault:?}");
        assert!(pull_trouble(&relay).is_some(), "{fault:?}");
        let pull = relay.poll(&mut puller, &[]).await;
        assert_eq!(
            acks_of(&pull),
            [json!(["cmd_a", 0, "received", null])],
            "{fault:?}"
        );
        assert_eq!(pull["after"]["seq"], 1, "{fault:?}");
        assert_eq!(pull_trouble(&relay), None, "{fault:?}");
    }
}

#[tokio::test]
async fn while_a_clock_is_six_hours_off_nothing_is_taken_and_then_everything_once() {
    const NOW: i64 = 1_700_000_000;
    for offset in [-6 * 3_600, 6 * 3_600] {
        let at = |secs| Arc::new(ManualClock::at(UnixMicros::from_secs(secs)));
        let relay = Relay::with_clocks(at(NOW + offset), at(NOW)).await;
        let (mut puller, newest) = puller(&relay);
        relay
            .backend
            .answer_next_pull(200, answer(&[reply(1, "cmd_a", &["Hi"])]));
        for _ in 0..2 {
            assert!(
                matches!(puller.step().await, PollOutcome::Pause(_)),
                "{offset}"
            );
            assert_eq!(
                relay.backend.pulls(),
                [] as [Value; 0],
                "the backend reads nothing of it"
            );
            assert_eq!(relay.states(), []);
            assert!(relay.dispatch.lease.borrow().is_none() && newest.try_recv().is_err());
            assert_eq!(
                pull_trouble(&relay).as_deref(),
                Some("clock_off"),
                "{offset}"
            );
        }
        relay.clock.set(UnixMicros::from_secs(NOW));
        puller.step().await;
        assert_eq!(relay.states(), [BubbleState::Queued], "{offset}");
        assert_eq!(pull_trouble(&relay), None);
        // The clock goes wrong again before the acks are told.
        relay.clock.set(UnixMicros::from_secs(NOW + offset));
        assert!(
            matches!(puller.step().await, PollOutcome::Pause(_)),
            "{offset}"
        );
        relay.clock.set(UnixMicros::from_secs(NOW));
        let pull = relay.poll(&mut puller, &[]).await;
        assert_eq!(
            acks_of(&pull),
            [json!(["cmd_a", 0, "received", null])],
            "{offset}"
        );
    }
}

/// A command is known by its id. A backend that was restored may give it another number.
#[tokio::test]
async fn a_command_under_an_old_number_is_taken_once_and_moves_the_position_not_back() {
    let relay = Relay::start().await;
    let (mut puller, _newest) = puller(&relay);
    relay.poll(&mut puller, &[reply(9, "cmd_a", &["Hi"])]).await;
    relay.poll(&mut puller, &[]).await;
    let old = [reply(3, "cmd_a", &["Hi"]), reply(4, "cmd_b", &["you"])];
    let mut acked = Vec::new();
    for _ in 0..2 {
        relay.poll(&mut puller, &old).await;
        let pull = relay.poll(&mut puller, &[]).await;
        assert_eq!(pull["after"], json!({"seq": 9, "id": "cmd_a"}));
        acked.push(acks_of(&pull));
    }
    assert_eq!(relay.states(), [BubbleState::Queued; 2]);
    let received = |id: &str| json!([id, 0, "received", null]);
    for acks in &mut acked {
        acks.sort_by_key(Value::to_string);
        assert_eq!(
            *acks,
            [received("cmd_a"), received("cmd_b")],
            "each is told again"
        );
    }
}
