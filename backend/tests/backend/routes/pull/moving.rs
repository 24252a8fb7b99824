//! The owner moves a relay's name from one Mac to another.

use std::time::Duration;

use archety_backend::store::replies::{Heartbeat, TakenHeartbeat};
use rstest::rstest;
use serde_json::{Value, json};
use shared_protocol::{LeaseChange, RelayStatus};

use super::support::{carried, first_pull, held_pull, mini, pull_with_acks, rows, states, write};
use crate::support::{Answered, Engine, NOW, Postgres, Sqlite, TestApp, TestStore};

/// The pulls of two Macs with one secret.
struct Macs {
    app: TestApp,
    pulls: std::cell::Cell<u32>,
}

impl Macs {
    async fn new(engine: Engine) -> Self {
        Self {
            app: TestApp::new(engine).await,
            pulls: std::cell::Cell::new(0),
        }
    }

    async fn send(&self, body: &Value) -> Answered {
        self.pulls.set(self.pulls.get() + 1);
        let id = format!("pull_{}", self.pulls.get());
        self.app.mini().pull(&id, body).await
    }

    /// The status of an ordinary pull.
    async fn pull(&self, instance: &str) -> u16 {
        self.send(&first_pull(instance)).await.status.as_u16()
    }

    /// The status of a pull that asks for a change of the lease. The answer names the change if it was made.
    async fn ask(&self, instance: &str, change: &str) -> u16 {
        let answer = self.send(&asking(instance, change)).await;
        if answer.status == 200 {
            assert_eq!(answer.json()["lease"], change);
        }
        answer.status.as_u16()
    }

    fn expire_lease(&self) {
        self.app.clock.advance(Duration::from_secs(91));
    }
}

fn asking(instance: &str, change: &str) -> Value {
    let mut body = first_pull(instance);
    body["lease"] = json!(change);
    body
}

#[rstest]
#[tokio::test]
async fn a_name_that_was_given_up_goes_to_another_mac_at_once(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let macs = Macs::new(engine).await;
    assert_eq!(macs.pull("old").await, 200);
    assert_eq!(macs.pull("new").await, 409);
    assert_eq!(macs.ask("old", "release").await, 200);
    assert_eq!(macs.pull("old").await, 409, "before the new Mac comes");
    assert_eq!(macs.pull("new").await, 200);
    macs.expire_lease();
    assert_eq!(macs.pull("old").await, 409, "after the new Mac has gone");
    assert_eq!(macs.ask("old", "take").await, 200, "its owner wants it");
    assert_eq!(macs.pull("old").await, 200);
    assert_eq!(macs.pull("new").await, 409);
}

/// The answer to a release may be lost, and the relay asks again.
#[rstest]
#[tokio::test]
async fn a_release_can_be_repeated_until_another_mac_has_the_name(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let macs = Macs::new(engine).await;
    assert_eq!(macs.pull("old").await, 200);
    for _ in 0..2 {
        assert_eq!(macs.ask("old", "release").await, 200);
    }
    assert_eq!(macs.ask("new", "take").await, 200);
    assert_eq!(macs.ask("old", "release").await, 409);
    assert_eq!(macs.pull("new").await, 200, "it keeps the name");
}

#[rstest]
#[tokio::test]
async fn only_the_mac_that_has_the_name_can_give_it_up(#[values(Sqlite, Postgres)] engine: Engine) {
    let macs = Macs::new(engine).await;
    assert_eq!(macs.pull("old").await, 200);
    assert_eq!(macs.ask("new", "release").await, 409);
    assert_eq!(macs.pull("old").await, 200);
    macs.expire_lease();
    assert_eq!(macs.pull("new").await, 200, "it is not refused for that");
}

