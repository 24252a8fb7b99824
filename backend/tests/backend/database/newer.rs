//! A newer version has migrated the database. This version reports that, and serves if it can use the schema.

use archety_backend::store::Pools;

use rstest::rstest;

use super::*;
use crate::support::{Engine, Postgres, Sqlite, TestStore};

/// Runs `sql`, and records it as a migration that this version does not know.
async fn apply_unknown_migration(store: &TestStore, sql: &str) {
    let record =
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
        values (9999, 'of a later version', true, 'x', 0)";
    match store.store.pools() {
        Pools::Postgres(_) => {
            let record = record.replace("'x'", "'\\x00'");
            let database = store.database.as_ref().expect("Postgres");
            database.run(&format!("{record}; {sql}")).await;
        }
        Pools::Sqlite { writer, .. } => {
            let sql = format!("{record}; {sql}");
            writer.execute(AssertSqlSafe(sql)).await.expect("written");
        }
    }
}

#[rstest]
#[tokio::test]
async fn an_unknown_migration_that_adds_a_column_is_reported_and_the_store_opens(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let store = TestStore::new(engine).await;
    apply_unknown_migration(&store, "alter table users add column later text").await;
    let closed = store.close().await;
    let version = migrate(&closed.config)
        .await
        .expect("nothing to do is no failure");
    assert_eq!(version, SchemaVersion::Newer(vec![9999]));
    let plan = Store::plan(&closed.config, Environment::Development).await;
    let plan = plan.expect("a plan");
    assert_eq!((plan.newer, plan.migrations.len()), (vec![9999], 0));
    open(&closed.config)
        .await
        .expect("the store opens")
        .close()
        .await;
}

#[rstest]
#[tokio::test]
async fn an_unknown_migration_that_removes_a_needed_column_is_refused_and_the_column_named(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let store = TestStore::new(engine).await;
    apply_unknown_migration(
        &store,
        "alter table tombstones rename column expires_at to why",
    )
    .await;
    let closed = store.close().await;
    for refused in [
        migrate(&closed.config).await.map(drop),
        open(&closed.config).await.map(drop),
    ] {
        let refused = refused.expect_err("a column is gone");
        assert!(matches!(refused, OpenError::TooNew(_)), "{refused}");
        let report = refused.to_string();
        assert!(
            report.contains("newer version") && report.contains("expires_at"),
            "{report}"
        );
    }
}

#[rstest]
#[tokio::test]
async fn an_unknown_and_a_missing_migration_together_are_refused_and_named(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let store = TestStore::new(engine).await;
    apply_unknown_migration(&store, "delete from _sqlx_migrations where version = 2").await;
    let closed = store.close().await;
    let refused = migrate(&closed.config).await.expect_err("one is missing");
    assert!(matches!(refused, OpenError::TooNew(_)), "{refused}");
    let report = refused.to_string();
    assert!(
        report.contains("9999") && report.contains("0002"),
        "{report}"
    );
}
