//! A message that a relay posts is answered, with the settings of the backend.

use rstest::rstest;
use serde_json::json;

use super::support::{at, due_in, outcomes, replies, unanswered_count};
use crate::support::{Engine, Postgres, Sqlite, TestApp, message};

const CANNED: [(&str, &str); 1] = [("RESPONDER", "canned")];

#[rstest]
#[tokio::test]
async fn a_posted_message_is_answered_from_the_table(#[values(Sqlite, Postgres)] engine: Engine) {
    let app = TestApp::with(engine, &CANNED).await;
    let relay = app.relay();
    let mut hello = message("Hello");
    hello["message_guid"] = json!("A");
    assert_eq!(relay.post("msg_1", &hello).await.status, 200);
    let mut typed = message("I am the owner");
    (typed["message_guid"], typed["from_owner"]) = (json!("B"), json!(true));
    assert_eq!(relay.post("msg_2", &typed).await.status, 200);
    let mut rehearsed = message("a rehearsal");
    (rehearsed["message_guid"], rehearsed["rehearsal"]) = (json!("C"), json!(true));
    assert_eq!(relay.post("msg_3", &rehearsed).await.status, 200);
    assert_eq!(
        (unanswered_count(&app.base).await, due_in(&app.base).await),
        (1, vec![2])
    );
    app.clock.advance(std::time::Duration::from_secs(2));
    let outcome = app.jobs.step(at(2)).await.expect("a store");
    assert!(outcome.is_some());
    assert_eq!(replies(&app.base).await, ["Hello!", "How can I help?"]);
    assert_eq!(outcomes(&app.base).await, ["replied"]);
    assert!(
        app.metrics()
            .await
            .contains("turns_total{outcome=\"replied\"}")
    );
}

#[rstest]
#[tokio::test]
async fn without_a_responder_no_message_waits(#[values(Sqlite, Postgres)] engine: Engine) {
    let app = TestApp::new(engine).await;
    assert_eq!(
        app.relay().post("msg_1", &message("Hello")).await.status,
        200
    );
    assert_eq!(
        (unanswered_count(&app.base).await, due_in(&app.base).await),
        (0, vec![])
    );
}
