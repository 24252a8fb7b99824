//! Several statements as one: all of them, or none.
//!
//! A transaction is committed by [`Tx::commit`]; one that is dropped is rolled back. On SQLite it takes
//! the write lock at once (`begin immediate`): one that read first and wrote later could find that
//! another process had written in between.
//!
//! The driver counts a transaction once the server has answered its `begin`. A request that is given up
//! before that would bring its connection back to the pool inside a transaction that is not counted, and
//! what the next request did there would never be committed, or be done as the person before. Such a
//! connection is closed. So is one to SQLite on which a statement failed: a full disk makes SQLite roll
//! back by itself, and the driver would count a transaction as open for ever.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgTransactionManager;
use sqlx::sqlite::SqliteTransactionManager;
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Postgres, SqlSafeStr, Sqlite};
use sqlx_core::transaction::TransactionManager;
use tokio::runtime::Handle;
use tokio::time::timeout;
use uuid::Uuid;

use super::execute::{
    Execute, Params, Row, all_on_postgres, all_on_sqlite, execute_on_postgres, execute_on_sqlite,
};
use super::job_bell::JobBell;
use super::statement::{Statement, statements};
use super::{Pools, StoreError, trust};

statements! {
    /// For the rest of the transaction: the guarded role, and whom it acts for.
    BECOME_USER {
        postgres: "select set_config('role', 'archety_user', true),
                   set_config('request.jwt.claims', $1, true)",
    }
}

/// A signed-in person, as the database knows them: what row-level security goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Our id.
    pub user_id: Uuid,
    /// The issuer of the person's tokens.
    pub issuer: String,
    /// The person's id there.
    pub subject: Uuid,
}

impl Actor {
    /// What `app.uid()` reads.
    fn claims(&self) -> String {
        serde_json::json!({ "iss": self.issuer, "sub": self.subject }).to_string()
    }
}

/// How long a transaction that is given up may wait for the answer to its last statement.
const ROLLBACK_WITHIN: Duration = Duration::from_secs(5);

/// An open transaction.
pub struct Tx {
    /// There until the transaction is dropped.
    connection: Option<PooledConnection>,
    state: State,
    /// Rung by the commit, if there is one and a job was written.
    job_bell: Option<JobBell>,
    has_job: bool,
}

enum PooledConnection {
    Postgres(PoolConnection<Postgres>),
    Sqlite(PoolConnection<Sqlite>),
}

/// How far a transaction is, as far as answers tell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// `begin` is not answered.
    Entering,
    /// Everything sent is answered.
    Idle,
    /// A statement is not answered, or failed.
    Busy,
    /// It was committed.
    Over,
}

/// What a transaction may do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Reads,
    Writes,
}

impl Pools {
    /// A transaction of the backend itself.
    pub async fn begin_write(&self) -> Result<Tx, StoreError> {
        self.begin(Access::Writes, None).await
    }

    /// A transaction on behalf of a signed-in person. On Postgres row-level security lets them see and
    /// change their own rows alone; role and claims end with the transaction, so the next user of the
    /// connection inherits neither. On SQLite the queries alone keep people apart, so they name the
    /// owner on both.
    pub async fn begin_as(&self, actor: &Actor) -> Result<Tx, StoreError> {
        self.begin(Access::Writes, Some(actor)).await
    }

    /// A transaction that only reads: on behalf of a signed-in person, or of the backend itself. On
    /// SQLite it does not wait for the writer.
    pub async fn begin_read(&self, actor: Option<&Actor>) -> Result<Tx, StoreError> {
        self.begin(Access::Reads, actor).await
    }

    async fn begin(&self, access: Access, actor: Option<&Actor>) -> Result<Tx, StoreError> {
        let sql = match (self, access) {
            (Self::Postgres(_), Access::Reads) => "begin read only",
            (Self::Sqlite { .. }, Access::Writes) => "begin immediate",
            (Self::Postgres(_), Access::Writes) | (Self::Sqlite { .. }, Access::Reads) => "begin",
        };
        Ok(match self {
            Self::Postgres(pool) => {
                let sql = actor.map_or(sql.to_owned(), |actor| {
                    // One round trip. Several statements at once take no parameters, hence the literal.
                    let claims = literal(&actor.claims());
                    format!("{sql}; {}", BECOME_USER.postgres.replacen("$1", &claims, 1))
                });
                enter_postgres(pool, sql).await?
            }
            Self::Sqlite {
                writer,
                readers,
                job_bell,
            } => {
                let pool = if access == Access::Reads {
                    readers
                } else {
                    writer
                };
                let connection = PooledConnection::Sqlite(pool.acquire().await?);
                let mut tx = Tx::enter(connection, sql.to_owned()).await?;
                tx.job_bell = Some(job_bell.clone());
                tx
            }
        })
    }
}

/// Where the connection was gone before anything was done on it, another one takes its place.
async fn enter_postgres(pool: &PgPool, sql: String) -> Result<Tx, sqlx::Error> {
    let connection = PooledConnection::Postgres(trust::acquire(pool).await?);
    match Tx::enter(connection, sql.clone()).await {
        Err(error) if trust::is_lost(&error) => {
            trust::learn(&error);
            let connection = PooledConnection::Postgres(trust::acquire(pool).await?);
            Tx::enter(connection, sql).await
        }
        entered => entered,
    }
}

impl PooledConnection {
    async fn begin(&mut self, sql: String) -> Result<(), sqlx::Error> {
        let sql = Some(AssertSqlSafe(sql).into_sql_str());
        match self {
            Self::Postgres(connection) => PgTransactionManager::begin(connection, sql).await,
            Self::Sqlite(connection) => SqliteTransactionManager::begin(connection, sql).await,
        }
    }

