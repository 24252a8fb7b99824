//! `GET /user/messages`.

use std::time::Duration;

use rstest::rstest;
use serde_json::json;

use crate::support::{Engine, Postgres, Sqlite, TestApp, message};

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
