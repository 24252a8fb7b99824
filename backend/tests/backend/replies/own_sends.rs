//! A relay that has lost its state posts the rows of its earlier sends as texts of the Mac's owner.

use archety_backend::store::replies::{Heartbeat, TakenHeartbeat};
use archety_backend::store::{NewMessage, Pools, Store, Stored};
use rstest::rstest;
use serde_json::{Value, json};
use shared_protocol::{Ack, AckState, Event, RelayName, RelayStatus};
use uuid::Uuid;

use super::support::{Replica, Scripted, at, store, text, texts};
use crate::support::{Engine, Postgres, Sqlite, TestApp, TestStore, message};

/// The row of a bubble, as the relay posts it: a text of the owner with the guid that the relay has acked.
fn own_row(identity: &str, guid: &str, words: &str) -> NewMessage {
    let mut row = text(identity, words, 60);
    row.message_guid = Some(guid.to_owned());
    (row.from_owner, row.role) = (true, "owner");
    (row.phone, row.chat.owner, row.turn) = (None, None, None);
    row
}

/// A reply of two bubbles, of which the first is delivered, with the guid `sent`, and the other failed.
async fn reply(base: &TestStore) {
    let bubbles = || Ok(vec!["one".to_owned(), "two".to_owned()]);
    let replica = Replica::new(&base.store, Scripted::new(move |_| bubbles()));
    store(&base.store, text("msg_1", "hi", 0)).await;
    assert_eq!(replica.run_all(at(2)).await, 1);
    let id = texts(base, "select id from commands").await.remove(0);
    let ack = |bubble, state, guid: Option<&str>| Ack {
        id: id.clone(),
        bubble,
        state,
        code: None,
        at: 0,
        message_guid: guid.map(str::to_owned),
    };
    let acks = [
        ack(0, AckState::Delivered, Some("sent")),
        ack(1, AckState::Failed, None),
    ];
    let relay = RelayName::default();
    let heartbeat = Heartbeat {
        relay: &relay,
        instance: "one",
        status: &RelayStatus::default(),
        after: None,
        acks: &acks,
        lease: None,
    };
    let taken = base.store.take_heartbeat(heartbeat, at(3)).await;
    let TakenHeartbeat::Taken { acks, .. } = taken.expect("a store") else {
        panic!("another installation has the lease");
    };
    assert_eq!(acks.finished, 1);
}

async fn id_of_first_bubble(base: &TestStore) -> Uuid {
    let sql = "select id from messages where role = 'assistant' and text = 'one'";
    match base.store.pools() {
        Pools::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_scalar(sql).fetch_one(writer).await,
    }
    .expect("a reply")
}

async fn outcome(store: &Store, message: NewMessage) -> Stored {
    store.store_message(message).await.expect("a store")
}

#[rstest]
#[tokio::test]
async fn the_row_of_a_bubble_is_the_reply_and_is_not_stored_again(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    reply(&base).await;
    let before = base.number("select count(*) from messages").await;
    let id = id_of_first_bubble(&base).await;
    let row = outcome(&base.store, own_row("msg_2", "sent", "one")).await;
    assert_eq!(row, Stored::OwnSend(id));
    // A retry of it, and its edit.
    let again = outcome(&base.store, own_row("msg_2", "sent", "one")).await;
    assert_eq!(again, Stored::OwnSend(id));
    let mut edit = own_row("msg_3", "sent", "one!");
    (edit.event, edit.revision) = (Event::Edit, 1);
    edit.changes = vec!["msg_2".to_owned()];
    assert_eq!(outcome(&base.store, edit).await, Stored::OwnSend(id));
    let after = base.number("select count(*) from messages").await;
    assert_eq!(after, before);
}

#[rstest]
#[tokio::test]
async fn only_an_own_row_with_the_guid_of_a_bubble_of_its_relay_is_a_reply(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    reply(&base).await;
    let mut of_another_relay = own_row("msg_2", "sent", "one");
    of_another_relay.relay = RelayName::parse("mini").expect("valid");
    let mut of_a_person = text("msg_3", "one", 60);
    of_a_person.message_guid = Some("sent".to_owned());
    let mut without_guid = own_row("msg_4", "sent", "one");
    without_guid.message_guid = None;
    let typed = own_row("msg_5", "another", "one");
    for message in [of_another_relay, of_a_person, without_guid, typed] {
        let identity = message.identity.clone();
        let stored = outcome(&base.store, message).await;
        assert!(
            matches!(stored, Stored::Accepted(_)),
            "{identity} {stored:?}"
        );
    }
}

#[rstest]
#[tokio::test]
async fn the_relay_is_told_that_the_row_is_a_duplicate_and_it_is_counted(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::with(engine, &[("RESPONDER", "canned")]).await;
    let relay = app.relay();
    let mut hello = message("Hello");
    hello["message_guid"] = json!("A");
    assert_eq!(relay.post("msg_1", &hello).await.status, 200);
    app.clock.advance(std::time::Duration::from_secs(2));
    app.jobs.step(at(2)).await.expect("a store");
    let first = json!({ "instance_id": "one", "after": { "seq": 0, "id": "" } });
    let answer: Value = relay.pull("pull_1", &first).await.json();
    let id = &answer["commands"][0]["id"];
    let mut acks = first.clone();
    acks["acks"] =
        json!([{ "id": id, "bubble": 0, "state": "sent", "at": 1, "message_guid": "B" }]);
    assert_eq!(relay.pull("pull_2", &acks).await.status, 200);
    let mut row = message("Hello!");
    (row["message_guid"], row["from_owner"]) = (json!("B"), json!(true));
    let answer = relay.post("msg_2", &row).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["status"]),
        (200, &json!("duplicate"))
    );
    assert_eq!(
        answer.json().get("cancel_replies"),
        None,
        "it is no takeover"
    );
    assert!(app.metrics().await.contains("own_sends_posted_total"));
}
