//! Wrong and missing answers: the message is sent again, and is stored once.

use http::StatusCode;
use http::header::{CONTENT_ENCODING, LOCATION};
use shared_protocol::{Purpose, SigningKey, WebhookId};
use stand_in::{Answer, Fault};

use crate::backend::{FOREVER, sign, unsigned};
use crate::*;

/// Spoils one request of the message "1" with `fault`, which the relay must report under the code `trouble`.
/// Both messages must be stored once, in order.
async fn is_sent_again_after(fault: Fault, trouble: &str) {
    let relay = Relay::start().await;
    relay.backend.spoil_message(fault.clone());
    relay.enqueue("a", "1");
    relay.enqueue("a", "2");
    let mut sender = relay.sender();
    relay
        .step_until(&mut sender, |relay| {
            relay.trouble().as_deref() == Some(trouble)
        })
        .await;
    assert_eq!(relay.depths().pending, 2, "{fault:?} delivers nothing");
    assert_eq!(relay.depths().parked, 0, "{fault:?} parks nothing");
    relay.drain(&mut sender).await;
    assert_eq!(relay.backend.stored(), ["1", "2"], "{fault:?}");
    assert_eq!(relay.trouble(), None, "the trouble is over");
}

/// The id and timestamp in the headers of a signed answer.
fn id_and_timestamp(answer: &Answer) -> (WebhookId, i64) {
    let header = |name: &str| answer.headers[name].to_str().expect("text");
    let id = WebhookId::parse(header("webhook-id"), Purpose::Answer).expect("an id");
    (id, header("webhook-timestamp").parse().expect("a number"))
}

pub(crate) fn signed_with_another_key(answer: Answer) -> Answer {
    let (id, timestamp) = id_and_timestamp(&answer);
    sign(answer, &id, timestamp, &SigningKey::from_bytes([7; 32]))
}

pub(crate) fn signed_for_another_request(answer: Answer) -> Answer {
    let (_, timestamp) = id_and_timestamp(&answer);
    let other = WebhookId::parse("msg_other", Purpose::Message).expect("valid");
    let key = SigningKey::parse(SECRET).expect("valid");
    sign(answer, &other.answer(), timestamp, &key)
}

#[tokio::test]
async fn a_message_is_sent_again_after_a_connection_that_is_reset() {
    is_sent_again_after(Fault::ResetAfter, "unreachable").await;
}

#[tokio::test]
async fn a_message_is_sent_again_after_an_answer_that_is_cut_off() {
    is_sent_again_after(Fault::HalfAfter, "broken_answer").await;
}

#[tokio::test]
async fn a_message_is_sent_again_after_an_answer_signed_with_another_key() {
    is_sent_again_after(
        Fault::Change(signed_with_another_key),
        "bad_answer_signature",
    )
    .await;
}

#[tokio::test]
async fn a_message_is_sent_again_after_an_answer_to_another_request() {
    is_sent_again_after(Fault::Change(signed_for_another_request), "not_the_backend").await;
}

#[tokio::test]
async fn a_message_is_sent_again_after_an_unsigned_answer() {
    let body = r#"{"status":"accepted","message_id":"m","should_respond":false}"#;
    is_sent_again_after(Fault::Answer(unsigned(200, body)), "not_the_backend").await;
}

#[tokio::test]
async fn a_message_is_sent_again_after_the_page_of_a_captive_portal() {
    for status in [200, 403, 404, 503, 511] {
        let page = unsigned(status, "<html>Sign in to the network</html>");
        is_sent_again_after(Fault::Answer(page), "not_the_backend").await;
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Relay::start().await;
    let to = format!("{}/orchestrator/message", elsewhere.backend.url);
    let redirect = Answer::empty(StatusCode::TEMPORARY_REDIRECT).with(LOCATION, &to);
    is_sent_again_after(Fault::Answer(redirect), "redirected").await;
    assert_eq!(elsewhere.backend.message_requests(), 0);
}

#[tokio::test]
async fn the_signature_of_an_answer_marked_as_compressed_covers_the_raw_bytes() {
    let relay = Relay::start().await;
    let marked = |answer: Answer| answer.with(CONTENT_ENCODING, "gzip");
    relay.backend.spoil_message(Fault::Change(marked));
    relay.enqueue("a", "1");
    let mut sender = relay.sender();
    relay.drain(&mut sender).await;
    assert_eq!(relay.backend.stored(), ["1"]);
}

#[tokio::test]
async fn a_request_without_an_answer_times_out_and_is_sent_again() {
    let relay = Relay::start().await;
    relay.backend.spoil_message(Fault::HangAfter(FOREVER));
    relay.enqueue("a", "1");
    let mut sender = relay.sender();
    relay
        .step_until(&mut sender, |relay| !relay.backend.stored().is_empty())
        .await;
    // The client waits 30 s for an answer.
    advance_timers(Duration::from_secs(31)).await;
    relay
        .step_until(&mut sender, |relay| {
            relay.trouble().as_deref() == Some("timeout")
        })
        .await;
    relay.drain(&mut sender).await;
    assert_eq!(relay.backend.stored(), ["1"]);
}

#[tokio::test]
async fn messages_are_delivered_once_an_unreachable_backend_is_reachable() {
    let mut relay = Relay::start().await;
    let url = relay.backend.url.clone();
    let unused_port = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    relay.backend.url = format!("http://{}", unused_port.local_addr().expect("bound"));
    drop(unused_port);
    for n in 0..50 {
        relay.enqueue(&format!("chat{n}"), "1");
    }
    let mut sender = relay.sender();
    relay
        .step_until(&mut sender, |relay| {
            relay.trouble().as_deref() == Some("unreachable")
        })
        .await;
    assert_eq!(relay.depths().pending, 50);
    relay.backend.url = url;
    let mut sender = relay.sender();
    relay.drain(&mut sender).await;
    assert_eq!(relay.backend.stored().len(), 50);
}
