//! Concurrent messages: at two replicas on Postgres, or in many tasks on SQLite.

use std::collections::HashSet;
use std::time::Duration;

use archety_backend::store::{Pools, StoreError, Stored};

use rstest::rstest;

use super::message_builder::{direct, from, in_chat, on_line, signed};
use crate::support::{Engine, Postgres, Sqlite, TestStore};

async fn count(store: &TestStore, sql: &'static str) -> i64 {
    match store.store.pools() {
        Pools::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_scalar(sql).fetch_one(writer).await,
    }
    .expect("a count")
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn messages_sent_to_both_replicas_are_stored_once(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let store = TestStore::new(engine).await;
    let replicas = [store.store.clone(), store.second().await];
    let tasks: Vec<_> = (0..400)
        .map(|n| {
            let replica = replicas[n % 2].clone();
            let n = n / 2;
            tokio::spawn(async move {
                let phone = format!("+1555010{:04}", n % 7);
                let chat = format!("iMessage;-;+1555010{:04}", n % 11);
                let message = in_chat(from(direct(&format!("msg_{n}")), &phone), &chat);
                replica.store_message(message).await
            })
        })
        .collect();
    let mut accepted = HashSet::new();
    for task in tasks {
        match task.await.expect("no panic").expect("stored") {
            Stored::Accepted(id) => assert!(accepted.insert(id)),
            Stored::Duplicate(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(accepted.len(), 200, "{}", store.kind);
    assert_eq!(count(&store, "select count(*) from messages").await, 200);
    assert_eq!(
        count(&store, "select count(*) from conversations").await,
        11
    );
    assert_eq!(count(&store, "select count(*) from users").await, 7);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn one_signed_request_sent_to_both_replicas_is_accepted_by_one_only(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let store = TestStore::new(engine).await;
    let replicas = [store.store.clone(), store.second().await];
    for round in 0..20 {
        let [one, two] = [0, 1].map(|n| {
            let id = format!("msg_{round}");
            replicas[n].store_message(signed(direct(&id), &id, 1))
        });
        let (one, two) = tokio::join!(one, two);
        let outcomes = [one.unwrap(), two.unwrap()];
        let accepted = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Stored::Accepted(_)))
            .count();
        let replayed = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Stored::Replayed))
            .count();
        assert_eq!(
            (accepted, replayed),
            (1, 1),
            "{outcomes:?} on {}",
            store.kind
        );
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_concurrent_lines_takes_a_chat_without_a_line(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let store = TestStore::new(engine).await;
    let replicas = [store.store.clone(), store.second().await];
    for round in 0..10 {
        let chat = format!("iMessage;-;+1555010{round:04}");
        let message = |name: &str| in_chat(direct(&format!("{round}-{name}")), &chat);
        replicas[0].store_message(message("first")).await.unwrap();
        let (one, two) = tokio::join!(
            replicas[0].store_message(on_line(message("one"), "+15550100100")),
            replicas[1].store_message(on_line(message("two"), "+15550100200")),
        );
        assert!(matches!(one.unwrap(), Stored::Accepted(_)));
        assert!(matches!(two.unwrap(), Stored::Accepted(_)));
    }
    // In each round one line took the existing conversation, and the other began a new one.
    assert_eq!(
        count(&store, "select count(*) from conversations").await,
        20
    );
    let without_line = "select count(*) from conversations where line = ''";
    assert_eq!(count(&store, without_line).await, 0);
}

#[rstest]
#[tokio::test]
async fn two_lines_of_a_new_chat_are_two_conversations(#[values(Sqlite, Postgres)] engine: Engine) {
    let store = TestStore::new(engine).await;
    let (one, two, again) = tokio::join!(
        store
            .store
            .store_message(on_line(direct("a"), "+15550100100")),
        store
            .store
            .store_message(on_line(direct("b"), "+15550100200")),
        store
            .store
            .store_message(on_line(direct("c"), "+15550100100")),
    );
    for stored in [one, two, again] {
        assert!(matches!(stored.unwrap(), Stored::Accepted(_)));
    }
    assert_eq!(count(&store, "select count(*) from conversations").await, 2);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_person_new_at_both_replicas_owns_both_chats(#[values(Sqlite, Postgres)] engine: Engine) {
    let store = TestStore::new(engine).await;
    let replicas = [store.store.clone(), store.second().await];
    for round in 0..40 {
        let phone = format!("+1555010{round:04}");
        let message = |n: usize, name: &str| {
            let message = from(direct(&format!("{round}-{n}-{name}")), &phone);
            in_chat(message, &format!("iMessage;-;{round}-{n}"))
        };
        for (n, replica) in replicas.iter().enumerate() {
            // A message of the Mac's owner begins a conversation without a person.
            let mut by_owner = message(n, "typed");
            (by_owner.chat.owner, by_owner.phone) = (None, None);
            replica.store_message(by_owner).await.unwrap();
        }
        let (one, two) = tokio::join!(
            replicas[0].store_message(message(0, "answer")),
            replicas[1].store_message(message(1, "answer")),
        );
        assert!(matches!(one.unwrap(), Stored::Accepted(_)));
        assert!(matches!(two.unwrap(), Stored::Accepted(_)));
    }
    let owned = "select count(*) from conversations c join users u on u.id = c.user_id \
                 where u.phone = c.owner_handle";
    assert_eq!(count(&store, owned).await, 80, "{}", store.kind);
}

#[tokio::test]
async fn a_message_that_cannot_be_stored_does_not_fail_others_of_its_batch() {
    let store = TestStore::postgres().await;
    // Postgres cannot store U+0000. The backend replaces it before it calls the store.
    let mut unstorable = direct("unstorable");
    unstorable.text = "\0".to_owned();
    let (before, refused, after) = tokio::join!(
        store.store.store_message(direct("before")),
        store.store.store_message(unstorable),
        store.store.store_message(direct("after")),
    );
    assert!(matches!(before.unwrap(), Stored::Accepted(_)));
    assert!(
        matches!(refused, Err(StoreError::Statement(_))),
        "{refused:?}"
    );
    assert!(matches!(after.unwrap(), Stored::Accepted(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answered_message_is_stored_once_despite_lost_connections() {
    let store = TestStore::postgres().await;
    let database = store.database.as_ref().expect("Postgres");
    let mut answered = 0;
    for n in 0..60 {
        if n % 20 == 10 {
            database.cut_connections().await;
        }
        // Like a relay, the test sends the message with the same identity until it is answered.
        let id = format!("msg_{n}");
        let stored = async { while store.store.store_message(direct(&id)).await.is_err() {} };
        tokio::time::timeout(Duration::from_secs(30), stored)
            .await
            .expect("the store reconnects");
        answered += 1;
    }
    assert_eq!(
        count(&store, "select count(*) from messages").await,
        answered
    );
}
