//! Every registered statement prepares on a freshly migrated database of its kind.

use archety_backend::store::{Pools, statements};
use sqlx::{Executor, SqlSafeStr};

use crate::support::stores;

#[tokio::test]
async fn every_statement_prepares() {
    for store in stores().await {
        let mut prepared = 0;
        for statement in statements::all() {
            let failed = match store.store.pools() {
                Pools::Postgres(pool) if !statement.postgres.is_empty() => {
                    pool.prepare(statement.postgres.into_sql_str()).await.err()
                }
                Pools::Sqlite { writer, .. } if !statement.sqlite.is_empty() => {
                    writer.prepare(statement.sqlite.into_sql_str()).await.err()
                }
                _ => continue,
            };
            prepared += 1;
            assert!(
                failed.is_none(),
                "{} on {}: {failed:?}",
                statement.name,
                store.kind
            );
        }
        assert!(prepared >= 10, "{} registered on {}", prepared, store.kind);
    }
}

#[test]
fn names_are_unique_and_texts_differ_only_where_they_must() {
    let all: Vec<_> = statements::all().collect();
    for (n, statement) in all.iter().enumerate() {
        assert!(!statement.postgres.is_empty() || !statement.sqlite.is_empty());
        let twin = all
            .iter()
            .skip(n + 1)
            .find(|other| other.name == statement.name && other.sqlite == statement.sqlite);
        assert!(twin.is_none(), "{} is registered twice", statement.name);
    }
}
