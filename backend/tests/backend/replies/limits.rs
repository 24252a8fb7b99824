//! A chat in which a machine answers us is paused.

use rstest::rstest;

use super::support::{
    Replica, Scripted, at, due_in, outcomes, replies, store, text, unanswered_count,
};
use crate::store::message_builder::{from, in_chat};
use crate::support::{Engine, Postgres, Sqlite, TestStore};

#[rstest]
#[tokio::test]
async fn the_fourth_turn_with_the_same_text_pauses_the_chat_for_an_hour(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let responder = Scripted::echo();
    let replica = Replica::new(&base.store, responder.clone());
    for n in 0..4 {
        store(&base.store, text(&format!("msg_{n}"), "I am away", n * 10)).await;
        replica.run_all(at(n * 10 + 2)).await;
    }
    assert_eq!(
        outcomes(&base).await,
        ["replied", "replied", "replied", "loop"]
    );
    assert_eq!(due_in(&base).await, [3_632]);
    store(&base.store, text("msg_5", "and I", 1_000)).await;
    assert_eq!(due_in(&base).await, [3_632], "the pause goes on");
    assert_eq!(replica.run_all(at(1_002)).await, 0);
    assert_eq!(unanswered_count(&base).await, 2);
    assert_eq!(replica.run_all(at(3_632)).await, 1);
    assert_eq!(replies(&base).await.last().expect("one"), "I am away+and I");
    assert_eq!(
        (unanswered_count(&base).await, due_in(&base).await),
        (0, vec![])
    );
}

#[rstest]
#[tokio::test]
async fn the_ninth_turn_within_five_minutes_pauses_the_chat(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let replica = Replica::new(&base.store, Scripted::echo());
    for n in 0..9 {
        store(
            &base.store,
            text(&format!("msg_{n}"), &format!("text {n}"), n * 10),
        )
        .await;
        replica.run_all(at(n * 10 + 2)).await;
    }
    assert_eq!(replies(&base).await.len(), 8);
    assert_eq!(outcomes(&base).await.last().expect("one"), "loop");
    let listed = base.store.attention().await.expect("a store");
    assert_eq!(
        (listed.len(), &*listed[0].state),
        (1, "loop"),
        "the owner sees it"
    );
}

#[rstest]
#[tokio::test]
async fn the_sixty_first_turn_of_a_day_pauses_the_chat(#[values(Sqlite, Postgres)] engine: Engine) {
    let base = TestStore::new(engine).await;
    let replica = Replica::new(&base.store, Scripted::echo());
    for n in 0..61 {
        let secs = n * 1_200;
        store(
            &base.store,
            text(&format!("msg_{n}"), &format!("text {n}"), secs),
        )
        .await;
        replica.run_all(at(secs + 2)).await;
    }
    assert_eq!(replies(&base).await.len(), 60, "{}", base.kind);
    assert_eq!(outcomes(&base).await.last().expect("one"), "loop");
    assert_eq!(unanswered_count(&base).await, 1);
    replica.run_all(at(24 * 3_600 + 1_201)).await;
    assert_eq!(replies(&base).await.len(), 61, "the first one is a day old");
    assert_eq!(
        (unanswered_count(&base).await, due_in(&base).await),
        (0, vec![])
    );
}

/// Another chat of the same person is not paused.
#[rstest]
#[tokio::test]
async fn a_pause_is_that_of_one_chat(#[values(Sqlite, Postgres)] engine: Engine) {
    let base = TestStore::new(engine).await;
    let replica = Replica::new(&base.store, Scripted::echo());
    for n in 0..4 {
        store(&base.store, text(&format!("msg_{n}"), "I am away", n * 10)).await;
        replica.run_all(at(n * 10 + 2)).await;
    }
    let other = in_chat(
        from(text("msg_x", "I am away", 40), "+15550100002"),
        "any;-;+15550100002",
    );
    store(&base.store, other).await;
    replica.run_all(at(42)).await;
    assert_eq!(
        outcomes(&base).await,
        ["replied", "replied", "replied", "loop", "replied"]
    );
}
