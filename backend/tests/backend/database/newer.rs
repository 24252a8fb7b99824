//! A database that a newer version has migrated. This version serves on it if the schema allows, and reports it.

use archety_backend::store::Pools;

use rstest::rstest;

use super::*;
use crate::support::{Engine, Postgres, Sqlite, TestStore};

/// Runs `sql`, and records it as a migration that this version does not know.
async fn newer(store: &TestStore, sql: &str) {
    let note =
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
        values (9999, 'of a later version', true, 'x', 0)";
    match store.store.pools() {
        Pools::Postgres(_) => {
            let note = note.replace("'x'", "'\\x00'");
            let database = store.database.as_ref().expect("Postgres");
            database.run(&format!("{note}; {sql}")).await;
        }
        Pools::Sqlite { writer, .. } => {
            let sql = format!("{note}; {sql}");
            writer.execute(AssertSqlSafe(sql)).await.expect("written");
        }
    }
}

#[rstest]
#[tokio::test]
async fn an_older_version_serves_on_an_expanded_schema(#[values(Sqlite, Postgres)] engine: Engine) {
    let store = TestStore::new(engine).await;
    newer(&store, "alter table users add column later text").await;
    let closed = store.close().await;
    let version = migrate(&closed.config)
        .await
        .expect("nothing to do is no failure");
    assert_eq!(version, SchemaVersion::Newer(vec![9999]));
    let plan = Store::plan(&closed.config, Environment::Development).await;
    let plan = plan.expect("a plan");
    assert_eq!((plan.newer, plan.migrations.len()), (vec![9999], 0));
    open(&closed.config).await.expect("it serves").close().await;
}

#[rstest]
#[tokio::test]
async fn an_older_version_says_why_it_cannot_serve(#[values(Sqlite, Postgres)] engine: Engine) {
    let store = TestStore::new(engine).await;
    newer(
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
async fn a_database_of_a_diverged_version_is_refused(#[values(Sqlite, Postgres)] engine: Engine) {
    let store = TestStore::new(engine).await;
    newer(&store, "delete from _sqlx_migrations where version = 2").await;
    let closed = store.close().await;
    let refused = migrate(&closed.config).await.expect_err("one is missing");
    assert!(matches!(refused, OpenError::TooNew(_)), "{refused}");
    let report = refused.to_string();
    assert!(
        report.contains("9999") && report.contains("0002"),
        "{report}"
    );
}
