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

/// The older schema with a few rows, in case the shared fixture is not there.
const BUILT_IN: &str = include_str!("older.sql");

async fn older() -> TestDatabase {
    let database = TestDatabase::empty().await;
    let sql = fixture("legacy/postgres.sql").unwrap_or_else(|| BUILT_IN.to_owned());
    let mut connection = database.connect().await;
    connection
        .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
        .await
        .expect("the fixture loads");
    database
}

/// The built-in rows and rows with unusual values, as a database may have after years.
async fn older_with_odd_rows() -> TestDatabase {
    let database = TestDatabase::empty().await;
    let mut connection = database.connect().await;
    for sql in [BUILT_IN, include_str!("odd_rows.sql")] {
        connection
            .execute(sqlx::raw_sql(sql))
            .await
            .expect("they load");
    }
    database
}

async fn migrate(database: &TestDatabase, adoption: Adoption) -> Result<(), OpenError> {
    let migrated =
        Store::migrate(&database.config(), Environment::Development, adoption, NOW).await;
    migrated.map(drop)
}

/// The rows of the older deployment's tables. `json_column` is `metadata` before the migration and `meta_data` after
/// it.
async fn contents(connection: &mut PgConnection, json_column: &str) -> Vec<String> {
    let sql = format!(
        "select row_to_json(r)::text from (
           select 'u' as t, id::text, phone as a, name as b, {json_column}::text as j, created_at::text from users
           union all select 'c', id::text, chat_guid, mode, {json_column}::text, created_at::text from conversations
           union all select 'm', id::text, role, text, {json_column}::text, created_at::text from messages
           union all select 'r', id::text, persona_id, stage || trust_score, {json_column}::text,
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
async fn data_is_adopted_only_with_the_flag_and_adopting_again_changes_nothing() {
    let database = older().await;
    let mut connection = database.connect().await;
    let before = contents(&mut connection, "metadata").await;
    assert!(before.len() >= 9);
    let refused = migrate(&database, Adoption::Refused)
        .await
        .expect_err("not asked");
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
    // All migrations run once more, as they do when a partial restore has lost the migrator's table.
    for migration in MIGRATIONS_POSTGRES.iter() {
        let mut sql = migration.sql.as_str().to_owned();
        if !migration.no_tx {
            sql = format!("begin; {sql}; commit");
        }
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        connection.execute(sql).await.expect("harmless");
    }
    assert_eq!(contents(&mut connection, "meta_data").await, before);
    let json: String = sqlx::query_scalar(
        "select data_type::text from information_schema.columns
         where table_name = 'messages' and column_name = 'meta_data'",
    )
    .fetch_one(&mut connection)
    .await
    .expect("the column");
    assert_eq!(json, "json", "jsonb would have rewritten the table");
}

#[tokio::test]
async fn adopted_rows_have_the_right_owners_and_conversations() {
    let database = older().await;
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
    let without_plus: i64 =
        sqlx::query_scalar("select count(*) from users where phone = '15550100003'")
            .fetch_one(&mut connection)
            .await
            .expect("a count");
    assert_eq!(
        without_plus, 1,
        "a number without its plus sign is kept as it is"
    );
    // The migration computes the same identity in SQL as intake does for a posted message.
    let identity: String =
        sqlx::query_scalar("select identity from messages where message_guid is not null")
            .fetch_one(&mut connection)
            .await
            .expect("one guid was noted");
    assert_eq!(identity, "msg_738d360a60c53a5363ff67ca839fb587");
}

#[tokio::test]
async fn rows_with_unusual_values_are_adopted() {
    let database = older_with_odd_rows().await;
    let mut connection = database.connect().await;
    let before = contents(&mut connection, "metadata").await;
    migrate(&database, Adoption::Allowed)
        .await
        .expect("adopted");
    assert_eq!(contents(&mut connection, "meta_data").await, before);
    // A chat under two services keeps two conversations. Only the older one gets new messages.
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
async fn open_migrates_an_empty_database_with_migrate_on_start() {
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
async fn a_late_retry_of_an_adopted_message_is_a_duplicate() {
    let database = older().await;
    migrate(&database, Adoption::Allowed)
        .await
        .expect("adopted");
    let store = TestStore::on(database).await;
    let app = TestApp::on(store, archety_backend::config::RelayAuth::Both, &secrets()).await;
    let mut late = message("hello sage!");
    late["message_guid"] = "0A0A0A0A-0000-4000-8000-000000000001".into();
    let answer = app.relay().post_bearer(MESSAGE_ROUTE, &late).await;
    assert_eq!(answer.json()["status"], "duplicate", "{}", answer.text());
    // A new message is stored in the adopted conversation.
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
async fn serving_an_unmigrated_database_names_the_command() {
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
