//! Deletion of a person leaves only keyed hashes and the rows of other people.

use std::collections::BTreeMap;

use archety_backend::keyring::Keyring;
use archety_backend::people::delete_person;
use archety_backend::store::people::Reader;
use archety_backend::store::{Pools, Store, Stored};
use rstest::rstest;
use sqlx::AssertSqlSafe;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::everything::{at, pepper, person_with_all_rows};
use super::rows::{
    ADA, BEN, execute, from_person, in_group, phone, select, signed_in, store, texts, typed,
    with_tombstone,
};
use crate::support::{Engine, NOW, Postgres, Sqlite, TestStore};

fn keyring() -> Keyring {
    Keyring::parse("the session secret of the tests 0001").expect("long enough")
}

async fn delete(store: &Store, user_id: Uuid) -> bool {
    delete_person(store, &pepper(), &keyring(), user_id, at(100))
        .await
        .expect("deleted")
}

/// The tables that contain one of the texts `traces` or one of `ids`, each with the trace and its count.
async fn find_traces(s: &TestStore, traces: &[&str], ids: &[Uuid]) -> Vec<String> {
    let columns: Vec<(String, String)> = match s.store.pools() {
        Pools::Postgres(pool) => {
            let sql = "select table_name::text, column_name::text from information_schema.columns \
                       where table_schema = 'public' and table_name <> '_sqlx_migrations'";
            sqlx::query_as(sql).fetch_all(pool).await
        }
        Pools::Sqlite { writer, .. } => {
            let sql = "select t.name, c.name from sqlite_schema t join pragma_table_info(t.name) c \
                       where t.type = 'table' and t.name not like 'sqlite_%' and t.name <> '_sqlx_migrations'";
            sqlx::query_as(sql).fetch_all(writer).await
        }
    }
    .expect("a catalogue");
    assert!(columns.len() > 100, "{}", columns.len());
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (table, column) in columns {
        // Ids as Postgres writes them, and as the bytes that SQLite keeps.
        let text = match s.kind {
            "postgres" => format!("{column}::text"),
            _ => format!(
                "case typeof({column}) when 'blob' then lower(hex({column})) else {column} end"
            ),
        };
        tables
            .entry(table)
            .or_default()
            .push(format!("coalesce({text}, '')"));
    }
    let mut places = Vec::new();
    for (table, texts) in tables {
        let row = texts.join(" || ' ' || ");
        let ids = ids.iter().map(|id| match s.kind {
            "postgres" => id.to_string(),
            _ => id.simple().to_string(),
        });
        for trace in traces.iter().map(|trace| (*trace).to_owned()).chain(ids) {
            let sql = format!("select count(*) from {table} where {row} like '%' || $1 || '%'");
            let count: Vec<(i64,)> = select!(s, AssertSqlSafe(sql), &trace);
            if count[0].0 > 0 {
                places.push(format!("{} times {trace} in {table}", count[0].0));
            }
        }
    }
    places
}

#[rstest]
#[tokio::test]
async fn a_deleted_persons_number_texts_and_id_are_found_nowhere_and_their_stop_remains(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    let ada = person_with_all_rows(s).await;
    s.store
        .record_stop(&pepper(), &phone(ADA), NOW)
        .await
        .unwrap();
    assert!(
        find_traces(s, &[ADA, "ada-secret"], &[ada]).await.len() > 12,
        "precondition: the search finds the rows"
    );
    assert!(delete(&s.store, ada).await);
    // Ada is also removed from the participants of the group in which Ben writes.
    let places = find_traces(s, &[ADA, "ada-secret"], &[ada]).await;
    assert_eq!(places, Vec::<String>::new(), "{}", s.kind);
    for (table, left) in [
        ("otp_codes", 0),
        ("otp_challenges", 0),
        ("sessions", 0),
        ("session_tokens", 0),
        ("accounts", 0),
        ("relationships", 1),
        // Hashes of the messages of Ada and the Mac's owner, which have an identity on the wire, and of the reply.
        ("tombstones", 6),
        ("jobs", 1),
        ("auth_events", 1),
        ("users", 1),
    ] {
        let sql = format!("select count(*) from {table}");
        let count: Vec<(i64,)> = select!(s, AssertSqlSafe(sql));
        assert_eq!(count, [(left,)], "{table} on {}", s.kind);
    }
    let bens: Vec<(Uuid,)> = select!(s, "select id from users");
    assert_eq!(
        texts(s, &Reader::Operator(bens[0].0)).await,
        ["ben 1", "ben in group"]
    );
    assert!(
        s.store
            .wants_no_messages(&pepper(), &phone(ADA))
            .await
            .unwrap()
    );
    assert!(
        !s.store
            .wants_no_messages(&pepper(), &phone(BEN))
            .await
            .unwrap()
    );
    s.store.lift_stop(&pepper(), &phone(ADA)).await.unwrap();
    assert!(
        !s.store
            .wants_no_messages(&pepper(), &phone(ADA))
            .await
            .unwrap()
    );
    assert!(!delete(&s.store, ada).await);
}

