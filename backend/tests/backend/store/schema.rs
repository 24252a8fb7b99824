//! The migrations of both databases create the same tables, columns and unique keys, and the later ones have the
//! same numbers.

use std::collections::{BTreeMap, BTreeSet};

use archety_backend::store::plan::tables;
use archety_backend::store::{MIGRATIONS_POSTGRES, MIGRATIONS_SQLITE, Pools};
use sqlx::migrate::Migrator;

use crate::support::TestStore;

/// Per table: column to (family of its type, whether null is allowed).
type Tables = BTreeMap<String, BTreeMap<String, (String, bool)>>;

const POSTGRES: &str = "
    select table_name::text, column_name::text, udt_name::text, is_nullable = 'YES'
    from information_schema.columns
    where table_schema = 'public' and table_name <> '_sqlx_migrations'";
const SQLITE: &str = "
    select t.name, c.name, lower(c.type), not c.\"notnull\"
    from sqlite_schema t join pragma_table_info(t.name) c
    where t.type = 'table' and t.name not like 'sqlite_%' and t.name <> '_sqlx_migrations'";
const POSTGRES_UNIQUE: &str = "
    select t.relname::text || '(' || string_agg(a.attname::text, ',' order by k.n) || ')'
    from pg_index i
    join pg_class t on t.oid = i.indrelid
    join pg_namespace s on s.oid = t.relnamespace and s.nspname = 'public'
    cross join unnest(i.indkey::int2[]) with ordinality k (att, n)
    join pg_attribute a on a.attrelid = t.oid and a.attnum = k.att
    where i.indisunique and t.relname <> '_sqlx_migrations'
    group by i.indexrelid, t.relname";
const SQLITE_UNIQUE: &str = "
    select t.name || '(' || (
      select group_concat(name, ',') from (select name from pragma_index_info(i.name) order by seqno)
    ) || ')'
    from sqlite_schema t join pragma_index_list(t.name) i
    where t.type = 'table' and i.\"unique\" and t.name <> '_sqlx_migrations'";

#[tokio::test]
async fn both_databases_have_the_same_tables_columns_and_unique_keys() {
    let postgres = TestStore::postgres().await;
    let sqlite = TestStore::sqlite().await;
    let (mut in_postgres, mut in_sqlite) = (read(&postgres).await, read(&sqlite).await);
    for tables in [&mut in_postgres, &mut in_sqlite] {
        for column in tables.values_mut().flat_map(BTreeMap::values_mut) {
            column.0 = family(&column.0).to_owned();
        }
    }
    assert_eq!(in_postgres, in_sqlite);
    assert!(in_postgres.len() >= 13, "{:?}", in_postgres.keys());
    let names: BTreeSet<String> = in_postgres.into_keys().collect();
    for migrator in [&MIGRATIONS_POSTGRES, &MIGRATIONS_SQLITE] {
        assert_eq!(tables(migrator), names, "as read from the migrations' text");
    }
    assert_eq!(unique_keys(&postgres).await, unique_keys(&sqlite).await);
}

/// Up to Postgres' 14th and SQLite's 7th migration, the folders of the two databases have different numbers. Each later
/// migration is in both folders. If a database does not need it, its file is a comment that says so.
#[test]
fn later_migrations_have_the_same_versions_and_names_in_both_folders() {
    let after = |migrator: &'static Migrator, last: i64| -> Vec<(i64, &str)> {
        migrator
            .iter()
            .filter(|migration| migration.version > last)
            .map(|migration| (migration.version, &*migration.description))
            .collect()
    };
    let postgres = after(&MIGRATIONS_POSTGRES, 14);
    assert_eq!(postgres, after(&MIGRATIONS_SQLITE, 7));
}

/// The kind of values that a column of a native type stores.
fn family(native: &str) -> &str {
    match native {
        // SQLite keeps ids and digests as blobs, json as text, times as integers.
        "uuid" | "bytea" | "blob" => "bytes",
        "text" | "varchar" | "json" | "jsonb" => "text",
        "timestamptz" | "int8" | "int4" | "integer" => "integer",
        "float8" | "real" => "real",
        "bool" | "boolean" => "boolean",
        other => panic!("{other} has no counterpart"),
    }
}

async fn read(store: &TestStore) -> Tables {
    let rows: Vec<(String, String, String, bool)> = match store.store.pools() {
        Pools::Postgres(pool) => sqlx::query_as(POSTGRES).fetch_all(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_as(SQLITE).fetch_all(writer).await,
    }
    .expect("a catalogue");
    let mut tables = Tables::new();
    for (table, column, native, nullable) in rows {
        tables
            .entry(table)
            .or_default()
            .insert(column, (native, nullable));
    }
    tables
}

async fn unique_keys(store: &TestStore) -> BTreeSet<String> {
    let keys: Vec<String> = match store.store.pools() {
        Pools::Postgres(pool) => sqlx::query_scalar(POSTGRES_UNIQUE).fetch_all(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_scalar(SQLITE_UNIQUE).fetch_all(writer).await,
    }
    .expect("a catalogue");
    keys.into_iter().collect()
}
