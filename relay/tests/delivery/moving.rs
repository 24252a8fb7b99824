//! The owner moves the relay to another Mac: what the polls ask for, and what each answer leads to.

use archety_relay::clock::Clock;
use archety_relay::pull::{PollOutcome, Puller};
use archety_relay::state::ledger::name_move::{self, MoveStep};
use archety_relay::state::ledger::owner::{Listing, list};
use serde_json::{Value, json};

use crate::backend::problem;
use crate::pulls::puller;
use crate::*;

fn answer(extra: &Value) -> Value {
    let mut body = json!({"commands": [], "server_time": 1_700_000_000, "version": "2.0.0",
        "environment": "development", "reads_acks": true});
    for (key, value) in extra.as_object().expect("fields") {
        body[key] = value.clone();
    }
    body
}

fn reply(seq: i64) -> Value {
    json!({"seq": seq, "id": format!("cmd_{seq}"), "kind": "send_message",
        "chat_guid": "iMessage;-;+15550100001", "bubbles": [{"text": "Hi"}], "not_after": 1_700_020_000})
}

impl Relay {
    fn write_move(&self, work: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<()>) {
        self.state().write_durably(work).expect("written");
    }

    fn move_step(&self) -> MoveStep {
        self.state().read(name_move::load).expect("read").step
    }

    /// Polls once; returns the poll as the backend got it.
    async fn poll_with(&self, puller: &mut Puller, status: u16, body: Value) -> Value {
        self.backend.answer_next_pull(status, body);
        puller.step().await;
        self.backend.pulls().pop().expect("a pull")
    }

    fn holds_lease(&self) -> bool {
        self.dispatch.lease.borrow().is_some()
    }

    fn backend_state(&self) -> BackendState {
        self.backend_availability.borrow().state.clone()
    }

    /// A relay that has given the name up.
    async fn leave(&self, puller: &mut Puller) {
        self.write_move(|tx| name_move::ask_out(tx));
        self.poll_with(puller, 200, answer(&json!({"lease": "release"})))
            .await;
        assert_eq!(self.move_step(), MoveStep::Left);
    }
}

#[tokio::test]
async fn a_relay_that_leaves_takes_no_commands_and_releases_the_name_once_all_is_settled() {
    let relay = Relay::start().await;
    let (mut puller, _newest) = puller(&relay);
    let commands = answer(&json!({"commands": [reply(1)]}));
    relay.poll_with(&mut puller, 200, commands).await;
    assert!(relay.holds_lease());
    relay.enqueue("a", "1");
    relay.write_move(|tx| name_move::ask_out(tx));
    let leaving = relay.poll_with(&mut puller, 200, answer(&json!({}))).await;
    assert_eq!(leaving["acks"][0]["state"], "received");
    assert_eq!(
        (&leaving["after"], &leaving["lease"]),
        (&Value::Null, &Value::Null)
    );
    assert!(!relay.holds_lease());
    assert_eq!(
        relay.backend_state(),
        BackendState::Ready,
        "messages are posted"
    );
    let waiting = relay.poll_with(&mut puller, 200, answer(&json!({}))).await;
    assert_eq!(waiting["lease"], Value::Null, "a message is not posted");
    // The puller of this test knows no lines.
    relay.backend_availability.send_replace(ready());
    relay.drain(&mut relay.sender()).await;
    let released = relay
        .poll_with(&mut puller, 200, answer(&json!({"lease": "release"})))
        .await;
    assert_eq!(
        (
            &released["lease"],
            &released["after"],
            &released["wait_seconds"]
        ),
        (&json!("release"), &Value::Null, &json!(0))
    );
    assert_eq!(relay.move_step(), MoveStep::Left);
    assert_eq!(relay.backend_state(), BackendState::LeasedElsewhere);
    let entries = relay.state().read(|c| list(c, Listing::All, 9));
    assert!(
        entries.expect("read")[0].is_handed,
        "this Mac does not send it"
    );
}

#[tokio::test]
async fn a_relay_that_has_left_asks_the_backend_nothing_also_after_a_restart() {
    let mut relay = Relay::start().await;
    {
        let (mut puller, _newest) = puller(&relay);
        relay.leave(&mut puller).await;
    }
    let pulls = relay.backend.pulls().len();
    relay.restart();
    relay
        .backend_availability
        .send_replace(Availability::default());
    let (mut puller, _newest) = puller(&relay);
    assert!(matches!(puller.step().await, PollOutcome::Pause(_)));
    assert_eq!(relay.backend.pulls().len(), pulls);
    assert_eq!(relay.backend_state(), BackendState::LeasedElsewhere);
    let status = relay.state().read(|c| meta::get(c, meta::PULL));
    let status: TroubleStatus =
        serde_json::from_str(&status.expect("read").expect("a status")).expect("JSON");
    assert_eq!(status.trouble.as_deref(), Some("moved_away"));
}

