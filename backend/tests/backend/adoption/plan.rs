//! A plan lists the existing tables and the statements that would run, and changes nothing.

use archety_backend::store::Pools;
use archety_backend::store::plan::{AffectedTable, Lock};

use super::*;

#[tokio::test]
async fn a_plan_counts_the_rows_to_adopt_names_open_transactions_and_changes_nothing() {
    let database = older_database().await;
    let mut connection = database.connect().await;
    let before = contents(&mut connection, "metadata").await;
    let plan = Store::plan(&database.config(), Environment::Development)
        .await
        .expect("a plan");
    let adopts: Vec<(&str, i64)> = plan
        .adopts
        .iter()
        .map(|rows| (rows.table.as_str(), rows.rows))
        .collect();
    assert_eq!(
        adopts,
        [
            ("users", 3),
            ("conversations", 2),
            ("messages", 3),
            ("relationships", 1)
        ]
    );
    assert_eq!(plan.in_use_by, Vec::<String>::new());
    assert_eq!(contents(&mut connection, "metadata").await, before);
    let has_own_tables: bool = sqlx::query_scalar(
        "select to_regclass('_sqlx_migrations') is not null or to_regclass('app_meta') is not null",
    )
    .fetch_one(&mut connection)
    .await
    .expect("a catalogue");
    assert!(!has_own_tables, "not even the migrator's own table exists");

    connection
        .execute("begin; lock table users in row exclusive mode")
        .await
        .expect("locked");
    let plan = Store::plan(&database.config(), Environment::Development)
        .await
        .expect("no lock is needed");
    assert_eq!(plan.in_use_by, ["1 × unnamed"]);
    connection.execute("rollback").await.expect("rolled back");

    migrate(&database, Adoption::Allowed)
        .await
        .expect("adopted");
    let plan = Store::plan(&database.config(), Environment::Development)
        .await
        .expect("a plan");
    assert!(plan.migrations.is_empty() && plan.adopts.is_empty());
    let in_production = Store::plan(&database.config(), Environment::Production).await;
    assert!(
        matches!(in_production, Err(OpenError::OtherEnvironment { .. })),
        "{in_production:?}"
    );
}

/// The database looks as if an earlier release, with six migrations, had migrated it.
#[tokio::test]
async fn a_plan_lists_pending_migrations_only_with_rows_and_locks_of_their_tables() {
    let database = older_database().await;
    migrate(&database, Adoption::Allowed)
        .await
        .expect("adopted");
    let mut connection = database.connect().await;
    connection
        .execute("delete from _sqlx_migrations where version > 6")
        .await
        .expect("deleted");
    let plan = Store::plan(&database.config(), Environment::Development)
        .await
        .expect("a plan");
    let versions: Vec<i64> = plan
        .migrations
        .iter()
        .map(|planned| planned.version)
        .collect();
    let newest = *versions.last().expect("pending migrations");
    assert!(newest >= 11);
    assert_eq!(versions, (7..=newest).collect::<Vec<_>>());
    let index_build = plan.migrations[0]
        .statements
        .iter()
        .find(|planned| planned.statement.contains("messages_by_user"));
    let [messages] = &index_build.expect("a statement for the index").tables[..] else {
        panic!("one table: {index_build:?}")
    };
    assert_eq!(messages.rows.table, "messages");
    assert_eq!((messages.rows.rows, messages.lock), (3, Some(Lock::Share)));
    // `otp_codes` is not an adopted table. It exists by now, so the plan counts its rows too.
    let alter_codes = plan
        .migrations
        .iter()
        .flat_map(|planned| &planned.statements)
        .find(|planned| planned.statement.starts_with("alter table otp_codes"));
    let [codes] = &alter_codes.expect("a statement on the table").tables[..] else {
        panic!("one table: {alter_codes:?}")
    };
    assert_eq!(
        (codes.rows.rows, codes.lock),
        (0, Some(Lock::AccessExclusive))
    );
}

/// SQLite locks the whole file, so a plan lists no locks.
#[tokio::test]
async fn a_plan_on_sqlite_names_tables_and_row_counts_and_no_locks() {
    let store = TestStore::sqlite().await;
    let Pools::Sqlite { writer, .. } = store.store.pools() else {
        panic!("SQLite")
    };
    let sql = "insert into users (id, phone, created_at) values (x'00', '+15550100001', 0);
        delete from _sqlx_migrations where version = 7";
    writer.execute(sqlx::raw_sql(sql)).await.expect("written");
    let closed = store.close().await;
    let plan = Store::plan(&closed.config, Environment::Development)
        .await
        .expect("a plan");
    let [planned] = &plan.migrations[..] else {
        panic!("one migration: {plan:?}")
    };
    let statements: Vec<(&str, &[AffectedTable])> = planned
        .statements
        .iter()
        .map(|planned| (planned.statement.as_str(), &planned.tables[..]))
        .collect();
    let [(first, [users]), (second, [_])] = statements[..] else {
        panic!("two statements on a table: {statements:?}")
    };
    assert_eq!(first, "alter table users add column heard_at integer");
    assert!(second.ends_with("silence_ended_at integer"), "{second}");
    assert_eq!((users.rows.table.as_str(), users.rows.rows), ("users", 1));
    assert_eq!((users.lock, users.work), (None, None));
}
