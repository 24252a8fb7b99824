//! A panic while one post is sent: the post is tried again, then parked, and other posts are sent.

use std::sync::atomic::Ordering;

use crate::*;

#[tokio::test]
async fn a_post_that_makes_the_relay_panic_is_tried_again() {
    let relay = Relay::start().await;
    relay.enqueue("a", "1");
    relay.enqueue("a", "2");
    relay.enqueue("b", "1");
    relay.panics.store(1, Ordering::SeqCst);
    let mut sender = relay.sender();
    relay.drain(&mut sender).await;
    assert_eq!(relay.depths().parked, 0);
    let mut stored = relay.backend.stored();
    stored.sort();
    assert_eq!(stored, ["1", "1", "2"]);
    assert_eq!(relay.trouble(), None);
}

#[tokio::test]
async fn a_post_with_three_panics_is_parked_and_its_chat_goes_on() {
    let relay = Relay::start().await;
    relay.enqueue("a", "1");
    relay.panics.store(3, Ordering::SeqCst);
    let mut sender = relay.sender();
    relay
        .step_until(&mut sender, |relay| relay.depths().parked == 1)
        .await;
    let code: String = relay
        .state()
        .read(|c| c.query_row("select last_error from outbox", [], |row| row.get(0)))
        .expect("read");
    assert_eq!(code, "relay_panicked");
    relay.enqueue("a", "2");
    relay.drain(&mut sender).await;
    assert!(relay.backend.stored().contains(&"2".to_owned()));
}
