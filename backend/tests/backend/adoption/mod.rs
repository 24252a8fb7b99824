//! The database of the older deployment is adopted without losing a row.
//!
//! This file tests the adopted rows. The other files test plans, concurrent writers, flagged numbers, locks, and how
//! long readers of a big database wait.

mod export;
mod in_use;
mod locks;
mod phones;
mod plan;
mod rls_bypasses;
mod size;

use archety_backend::config::Environment;
use archety_backend::store::{Adoption, MIGRATIONS_POSTGRES, OpenError, Store};
use shared_protocol::MESSAGE_ROUTE;
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};

use crate::support::{NOW, TestApp, TestDatabase, TestStore, fixture, message, secrets};

/// The older schema with a few rows, used if the shared fixture is missing.
const BUILT_IN: &str = include_str!("older.sql");

async fn older_database() -> TestDatabase {
    let database = TestDatabase::empty().await;
    let sql = fixture("legacy/postgres.sql").unwrap_or_else(|| BUILT_IN.to_owned());
    let mut connection = database.connect().await;
    connection
        .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
        .await
        .expect("the fixture loads");
    database
}

/// A database with the built-in rows and rows with unusual values.
async fn database_with_odd_rows() -> TestDatabase {
    let database = TestDatabase::empty().await;
    let mut connection = database.connect().await;
    for sql in [BUILT_IN, include_str!("odd_rows.sql")] {
        connection
            .execute(sqlx::raw_sql(sql))
            .await
            .expect("the SQL runs");
    }
    database
}

async fn migrate(database: &TestDatabase, adoption: Adoption) -> Result<(), OpenError> {
    let version = Store::migrate(&database.config(), Environment::Development, adoption, NOW).await;
    version.map(drop)
}

