//! Retention: expired rows of every table are deleted in slices, other rows are kept.

use std::collections::BTreeSet;
use std::time::Duration;

use archety_backend::clock::Timestamp;
use archety_backend::config::Retention;
use archety_backend::store::Pools;

use rstest::rstest;

use super::cleaned_tables::{CLEANED, KEPT};
use super::rows::{ADA, execute, select, signed_in};
use crate::store::message_builder::id;
use crate::support::{Engine, NOW, Postgres, Sqlite, TestStore};

const DAY: Duration = Duration::from_hours(24);

async fn tables(s: &TestStore) -> BTreeSet<String> {
    let names: Vec<(String,)> = match s.store.pools() {
        Pools::Postgres(pool) => {
            let sql = "select table_name::text from information_schema.tables where table_schema = 'public'";
            sqlx::query_as(sql).fetch_all(pool).await
        }
        Pools::Sqlite { writer, .. } => {
            let sql = "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'";
            sqlx::query_as(sql).fetch_all(writer).await
        }
    }
    .expect("a catalogue");
    names.into_iter().map(|row| row.0).collect()
}

#[rstest]
#[tokio::test]
async fn every_table_is_cleaned_or_kept_for_a_reason(#[values(Sqlite, Postgres)] engine: Engine) {
    let s = TestStore::new(engine).await;
    let listed: Vec<String> = CLEANED
        .iter()
        .chain(KEPT.iter().map(|(table, _)| table))
        .map(|table| (*table).to_owned())
        .collect();
    let unique: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(unique.len(), listed.len(), "a table is listed twice");
    assert_eq!(tables(&s).await, unique, "{}", s.kind);
    assert!(KEPT.iter().all(|(_, reason)| reason.len() > 10));
}

/// Inserts rows that expire at `expiry`: one into each table below, and two sessions, an ended and an expired one.
async fn add_one_of_each(s: &TestStore, user_id: uuid::Uuid, expiry: Timestamp) {
    let bytes = id().into_bytes().to_vec();
    let name = id().to_string();
    let keep = Retention::default();
    execute!(
        s,
        "insert into webhook_receipts (relay, webhook_id, signed_at, received_at) values ('r', $1, 1, $2)",
        &name,
        expiry.minus(archety_backend::store::Store::RECEIPT_TTL)
    );
    execute!(
        s,
        "insert into body_windows (relay, body_hash, opened_at) values ('r', $1, $2)",
        &bytes,
        expiry.minus(archety_backend::store::Store::RECEIPT_TTL)
    );
    execute!(
        s,
        "insert into auth_events (id, occurred_at, kind, outcome) values ($1, $2, 'k', 'o')",
        id(),
        expiry.minus(keep.auth_events)
    );
    for (ended, expires) in [
        (Some(expiry.minus(keep.sessions)), NOW.plus(DAY * 9999)),
        (None, expiry.minus(keep.sessions)),
    ] {
        let session = id();
        execute!(
            s,
            "insert into sessions (id, user_id, transport, issuer, remember, created_at, last_seen_at, \
               idle_expires_at, expires_at, ended_at, step_up_is_test, token_counter, upstream_version) \
             values ($1, $2, 'bearer', 'i', true, $3, $3, $4, $4, $5, false, 0, 0)",
            session,
            user_id,
            NOW,
            expires,
            ended
        );
        execute!(
            s,
            "insert into session_tokens (session_id, counter, token_hash, key_id, issued_at) \
             values ($1, 0, $2, 'k', $3)",
            session,
            &bytes,
            NOW
        );
    }
    execute!(
        s,
        "insert into jobs (id, kind, payload, run_at, attempts, created_at, dead_at) \
         values ($1, 'k', $2, $3, 0, $3, $4)",
        id(),
        &bytes,
        NOW,
        expiry.minus(keep.dead_jobs)
    );
    execute!(
        s,
        "insert into tombstones (hash, kind, created_at, expires_at) values ($1, 'message', $2, $3)",
        &bytes,
        NOW,
        expiry
    );
    execute!(
        s,
        "insert into sealed_keys (id, purpose, sealed, created_at, expires_at) values ($1, 'p', $2, $3, $4)",
        &name,
        &bytes,
        NOW,
        expiry
    );
}

