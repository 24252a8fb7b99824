//! Retention and intake at the same time: neither waits for the other, and no message is lost.

use archety_backend::store::{Pools, Stored};

use rstest::rstest;

use super::everything::pepper;
use super::history::{clean, day, keep_all, keep_messages, with_its_tombstone};
use super::rows::{ADA, BEN, from_person, select, store};
use crate::support::{Engine, Postgres, Sqlite, TestStore};

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn messages_are_stored_between_slices_of_a_clean_up(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    store(s, from_person("seed", ADA, day(0))).await;
    match s.store.pools() {
        Pools::Postgres(pool) => sqlx::query(
            "insert into messages (id, conversation_id, user_id, role, text, created_at, identity) \
             select gen_random_uuid(), conversation_id, case when n % 2 = 0 then user_id end, 'user', \
               'x', created_at, 'n' || n \
             from messages, generate_series(1, 20000) as n",
        )
        .execute(pool)
        .await
        .map(drop),
        Pools::Sqlite { writer, .. } => sqlx::query(
            "with recursive n (n) as (select 1 union all select n + 1 from n where n < 20000) \
             insert into messages (id, conversation_id, user_id, role, text, created_at, identity) \
             select randomblob(16), conversation_id, case when n % 2 = 0 then user_id end, 'user', \
               'x', created_at, 'n' || n \
             from messages, n",
        )
        .execute(writer)
        .await
        .map(drop),
    }
    .expect("filled");
    let cleaning = {
        let store = s.store.clone();
        tokio::spawn(async move { store.clean_history(&keep_all(30), &pepper(), day(40)).await })
    };
    let (mut n, mut stored_meanwhile) = (0, 0);
    while !cleaning.is_finished() {
        n += 1;
        store(s, from_person(&format!("ben {n}"), BEN, day(40))).await;
        let left: Vec<(i64,)> = select!(s, "select count(*) from messages where text = 'x'");
        stored_meanwhile += i32::from((1..20_000).contains(&left[0].0));
    }
    let removed = cleaning.await.expect("no panic").expect("cleaned");
    assert_eq!(
        removed, 20_003,
        "20,001 messages, a chat and its participant, {}",
        s.kind
    );
    assert!(stored_meanwhile > 0, "{}", s.kind);
    let left: Vec<(i64,)> = select!(
        s,
        "select count(*) from messages where identity not like 'ben %'"
    );
    assert_eq!(left, [(0,)], "{}", s.kind);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_arrives_while_its_conversation_is_deleted_is_stored(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = TestStore::new(engine).await;
    let replica = s.second().await;
    for round in 0..20_u32 {
        let number = format!("+1555010{:04}", 4_000 + round);
        store(
            &s,
            with_its_tombstone(from_person(&format!("old {round}"), &number, day(0))),
        )
        .await;
        clean(&s, &keep_messages(30), day(40)).await;
        let cleaning = {
            let store = s.store.clone();
            tokio::spawn(
                async move { store.clean_history(&keep_all(30), &pepper(), day(41)).await },
            )
        };
        let new = with_its_tombstone(from_person(&format!("new {round}"), &number, day(41)));
        let stored = replica.store_message(new).await.expect("stored");
        assert!(
            matches!(stored, Stored::Accepted(_)),
            "{stored:?} on {}",
            s.kind
        );
        cleaning.await.expect("no panic").expect("cleaned");
        let there: Vec<(i64,)> = select!(
            &s,
            "select count(*) from messages where identity = $1",
            format!("new {round}")
        );
        assert_eq!(there, [(1,)], "round {round} on {}", s.kind);
    }
}
