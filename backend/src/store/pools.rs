//! Connections: one pool on Postgres; on SQLite one writer and a few readers.
//!
//! SQLite allows one writer at a time. A pool of exactly one connection queues writers in order and without
//! busy errors. Writers that wait inside SQLite would poll its lock instead.

use sqlx::{PgPool, SqlitePool};

use super::command_signal::CommandSignal;
use super::execute::{Execute, Params, PooledConnection, Row};
use super::job_signal::JobSignal;
use super::statement::Statement;
use super::{StoreError, connection_health};

/// The connections of an open store.
#[derive(Clone)]
pub enum Pools {
    /// Each connection reads and writes.
    Postgres(PgPool),
    Sqlite {
        /// Exactly one connection.
        writer: SqlitePool,
        /// Opened read-only; they never wait for the writer.
        readers: SqlitePool,
        /// Notified by commits of the writer that have written a job.
        job_signal: JobSignal,
        /// Notified by commits of the writer that have written a command.
        command_signal: CommandSignal,
    },
}

impl Pools {
    /// Fails if the database does not answer, or if Postgres is read-only.
    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        match self {
            Self::Postgres(pool) => {
                if is_read_only(pool).await? {
                    // The session may have been opened while the database was read-only. A new session
                    // shows whether the database still is.
                    connection_health::discard_read_only();
                    tokio::time::sleep(connection_health::READ_ONLY_FOR).await;
                    connection_health::discard_read_only();
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
            Self::Sqlite {
                writer, readers, ..
            } => {
                readers.close().await;
                writer.close().await;
            }
        }
    }
}

async fn is_read_only(pool: &PgPool) -> Result<bool, StoreError> {
    match query_read_only(pool).await {
        Err(error) if error.is_lost() => query_read_only(pool).await,
        answer => answer,
    }
}

async fn query_read_only(pool: &PgPool) -> Result<bool, StoreError> {
    let mut connection = connection_health::acquire(pool).await?;
    let sql = "select current_setting('transaction_read_only')::boolean";
    Ok(sqlx::query_scalar(sql).fetch_one(&mut *connection).await?)
}

impl Pools {
    /// Runs single statements that only read. On Postgres a statement is sent once more if its connection
    /// turns out to be lost. On SQLite a read does not wait for the writer.
    pub(super) fn reads(&self) -> Reads<'_> {
        Reads(self)
    }

    /// Runs single statements that change rows or have to read the newest ones. Such a statement is sent only once.
    pub(super) fn writes(&self) -> Writes<'_> {
        Writes(self)
    }

    /// A connection for `mode`. Waits until one is free.
    pub(super) async fn connection(
        &self,
        mode: AccessMode,
    ) -> Result<PooledConnection, sqlx::Error> {
        Ok(match (self, mode) {
            (Self::Postgres(pool), _) => {
                PooledConnection::Postgres(connection_health::acquire(pool).await?)
            }
            (Self::Sqlite { readers, .. }, AccessMode::Reads) => {
                PooledConnection::Sqlite(readers.acquire().await?)
            }
            (Self::Sqlite { writer, .. }, AccessMode::Writes) => {
                PooledConnection::Sqlite(writer.acquire().await?)
            }
        })
    }
}

/// The use of a connection. SQLite has a pool for each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AccessMode {
    Reads,
    Writes,
}

/// See [`Pools::reads`].
pub(super) struct Reads<'a>(&'a Pools);

/// See [`Pools::writes`].
pub(super) struct Writes<'a>(&'a Pools);

impl Execute for Reads<'_> {
    /// Refused: a statement that changes rows belongs to [`Pools::writes`].
    async fn execute<'q>(
        &mut self,
        _statement: Statement,
        _params: impl Params<'q>,
    ) -> Result<u64, StoreError> {
        Err(StoreError::ReadOnly)
    }

    async fn all<'q, R: Row>(
        &mut self,
        statement: Statement,
        params: impl Params<'q>,
    ) -> Result<Vec<R>, StoreError> {
        let (pools, params) = (self.0, &params);
        retry_if_lost(|| async move {
            let mut connection = pools.connection(AccessMode::Reads).await?;
            Ok(connection.all(statement, params).await?)
        })
        .await
    }
}

impl Execute for Writes<'_> {
    async fn execute<'q>(
        &mut self,
        statement: Statement,
        params: impl Params<'q>,
    ) -> Result<u64, StoreError> {
        let mut connection = self.0.connection(AccessMode::Writes).await?;
        Ok(connection.execute(statement, &params).await?)
    }

    async fn all<'q, R: Row>(
        &mut self,
        statement: Statement,
        params: impl Params<'q>,
    ) -> Result<Vec<R>, StoreError> {
        let mut connection = self.0.connection(AccessMode::Writes).await?;
        Ok(connection.all(statement, &params).await?)
    }
}

/// Calls `read`, and once more if its connection turned out to be lost.
pub(super) async fn retry_if_lost<T, F>(read: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    match read().await {
        Err(error) if error.is_lost() => read().await,
        done => done,
    }
}

/// The number of attempts at a transaction that conflicts with others.
const MAX_TRIES: usize = 4;

/// Calls `write` again if Postgres has rolled its transaction back because of another one.
pub(super) async fn retry_on_conflict<T, F>(write: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    for _ in 1..MAX_TRIES {
        match write().await {
            Err(error) if error.is_conflict() => {}
            done => return done,
        }
    }
    write().await
}