#[rstest]
#[tokio::test]
async fn a_late_retry_restores_nothing_and_a_new_message_starts_a_new_history(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    let ada = person_with_all_rows(s).await;
    delete(&s.store, ada).await;
    for late in [
        from_person("ada-secret-1", ADA, at(200)),
        in_group("ada-secret-group", "g", ADA, at(200)),
        typed("ada-secret-typed", ADA, at(200)),
    ] {
        let late = store(s, with_tombstone(late, &pepper())).await;
        assert!(
            matches!(late, Stored::Duplicate(_)),
            "{late:?} on {}",
            s.kind
        );
    }
    assert_eq!(
        find_traces(s, &[ADA, "ada-secret"], &[ada]).await,
        Vec::<String>::new()
    );
    // A message that was not there before begins a new history.
    let next = store(
        s,
        with_tombstone(from_person("next", ADA, at(201)), &pepper()),
    )
    .await;
    assert!(matches!(next, Stored::Accepted(_)));
    let again = signed_in(s, ADA, at(300)).await;
    assert_ne!(again.user_id, ada);
    assert_eq!(texts(s, &Reader::Operator(again.user_id)).await, ["next"]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn messages_that_arrive_during_a_deletion_are_deleted_or_start_a_new_history(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = TestStore::new(engine).await;
    let replicas = [s.store.clone(), s.second().await];
    for round in 0..15_u32 {
        let number = format!("+1555010{:04}", 3000 + round);
        let person = signed_in(&s, &number, NOW).await.user_id;
        for n in 0..5 {
            let old = from_person(&format!("old {round} {n}"), &number, at(1));
            store(&s, with_tombstone(old, &pepper())).await;
        }
        let mut tasks = JoinSet::new();
        for replica in &replicas {
            let replica = replica.clone();
            tasks.spawn(async move {
                delete(&replica, person).await;
            });
        }
        for n in 0..10 {
            // The first five are retries of stored messages, the others are new.
            let what = if n < 5 { "old" } else { "new" };
            let message = from_person(&format!("{what} {round} {n}"), &number, at(2));
            let (message, replica) = (with_tombstone(message, &pepper()), replicas[n % 2].clone());
            tasks.spawn(async move {
                let stored = replica.store_message(message).await.expect("stored");
                let is_duplicate = matches!(stored, Stored::Duplicate(_));
                assert_eq!(is_duplicate, n < 5, "{stored:?}");
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.expect("no panic");
        }
        let left: Vec<(String, Uuid)> = select!(
            s,
            "select m.identity, m.user_id from messages m join conversations c on c.id = m.conversation_id \
             where m.identity like $1",
            format!("% {round} %")
        );
        for (identity, user_id) in &left {
            assert!(identity.starts_with("new"), "{identity} on {}", s.kind);
            assert_ne!(*user_id, person, "{}", s.kind);
        }
        let orphans: Vec<(i64,)> = select!(
            s,
            "select count(*) from messages where user_id is null and from_owner = false"
        );
        assert_eq!(orphans, [(0,)], "round {round} on {}", s.kind);
    }
}

/// Makes every statement of kind `event` on `table` fail.
async fn break_statements(s: &TestStore, table: &str, event: &str) {
    let make = match s.kind {
        "postgres" => {
            execute!(
                s,
                "create or replace function broken() returns trigger language plpgsql as \
                 $$ begin raise exception 'broken'; end $$"
            );
            format!(
                "create trigger broken before {event} on {table} for each row execute function broken()"
            )
        }
        _ => format!(
            "create trigger broken before {event} on {table} begin select raise(abort, 'broken'); end"
        ),
    };
    execute!(s, AssertSqlSafe(make));
}

/// Takes `break_statements` back.
async fn repair_statements(s: &TestStore, table: &str) {
    let sql = match s.kind {
        "postgres" => format!("drop trigger broken on {table}"),
        _ => "drop trigger broken".to_owned(),
    };
    execute!(s, AssertSqlSafe(sql));
}

#[rstest]
#[tokio::test]
async fn a_deletion_that_failed_in_a_later_step_can_be_repeated(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    for (table, event) in [
        ("messages", "delete"),
        ("tombstones", "insert"),
        ("conversations", "delete"),
        ("users", "delete"),
    ] {
        let s = &TestStore::new(engine).await;
        let ada = person_with_all_rows(s).await;
        break_statements(s, table, event).await;
        let failed = delete_person(&s.store, &pepper(), &keyring(), ada, at(100)).await;
        assert!(failed.is_err(), "{table} on {}", s.kind);
        repair_statements(s, table).await;
        // The number is free. New messages from the number belong to another person.
        let new = with_tombstone(from_person("new words", ADA, at(150)), &pepper());
        store(s, new).await;
        let again = signed_in(s, ADA, at(160)).await.user_id;
        assert_ne!(again, ada, "{table} on {}", s.kind);
        assert!(delete(&s.store, ada).await);
        let places = find_traces(s, &["ada-secret"], &[ada]).await;
        assert_eq!(places, Vec::<String>::new(), "{table} on {}", s.kind);
        assert_eq!(texts(s, &Reader::Operator(again)).await, ["new words"]);
    }
}

#[rstest]
#[tokio::test]
async fn a_chat_that_the_macs_owner_started_is_deleted_too(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    for (text, number, secs) in [("ada-secret-begun", ADA, 1), ("to ben", BEN, 2)] {
        store(s, with_tombstone(typed(text, number, at(secs)), &pepper())).await;
    }
    let ada = signed_in(s, ADA, at(3)).await.user_id;
    assert!(!find_traces(s, &["ada-secret-begun"], &[]).await.is_empty());
    delete(&s.store, ada).await;
    let places = find_traces(s, &[ADA, "ada-secret"], &[ada]).await;
    assert_eq!(places, Vec::<String>::new(), "{}", s.kind);
    let late = with_tombstone(typed("ada-secret-begun", ADA, at(200)), &pepper());
    assert!(matches!(store(s, late).await, Stored::Duplicate(_)));
    let left: Vec<(i64,)> = select!(s, "select count(*) from messages");
    assert_eq!(left, [(1,)], "Ben's message stays on {}", s.kind);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn messages_are_stored_between_slices_of_a_deletion(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    store(s, from_person("seed", ADA, at(1))).await;
    let ada = signed_in(s, ADA, at(2)).await.user_id;
    match s.store.pools() {
        Pools::Postgres(pool) => sqlx::query(
            "insert into messages (id, conversation_id, user_id, role, text, created_at, identity) \
             select gen_random_uuid(), conversation_id, user_id, 'user', 'x', created_at, 'n' || n \
             from messages, generate_series(1, 20000) as n",
        )
        .execute(pool)
        .await
        .map(drop),
        Pools::Sqlite { writer, .. } => sqlx::query(
            "with recursive n (n) as (select 1 union all select n + 1 from n where n < 20000) \
             insert into messages (id, conversation_id, user_id, role, text, created_at, identity) \
             select randomblob(16), conversation_id, user_id, 'user', 'x', created_at, 'n' || n \
             from messages, n",
        )
        .execute(writer)
        .await
        .map(drop),
    }
    .expect("filled");
    let deletion = {
        let store = s.store.clone();
        tokio::spawn(async move { delete(&store, ada).await })
    };
    // Counts messages that are stored while some but not all of Ada's are deleted.
    let mut stored_meanwhile = 0;
    let mut n = 0;
    while !deletion.is_finished() {
        n += 1;
        store(s, from_person(&format!("ben {n}"), BEN, at(300))).await;
        let adas: Vec<(i64,)> =
            select!(s, "select count(*) from messages where identity like 'n%'");
        stored_meanwhile += i32::from((1..20_000).contains(&adas[0].0));
    }
    assert!(deletion.await.expect("no panic"));
    assert!(stored_meanwhile > 0, "{}", s.kind);
    let left: Vec<(i64, i64)> = select!(
        s,
        "select (select count(*) from messages where identity not like 'ben %'), \
           (select count(*) from tombstones)"
    );
    assert_eq!(left, [(0, 20_001)], "{}", s.kind);
}

#[rstest]
#[tokio::test]
async fn a_failed_first_step_of_a_deletion_changes_nothing(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    let ada = person_with_all_rows(s).await;
    let before = find_traces(s, &[ADA, "ada-secret"], &[ada]).await;
    // The statements of the first step fail in turn.
    for (table, event) in [
        ("users", "update"),
        ("conversations", "update"),
        ("participants", "delete"),
        ("otp_codes", "delete"),
        ("jobs", "insert"),
        ("sessions", "delete"),
    ] {
        break_statements(s, table, event).await;
        let failed = delete_person(&s.store, &pepper(), &keyring(), ada, at(100)).await;
        assert!(failed.is_err(), "{table} on {}", s.kind);
        repair_statements(s, table).await;
        assert_eq!(
            find_traces(s, &[ADA, "ada-secret"], &[ada]).await,
            before,
            "{table} on {}",
            s.kind
        );
        let left: Vec<(i64,)> = select!(
            s,
            "select (select count(*) from tombstones) + (select count(*) from jobs)"
        );
        assert_eq!(left, [(0,)], "{table} on {}", s.kind);
    }
    assert!(delete(&s.store, ada).await);
    assert_eq!(
        find_traces(s, &[ADA, "ada-secret"], &[ada]).await,
        Vec::<String>::new()
    );
}
