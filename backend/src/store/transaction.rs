//! Several statements as one: all of them, or none.
//!
//! On SQLite a transaction takes the write lock at once (`begin immediate`); one that read first and
//! wrote later could find that somebody else had written in between, and would have to start over. A
//! connection on which something failed is not used again: a full disk makes SQLite roll back by
//! itself, and the driver would count a transaction as open on it for ever.

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

/// Runs the body on whichever database is open, in one transaction that is committed if the body comes
/// out `Ok` and rolled back otherwise: `in_transaction!(self.pools, |tx, dialect| { … Ok(value) })`.
/// The error type needs `From<sqlx::Error>`; it is that of the surrounding function.
macro_rules! in_transaction {
    ($pools:expr, |$tx:ident, $dialect:ident| $body:block) => {
        match &$pools {
            $crate::store::Pools::Postgres(pool) => {
                let $dialect = $crate::store::transaction::Dialect::Postgres;
                let mut transaction = pool.begin().await?;
                let done = async {
                    let $tx = &mut *transaction;
                    $body
                }
                .await;
                match done {
                    Ok(value) => transaction
                        .commit()
                        .await
                        .map(|()| value)
                        .map_err(Into::into),
                    Err(error) => {
                        $crate::store::transaction::log_rollback(transaction.rollback().await);
                        Err(error)
                    }
                }
            }
            $crate::store::Pools::Sqlite { writer, .. } => {
                let $dialect = $crate::store::transaction::Dialect::Sqlite;
                let mut connection = writer.acquire().await?;
                let mut transaction =
                    sqlx::Connection::begin_with(&mut *connection, "begin immediate").await?;
                let done = async {
                    let $tx = &mut *transaction;
                    $body
                }
                .await;
                let done = match done {
                    Ok(value) => transaction
                        .commit()
                        .await
                        .map(|()| value)
                        .map_err(Into::into),
                    Err(error) => {
                        $crate::store::transaction::log_rollback(transaction.rollback().await);
                        Err(error)
                    }
                };
                if done.is_err() {
                    $crate::store::transaction::log_rollback(connection.close().await);
                }
                done
            }
        }
    };
}

/// A rollback that fails changes nothing: the server rolls back when the connection goes.
pub(in crate::store) fn log_rollback(done: Result<(), sqlx::Error>) {
    if let Err(error) = done {
        tracing::debug!(error = %error, "rolling back failed; the connection is given up");
    }
}

pub(super) use in_transaction;
