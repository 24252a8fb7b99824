//! One open transaction, on either database, to be handed to functions: steps that several
//! transactions share are written once, and run inside whichever one needs them.

use sqlx::{PgConnection, SqliteConnection};

/// The connection of an open transaction.
pub(in crate::store) enum Conn<'a> {
    Postgres(&'a mut PgConnection),
    Sqlite(&'a mut SqliteConnection),
}

impl<'a> From<&'a mut PgConnection> for Conn<'a> {
    fn from(connection: &'a mut PgConnection) -> Self {
        Self::Postgres(connection)
    }
}

impl<'a> From<&'a mut SqliteConnection> for Conn<'a> {
    fn from(connection: &'a mut SqliteConnection) -> Self {
        Self::Sqlite(connection)
    }
}

/// Runs the same body on whichever database the transaction is on, with the statement's text for it:
/// `on_conn!(conn, STATEMENT, |db, sql| …)`.
macro_rules! on_conn {
    ($conn:expr, $statement:expr, |$db:ident, $sql:ident| $body:expr) => {
        match $conn {
            $crate::store::connection::Conn::Postgres(db) => {
                let $db = &mut **db;
                let $sql = $statement.postgres;
                $body
            }
            $crate::store::connection::Conn::Sqlite(db) => {
                let $db = &mut **db;
                let $sql = $statement.sqlite;
                $body
            }
        }
    };
}

/// Runs the body inside a transaction, and undoes what it did, but not what came before, unless
/// `$keeps` holds for its outcome. A refusal is no failure: the connection stays in use.
macro_rules! all_or_nothing {
    ($tx:ident, $keeps:expr, |$conn:ident| $body:expr) => {{
        let mut part = sqlx::Connection::begin(&mut *$tx).await?;
        let outcome = {
            let $conn = &mut $crate::store::connection::Conn::from(&mut *part);
            $body
        };
        if $keeps(&outcome) {
            part.commit().await?;
        } else {
            part.rollback().await?;
        }
        outcome
    }};
}

pub(in crate::store) use {all_or_nothing, on_conn};
