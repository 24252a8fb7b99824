//! Runs one SQL statement. Each statement is prepared once per connection and kept in its cache.

use rusqlite::{Connection, OptionalExtension, Params, Row};

/// Runs a statement that changes rows.
pub(super) fn execute(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> rusqlite::Result<()> {
    change(connection, sql, params)?;
    Ok(())
}

/// Runs a statement that changes rows, and returns how many it changed.
pub(super) fn change(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> rusqlite::Result<usize> {
    connection.prepare_cached(sql)?.execute(params)
}

/// The first row that the statement returns, if it returns any.
pub(super) fn first<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    connection
        .prepare_cached(sql)?
        .query_row(params, read)
        .optional()
}

/// Every row that the statement returns, in its order.
pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map(params, read)?.collect()
}

/// The number that a `select count(*)` returns.
pub(super) fn count(connection: &Connection, sql: &str) -> rusqlite::Result<u64> {
    connection
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))
}
