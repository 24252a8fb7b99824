//! The workers of two replicas answer every turn once it is due, and each turn once.

use std::sync::Arc;
use std::time::Duration;

use archety_backend::clock::Clock;
use archety_backend::jobs::Pace;
use archety_backend::lifecycle::Lifecycle;
use rstest::rstest;

use super::support::{OPENING, Replica, Scripted, replies, text, unanswered_count};
use crate::store::message_builder::{from, in_chat};
use crate::support::{Engine, Postgres, Sqlite, TestStore};

const CHATS: usize = 100;

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_answer_each_chat_once(#[values(Sqlite, Postgres)] engine: Engine) {
    let base = TestStore::new(engine).await;
    let (one, two) = (base.store.clone(), base.second().await);
    let pace = Pace {
        poll_turns_every: Duration::from_millis(50),
        ..Pace::default()
    };
    let lifecycle = Lifecycle::new();
    let responder = Scripted::echo();
    let workers = [&one, &two].map(|store| {
        let jobs = Replica::with_clock(store, Arc::clone(&responder), Clock::System, pace).jobs;
        tokio::spawn(jobs.run(Clock::System, lifecycle.clone()))
    });
    for n in 0..CHATS {
        let number = format!("+1555010{n:04}");
        let mut message = in_chat(
            from(text(&format!("msg_{n}"), "hi", 0), &number),
            &format!("any;-;{number}"),
        );
        message.received_at = Clock::System.now();
        message.sent_at = message.received_at;
        message.turn = Some(OPENING).map(|mut opening| {
            opening.quiet = Duration::from_millis(100);
            opening
        });
        let stored = [&one, &two][n % 2].store_message(message).await;
        stored.expect("a store");
    }
    let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
    while unanswered_count(&base).await > 0 {
        assert!(
            tokio::time::Instant::now() < deadline,
            "some chats wait still"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    lifecycle.start_draining();
    for worker in workers {
        worker.await.expect("no panic");
    }
    assert_eq!(replies(&base).await.len(), CHATS);
    assert_eq!(responder.asked().len(), CHATS);
    let seqs = "select count(distinct seq) from commands where seq between 1 and 100";
    assert_eq!(base.number(seqs).await, 100, "the numbers have no gap");
}
