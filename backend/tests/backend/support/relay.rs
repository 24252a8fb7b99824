//! A test relay: posts messages with a signature or with a bearer secret.

use std::sync::atomic::{AtomicI64, Ordering};

use axum::body::Body;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};
use shared_protocol::{
    HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP, MESSAGE_ROUTE, PULL_ROUTE, Purpose, RelaySecret,
    WebhookId,
};

use super::{Answered, TestApp};

pub(crate) const PLAIN_SECRET: &str = "plain-secret-of-the-default-relay-0001";
pub(crate) const MINI_SECRET: &str = "mini:secret-of-the-relay-called-mini-0002";
pub(crate) const OTHER_SECRET: &str = "other-secret-that-was-never-given-out-3";

/// The secrets that the test backends accept.
pub(crate) fn secrets() -> String {
    format!("{PLAIN_SECRET},{MINI_SECRET}")
}

/// A message with the six fields that every caller sends.
pub(crate) fn message(text: &str) -> Value {
    json!({
        "chat_guid": "iMessage;-;+15550100001",
        "mode": "direct",
        "sender": "+15550100001",
        "text": text,
        "timestamp": 1_789_999_990,
        "participants": ["+15550100001"],
    })
}

/// A relay that sends requests to one replica.
pub(crate) struct TestRelay<'a> {
    app: &'a TestApp,
    secret: RelaySecret,
    /// The timestamp of the last request. Like the real relay, a test relay signs no id twice with one timestamp.
    last_timestamp: AtomicI64,
}

impl<'a> TestRelay<'a> {
    pub(crate) fn new(app: &'a TestApp, secret: &str) -> Self {
        Self {
            app,
            secret: RelaySecret::parse(secret).expect("the tests' secrets"),
            last_timestamp: AtomicI64::new(app.clock.now().as_secs() - 100),
        }
    }

    /// Posts a message, signed with this webhook id.
    pub(crate) async fn post(&self, id: &str, message: &Value) -> Answered {
        self.post_bytes(id, message.to_string().into_bytes()).await
    }

    pub(crate) async fn post_bytes(&self, id: &str, body: Vec<u8>) -> Answered {
        let timestamp = self.last_timestamp.fetch_add(1, Ordering::SeqCst) + 1;
        self.app
            .send(self.signed(MESSAGE_ROUTE, id, timestamp, body))
            .await
    }

    /// Posts a message with the bearer secret.
    pub(crate) async fn post_bearer(&self, route: &str, message: &Value) -> Answered {
        let request = Request::post(route)
            .header(CONTENT_TYPE, "application/json")
            .header(
                AUTHORIZATION,
                format!("Bearer {}", self.secret.expose_bearer()),
            )
            .body(Body::from(message.to_string()));
        self.app.send(request.expect("valid")).await
    }

    pub(crate) async fn pull(&self, id: &str, pull: &Value) -> Answered {
        let timestamp = self.last_timestamp.fetch_add(1, Ordering::SeqCst) + 1;
        let body = pull.to_string().into_bytes();
        self.app
            .send(self.signed(PULL_ROUTE, id, timestamp, body))
            .await
    }

    /// A signed request. The prefix of the id decides the purpose of the signature.
    pub(crate) fn signed(
        &self,
        route: &str,
        id: &str,
        timestamp: i64,
        body: Vec<u8>,
    ) -> Request<Body> {
        let signature = self.signature(id, timestamp, &body);
        let request = Request::post(route)
            .header(CONTENT_TYPE, "application/json; charset=utf-8")
            .header(HEADER_ID, id)
            .header(HEADER_TIMESTAMP, timestamp.to_string())
            .header(HEADER_SIGNATURE, signature)
            .body(Body::from(body));
        request.expect("valid")
    }

    pub(crate) fn signature(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        self.secret.key().sign(&request_id(id), timestamp, body)
    }

    /// Whether the answer to the request with this id has a valid signature of the backend.
    pub(crate) fn trusts(&self, id: &str, answer: &Answered) -> bool {
        let now = self.app.clock.now().as_secs();
        let headers = answer.signature_headers();
        shared_protocol::verify_answer(
            self.secret.key(),
            &request_id(id),
            headers,
            &answer.body,
            now,
        )
        .is_ok()
    }
}

fn request_id(id: &str) -> WebhookId {
    [Purpose::Message, Purpose::Pull, Purpose::Answer]
        .into_iter()
        .find_map(|purpose| WebhookId::parse(id, purpose).ok())
        .expect("a well-formed id")
}
