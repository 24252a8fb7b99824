//! `GET /user/messages`.

use std::time::Duration;

use archety_backend::config::Retention;
use archety_backend::store::{Pools, Store};
use rstest::rstest;
use serde_json::json;

use crate::support::{Engine, NOW, Postgres, Sqlite, TestApp, message};

const ADA: &str = "+15550100001";
const BEN: &str = "+15550100002";

#[rstest]
#[tokio::test]
async fn own_messages_come_in_pages_newest_first_and_invalid_parameters_are_refused(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    for n in 0..5 {
        app.clock.advance(Duration::from_secs(1));
        app.relay()
            .post(&format!("msg_{n}"), &message(&format!("text {n}")))
            .await;
    }
    let ada = app.signed_in(ADA).await;
    let mut seen = Vec::new();
    let mut path = "/user/messages?limit=2".to_owned();
    let conversation = loop {
        let page = ada.get(&app, &path).await.json();
        let messages = page["messages"].as_array().expect("a list");
        for message in messages {
            seen.push(message["text"].as_str().expect("a text").to_owned());
            assert_eq!(message["mode"], "direct");
            assert_eq!(message["role"], "user");
            assert_eq!(message["event"], "message");
        }
        let Some(cursor) = page["next_cursor"].as_str() else {
            break messages[0]["conversation_id"]
                .as_str()
                .expect("an id")
                .to_owned();
        };
        path = format!("/user/messages?limit=2&cursor={cursor}");
    };
    assert_eq!(
        seen,
        ["text 4", "text 3", "text 2", "text 1", "text 0"],
        "{}",
        app.kind
    );
    let ben = app.signed_in(BEN).await;
    for path in [
        "/user/messages".to_owned(),
        format!("/user/messages?conversation_id={conversation}"),
    ] {
        let page = ben.get(&app, &path).await.json();
        assert_eq!(
            page,
            json!({ "messages": [], "next_cursor": null }),
            "{}",
            app.kind
        );
    }
    for (wrong, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("cursor=x", "cursor"),
        ("conversation_id=1", "conversation_id"),
    ] {
        let refused = ada.get(&app, &format!("/user/messages?{wrong}")).await;
        assert_eq!(refused.fault(), "invalid_fields", "{wrong}");
        assert_eq!(refused.json()["violations"][0]["field"], field);
    }
}

/// Replies stand in the history with their state. Those to a group are not shown.
#[rstest]
#[tokio::test]
async fn the_bubbles_of_replies_have_the_state_of_their_delivery(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    app.mini().post("msg_1", &message("Hello?")).await;
    let reply = shared_protocol::CommandBody::Ping;
    let mini = shared_protocol::RelayName::parse("mini").expect("a name");
    let written = app.store.write_command(&mini, "cmd_a", &reply, NOW).await;
    assert!(written.expect("written"));
    let id = uuid::Uuid::from_u128(0xa);
    for sql in [
        "insert into messages (id, conversation_id, role, text, created_at, relay, identity, event, revision,
           from_owner, is_backfill)
         select $1, conversation_id, 'assistant', 'Hi!', created_at, relay, 'cmd_a.0', event, revision,
           from_owner, is_backfill
         from messages",
        "update command_bubbles set message_id = $1,
           conversation_id = (select conversation_id from messages where id = $1)",
    ] {
        match app.store.pools() {
            Pools::Postgres(pool) => sqlx::query(sql).bind(id).execute(pool).await.map(drop),
            Pools::Sqlite { writer, .. } => {
                sqlx::query(sql).bind(id).execute(writer).await.map(drop)
            }
        }
        .expect("executed");
    }
    let ada = app.signed_in(ADA).await;
    let ben = app.signed_in(BEN).await;
    let delivery = async || {
        let page = ada.get(&app, "/user/messages").await.json();
        let messages = page["messages"].as_array().expect("a list");
        let is_reply = |message: &&serde_json::Value| message["id"] == id.to_string();
        let reply = messages.iter().find(is_reply).expect("a reply");
        let question = messages.iter().find(|message| !is_reply(message));
        let question = question.expect("a question");
        assert_eq!(
            (&reply["role"], &reply["text"]),
            (&json!("assistant"), &json!("Hi!"))
        );
        assert_eq!(question.get("delivery"), None);
        reply["delivery"].clone()
    };
    assert_eq!(delivery().await, "pending", "{}", app.kind);
    let acks = json!([{ "id": "cmd_a", "state": "delivered" }]);
    let pull = json!({ "instance_id": "one", "acks": acks });
    assert_eq!(app.mini().pull("pull_1", &pull).await.status, 200);
    assert_eq!(delivery().await, "delivered", "{}", app.kind);
    let page = ben.get(&app, "/user/messages").await.json();
    assert_eq!(page["messages"], json!([]));
    // The state is deleted after 30 days, the message stays.
    let later = NOW.plus(Store::COMMAND_TTL + Duration::from_secs(1));
    app.store
        .clean(&Retention::default(), later)
        .await
        .expect("cleaned");
    assert_eq!(delivery().await, serde_json::Value::Null);
}
