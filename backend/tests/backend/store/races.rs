//! Two replicas on one Postgres, or many tasks on one SQLite, at the same moment.

use std::collections::HashSet;

use archety_backend::store::{Pools, Stored};

use super::draft::{direct, from, in_chat, on_line, signed};
use crate::support::{TestStore, stores};

async fn count(store: &TestStore, sql: &'static str) -> i64 {
    match store.store.pools() {
        Pools::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_scalar(sql).fetch_one(writer).await,
    }
    .expect("a count")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_messages_at_both_replicas_are_stored_once() {
    for store in stores().await {
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
}

#[tokio::test(flavor = "multi_thread")]
async fn one_signed_request_passes_at_one_replica_only() {
    for store in stores().await {
        let replicas = [store.store.clone(), store.second().await];
        for round in 0..20 {
            let [one, two] = [0, 1].map(|n| {
                let id = format!("msg_{round}");
                replicas[n].store_message(signed(direct(&id), &id, 1))
            });
            let (one, two) = tokio::join!(one, two);
            let outcomes = [one.unwrap(), two.unwrap()];
            let passed = outcomes
                .iter()
                .filter(|o| matches!(o, Stored::Accepted(_)))
                .count();
            let refused = outcomes
                .iter()
                .filter(|o| matches!(o, Stored::Replayed))
                .count();
            assert_eq!((passed, refused), (1, 1), "{outcomes:?} on {}", store.kind);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_without_a_line_is_claimed_by_one() {
    for store in stores().await {
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
        // One took the chat over, the other began its own: never three, never one for both.
        assert_eq!(
            count(&store, "select count(*) from conversations").await,
            20
        );
        let mixed = "select count(*) from conversations where line = ''";
        assert_eq!(count(&store, mixed).await, 0);
    }
}