/// The adopted columns of all rows. `json` is the name of the JSON column: `metadata` before the adoption,
/// `meta_data` after it.
async fn contents(connection: &mut PgConnection, json: &str) -> Vec<String> {
    let sql = format!(
        "select row_to_json(r)::text from (
           select 'u' as t, id::text, phone as a, name as b, {json}::text as j, created_at::text from users
           union all select 'c', id::text, chat_guid, mode, {json}::text, created_at::text from conversations
           union all select 'm', id::text, role, text, {json}::text, created_at::text from messages
           union all select 'r', id::text, persona_id, stage || trust_score, {json}::text,
             last_interaction_at::text from relationships
         ) r order by 1"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .fetch_all(connection)
        .await
        .expect("rows");
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn data_is_adopted_only_if_the_operator_allows_it_and_adopting_again_changes_nothing() {
    let database = older_database().await;
    let mut connection = database.connect().await;
    let before = contents(&mut connection, "metadata").await;
    assert!(before.len() >= 9);
    let refused = migrate(&database, Adoption::Refused)
        .await
        .expect_err("the operator has not allowed it");
    assert!(
        matches!(refused, OpenError::NeedsAdoption { .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("--adopt"));
    for _ in 0..2 {
        migrate(&database, Adoption::Allowed)
            .await
            .expect("adopted");
        assert_eq!(contents(&mut connection, "meta_data").await, before);
    }
    // All migrations run again, as if a partial restore had lost the migrator's own table.
    for migration in MIGRATIONS_POSTGRES.iter() {
        let mut sql = migration.sql.as_str().to_owned();
        if !migration.no_tx {
            sql = format!("begin; {sql}; commit");
        }
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        connection
            .execute(sql)
            .await
            .expect("the migration can run again");
    }
    assert_eq!(contents(&mut connection, "meta_data").await, before);
    let data_type: String = sqlx::query_scalar(
        "select data_type::text from information_schema.columns
         where table_name = 'messages' and column_name = 'meta_data'",
    )
    .fetch_one(&mut connection)
    .await
    .expect("the column");
    assert_eq!(data_type, "json", "jsonb would have rewritten the table");
}

#[tokio::test]
async fn adopted_conversations_get_a_relay_guid_and_owner_and_adopted_messages_an_identity() {
    let database = older_database().await;
    migrate(&database, Adoption::Allowed)
        .await
        .expect("adopted");
    let mut connection = database.connect().await;
    let conversations: Vec<(String, String, Option<String>)> = sqlx::query_as(
        "select c.relay, c.guid, u.phone from conversations c left join users u on u.id = c.user_id
         order by c.guid",
    )
    .fetch_all(&mut connection)
    .await
    .expect("conversations");
    let default = || "default".to_owned();
    assert_eq!(
        conversations,
        [
            (default(), "+;chat655304561542537998".to_owned(), None),
            (
                default(),
                "-;+15550100001".to_owned(),
                Some("+15550100001".to_owned())
            ),
        ]
    );
    let unchanged: i64 =
        sqlx::query_scalar("select count(*) from users where phone = '15550100003'")
            .fetch_one(&mut connection)
            .await
            .expect("a count");
    assert_eq!(unchanged, 1, "a number without its plus sign is kept");
    // The identity computed in SQL equals that of the message when a relay posts it.
    let identity: String =
        sqlx::query_scalar("select identity from messages where message_guid is not null")
            .fetch_one(&mut connection)
            .await
            .expect("one guid was noted");
    assert_eq!(identity, "msg_738d360a60c53a5363ff67ca839fb587");
}

#[tokio::test]
async fn rows_with_unusual_values_are_adopted_unchanged() {
    let database = database_with_odd_rows().await;
    let mut connection = database.connect().await;
    let before = contents(&mut connection, "metadata").await;
    migrate(&database, Adoption::Allowed)
        .await
        .expect("adopted");
    assert_eq!(contents(&mut connection, "meta_data").await, before);
    // One chat under two services stays two conversations. New messages join the older one, which has no line.
    let conversations: Vec<(String, String)> = sqlx::query_as(
        "select chat_guid, line from conversations where guid = '-;+15550100001' order by created_at",
    )
    .fetch_all(&mut connection)
    .await
    .expect("conversations");
    let sms = "SMS;-;+15550100001";
    assert_eq!(conversations[0].1, "");
    assert_eq!(conversations[1], (sms.to_owned(), format!("adopted:{sms}")));
    let identified: i64 = sqlx::query_scalar("select count(identity) from messages")
        .fetch_one(&mut connection)
        .await
        .expect("a count");
    assert_eq!(identified, 1, "a guid that was stored twice is one message");
}

#[tokio::test]
async fn opening_a_store_with_migrate_on_start_migrates_the_database() {
    let database = TestDatabase::empty().await;
    let config = archety_backend::config::DatabaseConfig {
        migrate_on_start: true,
        ..database.config()
    };
    let store = Store::open(&config, Environment::Development, NOW)
        .await
        .expect("migrated");
    store.ping().await.expect("ready");
}

#[tokio::test]
async fn a_retry_of_an_adopted_message_is_a_duplicate_and_a_new_message_joins_its_conversation() {
    let database = older_database().await;
    migrate(&database, Adoption::Allowed)
        .await
        .expect("adopted");
    let store = TestStore::on(database).await;
    let app = TestApp::on(store, archety_backend::config::RelayAuth::Both, &secrets()).await;
    let mut retry = message("hello sage!");
    retry["message_guid"] = "0A0A0A0A-0000-4000-8000-000000000001".into();
    let answer = app.relay().post_bearer(MESSAGE_ROUTE, &retry).await;
    assert_eq!(answer.json()["status"], "duplicate", "{}", answer.text());
    let next = app.relay().post("msg_next", &message("and now")).await;
    assert_eq!(next.json()["status"], "accepted");
    let mut connection = app
        .base
        .database
        .as_ref()
        .expect("Postgres")
        .connect()
        .await;
    let messages: i64 = sqlx::query_scalar(
        "select count(*) from messages where conversation_id = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa'",
    )
    .fetch_one(&mut connection)
    .await
    .expect("a count");
    assert_eq!(messages, 3);
}

#[tokio::test]
async fn opening_an_unmigrated_database_is_refused_and_the_command_to_run_named() {
    let database = TestDatabase::empty().await;
    let refused = Store::open(&database.config(), Environment::Development, NOW)
        .await
        .err();
    let refused = refused.expect("not migrated");
    assert!(
        matches!(refused, OpenError::NotMigrated { .. }),
        "{refused:?}"
    );
    assert!(refused.to_string().contains("archety-backend migrate"));
}
