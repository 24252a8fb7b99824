//! Every registered statement can be prepared on a new database of its kind.

use std::collections::HashSet;

use archety_backend::store::{Pools, statements};
use rstest::rstest;
use sqlx::{Executor, SqlSafeStr};

use crate::support::{Engine, Postgres, Sqlite, TestStore};

#[rstest]
#[tokio::test]
async fn every_statement_can_be_prepared(#[values(Sqlite, Postgres)] engine: Engine) {
    let store = TestStore::new(engine).await;
    let mut prepared = 0;
    for statement in statements() {
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

#[test]
fn names_are_unique_and_both_dialects_take_the_same_number_of_parameters() {
    let mut names = HashSet::new();
    for statement in statements() {
        assert!(names.insert(statement.name), "{} twice", statement.name);
        let dialects = [statement.postgres, statement.sqlite];
        let counts = dialects.map(|sql| (!sql.is_empty()).then(|| parameters(sql)));
        match counts {
            [None, None] => panic!("{} has no text", statement.name),
            [Some(postgres), Some(sqlite)] => assert_eq!(postgres, sqlite, "{}", statement.name),
            _ => {}
        }
    }
}

/// The highest number of a parameter.
fn parameters(sql: &str) -> u32 {
    let numbers = sql.split('$').skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit());
        rest[..end.unwrap_or(rest.len())].parse().ok()
    });
    numbers.max().unwrap_or(0)
}
