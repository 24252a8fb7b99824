//! Connections: one pool on Postgres; on SQLite one writer and a few readers.
//!
//! SQLite has one writer at a time whatever one does. A pool of exactly one connection queues writers
//! here, in order and without busy errors, instead of inside the database, where they would spin.

use sqlx::{PgPool, SqlitePool};

use super::{StoreError, trust};

/// The connections of an open store.
#[derive(Clone)]
pub enum Pools {
    /// Any connection may do anything.
    Postgres(PgPool),
    /// Reads never wait for the writer.
    Sqlite {
        /// Exactly one connection.
        writer: SqlitePool,
        /// Opened read-only.
        readers: SqlitePool,
    },
}

impl Pools {
    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        match self {
            Self::Postgres(pool) => {
                if is_read_only(pool).await? {
                    // As this session was made; the next one may know better.
                    trust::distrust_read_only();
                    tokio::time::sleep(trust::READ_ONLY_FOR).await;
                    trust::distrust_read_only();
                    if is_read_only(pool).await? {
                        return Err(StoreError::ReadOnly);
                    }
                }
            }
            // A read of the file proves more than a constant: the disk may be gone.
            Self::Sqlite { readers, .. } => {
                sqlx::query("select count(*) from sqlite_schema")
                    .execute(readers)
                    .await
                    .map(drop)?;
            }
        }
        Ok(())
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Postgres(pool) => pool.close().await,
            Self::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
        }
    }
}

async fn is_read_only(pool: &PgPool) -> Result<bool, StoreError> {
    match ask_read_only(pool).await {
        Err(error) if error.is_lost() => ask_read_only(pool).await,
        done => done,
    }
}

async fn ask_read_only(pool: &PgPool) -> Result<bool, StoreError> {
    let mut connection = trust::acquire(pool).await?;
    let sql = "select current_setting('transaction_read_only')::boolean";
    Ok(sqlx::query_scalar(sql).fetch_one(&mut *connection).await?)
}

/// Runs the same body on whichever database is open, with the statement's text for it:
/// `on_writer!(self.pools, STATEMENT, |db, sql| …)`. The body's outcome is a `Result` of the driver's.
macro_rules! on_writer {
    ($pools:expr, $statement:expr, |$pool:ident, $sql:ident| $body:expr) => {
        match &$pools {
            $crate::store::Pools::Postgres(pool) => {
                let $sql = $statement.postgres;
                match $crate::store::trust::acquire(pool).await {
                    Ok(mut connection) => {
                        let $pool = &mut *connection;
                        $body
                    }
                    Err(error) => Err(error),
                }
            }
            $crate::store::Pools::Sqlite { writer: $pool, .. } => {
                let $sql = $statement.sqlite;
                $body
            }
        }
    };
}

/// As [`on_writer`], for statements that only read: on Postgres they are read once more if their
/// connection turns out to be gone.
macro_rules! on_reader {
    ($pools:expr, $statement:expr, |$pool:ident, $sql:ident| $body:expr) => {
        match &$pools {
            $crate::store::Pools::Postgres(pool) => {
                let $sql = $statement.postgres;
                let mut is_second = false;
                loop {
                    let done = match $crate::store::trust::acquire(pool).await {
                        Ok(mut connection) => {
                            let $pool = &mut *connection;
                            $body
                        }
                        Err(error) => Err(error),
                    };
                    match done {
                        Err(error) if !is_second && $crate::store::trust::is_lost(&error) => {
                            $crate::store::trust::learn(&error);
                            is_second = true;
                        }
                        done => break done,
                    }
                }
            }
            $crate::store::Pools::Sqlite { readers: $pool, .. } => {
                let $sql = $statement.sqlite;
                $body
            }
        }
    };
}

pub(super) use {on_reader, on_writer};
