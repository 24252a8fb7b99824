//! Several statements as one: all of them, or none.
//!
//! On SQLite a transaction takes the write lock at once (`begin immediate`); one that read first and
//! wrote later could find that somebody else had written in between, and would have to start over. A
//! connection on which something failed is not used again: a full disk makes SQLite roll back by
//! itself, and the driver would count a transaction as open on it for ever.

use sqlx::{Database, Transaction};
use uuid::Uuid;

use super::statements::Statement;

/// Which database a transaction runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Dialect {
    Postgres,
    Sqlite,
}

impl Statement {
    /// The text for `dialect`.
    pub(in crate::store) const fn on(&self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Postgres => self.postgres,
            Dialect::Sqlite => self.sqlite,
        }
    }
}

/// A signed-in person, as the database knows them: what row-level security goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Our id.
    pub user_id: Uuid,
    /// Who issued the person's tokens.
    pub issuer: String,
    /// The person's id there.
    pub subject: Uuid,
}

impl Actor {
    /// What `app.uid()` reads.
    pub(in crate::store) fn claims(&self) -> String {
        serde_json::json!({ "iss": self.issuer, "sub": self.subject }).to_string()
    }
}

/// Commits what came out `Ok`, rolls back what did not.
pub(in crate::store) async fn settle<DB, T, E>(
    transaction: Transaction<'_, DB>,
    done: Result<T, E>,
) -> Result<T, E>
where
    DB: Database,
    E: From<sqlx::Error>,
{
    match done {
        Ok(value) => {
            transaction.commit().await?;
            Ok(value)
        }
        Err(error) => {
            log_rollback(transaction.rollback().await);
            Err(error)
        }
    }
}

/// Runs the body on whichever database is open, in one transaction that is committed if the body comes
/// out `Ok` and rolled back otherwise: `in_transaction!(self.pools, |tx, dialect| { … Ok(value) })`.
/// The error type needs `From<sqlx::Error>`; it is that of the surrounding function.
macro_rules! in_transaction {
    ($pools:expr, |$tx:ident, $dialect:ident| $body:block) => {
        match &$pools {
            $crate::store::Pools::Postgres(pool) => {
                let mut entry = $crate::store::entry::PgEntry::of(pool).await?;
                let transaction = entry.begin().await?;
                $crate::store::transaction::run_on!(Postgres, transaction, |$tx, $dialect| $body)
            }
            $crate::store::Pools::Sqlite { writer, .. } => {
                $crate::store::transaction::write_on_sqlite!(writer, |$tx, $dialect| $body)
            }
        }
    };
}

/// As [`in_transaction`], on behalf of a signed-in person:
/// `as_user!(self.pools, actor, |tx, dialect| { … Ok(value) })`. On Postgres the body runs under
/// row-level security as the guarded role; on SQLite the queries alone keep people apart, so they name
/// the owner on both.
macro_rules! as_user {
    ($pools:expr, $actor:expr, |$tx:ident, $dialect:ident| $body:block) => {
        match &$pools {
            $crate::store::Pools::Postgres(pool) => {
                let access = $crate::store::entry::Access::Writes;
                let mut entry = $crate::store::entry::PgEntry::of(pool).await?;
                let transaction = entry.begin_as_user($actor, access).await?;
                $crate::store::transaction::run_on!(Postgres, transaction, |$tx, $dialect| $body)
            }
            $crate::store::Pools::Sqlite { writer, .. } => {
                $crate::store::transaction::write_on_sqlite!(writer, |$tx, $dialect| $body)
            }
        }
    };
}

/// As [`as_user`], for a body that only reads: it sees one state of the database, and on SQLite does
/// not wait for the writer. A write in it fails. On Postgres it runs once more if its connection turns
/// out to be gone. The error type is [`StoreError`](super::StoreError).
macro_rules! reading_as_user {
    ($pools:expr, $actor:expr, |$tx:ident, $dialect:ident| $body:block) => {
        match &$pools {
            $crate::store::Pools::Postgres(pool) => {
                let access = $crate::store::entry::Access::Reads;
                let mut is_second = false;
                loop {
                    let mut entry = $crate::store::entry::PgEntry::of(pool).await?;
                    let transaction = entry.begin_as_user($actor, access).await?;
                    let done = $crate::store::transaction::read_on!(
                        Postgres,
                        transaction,
                        |$tx, $dialect| $body
                    );
                    match done {
                        Err(error) if !is_second && $crate::store::StoreError::is_lost(&error) => {
                            is_second = true;
                        }
                        done => break done,
                    }
                }
            }
            $crate::store::Pools::Sqlite { readers, .. } => {
                let transaction = readers.begin().await?;
                $crate::store::transaction::read_on!(Sqlite, transaction, |$tx, $dialect| $body)
            }
        }
    };
}

/// Runs the body in a transaction that has begun.
macro_rules! run_on {
    ($on:ident, $transaction:ident, |$tx:ident, $dialect:ident| $body:block) => {{
        let $dialect = $crate::store::transaction::Dialect::$on;
        let mut transaction = $transaction;
        let done = async {
            let $tx = &mut *transaction;
            $body
        }
        .await;
        $crate::store::transaction::settle(transaction, done).await
    }};
}

/// As [`run_on`], where there is nothing to commit: the rollback goes out when the connection goes back
/// to the pool, and nobody waits for it.
macro_rules! read_on {
    ($on:ident, $transaction:ident, |$tx:ident, $dialect:ident| $body:block) => {{
        let $dialect = $crate::store::transaction::Dialect::$on;
        let mut transaction = $transaction;
        async {
            let $tx = &mut *transaction;
            $body
        }
        .await
    }};
}

macro_rules! write_on_sqlite {
    ($writer:ident, |$tx:ident, $dialect:ident| $body:block) => {{
        let mut connection = $writer.acquire().await?;
        let transaction = sqlx::Connection::begin_with(&mut *connection, "begin immediate").await?;
        let done = $crate::store::transaction::run_on!(Sqlite, transaction, |$tx, $dialect| $body);
        if done.is_err() {
            $crate::store::transaction::log_rollback(connection.close().await);
        }
        done
    }};
}

/// A rollback that fails changes nothing: the server rolls back when the connection goes.
pub(in crate::store) fn log_rollback(done: Result<(), sqlx::Error>) {
    if let Err(error) = done {
        tracing::debug!(error = %error, "rolling back failed; the connection is given up");
    }
}

pub(super) use {as_user, in_transaction, read_on, reading_as_user, run_on, write_on_sqlite};
