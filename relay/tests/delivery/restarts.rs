//! The process dies between two steps of the sender, and the next process continues its work.

use stand_in::Fault;

use crate::backend::FOREVER;
use crate::*;

#[tokio::test]
async fn a_message_is_stored_once_though_the_relay_dies_before_it_writes_the_answer() {
    let mut relay = Relay::start().await;
    for n in 0..10 {
        relay.enqueue("a", &n.to_string());
    }
    // Each process dies as soon as the backend has stored one more message, before the answer is written.
    for _ in 0..10 {
        let stored = relay.backend.stored().len();
        let mut sender = relay.sender();
        relay
            .step_until(&mut sender, |relay| {
                relay.backend.stored().len() > stored || relay.depths().pending == 0
            })
            .await;
        drop(sender);
        relay.restart();
    }
    let mut sender = relay.sender();
    relay.drain(&mut sender).await;
    let all: Vec<_> = (0..10).map(|n| n.to_string()).collect();
    assert_eq!(relay.backend.stored(), all);
}

#[tokio::test]
async fn after_a_restart_within_the_same_second_a_replayed_request_is_signed_again() {
    let mut relay = Relay::start().await;
    relay.backend.spoil_message(Fault::HangAfter(FOREVER));
    relay.enqueue("a", "1");
    let mut sender = relay.sender();
    relay
        .step_until(&mut sender, |relay| !relay.backend.stored().is_empty())
        .await;
    drop(sender);
    // The clock does not move: the next process starts in the same second and signs the same pair of id and
    // timestamp.
    relay.restart();
    let mut sender = relay.sender();
    relay.drain(&mut sender).await;
    assert_eq!(relay.backend.stored(), ["1"]);
    assert_eq!(
        relay.backend.message_requests(),
        3,
        "the first process, the refused replay, and the later timestamp"
    );
    assert_eq!(relay.trouble(), None, "nothing paused");
}

#[tokio::test]
async fn a_full_disk_stops_sending_and_no_answer_is_lost() {
    let relay = Relay::start().await;
    for n in 0..5 {
        relay.enqueue("a", &n.to_string());
    }
    // With the trigger, writing a result needs new pages, which the limit on the pages refuses.
    relay
        .state()
        .write(|tx| {
            tx.execute_batch(
                "create table filler (bytes blob);
                 create trigger filling after update on outbox
                 begin insert into filler values (zeroblob(100000)); end;",
            )
        })
        .expect("made");
    let limit_pages_to = |pages: i64| {
        let set = |tx: &rusqlite::Transaction<'_>| {
            tx.query_row(&format!("pragma max_page_count = {pages}"), [], |_| Ok(()))
        };
        relay.state().write(set).expect("set");
    };
    limit_pages_to(1);
    let mut sender = relay.sender();
    let mut step = SenderStep::Waited;
    while step != SenderStep::StateTrouble {
        step = sender.step().await;
    }
    assert_eq!(
        (relay.backend.stored().len(), relay.depths().pending),
        (1, 5)
    );
    assert_eq!(sender.step().await, SenderStep::StateTrouble);
    assert_eq!(
        relay.backend.message_requests(),
        1,
        "nothing is sent while results cannot be written"
    );
    limit_pages_to(1_000_000);
    relay.drain(&mut sender).await;
    assert_eq!(relay.backend.stored().len(), 5);
    assert_eq!(
        relay.backend.message_requests(),
        5,
        "the message whose answer was kept is not sent again"
    );
}
