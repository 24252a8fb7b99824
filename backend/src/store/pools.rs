//! Connections: one pool on Postgres; on SQLite one writer and a few readers.
//!
//! SQLite has one writer at a time whatever one does. A pool of exactly one connection queues writers
//! here, in order and without busy errors, instead of inside the database, where they would spin.

use sqlx::{PgPool, SqlitePool};

use super::StoreError;

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
            Self::Postgres(pool) => sqlx::query("select 1").execute(pool).await.map(drop)?,
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

/// Runs the same body on whichever database is open, with the statement's text for it:
/// `on_writer!(self.pools, STATEMENT, |pool, sql| …)`.
macro_rules! on_writer {
    ($pools:expr, $statement:expr, |$pool:ident, $sql:ident| $body:expr) => {
        match &$pools {
            $crate::store::Pools::Postgres($pool) => {
                let $sql = $statement.postgres;
                $body
            }
            $crate::store::Pools::Sqlite { writer: $pool, .. } => {
                let $sql = $statement.sqlite;
                $body
            }
        }
    };
}

/// As [`on_writer`], for statements that only read.
macro_rules! on_reader {
    ($pools:expr, $statement:expr, |$pool:ident, $sql:ident| $body:expr) => {
        match &$pools {
            $crate::store::Pools::Postgres($pool) => {
                let $sql = $statement.postgres;
                $body
            }
            $crate::store::Pools::Sqlite { readers: $pool, .. } => {
                let $sql = $statement.sqlite;
                $body
            }
        }
    };
}

pub(super) use {on_reader, on_writer};
