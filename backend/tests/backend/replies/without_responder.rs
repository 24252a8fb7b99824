//! A replica without a responder leaves turns to those that have one, and lists what none of them has answered.

use std::sync::Arc;
use std::time::Duration;

use archety_backend::config::RelayAuth;
use archety_backend::jobs::JobOutcome;
use archety_backend::replies::ResponderError;
use rstest::rstest;
use serde_json::json;

use super::support::{
    Replica, Scripted, at, due_in, outcomes, replies, store, text, unanswered_count,
};
use crate::support::{Engine, Postgres, Sqlite, TestApp, TestStore, message, secrets};

/// A replica with the canned responder, and one without a responder on the same database.
async fn two_replicas(engine: Engine) -> (TestApp, TestApp) {
    let canned = TestApp::with(engine, &[("RESPONDER", "canned")]).await;
    let base = Arc::clone(&canned.base);
    let settings = [("RESPONDER", "none")];
    let (auth, secrets) = (RelayAuth::Both, secrets());
    let none = TestApp::configured(base, canned.store.clone(), auth, &secrets, &settings).await;
    (canned, none)
}

async fn post(app: &TestApp, guid: &str, text: &str) {
    let mut body = message(text);
    body["message_guid"] = json!(guid);
    body["timestamp"] = json!(app.clock.now().as_secs());
    let answer = app.relay().post(&format!("msg_{guid}"), &body).await;
    assert_eq!(answer.status, 200);
}

/// Runs the recurring jobs and every other job that is due at this time.
async fn run_all(app: &TestApp, secs: u64) {
    app.clock.advance(at(secs).since(app.clock.now()));
    while app.jobs.step(at(secs)).await.expect("a store").is_some() {}
}

#[rstest]
#[tokio::test]
async fn a_replica_without_a_responder_leaves_turns_to_the_others(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let (canned, none) = two_replicas(engine).await;
    post(&canned, "a", "Hello").await;
    run_all(&none, 60).await;
    assert_eq!(unanswered_count(&none.base).await, 1, "{}", none.kind);
    run_all(&canned, 60).await;
    assert_eq!(replies(&canned.base).await, ["Hello!", "How can I help?"]);
    post(&none, "b", "to the other replica").await;
    assert_eq!(
        unanswered_count(&none.base).await,
        0,
        "its setting says that none is answered"
    );
}

#[rstest]
#[tokio::test]
async fn what_no_replica_answers_is_listed_after_twelve_hours(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let (canned, none) = two_replicas(engine).await;
    none.jobs.enqueue_recurring(at(0)).await.expect("a store");
    post(&canned, "a", "Hello").await;
    run_all(&none, 11 * 3_600).await;
    assert_eq!(
        unanswered_count(&none.base).await,
        1,
        "another replica may still come"
    );
    run_all(&none, 12 * 3_600 + 60).await;
    assert_eq!(outcomes(&none.base).await, ["too_old"], "{}", none.kind);
    let listed = none.store.attention().await.expect("a store");
    assert_eq!((listed.len(), &*listed[0].state), (1, "too_old"));
    assert_eq!(
        (unanswered_count(&none.base).await, due_in(&none.base).await),
        (0, vec![])
    );
    run_all(&canned, 12 * 3_600 + 120).await;
    assert_eq!(replies(&none.base).await.len(), 0);
}

/// The job has waited for twelve hours, but the newest message of its chat has not.
#[rstest]
#[tokio::test]
async fn a_turn_whose_newest_message_is_not_old_stays_for_a_replica_with_a_responder(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let (canned, none) = two_replicas(engine).await;
    none.jobs.enqueue_recurring(at(0)).await.expect("a store");
    post(&canned, "a", "Hello").await;
    canned.clock.advance(Duration::from_hours(6));
    post(&canned, "b", "anyone there?").await;
    run_all(&none, 12 * 3_600 + 60).await;
    assert_eq!(
        (
            outcomes(&none.base).await.len(),
            unanswered_count(&none.base).await
        ),
        (0, 2)
    );
    run_all(&canned, 12 * 3_600 + 60).await;
    assert_eq!(
        replies(&canned.base).await,
        ["You said: anyone there?"],
        "{}",
        none.kind
    );
}

/// The responder asks to be called again each second, as one does that is over its quota.
#[rstest]
#[tokio::test]
async fn a_turn_is_tried_until_it_is_too_old(#[values(Sqlite, Postgres)] engine: Engine) {
    let base = TestStore::new(engine).await;
    let later = || Err(ResponderError::Later(Some(Duration::from_secs(1))));
    let replica = Replica::new(&base.store, Scripted::new(move |_| later()));
    store(&base.store, text("msg_1", "one", 0)).await;
    for secs in 2..302 {
        let outcome = replica.step(at(secs)).await;
        assert_eq!(outcome, Some(JobOutcome::Postponed), "{secs}");
    }
    assert_eq!(
        replica.step(at(12 * 3_600 + 1)).await,
        Some(JobOutcome::Done)
    );
    assert_eq!(outcomes(&base).await, ["too_old"], "{}", base.kind);
    assert_eq!(
        (unanswered_count(&base).await, due_in(&base).await),
        (0, vec![])
    );
}
