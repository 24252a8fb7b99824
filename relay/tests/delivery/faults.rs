//! Answers that are none: each is tried again, and the message is stored once.

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
    assert_eq!(relay.trouble(), None, "the end of the trouble is told");
}

#[tokio::test]
async fn a_connection_that_is_reset_after_the_request_was_stored() {
    survives(Act::StoreAndReset, "unreachable").await;
}

#[tokio::test]
async fn half_an_answer() {
    survives(Act::StoreAndHalf, "broken_answer").await;
}

#[tokio::test]
async fn a_signature_of_another_key() {
    survives(Act::OtherKey, "bad_answer_signature").await;
}

#[tokio::test]
async fn the_answer_to_another_request() {
    survives(Act::OtherRequest, "not_the_backend").await;
}

#[tokio::test]
async fn an_unsigned_receipt() {
    let body = r#"{"status":"accepted","message_id":"m","should_respond":false}"#;
    survives(Act::Unsigned(200, body), "not_the_backend").await;
}

#[tokio::test]
async fn captive_portals() {
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
async fn what_calls_itself_compressed_is_still_verified_as_it_came() {
    let relay = Relay::start().await;
    relay.backend.script([Act::Gzip]);
    relay.enqueue("a", "1");
    let mut sender = relay.sender();
    relay.drain(&mut sender).await;
    assert_eq!(relay.backend.stored(), ["1"]);
}

#[tokio::test]
async fn a_backend_that_never_answers_is_given_up_in_time() {
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
async fn nobody_listens() {
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
