//! What a plan needs to know of the database. Everything here reads, in one read-only transaction.

use std::collections::BTreeSet;
use std::path::Path;

use secrecy::SecretString;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use super::{Count, Rows};
use crate::config::{DatabaseTls, Environment};
use crate::store::adoption;
use crate::store::needs::OLDER_TABLES;
use crate::store::postgres::{MIGRATING, Server};
use crate::store::sqlite_file::inspect;
use crate::store::{Door, Finding, MIGRATIONS_POSTGRES, OpenError, doors, meta, needs, safety};

/// Bigger tables are not read to be counted.
const COUNTED_BYTES: i64 = 64 << 20;

// Not registered: they run before any table of ours exists.
const TABLES: &str = "select relname::text, reltuples::bigint, pg_relation_size(oid),
       has_table_privilege(oid, 'select') from pg_class
     where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p')";
const APPLIED: &str = "select version from _sqlx_migrations where success";
const ENVIRONMENT: &str = "select value from app_meta where key = 'environment'";
const SQLITE_TABLES: &str = "select name from sqlite_schema where type = 'table' order by name";

/// The database before the first pending migration.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) applied: BTreeSet<i64>,
    pub(super) rows: Vec<Rows>,
    /// Filled tables of an older deployment that are not adopted yet.
    pub(super) older: Vec<Rows>,
    pub(super) in_use_by: Vec<String>,
    pub(super) needs: Vec<Finding>,
    pub(super) doors: Vec<Door>,
}

pub(super) async fn of_postgres(
    url: &SecretString,
    tls: &DatabaseTls,
    environment: Environment,
) -> Result<Found, OpenError> {
    let server = Server::reach(url, tls, MIGRATING).await?;
    let pool = server.pool(1).await?;
    let mut transaction = pool.begin_with("begin read only").await?;
    let found = read_postgres(&mut transaction, environment).await;
    transaction.rollback().await?;
    pool.close().await;
    found
}

async fn read_postgres(
    connection: &mut PgConnection,
    environment: Environment,
) -> Result<Found, OpenError> {
    let mut found = Found {
        needs: safety::check_place(connection).await?,
        ..Found::default()
    };
    if !found.needs.is_empty() {
        return Ok(found);
    }
    let tables: Vec<(String, i64, i64, bool)> =
        sqlx::query_as(TABLES).fetch_all(&mut *connection).await?;
    let is_there = |name| tables.iter().any(|(table, ..)| table == name);
    if is_there("app_meta") {
        let stored: Option<String> = sqlx::query_scalar(ENVIRONMENT)
            .fetch_optional(&mut *connection)
            .await?;
        meta::compare_environment(stored, environment)?;
    }
    if is_there("_sqlx_migrations") {
        let applied: Vec<i64> = sqlx::query_scalar(APPLIED)
            .fetch_all(&mut *connection)
            .await?;
        found.applied.extend(applied);
    }
    let pending: Vec<i64> = MIGRATIONS_POSTGRES
        .iter()
        .map(|migration| migration.version)
        .filter(|version| !found.applied.contains(version))
        .collect();
    if !pending.is_empty() {
        found.needs = needs::of(connection, &pending).await?;
    }
    found.doors = doors::of(connection).await?;
    for (table, estimate, bytes, may_read) in tables {
        let (rows, counted) = if !may_read || bytes > COUNTED_BYTES && estimate >= 0 {
            (estimate.max(0), Count::Estimated)
        } else {
            let rows = sqlx::query_scalar(AssertSqlSafe(count(&table)))
                .fetch_one(&mut *connection)
                .await?;
            (rows, Count::Exactly)
        };
        found.rows.push(Rows {
            table,
            rows,
            counted,
        });
    }
    if found.applied.is_empty() {
        let filled = |table| {
            let mut rows = found.rows.iter();
            rows.find(|rows| rows.table == table && rows.rows > 0)
        };
        found.older = OLDER_TABLES
            .into_iter()
            .filter_map(filled)
            .cloned()
            .collect();
        if !found.older.is_empty() {
            found.in_use_by = adoption::sessions(connection).await?;
        }
    }
    Ok(found)
}

pub(super) async fn of_sqlite(path: &Path, environment: Environment) -> Result<Found, OpenError> {
    let mut found = Found::default();
    inspect(path).await?;
    // Planning makes no file either.
    if !path.exists() {
        return Ok(found);
    }
    let mut connection: SqliteConnection = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .disable_statement_logging()
        .connect()
        .await?;
    let tables: Vec<String> = sqlx::query_scalar(SQLITE_TABLES)
        .fetch_all(&mut connection)
        .await?;
    let is_there = |name| tables.iter().any(|table| table == name);
    if is_there("app_meta") {
        let stored: Option<String> = sqlx::query_scalar(ENVIRONMENT)
            .fetch_optional(&mut connection)
            .await?;
        meta::compare_environment(stored, environment)?;
    }
    if is_there("_sqlx_migrations") {
        let applied: Vec<i64> = sqlx::query_scalar(APPLIED)
            .fetch_all(&mut connection)
            .await?;
        found.applied.extend(applied);
    }
    for table in tables {
        let sql = count(&table);
        found.rows.push(Rows {
            table,
            rows: sqlx::query_scalar(AssertSqlSafe(sql))
                .fetch_one(&mut connection)
                .await?,
            counted: Count::Exactly,
        });
    }
    connection.close().await?;
    Ok(found)
}

/// The name comes from the catalogue, and is quoted all the same.
fn count(table: &str) -> String {
    format!("select count(*) from \"{}\"", table.replace('"', "\"\""))
}
