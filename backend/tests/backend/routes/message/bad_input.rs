//! Bodies and headers that our own relay never sends: how each is refused, and that none is stored.

use archety_backend::config::RelayAuth;
use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Request};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;
use shared_protocol::{MAX_BODY_BYTES, MESSAGE_ROUTE};

use crate::support::{Engine, PLAIN_SECRET, Postgres, Sqlite, TestApp, message, sqlite_app};

/// Posts a body and returns the status and the code of the refusal, which must be signed.
async fn fault(app: &TestApp, id: &str, body: impl Into<Vec<u8>>) -> (u16, String) {
    let relay = app.relay();
    let answer = relay.post_bytes(id, body.into()).await;
    assert!(
        relay.trusts(id, &answer),
        "a refusal to a known relay is signed"
    );
    let problem = answer.json();
    assert_eq!(problem["environment"], "development");
    assert_eq!(problem["version"], env!("CARGO_PKG_VERSION"));
    (answer.status.as_u16(), answer.fault())
}

#[tokio::test]
async fn a_body_that_is_no_json_object_or_repeats_a_key_is_malformed() {
    let app = sqlite_app(RelayAuth::Both).await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let nested = format!("{{\"text\":{deep}}}");
    let repeated_key = message("x")
        .to_string()
        .replacen('{', "{\"text\":\"y\",", 1);
    let cases: [(&str, Vec<u8>); 8] = [
        ("empty", Vec::new()),
        ("text", b"hello".to_vec()),
        ("truncated", b"{\"chat_guid\":".to_vec()),
        ("not UTF-8", b"{\"text\":\"\xff\xfe\"}".to_vec()),
        ("too deep", deep.into_bytes()),
        ("too deep inside", nested.into_bytes()),
        ("not an object", b"[1,2]".to_vec()),
        ("a key twice", repeated_key.into_bytes()),
    ];
    for (n, (what, body)) in cases.into_iter().enumerate() {
        let found = fault(&app, &format!("msg_{n}"), body).await;
        assert_eq!(found, (400, "malformed_json".to_owned()), "{what}");
    }
}

#[tokio::test]
async fn every_field_that_breaks_a_rule_is_listed_and_a_text_over_50000_characters_is_refused() {
    let app = sqlite_app(RelayAuth::Both).await;
    let body = json!({ "chat_guid": "", "mode": "trio", "sender": 7, "timestamp": "now" });
    let answer = app.relay().post("msg_1", &body).await;
    assert_eq!(answer.status, 422);
    insta::assert_json_snapshot!("invalid_fields", answer.json()["violations"]);
    let mut long = message(&"x".repeat(50_001));
    long["message_guid"] = json!("A");
    assert_eq!(fault(&app, "msg_2", long.to_string()).await.0, 422);
}

#[tokio::test]
async fn a_body_may_have_at_most_one_megabyte() {
    let app = sqlite_app(RelayAuth::Both).await;
    let relay = app.relay();
    let at_limit = relay.post_bytes("msg_1", vec![b' '; MAX_BODY_BYTES]).await;
    assert_eq!(at_limit.fault(), "malformed_json");
    let over = relay
        .post_bytes("msg_2", vec![b' '; MAX_BODY_BYTES + 1])
        .await;
    assert_eq!(
        (over.status.as_u16(), over.fault().as_str()),
        (413, "body_too_large")
    );
    // A larger Content-Length is refused whatever the length of the body.
    let now = app.clock.now().as_secs();
    let mut long_by_header = relay.signed(MESSAGE_ROUTE, "msg_3", now, b"{}".to_vec());
    let length = HeaderValue::from_static("99999999");
    long_by_header.headers_mut().insert(CONTENT_LENGTH, length);
    assert_eq!(app.send(long_by_header).await.fault(), "body_too_large");
}

#[tokio::test]
async fn only_json_without_a_content_encoding_is_accepted() {
    let app = sqlite_app(RelayAuth::Both).await;
    let now = app.clock.now().as_secs();
    let relay = app.relay();
    let mut number = 0;
    let mut send = async |change: &dyn Fn(&mut Request<Body>)| {
        number += 1;
        let body = message("hello").to_string().into_bytes();
        let id = format!("msg_{number}");
        let mut request = relay.signed(MESSAGE_ROUTE, &id, now, body);
        change(&mut request);
        let answer = app.send(request).await;
        assert!(relay.trusts(&id, &answer));
        answer.status.as_u16()
    };
    let content_type = |value: &'static str| {
        move |request: &mut Request<Body>| {
            request
                .headers_mut()
                .insert(CONTENT_TYPE, value.parse().expect("a header"));
        }
    };
    assert_eq!(
        send(&|request| drop(request.headers_mut().remove(CONTENT_TYPE))).await,
        415
    );
    assert_eq!(send(&content_type("text/plain")).await, 415);
    assert_eq!(send(&content_type("application/jsonx")).await, 415);
    assert_eq!(
        send(&content_type("Application/JSON ; charset=utf-8")).await,
        200
    );
    for encoding in ["gzip", "identity", "br"] {
        let encoded = |request: &mut Request<Body>| {
            request
                .headers_mut()
                .insert(CONTENT_ENCODING, encoding.parse().expect("a header"));
        };
        assert_eq!(send(&encoded).await, 415, "{encoding}");
    }
}

#[tokio::test]
async fn a_body_that_never_arrives_answers_408_or_401_with_a_wrong_secret() {
    let app = sqlite_app(RelayAuth::Both).await;
    let bearer = format!("Bearer {PLAIN_SECRET}");
    for (authorization, status, fault) in [
        (bearer.as_str(), 408, "request_timeout"),
        // A request with a wrong secret is refused before its body is read.
        ("Bearer wrong", 401, "wrong_bearer"),
    ] {
        // The channel never sends a frame.
        let (sender, body) =
            tokio::sync::mpsc::channel::<Result<channel_body::Frame, std::io::Error>>(1);
        let request = Request::post(MESSAGE_ROUTE)
            .header(AUTHORIZATION, authorization)
            .body(Body::new(channel_body::FramesOfChannel(body)));
        let answer = app.send(request.expect("valid")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.fault().as_str()),
            (status, fault)
        );
        drop(sender);
    }
}

#[rstest]
#[tokio::test]
async fn a_refused_message_is_not_stored(#[values(Sqlite, Postgres)] engine: Engine) {
    let app = TestApp::new(engine).await;
    app.relay().post("msg_1", &json!({ "text": "x" })).await;
    app.relay()
        .post_bearer(MESSAGE_ROUTE, &json!({ "text": "x" }))
        .await;
    let newest = app
        .store
        .newest_message(&shared_protocol::RelayName::default())
        .await;
    assert_eq!(newest.expect("readable"), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_bytes_get_a_signed_400_or_422(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (status, _) = runtime.block_on(async {
            let app = sqlite_app(RelayAuth::Both).await;
            fault(&app, "msg_random", bytes).await
        });
        prop_assert!(status == 400 || status == 422);
    }
}

/// A body whose frames come from a channel.
mod channel_body {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use bytes::Bytes;
    use tokio::sync::mpsc::Receiver;

    pub(super) type Frame = hyper::body::Frame<Bytes>;

    pub(super) struct FramesOfChannel(pub(super) Receiver<Result<Frame, std::io::Error>>);

    impl hyper::body::Body for FramesOfChannel {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame, Self::Error>>> {
            self.0.poll_recv(context)
        }
    }
}