#[rstest]
#[tokio::test]
async fn rows_past_their_expiry_are_deleted_and_others_kept(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    let ada = signed_in(s, ADA, NOW).await;
    let now = NOW.plus(DAY * 400);
    add_one_of_each(s, ada.user_id, now.minus(Duration::from_micros(1))).await;
    add_one_of_each(s, ada.user_id, now).await;
    execute!(
        s,
        "insert into tombstones (hash, kind, created_at) values ($1, 'stop', $2)",
        &[1_u8][..],
        NOW
    );
    let removed = s.store.clean(&Retention::default(), now).await.unwrap();
    assert_eq!(removed, 8, "{}", s.kind);
    for (table, left) in [
        ("webhook_receipts", 1),
        ("body_windows", 1),
        ("auth_events", 1),
        ("sessions", 2),
        ("session_tokens", 2),
        ("jobs", 1),
        ("tombstones", 2),
        ("sealed_keys", 1),
        ("users", 1),
        ("accounts", 1),
    ] {
        let sql = format!("select count(*) from {table}");
        let count: Vec<(i64,)> = select!(s, sqlx::AssertSqlSafe(sql));
        assert_eq!(count, [(left,)], "{table} on {}", s.kind);
    }
    let short = Retention {
        auth_events: DAY,
        ..Retention::default()
    };
    assert_eq!(
        s.store.clean(&short, now).await.unwrap(),
        1,
        "a shorter setting deletes the second event"
    );
}

/// Finished commands are deleted with their bubbles, and old turns.
#[rstest]
#[tokio::test]
async fn finished_replies_are_deleted_and_open_ones_kept(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    let conversation = id();
    execute!(
        s,
        "insert into conversations (id, chat_guid, guid, mode, created_at) values ($1, 'g', 'g', 'direct', $2)",
        conversation,
        NOW
    );
    for (number, decided_at) in [(1_i64, NOW), (2, NOW.plus(DAY))] {
        execute!(
            s,
            "insert into turns (conversation_id, number, outcome, messages, first_received_at, decided_at) \
             values ($1, $2, 'replied', 1, $3, $3)",
            conversation,
            number,
            decided_at
        );
    }
    for (seq, done_at, state) in [
        (1_i64, Some(NOW), "sent"),
        (2, Some(NOW), "unknown"),
        (3, None, "pending"),
        (4, Some(NOW.plus(DAY)), "sent"),
    ] {
        let name = format!("cmd_{seq}");
        execute!(
            s,
            "insert into commands (relay, id, seq, kind, body_hash, created_at, done_at) \
             values ('r', $1, $2, 'ping', $3, $4, $5)",
            &name,
            seq,
            &[1_u8][..],
            NOW,
            done_at
        );
        execute!(
            s,
            "insert into command_bubbles (relay, command_id, bubble, state) values ('r', $1, 0, $2)",
            &name,
            state
        );
    }
    let late = NOW.plus(archety_backend::store::Store::COMMAND_TTL + Duration::from_secs(1));
    assert_eq!(s.store.clean(&Retention::default(), late).await.unwrap(), 3);
    let turns: Vec<(i64,)> = select!(s, "select number from turns order by number");
    assert_eq!(turns, [(2,)], "{}", s.kind);
    let bubbles: Vec<(String,)> = select!(
        s,
        "select command_id from command_bubbles order by command_id"
    );
    assert_eq!(bubbles, ["cmd_3", "cmd_4"].map(|id| (id.to_owned(),)));
}

#[rstest]
#[tokio::test]
async fn one_run_deletes_more_than_one_slice(#[values(Sqlite, Postgres)] engine: Engine) {
    let s = TestStore::new(engine).await;
    match s.store.pools() {
        Pools::Postgres(pool) => sqlx::query(
            "insert into auth_events (id, occurred_at, kind, outcome) \
                 select gen_random_uuid(), $1, 'k', 'o' from generate_series(1, 12000)",
        )
        .bind(NOW)
        .execute(pool)
        .await
        .map(drop),
        Pools::Sqlite { writer, .. } => sqlx::query(
            "with recursive n (n) as (select 1 union all select n + 1 from n where n < 12000) \
                 insert into auth_events (id, occurred_at, kind, outcome) \
                 select randomblob(16), $1, 'k', 'o' from n",
        )
        .bind(NOW)
        .execute(writer)
        .await
        .map(drop),
    }
    .expect("filled");
    let now = NOW.plus(DAY * 181);
    assert_eq!(
        s.store.clean(&Retention::default(), now).await.unwrap(),
        12_000
    );
}