#[rstest]
#[tokio::test]
async fn a_release_gets_no_commands_and_loses_no_acks(#[values(Sqlite, Postgres)] engine: Engine) {
    let macs = Macs::new(engine).await;
    write(&macs.app.store, "cmd_a", &["1"]).await;
    let mut pull = pull_with_acks(&[("cmd_a", 0, "delivered")]);
    assert_eq!(macs.pull("one").await, 200);
    write(&macs.app.store, "cmd_b", &["1"]).await;
    pull["lease"] = json!("release");
    pull["wait_seconds"] = json!(25);
    let answer = macs.send(&pull).await;
    assert_eq!(
        (answer.status.as_u16(), carried(&answer.json())),
        (200, rows(&[]))
    );
    assert_eq!(states(&macs.app.base).await, ["delivered", "pending"]);
    let answer = macs.send(&first_pull("two")).await;
    assert_eq!(
        carried(&answer.json()),
        rows(&[(2, "cmd_b", false)]),
        "it is fresh for the next Mac"
    );
}

#[rstest]
#[tokio::test]
async fn a_name_can_be_taken_only_if_no_other_mac_has_it(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let macs = Macs::new(engine).await;
    assert_eq!(macs.ask("old", "take").await, 200, "a new relay");
    assert_eq!(macs.ask("old", "take").await, 200, "twice");
    assert_eq!(macs.ask("new", "take").await, 409);
    assert_eq!(macs.pull("old").await, 200);
    macs.expire_lease();
    assert_eq!(macs.ask("new", "take").await, 200);
    macs.expire_lease();
    assert_eq!(
        macs.pull("old").await,
        409,
        "the owner has moved the name away from it"
    );
}

#[rstest]
#[tokio::test]
async fn a_name_is_taken_over_from_a_mac_that_still_runs(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let macs = Macs::new(engine).await;
    write(&macs.app.store, "cmd_a", &["1"]).await;
    assert_eq!(macs.pull("old").await, 200);
    let answer = macs.send(&asking("new", "take_over")).await;
    assert_eq!(
        carried(&answer.json()),
        rows(&[(1, "cmd_a", true)]),
        "the old Mac may have sent it"
    );
    assert_eq!(macs.pull("old").await, 409);
    assert_eq!(macs.ask("old", "take").await, 409);
    macs.expire_lease();
    assert_eq!(macs.pull("old").await, 409);
    assert_eq!(macs.ask("old", "take_over").await, 200);
    assert_eq!(macs.pull("new").await, 409);
}

/// Otherwise it would count as the holder for as long as its pull is held, and pass texts on.
#[rstest]
#[tokio::test]
async fn a_mac_that_has_lost_the_name_hears_it_at_once(#[values(Sqlite, Postgres)] engine: Engine) {
    let macs = Macs::new(engine).await;
    let store = macs.app.store.clone();
    let listening = tokio::spawn(async move { store.listen().await });
    let held = held_pull(&macs.app, "held", (0, "")).await;
    assert_eq!(macs.ask("two", "take").await, 409);
    assert_eq!(macs.ask("two", "take_over").await, 200);
    assert_eq!(held.answered().await.status, 409);
    listening.abort();
}

#[rstest]
#[tokio::test]
async fn of_two_macs_that_take_a_name_at_once_one_gets_it(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let (status, relay) = (RelayStatus::default(), mini());
    let take = async |instance: &'static str| {
        let heartbeat = Heartbeat {
            relay: &relay,
            instance,
            status: &status,
            after: None,
            acks: &[],
            lease: Some(LeaseChange::Take),
        };
        base.store.take_heartbeat(heartbeat, NOW).await
    };
    let (one, two) = tokio::join!(take("one"), take("two"));
    let taken = [one, two].map(|taken| taken.expect("stored") != TakenHeartbeat::Elsewhere);
    assert!(taken[0] != taken[1], "{taken:?}");
}

/// A relay of the first release sends no such field, and a misspelt one is refused instead of renewing the lease.
#[rstest]
#[tokio::test]
async fn an_unknown_change_of_the_lease_changes_nothing(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let macs = Macs::new(engine).await;
    let answer = macs.send(&asking("old", "borrow")).await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert_eq!(macs.pull("new").await, 200);
}
