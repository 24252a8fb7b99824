//! Messages that were moved to another conversation are answered there.
//!
//! A number turns out to have a new owner: the earlier conversation is archived, and the latest messages are moved.

use archety_backend::jobs::JobOutcome;
use rstest::rstest;

use super::support::{Replica, Scripted, at, due_in, replies, store, text, unanswered_count};
use crate::jobs::support::execute;
use crate::store::message_builder::in_chat;
use crate::support::{Engine, Postgres, Sqlite, TestStore};

/// A message that waits, and another conversation.
async fn with_two_conversations(engine: Engine) -> TestStore {
    let base = TestStore::new(engine).await;
    store(&base.store, text("msg_1", "one", 0)).await;
    let mut other = in_chat(text("msg_2", "two", 0), "any;-;+15550100002");
    other.turn = None;
    store(&base.store, other).await;
    base
}

async fn move_message(base: &TestStore, identity: &str) {
    let sql = format!(
        "update messages set conversation_id = (
           select conversation_id from messages where identity = 'msg_2')
         where identity = '{identity}'"
    );
    execute(&base.store, &sql).await;
}

#[rstest]
#[tokio::test]
async fn a_message_that_was_moved_to_another_conversation_is_answered_there(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = with_two_conversations(engine).await;
    let replica = Replica::new(&base.store, Scripted::echo());
    move_message(&base, "msg_1").await;
    execute(
        &base.store,
        "update conversations set guid = 'archived:' || guid where guid = '-;+15550100001'",
    )
    .await;
    assert_eq!(replica.run_all(at(5)).await, 2);
    assert_eq!(replies(&base).await, ["one"]);
    assert_eq!(unanswered_count(&base).await, 0);
}

#[rstest]
#[tokio::test]
async fn a_message_that_was_moved_alone_is_answered_apart_from_the_rest(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = with_two_conversations(engine).await;
    let replica = Replica::new(&base.store, Scripted::echo());
    store(&base.store, text("msg_3", "three", 0)).await;
    move_message(&base, "msg_1").await;
    assert_eq!(replica.run_all(at(5)).await, 2);
    let mut said = replies(&base).await;
    said.sort();
    assert_eq!(said, ["one", "three"], "{}", base.kind);
    assert_eq!(
        (unanswered_count(&base).await, due_in(&base).await),
        (0, vec![])
    );
}

/// The database refuses the job of the other conversation, as if the process had died before it.
#[rstest]
#[tokio::test]
async fn a_message_is_not_moved_without_the_job_that_answers_it(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = with_two_conversations(engine).await;
    let replica = Replica::new(&base.store, Scripted::echo());
    move_message(&base, "msg_1").await;
    let (refuse, allow) = match base.kind {
        "sqlite" => (
            "create trigger refuse_jobs before insert on jobs
             begin select raise(abort, 'refused by the test'); end",
            "drop trigger refuse_jobs",
        ),
        _ => (
            "alter table jobs add constraint refuse_jobs check (attempts > 0) not valid",
            "alter table jobs drop constraint refuse_jobs",
        ),
    };
    execute(&base.store, refuse).await;
    assert_eq!(replica.step(at(5)).await, Some(JobOutcome::Postponed));
    execute(&base.store, allow).await;
    assert_eq!(replica.run_all(at(60)).await, 2);
    assert_eq!(replies(&base).await, ["one"], "{}", base.kind);
    assert_eq!(
        (unanswered_count(&base).await, due_in(&base).await),
        (0, vec![])
    );
}
