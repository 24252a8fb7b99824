//! Reads, without changing anything, the state of the database from which a migration is planned.

use std::collections::BTreeSet;
use std::path::Path;

use secrecy::SecretString;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use super::{Count, TableRows};
use crate::config::{DatabaseTls, Environment};
use crate::store::adoption;
use crate::store::migrate::APPLIED_VERSIONS;
use crate::store::needs::OLDER_TABLES;
use crate::store::postgres::{MIGRATION_SETTINGS, Server};
use crate::store::sqlite_file::inspect;
use crate::store::{
    Finding, MIGRATIONS_POSTGRES, OpenError, RlsBypass, meta, needs, rls_bypasses, safety,
};

/// The rows of a bigger table are estimated, since counting would read the whole table.
const MAX_COUNTED_BYTES: i64 = 64 << 20;

// These statements are not in `statements()`, because they run before any table of ours exists.
const TABLES: &str = "select relname::text, reltuples::bigint, pg_relation_size(oid),
       has_table_privilege(oid, 'select') from pg_class
     where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p')";
const ENVIRONMENT: &str = "select value from app_meta where key = 'environment'";
const SQLITE_TABLES: &str = "select name from sqlite_schema where type = 'table' order by name";

/// The state of the database before the first pending migration.
#[derive(Debug, Default)]
pub(super) struct DatabaseState {
    /// The versions of the applied migrations.
    pub(super) applied: BTreeSet<i64>,
    /// All tables, with the number of their rows.
    pub(super) tables: Vec<TableRows>,
    /// The tables of an older deployment that have rows and are not adopted yet.
    pub(super) older_tables: Vec<TableRows>,
    /// The application names of the clients that use a table of an older deployment, as `2 × name`.
    pub(super) in_use_by: Vec<String>,
    /// The requirements of the pending migrations that are not met.
    pub(super) needs: Vec<Finding>,
    pub(super) rls_bypasses: Vec<RlsBypass>,
}

/// Reads the state in one read-only transaction. Fails if the database belongs to another environment.
pub(super) async fn of_postgres(
    url: &SecretString,
    tls: &DatabaseTls,
    environment: Environment,
) -> Result<DatabaseState, OpenError> {
    let server = Server::reach(url, tls, MIGRATION_SETTINGS).await?;
    let connections = 1;
    let pool = server.pool(connections).await?;
    let mut transaction = pool.begin_with("begin read only").await?;
    let state = read_postgres(&mut transaction, environment).await;
    transaction.rollback().await?;
    pool.close().await;
    state
}

async fn read_postgres(
    connection: &mut PgConnection,
    environment: Environment,
) -> Result<DatabaseState, OpenError> {
    let mut state = DatabaseState {
        needs: safety::check_schema(connection).await?,
        ..DatabaseState::default()
    };
    if !state.needs.is_empty() {
        return Ok(state);
    }
    let tables: Vec<(String, i64, i64, bool)> =
        sqlx::query_as(TABLES).fetch_all(&mut *connection).await?;
    let exists = |name| tables.iter().any(|(table, ..)| table == name);
    if exists("app_meta") {
        let stored: Option<String> = sqlx::query_scalar(ENVIRONMENT)
            .fetch_optional(&mut *connection)
            .await?;
        meta::compare_environment(stored, environment)?;
    }
    if exists("_sqlx_migrations") {
        let applied: Vec<i64> = sqlx::query_scalar(APPLIED_VERSIONS.postgres)
            .fetch_all(&mut *connection)
            .await?;
        state.applied.extend(applied);
    }
    let pending: Vec<i64> = MIGRATIONS_POSTGRES
        .iter()
        .map(|migration| migration.version)
        .filter(|version| !state.applied.contains(version))
        .collect();
    if !pending.is_empty() {
        state.needs = needs::unmet(connection, &pending).await?;
    }
    state.rls_bypasses = rls_bypasses::find(connection).await?;
    for (table, estimate, bytes, may_read) in tables {
        // The estimate of a table without statistics is -1.
        let (rows, counted) = if !may_read || bytes > MAX_COUNTED_BYTES && estimate >= 0 {
            (estimate.max(0), Count::Estimated)
        } else {
            let rows = sqlx::query_scalar(AssertSqlSafe(count_sql(&table)))
                .fetch_one(&mut *connection)
                .await?;
            (rows, Count::Exactly)
        };
        state.tables.push(TableRows {
            table,
            rows,
            counted,
        });
    }
    if state.applied.is_empty() {
        let filled = |table| {
            let mut tables = state.tables.iter();
            tables.find(|rows| rows.table == table && rows.rows > 0)
        };
        state.older_tables = OLDER_TABLES
            .into_iter()
            .filter_map(filled)
            .cloned()
            .collect();
        if !state.older_tables.is_empty() {
            state.in_use_by = adoption::blocking_clients(connection).await?;
        }
    }
    Ok(state)
}

/// Reads the state of the file, which is not created. Fails if the file belongs to another program or environment.
pub(super) async fn of_sqlite(
    path: &Path,
    environment: Environment,
) -> Result<DatabaseState, OpenError> {
    let mut state = DatabaseState::default();
    inspect(path).await?;
    // Connecting would create the file.
    if !path.exists() {
        return Ok(state);
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
    let exists = |name| tables.iter().any(|table| table == name);
    if exists("app_meta") {
        let stored: Option<String> = sqlx::query_scalar(ENVIRONMENT)
            .fetch_optional(&mut connection)
            .await?;
        meta::compare_environment(stored, environment)?;
    }
    if exists("_sqlx_migrations") {
        let applied: Vec<i64> = sqlx::query_scalar(APPLIED_VERSIONS.sqlite)
            .fetch_all(&mut connection)
            .await?;
        state.applied.extend(applied);
    }
    for table in tables {
        let sql = count_sql(&table);
        state.tables.push(TableRows {
            table,
            rows: sqlx::query_scalar(AssertSqlSafe(sql))
                .fetch_one(&mut connection)
                .await?,
            counted: Count::Exactly,
        });
    }
    connection.close().await?;
    Ok(state)
}

/// The statement that counts the rows of a table. The name comes from the catalogue and is quoted all the same.
fn count_sql(table: &str) -> String {
    format!("select count(*) from \"{}\"", table.replace('"', "\"\""))
}
