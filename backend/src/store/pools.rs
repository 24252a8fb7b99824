//! Connections: one pool on Postgres; on SQLite one writer and a few readers.
//!
//! SQLite has one writer at a time whatever one does. A pool of exactly one connection queues writers
//! here, in order and without busy errors, instead of inside the database, where they would spin.

use sqlx::{PgPool, SqlitePool};

use super::execute::{
    Execute, Params, Row, all_on_postgres, all_on_sqlite, execute_on_postgres, execute_on_sqlite,
};
use super::job_bell::JobBell;
use super::statement::Statement;
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
        /// Rung by the transactions of the writer.
        job_bell: JobBell,
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

impl Pools {
    /// For single statements that only read. On Postgres they are read once more if their connection
    /// turns out to be gone; on SQLite they do not wait for the writer.
    pub(super) fn reads(&self) -> Reads<'_> {
        Reads(self)
    }

    /// For single statements that change something.
    pub(super) fn writes(&self) -> Writes<'_> {
        Writes(self)
    }
}

/// See [`Pools::reads`].
pub(super) struct Reads<'a>(&'a Pools);

/// See [`Pools::writes`].
pub(super) struct Writes<'a>(&'a Pools);

impl Execute for Reads<'_> {
    async fn execute<'q>(
        &mut self,
        _statement: Statement,
        _params: impl Params<'q>,
    ) -> Result<u64, StoreError> {
        // What changes something goes to `writes`.
        Err(StoreError::ReadOnly)
    }

    async fn all<'q, R: Row>(
        &mut self,
        statement: Statement,
        params: impl Params<'q>,
    ) -> Result<Vec<R>, StoreError> {
        match self.0 {
            Pools::Postgres(pool) => {
                let params = &params;
                again_if_lost(|| async move {
                    let mut connection = trust::acquire(pool).await?;
                    Ok(all_on_postgres(&mut connection, statement, params).await?)
                })
                .await
            }
            Pools::Sqlite { readers, .. } => {
                let mut connection = readers.acquire().await?;
                Ok(all_on_sqlite(&mut connection, statement, &params).await?)
            }
        }
    }
}

impl Execute for Writes<'_> {
    async fn execute<'q>(
        &mut self,
        statement: Statement,
        params: impl Params<'q>,
    ) -> Result<u64, StoreError> {
        Ok(match self.0 {
            Pools::Postgres(pool) => {
                let mut connection = trust::acquire(pool).await?;
                execute_on_postgres(&mut connection, statement, &params).await?
            }
            Pools::Sqlite { writer, .. } => {
                let mut connection = writer.acquire().await?;
                execute_on_sqlite(&mut connection, statement, &params).await?
            }
        })
    }

    async fn all<'q, R: Row>(
        &mut self,
        statement: Statement,
        params: impl Params<'q>,
    ) -> Result<Vec<R>, StoreError> {
        Ok(match self.0 {
            Pools::Postgres(pool) => {
                let mut connection = trust::acquire(pool).await?;
                all_on_postgres(&mut connection, statement, &params).await?
            }
            Pools::Sqlite { writer, .. } => {
                let mut connection = writer.acquire().await?;
                all_on_sqlite(&mut connection, statement, &params).await?
            }
        })
    }
}

/// Reads once more where the connection turned out to be gone.
pub(super) async fn again_if_lost<T, F>(read: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    match read().await {
        Err(error) if error.is_lost() => read().await,
        done => done,
    }
}
