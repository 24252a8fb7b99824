//! A change is stored in the conversation of the message that it changes.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Engine, Postgres, Sqlite, TestApp, message};

/// All stored messages as `text in guid`, ordered by text.
async fn texts_in_conversations(app: &TestApp) -> Vec<String> {
    use archety_backend::store::Pools;
    let sql = "select m.text || ' in ' || c.guid from messages m \
               join conversations c on c.id = m.conversation_id order by m.text";
    match app.store.pools() {
        Pools::Postgres(pool) => sqlx::query_scalar(sql).fetch_all(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_scalar(sql).fetch_all(writer).await,
    }
    .expect("texts")
}

fn in_group(text: &str, guid: &str) -> Value {
    let mut body = message(text);
    body["chat_guid"] = json!("iMessage;+;chat1");
    body["mode"] = json!("group");
    body["participants"] = json!(["+15550100001", "+15550100002"]);
    body["message_guid"] = json!(guid);
    body
}

/// A change that names the sender's direct chat, as a relay sends it for a row that joined that chat later.
fn change(text: &str, guid: &str, event: &str, revision: u32) -> Value {
    let mut body = message(text);
    body["message_guid"] = json!(guid);
    body["event"] = json!(event);
    body["revision"] = json!(revision);
    body
}

#[rstest]
#[tokio::test]
async fn a_change_is_stored_in_the_conversation_of_its_message_whatever_chat_it_names(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let mut number = 0;
    let mut post = async |body: &Value| {
        number += 1;
        let answer = app.relay().post(&format!("msg_{number}"), body).await;
        assert_eq!(answer.json()["status"], "accepted", "{}", answer.text());
    };
    post(&in_group("1 first", "A")).await;
    post(&change("2 edit", "A", "edit", 2)).await;
    post(&change("3 unsend", "A", "unsend", 1)).await;
    post(&change("4 photo", "A", "attachment_update", 1)).await;
    let mut without_text = in_group("5 no text yet", "B");
    without_text["event"] = json!("other");
    without_text["revision"] = json!(1);
    post(&without_text).await;
    post(&change("6 late text", "B", "edit", 0)).await;
    // A change whose message is not stored for this relay goes into the chat that the change names.
    post(&change("7 unknown", "C", "edit", 2)).await;
    let answer = app
        .mini()
        .post("msg_a", &change("8 elsewhere", "A", "edit", 2))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    // An event `message` is no change, even with the guid of a stored message.
    post(&message("9 direct")).await;
    let (group, direct) = ("+;chat1", "-;+15550100001");
    assert_eq!(
        texts_in_conversations(&app).await,
        [
            format!("1 first in {group}"),
            format!("2 edit in {group}"),
            format!("3 unsend in {group}"),
            format!("4 photo in {group}"),
            format!("5 no text yet in {group}"),
            format!("6 late text in {group}"),
            format!("7 unknown in {direct}"),
            format!("8 elsewhere in {direct}"),
            format!("9 direct in {direct}"),
        ],
        "{}",
        app.kind
    );
}
