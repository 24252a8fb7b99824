//! Bad answers and missing ones: the message is sent again, and is stored once.

use crate::backend::Act;
use crate::*;

async fn survives(act: Act, trouble: &str) {
    let relay = Relay::start().await;
    relay.backend.script([act.clone()]);
    relay.enqueue("a", "1");
    relay.enqueue("a", "2");
    let mut sender = relay.sender();
    relay
        .step_until(&mut sender, |relay| {
            relay.trouble().as_deref() == Some(trouble)
        })
        .await;
    assert_eq!(relay.depths().pending, 2, "{act:?} is no receipt");
    assert_eq!(relay.depths().parked, 0, "{act:?} parks nothing");
    relay.drain(&mut sender).await;
    assert_eq!(relay.backend.stored(), ["1", "2"], "{act:?}");
    assert_eq!(relay.trouble(), None, "the trouble is over");
}

#[tokio::test]
async fn a_connection_that_is_reset_after_the_message_was_stored_is_no_receipt() {
    survives(Act::StoreAndReset, "unreachable").await;
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_no_receipt() {
    survives(Act::StoreAndHalf, "broken_answer").await;
}

#[tokio::test]
async fn an_answer_signed_with_another_key_is_no_receipt() {
    survives(Act::OtherKey, "bad_answer_signature").await;
}

#[tokio::test]
async fn an_answer_to_another_request_is_no_receipt() {
    survives(Act::OtherRequest, "not_the_backend").await;
}

#[tokio::test]
async fn an_unsigned_answer_is_no_receipt() {
    let body = r#"{"status":"accepted","message_id":"m","should_respond":false}"#;
    survives(Act::Unsigned(200, body), "not_the_backend").await;
}

#[tokio::test]
async fn the_page_of_a_captive_portal_is_no_receipt() {
    for status in [200, 403, 404, 503, 511] {
        survives(
            Act::Unsigned(status, "<html>Sign in to the network</html>"),
            "not_the_backend",
        )
        .await;
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Relay::start().await;
    let to = format!("{}/orchestrator/message", elsewhere.backend.url);
    survives(Act::Redirect(to), "redirected").await;
    assert_eq!(elsewhere.backend.requests(), 0);
}

#[tokio::test]
async fn the_signature_of_an_answer_marked_as_compressed_covers_the_raw_bytes() {
    let relay = Relay::start().await;
    relay.backend.script([Act::Gzip]);
    relay.enqueue("a", "1");
    let mut sender = relay.sender();
    relay.drain(&mut sender).await;
    assert_eq!(relay.backend.stored(), ["1"]);
}

#[tokio::test]
async fn a_request_without_an_answer_times_out_and_is_sent_again() {
    let relay = Relay::start().await;
    relay.backend.script([Act::StoreAndHang]);
    relay.enqueue("a", "1");
    let mut sender = relay.sender();
    relay
        .step_until(&mut sender, |relay| !relay.backend.stored().is_empty())
        .await;
    pass(Duration::from_secs(31)).await;
    relay
        .step_until(&mut sender, |relay| {
            relay.trouble().as_deref() == Some("timeout")
        })
        .await;
    relay.drain(&mut sender).await;
    assert_eq!(relay.backend.stored(), ["1"]);
}

#[tokio::test]
async fn a_backend_that_is_not_there_is_tried_again() {
    let mut relay = Relay::start().await;
    let url = relay.backend.url.clone();
    let free = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    relay.backend.url = format!("http://{}", free.local_addr().expect("bound"));
    drop(free);
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
