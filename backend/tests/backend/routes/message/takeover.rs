//! What the Mac's owner types takes the conversation over: the answer tells the relay to cancel its replies.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Engine, Postgres, Sqlite, TestApp, message};

/// Whether the answer to this message cancels replies, at first and to its repetition.
async fn cancels(app: &TestApp, guid: &str, fields: &Value) -> bool {
    let mut body = message("I am here myself");
    body["message_guid"] = json!(guid);
    for (name, value) in fields.as_object().expect("fields") {
        body[name] = value.clone();
    }
    let id = format!("msg_{guid}");
    let relay = app.relay();
    let answers = [relay.post(&id, &body).await, relay.post(&id, &body).await];
    let statuses = ["accepted", "duplicate"];
    let cancels = answers.iter().zip(statuses).map(|(answer, status)| {
        assert_eq!(
            answer.json()["status"],
            status,
            "{fields}: {}",
            answer.text()
        );
        answer.json().get("cancel_replies") == Some(&json!(true))
    });
    let cancels: Vec<bool> = cancels.collect();
    assert_eq!(
        cancels[0], cancels[1],
        "{fields}: the answer may have been lost"
    );
    cancels[0]
}

#[rstest]
#[tokio::test]
async fn a_text_of_the_owner_cancels_the_replies_to_its_chat(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let takeovers = [
        json!({ "from_owner": true }),
        json!({ "from_owner": true, "event": "other", "text": "[Location]" }),
        json!({ "from_owner": true, "text": "", "attachments": [{ "guid": "at_0" }] }),
        json!({ "from_owner": true, "service": "SMS", "mode": "group" }),
    ];
    for (n, fields) in takeovers.iter().enumerate() {
        assert!(cancels(&app, &format!("yes{n}"), fields).await, "{fields}");
    }
    let others = [
        json!({}),
        json!({ "from_owner": true, "automatic": true }),
        json!({ "from_owner": true, "is_backfill": true }),
        json!({ "from_owner": true, "answered": true }),
        json!({ "from_owner": true, "rehearsal": true }),
        json!({ "from_owner": true, "event": "tapback", "revision": 1, "tapback": { "action": "added", "kind": "like" } }),
        json!({ "from_owner": true, "event": "edit", "revision": 2 }),
        json!({ "from_owner": true, "event": "unsend", "revision": 1, "text": "" }),
        json!({ "from_owner": true, "event": "attachment_update", "revision": 1 }),
        json!({ "from_owner": true, "event": "group_change", "revision": 1 }),
    ];
    for (n, fields) in others.iter().enumerate() {
        assert!(!cancels(&app, &format!("no{n}"), fields).await, "{fields}");
    }
}
