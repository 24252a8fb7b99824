//! A migration brings the identities of conversations that an older release stored into the current form.

use archety_backend::store::{MIGRATIONS_POSTGRES, MIGRATIONS_SQLITE, NewMessage, Pools, Stored};
use rstest::rstest;
use sqlx::{AssertSqlSafe, Executor};

use super::message_builder::{direct, in_chat, on_line, received};
use crate::support::{Engine, NOW, Postgres, Sqlite, TestStore};

/// Runs the migration, as on a database of the previous release.
async fn run_migration(base: &TestStore) {
    let migrations = match base.kind {
        "postgres" => &MIGRATIONS_POSTGRES,
        _ => &MIGRATIONS_SQLITE,
    };
    let migration = migrations
        .iter()
        .find(|migration| migration.description == "conversation identity");
    let sql = migration.expect("the migration").sql.as_str().to_owned();
    match base.store.pools() {
        Pools::Postgres(pool) => {
            let sql = sqlx::raw_sql(AssertSqlSafe(format!("begin; {sql}; commit")));
            pool.execute(sql).await.map(drop)
        }
        Pools::Sqlite { writer, .. } => {
            let sql = sqlx::raw_sql(AssertSqlSafe(sql));
            writer.execute(sql).await.map(drop)
        }
    }
    .expect("migrated");
}

/// The conversation of each message, as `identity: guid on line`.
async fn conversations_by_message(base: &TestStore) -> Vec<String> {
    let sql = "select m.identity || ': ' || c.guid || ' on ' || c.line from messages m \
               join conversations c on c.id = m.conversation_id order by m.identity";
    match base.store.pools() {
        Pools::Postgres(pool) => sqlx::query_scalar(sql).fetch_all(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_scalar(sql).fetch_all(writer).await,
    }
    .expect("texts")
}

async fn store_message(base: &TestStore, message: NewMessage) {
    let stored = base.store.store_message(message).await.expect("stored");
    assert!(matches!(stored, Stored::Accepted(_)), "{stored:?}");
}

/// A message as the previous release stored it: with its form of the guid, and the line as the relay sent it.
fn older_message(identity: &str, guid: &str, line: &str) -> NewMessage {
    let mut message = on_line(in_chat(direct(identity), guid), line);
    let without_service = ["iMessage;", "SMS;", "RCS;", "any;"]
        .iter()
        .find_map(|service| guid.strip_prefix(service));
    without_service
        .unwrap_or(guid)
        .clone_into(&mut message.chat.guid);
    message
}

#[rstest]
#[tokio::test]
async fn older_conversations_get_current_identities_and_new_messages_join_them(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    const OWN: &str = "+15550100100";
    let base = &TestStore::new(engine).await;
    for (identity, guid, line) in [
        ("a1", "iMessageLite;-;+15550100001", ""),
        ("b1", "SatelliteSMS;-;+15550100002", OWN),
        ("b2", "iMessage;-;+15550100002", OWN),
        ("c1", "SMS;-;+15550100003", "tel:+15550100100"),
        ("d1", "SMS;-;+15550100004", "E:Me@Example.com"),
        ("e1", "SMS;-;+15550100005", "\u{202a}P:+15550100100\u{202c}"),
        ("f1", "SMS;-;+15550100006", "p:+15550100100"),
        ("f2", "SMS;-;+15550100006", OWN),
        // In g1 to k1 the line is the other person's address, as the chat, the first sender or a participant shows.
        ("g1", "SMS;-;+15550100007", "+15550100007"),
        ("h1", "SMS;-;Ann@Example.com", "ann@example.com"),
        ("i1", "test-123", "+15550100001"),
        ("j1", "SMS;+;chat1", "+15550100001"),
        ("k1", "SMS;-;+15550100008", "+15550100008"),
        ("k2", "SMS;-;+15550100008", OWN),
        ("l1", "Satellite;SMS", OWN),
        ("m1", "SMS;+;chat2", OWN),
    ] {
        store_message(base, older_message(identity, guid, line)).await;
    }
    let expected = [
        "a1: -;+15550100001 on ",
        // Two conversations of one chat stay apart. The one whose guid names the service gets no new messages.
        "b1: SatelliteSMS;-;+15550100002 on +15550100100",
        "b2: -;+15550100002 on +15550100100",
        "c1: -;+15550100003 on +15550100100",
        "d1: -;+15550100004 on me@example.com",
        "e1: -;+15550100005 on +15550100100",
        "f1: -;+15550100006 on p:+15550100100",
        "f2: -;+15550100006 on +15550100100",
        "g1: -;+15550100007 on ",
        "h1: -;Ann@Example.com on ",
        "i1: test-123 on ",
        "j1: +;chat1 on ",
        "k1: -;+15550100008 on ",
        "k2: -;+15550100008 on +15550100100",
        "l1: Satellite;SMS on +15550100100",
        "m1: +;chat2 on +15550100100",
    ];
    for _ in 0..2 {
        run_migration(base).await;
        assert_eq!(
            conversations_by_message(base).await,
            expected,
            "{}",
            base.kind
        );
    }
    // New messages join these conversations.
    let next = |identity: &str, guid: &str| on_line(in_chat(direct(identity), guid), OWN);
    store_message(base, next("a2", "any;-;+15550100001")).await;
    store_message(base, next("b3", "SatelliteSMS;-;+15550100002")).await;
    store_message(base, next("g2", "iMessage;-;+15550100007")).await;
    store_message(base, next("k3", "iMessage;-;+15550100008")).await;
    let conversations = conversations_by_message(base).await;
    for found in [
        "a1: -;+15550100001 on +15550100100",
        "a2: -;+15550100001 on +15550100100",
        "b3: -;+15550100002 on +15550100100",
        "g1: -;+15550100007 on +15550100100",
        "g2: -;+15550100007 on +15550100100",
        "k3: -;+15550100008 on +15550100100",
    ] {
        assert!(
            conversations.iter().any(|stored| stored == found),
            "{found} in {conversations:?}"
        );
    }
}

#[rstest]
#[tokio::test]
async fn the_most_recently_used_of_two_conversations_gets_the_current_line(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = &TestStore::new(engine).await;
    let later = NOW.plus(std::time::Duration::from_mins(1));
    store_message(
        base,
        older_message("a", "SMS;-;+15550100001", "e:me@example.com"),
    )
    .await;
    store_message(
        base,
        received(
            older_message("b", "SMS;-;+15550100001", "E:Me@Example.com"),
            later,
        ),
    )
    .await;
    run_migration(base).await;
    assert_eq!(
        conversations_by_message(base).await,
        [
            "a: -;+15550100001 on e:me@example.com",
            "b: -;+15550100001 on me@example.com"
        ],
        "{}",
        base.kind
    );
}