    async fn commit(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(connection) => PgTransactionManager::commit(connection).await,
            Self::Sqlite(connection) => SqliteTransactionManager::commit(connection).await,
        }
    }

    /// Queues the rollback. The pool sends it and waits for the answer before it hands out the connection
    /// again.
    fn start_rollback(&mut self) {
        match self {
            Self::Postgres(connection) => PgTransactionManager::start_rollback(connection),
            Self::Sqlite(connection) => SqliteTransactionManager::start_rollback(connection),
        }
    }

    fn close_on_drop(&mut self) {
        match self {
            Self::Postgres(connection) => connection.close_on_drop(),
            Self::Sqlite(connection) => connection.close_on_drop(),
        }
    }
}

impl Tx {
    async fn enter(connection: PooledConnection, sql: String) -> Result<Self, sqlx::Error> {
        let mut tx = Self {
            connection: Some(connection),
            state: State::Entering,
            job_bell: None,
            has_job: false,
        };
        tx.connection().begin(sql).await?;
        tx.state = State::Idle;
        Ok(tx)
    }

    /// The connection to Postgres, for tests that run statements of their own.
    pub fn postgres(&mut self) -> Option<&mut PgConnection> {
        // Whether they were answered is not seen here.
        self.state = State::Busy;
        match self.connection() {
            PooledConnection::Postgres(connection) => Some(connection),
            PooledConnection::Sqlite(_) => None,
        }
    }

    /// Makes durable what was done in it.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        self.state = State::Busy;
        self.connection().commit().await?;
        self.state = State::Over;
        if let Some(bell) = self.job_bell.take_if(|_| self.has_job) {
            bell.ring();
        }
        Ok(())
    }

    /// Has the commit tell workers that a job was written. On Postgres the statement does.
    pub(super) fn wake_workers(&mut self) {
        self.has_job = true;
    }

    fn connection(&mut self) -> &mut PooledConnection {
        self.connection.as_mut().expect("there until the drop")
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        match (self.state, connection) {
            (State::Over, _) => {}
            (State::Idle, mut connection) => connection.start_rollback(),
            // The rollback has to wait for the answer to what is under way.
            (State::Busy, PooledConnection::Postgres(mut connection))
                if Handle::try_current().is_ok() =>
            {
                tokio::spawn(async move {
                    let rollback = PgTransactionManager::rollback(&mut connection);
                    let done = timeout(ROLLBACK_WITHIN, rollback).await;
                    if !matches!(done, Ok(Ok(()))) {
                        connection.close_on_drop();
                    }
                });
            }
            (State::Entering | State::Busy, mut connection) => connection.close_on_drop(),
        }
    }
}

impl Execute for Tx {
    async fn execute<'q>(
        &mut self,
        statement: Statement,
        params: impl Params<'q>,
    ) -> Result<u64, StoreError> {
        self.state = State::Busy;
        let changed = match self.connection() {
            PooledConnection::Postgres(on) => execute_on_postgres(on, statement, &params).await?,
            PooledConnection::Sqlite(on) => execute_on_sqlite(on, statement, &params).await?,
        };
        self.state = State::Idle;
        Ok(changed)
    }

    async fn all<'q, R: Row>(
        &mut self,
        statement: Statement,
        params: impl Params<'q>,
    ) -> Result<Vec<R>, StoreError> {
        self.state = State::Busy;
        let rows = match self.connection() {
            PooledConnection::Postgres(on) => all_on_postgres(on, statement, &params).await?,
            PooledConnection::Sqlite(on) => all_on_sqlite(on, statement, &params).await?,
        };
        self.state = State::Idle;
        Ok(rows)
    }
}

/// A text as SQL writes it, whatever the server's settings say about backslashes.
fn literal(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('\'', "''");
    format!("E'{text}'")
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

    use super::*;

    const CREATE: Statement = Statement::named("CREATE").sqlite("create table t (n integer)");
    const INSERT: Statement = Statement::named("INSERT").sqlite("insert into t values ($1)");
    const FAIL: Statement = Statement::named("FAIL").sqlite("insert into t values (abs($1))");
    const SUM: Statement = Statement::named("SUM").sqlite("select sum(n) from t");

    /// With one writer, the next transaction gets the connection of the one that was dropped.
    #[tokio::test]
    async fn a_dropped_transaction_is_undone_and_the_writer_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = SqliteConnectOptions::new()
            .filename(folder.path().join("t.db"))
            .create_if_missing(true);
        let pool = SqlitePoolOptions::new().max_connections(1);
        let writer = pool.connect_with(options.clone()).await.expect("a file");
        let readers = SqlitePoolOptions::new().connect_lazy_with(options.read_only(true));
        let pools = Pools::Sqlite {
            writer,
            readers,
            job_bell: crate::store::job_bell::JobBell::default(),
        };
        pools.writes().execute(CREATE, ()).await.expect("a table");
        for (n, is_failing) in [(1_i64, false), (2, true), (3, false)] {
            let mut tx = pools.begin_write().await.expect("begun");
            tx.execute(INSERT, (100_i64,)).await.expect("written");
            if is_failing {
                let failed = tx.execute(FAIL, (i64::MIN,)).await;
                failed.expect_err("an overflow");
            }
            drop(tx);
            let mut tx = pools.begin_write().await.expect("begun again");
            tx.execute(INSERT, (n,)).await.expect("written");
            tx.commit().await.expect("committed");
        }
        let sum: i64 = pools.reads().value(SUM, ()).await.expect("a sum");
        assert_eq!(sum, 1 + 2 + 3);
        let refused = pools.reads().execute(INSERT, (100_i64,)).await;
        assert!(matches!(refused, Err(StoreError::ReadOnly)));
    }

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
