//! Pages of messages: complete and in order while new messages arrive, and read by indexes.

use std::time::Duration;

use archety_backend::clock::Timestamp;
use archety_backend::store::people::MessagePosition;
use archety_backend::store::{Pools, statements};
use rstest::rstest;
use sqlx::{AssertSqlSafe, Executor};

use super::rows::{
    ADA, BEN, execute, from_person, in_group, page, reply, select, signed_in, store, themselves,
};
use crate::store::message_builder::id;
use crate::support::{Engine, NOW, Postgres, Sqlite, TestStore};

fn at(secs: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(secs))
}

#[rstest]
#[tokio::test]
async fn pages_are_complete_and_in_order_while_new_messages_are_stored(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    // Many messages have the same time, so pages end between two of them.
    for n in 0..30 {
        store(s, from_person(&format!("direct {n:02}"), ADA, at(n / 10))).await;
        store(s, in_group(&format!("group {n:02}"), "g", ADA, at(n / 10))).await;
        store(s, in_group(&format!("ben {n:02}"), "g", BEN, at(n / 10))).await;
    }
    let ada = signed_in(s, ADA, at(100)).await;
    for limit in [1, 7, 60, 100] {
        let mut below = MessagePosition::TOP;
        let mut seen = Vec::new();
        loop {
            let rows = page(s, &themselves(&ada), below, limit, None).await;
            let Some(last) = rows.last() else { break };
            below = last.position();
            seen.extend(rows.into_iter().map(|row| (row.created_at, row.id)));
            // A message stored in between is newer than all others, and does not shift the pages.
            reply(
                s,
                &format!("late {limit} {}", seen.len()),
                "direct 00",
                at(200),
            )
            .await;
        }
        let mut sorted = seen.clone();
        sorted.sort_by(|a, b| b.cmp(a));
        sorted.dedup();
        assert_eq!(seen, sorted, "newest first, nothing twice, on {}", s.kind);
        let late: Vec<(i64,)> = select!(s, "select count(*) from messages where text like 'late%'");
        let late_seen = seen.iter().filter(|row| row.0 == at(200)).count();
        assert_eq!(seen.len() - late_seen, 60, "limit {limit} on {}", s.kind);
        assert!(i64::try_from(late_seen).unwrap() < late[0].0);
    }
}

/// Stores 100,000 messages: half in one direct conversation, half from the person in a large group.
async fn store_long_history(s: &TestStore) {
    store(s, from_person("seed direct", ADA, at(0))).await;
    store(s, in_group("seed group", "g", ADA, at(0))).await;
    match s.store.pools() {
        Pools::Postgres(pool) => {
            let fill = "insert into messages (id, conversation_id, user_id, role, text, created_at, relay, identity) \
                 select gen_random_uuid(), m.conversation_id, m.user_id, 'user', 'x', \
                   m.created_at + n * interval '1 second', 'default', m.identity || n \
                 from messages m, generate_series(1, 50000) n where m.identity like 'seed%'";
            pool.execute(fill).await.expect("filled");
            pool.execute("analyze messages").await.expect("analyzed");
        }
        Pools::Sqlite { writer, .. } => {
            let fill = "with recursive n (n) as (select 1 union all select n + 1 from n where n < 50000) \
                 insert into messages (id, conversation_id, user_id, role, text, created_at, relay, identity) \
                 select randomblob(16), m.conversation_id, m.user_id, 'user', 'x', \
                   m.created_at + n.n * 1000000, 'default', m.identity || n.n \
                 from messages m, n where m.identity like 'seed%'";
            writer.execute(fill).await.expect("filled");
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_page_in_the_middle_of_a_long_history_is_read_by_indexes(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    store_long_history(s).await;
    let ada = signed_in(s, ADA, at(200_000)).await;
    let middle = MessagePosition {
        created_at: at(25_000),
        id: id(),
    };
    let statement = statements()
        .find(|statement| statement.name == "READ_MESSAGES")
        .expect("registered");
    match s.store.pools() {
        pools @ Pools::Postgres(_) => {
            let mut tx = pools.begin_read(Some(&ada)).await.expect("a transaction");
            let sql = format!(
                "explain (analyze, costs off, timing off, summary off) {}",
                statement.postgres
            );
            let plan: Vec<(String,)> = sqlx::query_as(AssertSqlSafe(sql))
                .bind(ada.user_id)
                .bind(middle.created_at)
                .bind(middle.id)
                .bind(51_i64)
                .bind(None::<uuid::Uuid>)
                .fetch_all(tx.postgres().expect("Postgres"))
                .await
                .expect("a plan");
            let plan: Vec<_> = plan.into_iter().map(|line| line.0).collect();
            let plan = plan.join("\n");
            assert!(!plan.contains("Seq Scan on messages"), "{plan}");
            // Two branches of the query read a page of 51 rows each.
            let most = plan
                .split("rows=")
                .skip(1)
                .filter_map(|rest| {
                    rest.split(' ')
                        .next()?
                        .trim_end_matches(')')
                        .parse::<f64>()
                        .ok()
                })
                .fold(0.0, f64::max);
            assert!(most <= 110.0, "reads {most} rows for a page:\n{plan}");
        }
        Pools::Sqlite { writer, .. } => {
            let sql = format!("explain query plan {}", statement.sqlite);
            let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(AssertSqlSafe(sql))
                .bind(ada.user_id)
                .bind(middle.created_at)
                .bind(middle.id)
                .bind(51_i64)
                .bind(None::<uuid::Uuid>)
                .fetch_all(writer)
                .await
                .expect("a plan");
            let plan: Vec<_> = plan.into_iter().map(|line| line.3).collect();
            for line in plan
                .iter()
                .filter(|line| line.contains("messages") || line.contains(" m"))
            {
                assert!(!line.starts_with("SCAN m"), "{}", plan.join("\n"));
            }
            assert!(
                plan.iter()
                    .any(|l| l
                        .contains("messages_by_conversation (conversation_id=? AND created_at<")),
                "{}",
                plan.join("\n")
            );
            assert!(
                plan.iter()
                    .any(|l| l.contains("messages_by_user (user_id=? AND created_at<")),
                "{}",
                plan.join("\n")
            );
        }
    }
    let started = std::time::Instant::now();
    let rows = page(s, &themselves(&ada), middle, 51, None).await;
    assert_eq!(rows.len(), 51);
    eprintln!(
        "a page in the middle of 100,000 messages on {}: {:?}",
        s.kind,
        started.elapsed()
    );
    execute!(s, "delete from messages where text = 'x'");
}
