//! The workers of two replicas answer every turn once it is due, and each turn once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use archety_backend::clock::{Clock, Timestamp};
use archety_backend::jobs::Pace;
use archety_backend::lifecycle::Lifecycle;
use archety_backend::store::{NewMessage, Store};
use rstest::rstest;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::support::{OPENING, Replica, Scripted, replies, text, unanswered_count};
use crate::store::message_builder::{from, in_chat};
use crate::support::{Engine, Postgres, Sqlite, TestStore};

/// A message in the chat of this number, which opens a turn.
fn message(n: usize, now: Timestamp) -> NewMessage {
    let number = format!("+1555010{n:04}");
    let message = from(text(&format!("msg_{n}"), "hi", 0), &number);
    let mut message = in_chat(message, &format!("any;-;{number}"));
    (message.received_at, message.sent_at) = (now, now);
    let mut opening = OPENING;
    opening.quiet = Duration::from_millis(100);
    message.turn = Some(opening);
    message
}

fn start_workers(
    stores: [&Store; 2],
    responder: &Arc<Scripted>,
    lifecycle: &Lifecycle,
) -> [JoinHandle<()>; 2] {
    let pace = Pace {
        poll_turns_every: Duration::from_millis(50),
        ..Pace::default()
    };
    stores.map(|store| {
        let replica = Replica::with_clock(store, Arc::clone(responder), Clock::System, pace);
        tokio::spawn(replica.jobs.run(Clock::System, lifecycle.clone()))
    })
}

async fn wait_for_answers(base: &TestStore) {
    let deadline = Instant::now() + Duration::from_mins(2);
    while unanswered_count(base).await > 0 {
        assert!(Instant::now() < deadline, "some chats still wait");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn stop(workers: [JoinHandle<()>; 2], lifecycle: &Lifecycle) {
    lifecycle.start_draining();
    for worker in workers {
        worker.await.expect("no panic");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_answer_each_chat_once(#[values(Sqlite, Postgres)] engine: Engine) {
    const CHATS: usize = 100;
    let base = TestStore::new(engine).await;
    let (one, two) = (base.store.clone(), base.second().await);
    let (lifecycle, responder) = (Lifecycle::new(), Scripted::echo());
    let workers = start_workers([&one, &two], &responder, &lifecycle);
    for n in 0..CHATS {
        let message = message(n, Clock::System.now());
        let stored = [&one, &two][n % 2].store_message(message).await;
        stored.expect("a store");
    }
    wait_for_answers(&base).await;
    stop(workers, &lifecycle).await;
    assert_eq!(replies(&base).await.len(), CHATS);
    assert_eq!(responder.asked().len(), CHATS);
    let seqs = "select count(distinct seq) from commands where seq between 1 and 100";
    assert_eq!(base.number(seqs).await, 100, "the numbers have no gap");
}

/// More chats wait for the responder than the database has connections.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn chats_with_a_slow_responder_hold_up_no_other_chat(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    const SLOW: usize = 50;
    let base = TestStore::new(engine).await;
    let (asked, release) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let (count, gate) = (Arc::clone(&asked), Arc::clone(&release));
    let slow = Scripted::with_meanwhile(
        |_| Ok(vec!["slow".to_owned()]),
        move |_| {
            let (count, gate) = (Arc::clone(&count), Arc::clone(&gate));
            Box::pin(async move {
                // The responder of the last chat answers at once.
                if count.fetch_add(1, Ordering::SeqCst) < SLOW {
                    drop(gate.acquire().await);
                }
            })
        },
    );
    let lifecycle = Lifecycle::new();
    let second = base.second().await;
    let workers = start_workers([&base.store, &second], &slow, &lifecycle);
    for n in 0..SLOW {
        let stored = base.store.store_message(message(n, Clock::System.now()));
        stored.await.expect("a store");
    }
    let deadline = Instant::now() + Duration::from_mins(2);
    while asked.load(Ordering::SeqCst) < SLOW {
        assert!(Instant::now() < deadline, "not all responders were asked");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let stored = base.store.store_message(message(SLOW, Clock::System.now()));
    stored.await.expect("a store");
    while replies(&base).await.is_empty() {
        assert!(Instant::now() < deadline, "the other chat waits");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(replies(&base).await.len(), 1, "{}", base.kind);
    release.close();
    wait_for_answers(&base).await;
    stop(workers, &lifecycle).await;
    assert_eq!(replies(&base).await.len(), SLOW + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_due_turns_are_answered_once_each_by_two_replicas() {
    const CHATS: usize = 1_000;
    let base = TestStore::postgres().await;
    let (one, two) = (base.store.clone(), base.second().await);
    let now = Clock::System.now().minus(Duration::from_secs(1));
    let storing: Vec<_> = (0..CHATS)
        .map(|n| {
            let store = one.clone();
            tokio::spawn(async move { store.store_message(message(n, now)).await })
        })
        .collect();
    for stored in storing {
        stored.await.expect("no panic").expect("a store");
    }
    let (lifecycle, responder) = (Lifecycle::new(), Scripted::echo());
    let begun = Instant::now();
    let workers = start_workers([&one, &two], &responder, &lifecycle);
    wait_for_answers(&base).await;
    let duration = begun.elapsed();
    stop(workers, &lifecycle).await;
    let per_sec = (CHATS as u128) * 1_000 / duration.as_millis().max(1);
    eprintln!("{CHATS} turns on two replicas in {duration:?}: {per_sec} a second");
    // A machine with nothing else to do takes five seconds. The tests beside this one share the cores.
    assert!(duration < Duration::from_mins(1), "{per_sec} a second");
    assert_eq!(replies(&base).await.len(), CHATS);
    assert_eq!(base.number("select max(seq) from commands").await, 1_000);
}