/// The backend may have released the name. The relay asks again, and nothing else.
#[tokio::test]
async fn a_relay_that_dies_without_the_answer_to_its_release_asks_again() {
    let mut relay = Relay::start().await;
    {
        let (mut puller, _newest) = puller(&relay);
        relay.write_move(|tx| name_move::ask_out(tx));
        let lost = relay
            .poll_with(&mut puller, 503, problem(503, "unavailable"))
            .await;
        assert_eq!(lost["lease"], "release");
        assert_eq!(relay.move_step(), MoveStep::Releasing);
    }
    relay.restart();
    let (mut puller, _newest) = puller(&relay);
    let again = relay
        .poll_with(&mut puller, 409, problem(409, "relay_elsewhere"))
        .await;
    assert_eq!(again["lease"], "release");
    assert_eq!(
        relay.move_step(),
        MoveStep::Left,
        "another Mac has taken the name meanwhile"
    );
}

/// It ignores the field. Its lease ends by itself, because the relay stops pulling.
#[tokio::test]
async fn a_backend_of_an_earlier_version_is_left_all_the_same() {
    let relay = Relay::start().await;
    let (mut puller, _newest) = puller(&relay);
    relay.write_move(|tx| name_move::ask_out(tx));
    relay.poll_with(&mut puller, 200, answer(&json!({}))).await;
    assert_eq!(relay.move_step(), MoveStep::Left);
    assert!(!relay.holds_lease());
    // It also ignores the field of a relay that comes back.
    relay.write_move(|tx| name_move::ask_in(tx, MoveStep::Taking));
    relay.poll_with(&mut puller, 200, answer(&json!({}))).await;
    assert_eq!(relay.move_step(), MoveStep::Here);
    assert!(relay.holds_lease());
}

#[tokio::test]
async fn a_relay_takes_the_name_and_goes_on_as_before() {
    for (step, change) in [
        (MoveStep::Taking, "take"),
        (MoveStep::TakingOver, "take_over"),
    ] {
        let relay = Relay::start().await;
        let (mut puller, _newest) = puller(&relay);
        relay.leave(&mut puller).await;
        relay.write_move(|tx| name_move::ask_in(tx, step));
        let commands = answer(&json!({"lease": change, "commands": [reply(1)]}));
        let taken = relay.poll_with(&mut puller, 200, commands).await;
        assert_eq!(taken["lease"], change);
        assert_eq!(relay.move_step(), MoveStep::Here);
        assert!(relay.holds_lease());
        assert_eq!(relay.backend_state(), BackendState::Ready);
        let next = relay.poll_with(&mut puller, 200, answer(&json!({}))).await;
        assert_eq!(
            (&next["lease"], &next["after"]["seq"]),
            (&Value::Null, &json!(1))
        );
    }
}

#[tokio::test]
async fn a_relay_that_is_refused_the_name_stays_away_if_it_had_left() {
    let relay = Relay::start().await;
    let (mut puller, _newest) = puller(&relay);
    relay.leave(&mut puller).await;
    relay.write_move(|tx| name_move::ask_in(tx, MoveStep::Taking));
    relay
        .poll_with(&mut puller, 409, problem(409, "relay_elsewhere"))
        .await;
    let found = relay.state().read(name_move::load).expect("read");
    assert_eq!((found.step, found.is_refused), (MoveStep::Left, true));
    assert!(!relay.holds_lease());
}

/// The other installation may have got what waits here, and the owner may have it sent there.
#[tokio::test]
async fn what_waits_is_not_sent_by_a_relay_that_has_lost_the_name() {
    let relay = Relay::start().await;
    let (mut puller, _newest) = puller(&relay);
    let commands = answer(&json!({"commands": [reply(1)]}));
    relay.poll_with(&mut puller, 200, commands).await;
    relay
        .poll_with(&mut puller, 409, problem(409, "relay_elsewhere"))
        .await;
    relay.poll_with(&mut puller, 200, answer(&json!({}))).await;
    assert!(relay.holds_lease(), "the other one has gone");
    let sendable = archety_relay::state::ledger::dispatching::sendable;
    let sendable = relay.state().read(|c| sendable(c, 9)).expect("read");
    assert_eq!(sendable, []);
}

/// Otherwise the owner would wait for the end of a poll that the backend holds.
#[tokio::test]
async fn a_poll_that_is_held_ends_when_the_owner_moves_the_relay() {
    let relay = Relay::start().await;
    let (mut puller, _newest) = puller(&relay);
    relay.poll_with(&mut puller, 200, answer(&json!({}))).await;
    relay.backend.hold_next_pull();
    let moving = async {
        relay.backend.wait_for_pulls(2).await;
        relay.write_move(|tx| name_move::ask_out(tx));
    };
    let (polled, ()) = tokio::join!(puller.step(), moving);
    assert_eq!(polled, PollOutcome::Again);
    let now = relay.clock.now();
    let unsettled = relay.state().read(|c| name_move::unsettled(c, now));
    assert!(unsettled.expect("read").is_nothing());
}
