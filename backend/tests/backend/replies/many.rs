//! A chat that says more than a responder sees at once still has one turn, to which each of its messages belongs.

use rstest::rstest;
use shared_protocol::Event;

use super::support::{
    Replica, Scripted, at, change, due_in, outcomes, replies, store, text, unanswered_count,
};
use crate::support::{Engine, Postgres, Sqlite, TestStore};

/// Stores messages of one chat, many at a time.
async fn store_all(
    base: &TestStore,
    messages: impl Iterator<Item = archety_backend::store::NewMessage>,
) {
    let tasks: Vec<_> = messages
        .map(|message| {
            let other = base.store.clone();
            tokio::spawn(async move { store(&other, message).await })
        })
        .collect();
    for task in tasks {
        task.await.expect("stored");
    }
}

#[rstest]
#[tokio::test]
async fn of_more_messages_than_a_responder_sees_each_belongs_to_the_turn(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let responder = Scripted::new(|_| Ok(vec!["yes".to_owned()]));
    let replica = Replica::new(&base.store, responder.clone());
    let numbered = |n: u64| {
        text(
            &format!("msg_{n}"),
            &format!("text {n}"),
            u64::from(n >= 700),
        )
    };
    store_all(&base, (0..1_500).map(numbered)).await;
    assert_eq!(replica.run_all(at(3)).await, 1);
    let asked = responder.asked();
    assert_eq!((asked.len(), asked[0].len()), (1, 1_000), "{}", base.kind);
    assert_eq!(asked[0].last().map(String::as_str), Some("text 1499"));
    assert_eq!(outcomes(&base).await, ["replied"]);
    assert_eq!(base.number("select sum(messages) from turns").await, 1_500);
    let first = base.number(
        "select count(*) from turns t where t.first_received_at = (
        select min(created_at) from messages)",
    );
    assert_eq!(first.await, 1);
    assert_eq!(unanswered_count(&base).await, 0);
    store(&base.store, text("msg_next", "and now?", 60)).await;
    assert_eq!(replica.run_all(at(62)).await, 1);
    assert_eq!(responder.asked()[1], ["and now?"]);
    assert_eq!(
        (unanswered_count(&base).await, due_in(&base).await),
        (0, vec![])
    );
}

/// A flood of rows that open no turn, such as games and locations.
#[rstest]
#[tokio::test]
async fn a_message_before_thousands_of_other_rows_is_answered(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let replica = Replica::new(&base.store, Scripted::echo());
    store(&base.store, text("msg_0", "secret", 0)).await;
    store(&base.store, change("msg_0", Event::Unsend, 1, 0)).await;
    store(&base.store, text("msg_1", "one", 0)).await;
    let other = |n: u64| {
        let mut message = text(&format!("other_{n}"), "[a game]", 1);
        (message.event, message.turn) = (Event::Other, None);
        message
    };
    store_all(&base, (0..2_100).map(other)).await;
    assert_eq!(replica.run_all(at(3)).await, 1);
    assert_eq!(replies(&base).await, ["one"], "{}", base.kind);
    assert_eq!(unanswered_count(&base).await, 0);
}

#[rstest]
#[tokio::test]
async fn what_was_unsent_among_very_many_messages_is_not_answered(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let responder = Scripted::new(|_| Ok(vec!["yes".to_owned()]));
    let replica = Replica::new(&base.store, responder.clone());
    let numbered = |n: u64| text(&format!("msg_{n}"), &format!("text {n}"), 0);
    store_all(&base, (0..1_100).map(numbered)).await;
    store(&base.store, change("msg_1099", Event::Unsend, 1, 1)).await;
    let mut edit = change("msg_1098", Event::Edit, 2, 1);
    "edited".clone_into(&mut edit.text);
    store(&base.store, edit).await;
    assert_eq!(replica.run_all(at(3)).await, 1);
    let asked = responder.asked().remove(0);
    assert_eq!(
        (asked.len(), asked.last().map(String::as_str)),
        (999, Some("edited"))
    );
    assert!(!asked.contains(&"text 1099".to_owned()));
    assert_eq!(unanswered_count(&base).await, 0);
}
