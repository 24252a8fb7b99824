//! What happens while the responder works: messages come and change, leases are lost, replicas answer the same turn.

use std::sync::Arc;
use std::time::Duration;

use archety_backend::jobs::JobOutcome;
use archety_backend::store::Store;
use archety_backend::store::jobs::PutBack;
use rstest::rstest;
use shared_protocol::Event;

use super::answering::commands;
use super::support::{
    Replica, Scripted, at, change, due_in, outcomes, replies, store, text, unanswered,
    unanswered_count,
};
use crate::support::{Engine, Postgres, Sqlite, TestStore};

/// A replica whose responder repeats the turn's texts, and a test's work while it is asked for the nth time.
fn replica_with<F>(
    base: &TestStore,
    meanwhile: impl Fn(Store, usize) -> F + Send + Sync + 'static,
) -> (Replica, Arc<Scripted>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let other = base.store.clone();
    let responder = Scripted::with_meanwhile(
        |turn| Ok(vec![unanswered(turn).join("+")]),
        move |n| Box::pin(meanwhile(other.clone(), n)),
    );
    (Replica::new(&base.store, responder.clone()), responder)
}

#[rstest]
#[tokio::test]
async fn a_message_that_comes_meanwhile_is_part_of_the_reply(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let (replica, responder) = replica_with(&base, |other: Store, n| async move {
        if n == 1 {
            store(&other, text("msg_2", "two", 0)).await;
        }
    });
    store(&base.store, text("msg_1", "one", 0)).await;
    assert_eq!(replica.step(at(2)).await, Some(JobOutcome::Done));
    assert_eq!(responder.asked(), [vec!["one"], vec!["one", "two"]]);
    assert_eq!(replies(&base).await, ["one+two"]);
    assert_eq!(unanswered_count(&base).await, 0);
    replica.run_all(at(10)).await;
    assert_eq!(
        replies(&base).await.len(),
        1,
        "the job of the second message finds nothing"
    );
    assert_eq!(due_in(&base).await, Vec::<i64>::new());
}

#[rstest]
#[tokio::test]
async fn after_two_more_tries_the_rest_is_the_next_turn(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let (replica, responder) = replica_with(&base, |other: Store, n| async move {
        if n <= 3 {
            store(&other, text(&format!("more_{n}"), &format!("more {n}"), 0)).await;
        }
    });
    store(&base.store, text("msg_1", "one", 0)).await;
    replica.step(at(2)).await;
    assert_eq!(responder.asked().len(), 3);
    assert_eq!(replies(&base).await, ["one+more 1+more 2"]);
    assert_eq!(unanswered_count(&base).await, 1);
    replica.run_all(at(10)).await;
    assert_eq!(replies(&base).await, ["one+more 1+more 2", "more 3"]);
    assert_eq!(unanswered_count(&base).await, 0);
    let seqs: Vec<i64> = commands(&base).await.iter().map(|(it, _)| it.seq).collect();
    assert_eq!(seqs, [1, 2]);
}

#[rstest]
#[tokio::test]
async fn what_is_unsent_or_edited_meanwhile_is_not_answered_as_it_was(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let (replica, responder) = replica_with(&base, |other: Store, n| async move {
        if n == 1 {
            store(&other, change("msg_1", Event::Unsend, 1, 1)).await;
            let mut edit = change("msg_2", Event::Edit, 2, 1);
            "two!".clone_into(&mut edit.text);
            store(&other, edit).await;
        }
    });
    store(&base.store, text("msg_1", "secret", 0)).await;
    store(&base.store, text("msg_2", "two", 0)).await;
    replica.step(at(2)).await;
    assert_eq!(responder.asked(), [vec!["secret", "two"], vec!["two!"]]);
    assert_eq!(replies(&base).await, ["two!"]);
    assert_eq!(unanswered_count(&base).await, 0);
}

/// The first replica loses its lease while its responder works, and the second answers meanwhile.
#[rstest]
#[tokio::test]
async fn two_replicas_that_answer_the_same_turn_commit_one_reply(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let (slow, asked) = replica_with(&base, |other: Store, _| async move {
        let second = Replica::new(&other, Scripted::new(|_| Ok(vec!["second".to_owned()])));
        let outcome = second.step(at(100)).await;
        assert_eq!(
            outcome,
            Some(JobOutcome::Done),
            "the lease of twenty seconds is over"
        );
    });
    store(&base.store, text("msg_1", "one", 0)).await;
    assert_eq!(slow.step(at(2)).await, Some(JobOutcome::Lost));
    assert_eq!(asked.asked().len(), 1);
    assert_eq!(replies(&base).await, ["second"]);
    assert_eq!(
        (outcomes(&base).await, commands(&base).await.len()),
        (vec!["replied".into()], 1)
    );
}

/// The lease is lost to a replica that has not answered yet: the first must not commit, or there would be two replies.
#[rstest]
#[tokio::test]
async fn a_replica_without_the_lease_commits_nothing(#[values(Sqlite, Postgres)] engine: Engine) {
    let base = TestStore::new(engine).await;
    let (slow, _) = replica_with(&base, |other: Store, n| async move {
        if n == 1 {
            let leases = [("answer_turn", Duration::from_secs(20))].into();
            let claimed = other.claim_jobs("turns", &leases, 1, at(100)).await;
            assert_eq!(claimed.expect("a store").len(), 1);
        }
    });
    store(&base.store, text("msg_1", "one", 0)).await;
    assert_eq!(slow.step(at(2)).await, Some(JobOutcome::Lost));
    assert_eq!(
        (replies(&base).await.len(), unanswered_count(&base).await),
        (0, 1)
    );
    assert_eq!(slow.step(at(200)).await, Some(JobOutcome::Done));
    assert_eq!(replies(&base).await, ["one"]);
}

/// A job that has committed its reply, but not that it is done, runs again and finds nothing.
#[rstest]
#[tokio::test]
async fn a_job_that_runs_again_after_its_commit_replies_once(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let replica = Replica::new(&base.store, Scripted::echo());
    store(&base.store, text("msg_1", "one", 0)).await;
    store(&base.store, text("msg_2", "two", 1)).await;
    let leases = [("answer_turn", Duration::from_secs(20))].into();
    let claimed = base.store.claim_jobs("turns", &leases, 1, at(3)).await;
    let claimed = claimed.expect("a store").remove(0);
    // As if another replica had answered, and died before it could say so.
    store(&base.store, text("msg_3", "three", 2)).await;
    let back = PutBack {
        run_at: at(4),
        attempts: claimed.attempts,
        dead_at: None,
    };
    assert!(
        base.store
            .put_job_back(&claimed, back)
            .await
            .expect("a store")
    );
    assert_eq!(replica.run_all(at(5)).await, 2);
    assert_eq!(replies(&base).await, ["one+two+three"]);
    assert_eq!(due_in(&base).await, Vec::<i64>::new());
}
