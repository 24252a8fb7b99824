//! How a connection gets into a transaction on Postgres: whole, or not to be used again.
//!
//! The driver counts a transaction once the server has answered its `begin`. A request that is given up
//! before that (people close pages) or a `begin` that fails in its second half would bring the
//! connection back to the pool inside a transaction that nobody knows of: what others then do on it
//! would never be committed, or be done as the person before. Such a connection is closed.

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgTransaction;
use sqlx::{AssertSqlSafe, Connection, PgPool, Postgres};

use super::statements::statements;
use super::{Actor, trust};

statements! {
    /// For the rest of the transaction: the guarded role, and whom it acts for.
    BECOME_USER {
        postgres: "select set_config('role', 'archety_user', true), \
                   set_config('request.jwt.claims', $1, true)",
    }
}

/// Whether a transaction may change anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: a write fails.
    Reads,
    /// What row-level security allows.
    Writes,
}

/// A connection on its way into a transaction, which then borrows it.
pub struct PgEntry {
    first: Slot,
    /// In place of a first one that was gone before anything was done on it.
    second: Option<Slot>,
    pool: PgPool,
}

struct Slot {
    connection: PoolConnection<Postgres>,
    progress: Progress,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Outside,
    Entering,
    Entered,
}

impl PgEntry {
    /// Takes a connection.
    pub async fn of(pool: &PgPool) -> Result<Self, sqlx::Error> {
        Ok(Self {
            first: Slot::of(pool).await?,
            second: None,
            pool: pool.clone(),
        })
    }

    /// A transaction of the backend itself.
    pub async fn begin(&mut self) -> Result<PgTransaction<'_>, sqlx::Error> {
        self.enter("begin".to_owned()).await
    }

    /// A transaction in which row-level security lets `actor` see and change their own rows alone. Role
    /// and claims end with it, however it ends, so the next user of the connection inherits neither.
    pub async fn begin_as_user(
        &mut self,
        actor: &Actor,
        access: Access,
    ) -> Result<PgTransaction<'_>, sqlx::Error> {
        let begin = match access {
            Access::Reads => "begin read only",
            Access::Writes => "begin",
        };
        let become_user = BECOME_USER
            .postgres
            .replacen("$1", &literal(&actor.claims()), 1);
        // One round trip. Several statements at once take no parameters, hence the literal.
        self.enter(format!("{begin}; {become_user}")).await
    }

    async fn enter(&mut self, sql: String) -> Result<PgTransaction<'_>, sqlx::Error> {
        match self.first.enter(sql.clone()).await {
            Err(error) if trust::is_lost(&error) => {
                trust::learn(&error);
                let second = self.second.insert(Slot::of(&self.pool).await?);
                second.enter(sql).await
            }
            entered => entered,
        }
    }
}

impl Slot {
    async fn of(pool: &PgPool) -> Result<Self, sqlx::Error> {
        Ok(Self {
            connection: trust::acquire(pool).await?,
            progress: Progress::Outside,
        })
    }

    async fn enter(&mut self, sql: String) -> Result<PgTransaction<'_>, sqlx::Error> {
        self.progress = Progress::Entering;
        let sql = AssertSqlSafe(sql);
        let transaction = Connection::begin_with(&mut *self.connection, sql).await?;
        self.progress = Progress::Entered;
        Ok(transaction)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.progress == Progress::Entering {
            self.connection.close_on_drop();
        }
    }
}

/// A text as SQL writes it, whatever the server's settings say about backslashes.
fn literal(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('\'', "''");
    format!("E'{text}'")
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn a_literal_ends_where_it_should() {
        assert_eq!(literal(r#"{"iss":"a"}"#), r#"E'{"iss":"a"}'"#);
        assert_eq!(
            literal(r"'; drop table users; --"),
            r"E'''; drop table users; --'"
        );
        assert_eq!(literal(r"\' or \"), r"E'\\'' or \\'");
    }
}
