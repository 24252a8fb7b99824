//! Commands for the relay `mini`, and its pulls.

use archety_backend::clock::Timestamp;
use archety_backend::store::replies::{Heartbeat, TakenAcks, TakenHeartbeat};
use archety_backend::store::{Pools, Store};
use serde_json::{Value, json};
use shared_protocol::{Ack, Bubble, CommandBody, Priority, RelayName, RelayStatus, SendMessage};

use crate::support::{Answered, NOW, TestApp, TestRelay, TestStore};

/// The name of the relay that pulls.
pub(super) fn mini() -> RelayName {
    RelayName::parse("mini").expect("valid")
}

/// A text with these bubbles.
pub(super) fn text(bubbles: &[&str]) -> CommandBody {
    let bubbles = bubbles.iter().map(|text| Bubble {
        text: (*text).to_owned(),
        pause_ms: 0,
    });
    CommandBody::SendMessage(SendMessage {
        chat_guid: "iMessage;-;+15550100001".to_owned(),
        aliases: Vec::new(),
        anchor_guid: None,
        line: None,
        service: None,
        bubbles: bubbles.collect(),
        priority: Priority::Reply,
        not_before: None,
        not_after: NOW.as_secs() + 3_600,
        quiet: None,
        handed: false,
    })
}

/// Writes a text of these bubbles for the relay.
pub(super) async fn write(store: &Store, id: &str, bubbles: &[&str]) {
    assert!(write_body(store, id, &text(bubbles)).await, "{id} is new");
}

/// Writes a command for the relay. Returns `false` if it has one with this id.
pub(super) async fn write_body(store: &Store, id: &str, body: &CommandBody) -> bool {
    let is_new = store.write_command(&mini(), id, body, NOW).await;
    is_new.expect("stored")
}

/// A pull of an installation that has stored the command `after`.
pub(super) fn pull_after(instance: &str, after: (i64, &str)) -> Value {
    let (seq, id) = after;
    json!({ "instance_id": instance, "after": { "seq": seq, "id": id } })
}

/// The first pull of an installation.
pub(super) fn first_pull(instance: &str) -> Value {
    pull_after(instance, (0, ""))
}

/// A pull with acks, each an id, a bubble and a state.
pub(super) fn pull_with_acks(acks: &[(&str, u32, &str)]) -> Value {
    let acks = acks
        .iter()
        .map(|(id, bubble, state)| json!({ "id": id, "bubble": bubble, "state": state, "at": 1_790_000_000 }));
    let mut pull = first_pull("one");
    pull["acks"] = acks.collect();
    pull
}

/// Pulls as the relay `mini`, which has to succeed.
pub(super) async fn pull(relay: &TestRelay<'_>, n: &str, pull: &Value) -> Value {
    let answer = relay.pull(&format!("pull_{n}"), pull).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// The number, the id and `handed` of each command of an answer.
pub(super) fn carried(answer: &Value) -> Vec<(i64, String, bool)> {
    let commands = answer["commands"].as_array().expect("a list");
    let row = |command: &Value| {
        (
            command["seq"].as_i64().expect("a number"),
            command["id"].as_str().expect("an id").to_owned(),
            command["handed"] == true,
        )
    };
    commands.iter().map(row).collect()
}

/// What [`carried`] returns for these commands.
pub(super) fn rows(commands: &[(i64, &str, bool)]) -> Vec<(i64, String, bool)> {
    let row = |(seq, id, handed): &(i64, &str, bool)| (*seq, (*id).to_owned(), *handed);
    commands.iter().map(row).collect()
}

/// The state of every bubble, ordered by command and bubble.
pub(super) async fn states(base: &TestStore) -> Vec<String> {
    strings(
        base,
        "select state from command_bubbles order by relay, command_id, bubble",
    )
    .await
}

/// The texts that a query returns.
pub(super) async fn strings(base: &TestStore, sql: &'static str) -> Vec<String> {
    match base.store.pools() {
        Pools::Postgres(pool) => sqlx::query_scalar(sql).fetch_all(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_scalar(sql).fetch_all(writer).await,
    }
    .expect("rows")
}

/// The time that a query returns.
pub(super) async fn value(base: &TestStore, sql: &'static str) -> Timestamp {
    match base.store.pools() {
        Pools::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_scalar(sql).fetch_one(writer).await,
    }
    .expect("a time")
}

/// Runs a statement.
pub(super) async fn execute(base: &TestStore, sql: &'static str) {
    match base.store.pools() {
        Pools::Postgres(pool) => sqlx::query(sql).execute(pool).await.map(drop),
        Pools::Sqlite { writer, .. } => sqlx::query(sql).execute(writer).await.map(drop),
    }
    .expect("executed");
}

/// Starts a pull that the backend holds. The pull is held once this returns.
pub(super) async fn held_pull(app: &TestApp, n: &str, after: (i64, &str)) -> HeldPull {
    let mut body = pull_after("one", after);
    body["wait_seconds"] = json!(25);
    let id = format!("pull_{n}");
    let task = tokio::spawn({
        let app = app.clone();
        async move { app.mini().pull(&id, &body).await }
    });
    while !app.store.holds_pull_of(&mini()) {
        tokio::task::yield_now().await;
        assert!(!task.is_finished(), "the pull is held");
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    // The pull looks for commands once more after it has taken the bell.
    tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    assert!(!task.is_finished(), "the pull is held");
    HeldPull(task)
}

pub(super) struct HeldPull(tokio::task::JoinHandle<Answered>);

impl HeldPull {
    pub(super) async fn answer(self) -> Value {
        let answer = self.answered().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// The answer, also if it is a refusal.
    pub(super) async fn answered(self) -> Answered {
        let answer = tokio::time::timeout(std::time::Duration::from_secs(10), self.0).await;
        answer.expect("an answer in time").expect("no panic")
    }

    pub(super) fn is_held(&self) -> bool {
        !self.0.is_finished()
    }
}

/// Stores acks as a pull of the installation `one` brings them.
pub(super) async fn take(store: &Store, acks: &[Ack]) -> TakenAcks {
    let heartbeat = Heartbeat {
        relay: &mini(),
        instance: "one",
        status: &RelayStatus::default(),
        after: None,
        acks,
        lease: None,
    };
    match store.take_heartbeat(heartbeat, NOW).await.expect("stored") {
        TakenHeartbeat::Taken { acks, .. } => acks,
        TakenHeartbeat::Elsewhere => panic!("another installation has the lease"),
    }
}

/// A time this many seconds after the start of the test.
pub(super) fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(NOW.as_secs() + secs)
}
