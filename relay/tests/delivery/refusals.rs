//! Refusals of the backend: one post is parked, or all posts wait.

use stand_in::Fault;

use crate::backend::{problem, unsigned};
use crate::*;

#[tokio::test]
async fn a_refused_message_is_parked_and_its_chat_goes_on() {
    let relay = Relay::start().await;
    let refusal = problem(422, "invalid_fields");
    relay.backend.answer_next_message(422, refusal);
    relay.enqueue("a", "1");
    relay.enqueue("a", "2");
    let mut sender = relay.sender();
    relay.drain(&mut sender).await;
    assert_eq!(relay.backend.stored(), ["2"]);
    assert_eq!(relay.depths().parked, 1);
}

#[tokio::test]
async fn parked_messages_are_tried_again_on_another_version() {
    let relay = Relay::start().await;
    let refusal = problem(422, "invalid_fields");
    relay.backend.answer_next_message(422, refusal);
    relay.enqueue("a", "1");
    let mut sender = relay.sender();
    relay
        .step_until(&mut sender, |relay| relay.depths().parked == 1)
        .await;
    // Within a minute of a change of the version, another change is ignored.
    advance_timers(Duration::from_secs(61)).await;
    relay.backend.set_version("1.0.1");
    relay.enqueue("b", "2");
    relay
        .step_until(&mut sender, |relay| relay.backend.stored().len() == 2)
        .await;
    relay.drain(&mut sender).await;
    assert_eq!(relay.backend.stored(), ["2", "1"]);
    assert_eq!(relay.depths().parked, 0);
}

#[tokio::test]
async fn an_id_conflict_counts_as_delivered() {
    let relay = Relay::start().await;
    let refusal = problem(409, "id_conflict");
    relay.backend.answer_next_message(409, refusal);
    relay.enqueue("a", "1");
    let mut sender = relay.sender();
    relay.drain(&mut sender).await;
    let post = &relay
        .state()
        .read(|c| outbox::of_guid(c, "a-1"))
        .expect("read")[0];
    assert_eq!(post.last_error.as_deref(), Some("id_conflict"));
    assert_eq!(relay.depths(), Depths::default());
}

#[tokio::test]
async fn a_401_pauses_every_chat_and_delivery_resumes_by_itself() {
    let relay = Relay::start().await;
    let refusal = r#"{"type":"about:blank","title":"t","status":401,"detail":"Invalid signature","code":"invalid_signature","request_id":"r","reason":"mismatch"}"#;
    let refusal = Fault::Answer(unsigned(401, refusal));
    relay.backend.spoil_message(refusal);
    relay.enqueue("a", "1");
    let mut sender = relay.sender();
    relay
        .step_until(&mut sender, |relay| {
            relay.trouble().as_deref() == Some("unauthorized")
        })
        .await;
    relay.enqueue("b", "2");
    for _ in 0..3 {
        sender.step().await;
    }
    assert_eq!(relay.backend.message_requests(), 1, "all lanes pause");
    // The relay sends a post as a probe every minute.
    advance_timers(Duration::from_secs(61)).await;
    relay.drain(&mut sender).await;
    assert_eq!(relay.backend.stored().len(), 2);
    assert_eq!(relay.trouble(), None);
}

#[tokio::test]
async fn the_backends_retry_after_is_obeyed() {
    let relay = Relay::start().await;
    let mut body = problem(503, "store_unavailable");
    body["retry_after"] = 30.into();
    relay.backend.answer_next_message(503, body);
    relay.enqueue("a", "1");
    let mut sender = relay.sender();
    relay
        .step_until(&mut sender, |relay| relay.trouble().is_some())
        .await;
    for _ in 0..3 {
        sender.step().await;
    }
    assert_eq!(relay.backend.message_requests(), 1);
    // The relay adds up to a tenth of the 30 s.
    advance_timers(Duration::from_secs(34)).await;
    relay.drain(&mut sender).await;
    assert_eq!(relay.backend.stored(), ["1"]);
}

#[tokio::test]
async fn nothing_is_sent_while_another_installation_has_the_lease() {
    let relay = Relay::start().await;
    relay.enqueue("a", "1");
    relay.backend_availability.send_replace(Availability {
        state: BackendState::LeasedElsewhere,
        ..ready()
    });
    let mut sender = relay.sender();
    relay
        .step_until(&mut sender, |relay| relay.trouble().is_some())
        .await;
    assert_eq!(relay.trouble().as_deref(), Some("relay_elsewhere"));
    assert_eq!(relay.backend.message_requests(), 0);
    relay.backend_availability.send_replace(ready());
    relay.drain(&mut sender).await;
    assert_eq!(relay.backend.stored(), ["1"]);
}
