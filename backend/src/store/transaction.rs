//! Transactions. Either all statements of a transaction take effect, or none of them does.
//!
//! [`Tx::commit`] commits a transaction; dropping a transaction rolls it back. On SQLite a transaction that
//! writes takes the write lock at once (`begin immediate`): if it read first and wrote later, another process
//! could have written in between.
//!
//! The driver counts a transaction as open once the server has answered its `begin`. A request that is cancelled
//! before that answer would return its connection to the pool inside a transaction that is not counted. Such a
//! connection is closed: otherwise the statements of the next request would never be committed, or would run as the
//! person of the cancelled request. A SQLite connection on which a statement failed is closed too: a full disk makes
//! SQLite roll back by itself, and the driver would count the transaction as open for ever.

use std::time::Duration;

use sqlx::postgres::PgTransactionManager;
use sqlx::sqlite::SqliteTransactionManager;
use sqlx::{AssertSqlSafe, PgConnection, SqlSafeStr};
use sqlx_core::transaction::TransactionManager;
use tokio::runtime::Handle;
use tokio::time::timeout;
use uuid::Uuid;

use super::command_signal::CommandSignal;
use super::execute::{Execute, Params, PooledConnection, Row};
use super::job_signal::JobSignal;
use super::pools::AccessMode;
use super::statement::{Statement, statements};
use super::{Pools, StoreError, connection_health};

statements! {
    /// Sets the role and the person's claims until the transaction ends.
    BECOME_USER {
        postgres: "select set_config('role', 'archety_user', true),
                   set_config('request.jwt.claims', $1, true)",
    }
}

/// A signed-in person, by the ids that row-level security compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    pub user_id: Uuid,
    /// Issuer of the person's tokens.
    pub issuer: String,
    /// The person's id at the issuer.
    pub subject: Uuid,
}

impl Actor {
    /// The claims that `app.uid()` reads.
    fn claims(&self) -> String {
        serde_json::json!({ "iss": self.issuer, "sub": self.subject }).to_string()
    }
}

/// How long the rollback of a dropped transaction may wait for the answer to its last statement.
const ROLLBACK_TIMEOUT: Duration = Duration::from_secs(5);

/// An open transaction.
pub struct Tx {
    /// `None` only while the transaction is dropped.
    connection: Option<PooledConnection>,
    state: TxState,
    /// Told by the commit what was written. `None` on Postgres, where the statements that write jobs and commands
    /// notify.
    signals: Option<(JobSignal, CommandSignal)>,
    /// Whether the transaction has written a job.
    has_job: bool,
    /// The relays for which the transaction has written a command.
    relays_to_ring: Vec<String>,
}

/// The state of a transaction, by the answers that were received.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TxState {
    /// `begin` is not answered yet.
    Beginning,
    /// All statements are answered.
    Idle,
    /// A statement is not answered yet, or has failed.
    Busy,
    Committed,
}

impl Pools {
    /// A transaction that may write, with the rights of the backend itself.
    pub async fn begin_write(&self) -> Result<Tx, StoreError> {
        self.begin(AccessMode::Writes, None).await
    }

    /// A transaction that may write, on behalf of a signed-in person. On Postgres row-level security restricts it to
    /// the person's own rows. Role and claims end with the transaction, so the next transaction of the connection
    /// inherits neither. SQLite has no row-level security, so the queries name the owner on both databases.
    pub async fn begin_as(&self, actor: &Actor) -> Result<Tx, StoreError> {
        self.begin(AccessMode::Writes, Some(actor)).await
    }

    /// A transaction that only reads: on behalf of a signed-in person, or of the backend itself. On
    /// SQLite the transaction does not wait for the writer.
    pub async fn begin_read(&self, actor: Option<&Actor>) -> Result<Tx, StoreError> {
        self.begin(AccessMode::Reads, actor).await
    }

    async fn begin(&self, mode: AccessMode, actor: Option<&Actor>) -> Result<Tx, StoreError> {
        let sql = match (self, mode) {
            (Self::Postgres(_), AccessMode::Reads) => "begin read only",
            (Self::Sqlite { .. }, AccessMode::Writes) => "begin immediate",
            (Self::Postgres(_), AccessMode::Writes) | (Self::Sqlite { .. }, AccessMode::Reads) => {
                "begin"
            }
        };
        let (sql, signals) = match self {
            Self::Postgres(_) => {
                let sql = actor.map_or(sql.to_owned(), |actor| {
                    // Both statements go in one round trip. Such a query takes no parameters, hence the literal.
                    let claims = literal(&actor.claims());
                    format!("{sql}; {}", BECOME_USER.postgres.replacen("$1", &claims, 1))
                });
                (sql, None)
            }
            Self::Sqlite {
                job_signal,
                command_signal,
                ..
            } => {
                let signals = (job_signal.clone(), command_signal.clone());
                (sql.to_owned(), Some(signals))
            }
        };
        let connection = self.connection(mode).await?;
        let mut tx = match Tx::begin(connection, sql.clone()).await {
            // The connection was lost before any statement ran on it, so another one takes its place.
            Err(error) if connection_health::is_lost(&error) => {
                connection_health::note_error(&error);
                Tx::begin(self.connection(mode).await?, sql).await?
            }
            begun => begun?,
        };
        tx.signals = signals;
        Ok(tx)
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

    /// Queues the rollback. The pool sends it and waits for the answer before it hands out the connection again.
    fn start_rollback(&mut self) {
        match self {
            Self::Postgres(connection) => PgTransactionManager::start_rollback(connection),
            Self::Sqlite(connection) => SqliteTransactionManager::start_rollback(connection),
        }
    }

    /// Makes the pool close the connection in place of using it again.
    fn close_on_drop(&mut self) {
        match self {
            Self::Postgres(connection) => connection.close_on_drop(),
            Self::Sqlite(connection) => connection.close_on_drop(),
        }
    }
}

impl Tx {
    async fn begin(connection: PooledConnection, sql: String) -> Result<Self, sqlx::Error> {
        let mut tx = Self {
            connection: Some(connection),
            state: TxState::Beginning,
            signals: None,
            has_job: false,
            relays_to_ring: Vec::new(),
        };
        tx.connection().begin(sql).await?;
        tx.state = TxState::Idle;
        Ok(tx)
    }

    /// The connection to Postgres, for tests that run statements of their own.
    pub fn postgres(&mut self) -> Option<&mut PgConnection> {
        // This type does not see whether the statements of a test were answered.
        self.state = TxState::Busy;
        match self.connection() {
            PooledConnection::Postgres(connection) => Some(connection),
            PooledConnection::Sqlite(_) => None,
        }
    }

    pub async fn commit(mut self) -> Result<(), StoreError> {
        self.state = TxState::Busy;
        self.connection().commit().await?;
        self.state = TxState::Committed;
        if let Some((jobs, commands)) = self.signals.take() {
            if self.has_job {
                jobs.notify();
            }
            for relay in &self.relays_to_ring {
                commands.ring(relay);
            }
        }
        Ok(())
    }

    /// Makes the commit on SQLite wake workers, since a job was written. On Postgres the statement that wrote it does
    /// that.
    pub(super) fn wake_workers_on_commit(&mut self) {
        self.has_job = true;
    }

    /// Makes the commit on SQLite wake the held pulls of a relay, since a command for it was written. On Postgres the
    /// statement that wrote it does that.
    pub(super) fn ring_on_commit(&mut self, relay: &str) {
        self.relays_to_ring.push(relay.to_owned());
    }

    fn connection(&mut self) -> &mut PooledConnection {
        self.connection
            .as_mut()
            .expect("only `drop` takes the connection away")
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        match (self.state, connection) {
            (TxState::Committed, _) => {}
            (TxState::Idle, mut connection) => connection.start_rollback(),
            // The rollback has to wait for the answer to the statement that is running.
            (TxState::Busy, PooledConnection::Postgres(mut connection))
                if Handle::try_current().is_ok() =>
            {
                tokio::spawn(async move {
                    let rollback = PgTransactionManager::rollback(&mut connection);
                    let done = timeout(ROLLBACK_TIMEOUT, rollback).await;
                    if !matches!(done, Ok(Ok(()))) {
                        connection.close_on_drop();
                    }
                });
            }
            (TxState::Beginning | TxState::Busy, mut connection) => connection.close_on_drop(),
        }
    }
}

impl Execute for Tx {
    async fn execute<'q>(
        &mut self,
        statement: Statement,
        params: impl Params<'q>,
    ) -> Result<u64, StoreError> {
        self.state = TxState::Busy;
        let changed = self.connection().execute(statement, &params).await?;
        self.state = TxState::Idle;
        Ok(changed)
    }

    async fn all<'q, R: Row>(
        &mut self,
        statement: Statement,
        params: impl Params<'q>,
    ) -> Result<Vec<R>, StoreError> {
        self.state = TxState::Busy;
        let rows = self.connection().all(statement, &params).await?;
        self.state = TxState::Idle;
        Ok(rows)
    }
}

/// `text` as a literal of SQL, which reads the same with every setting about backslashes.
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
            job_signal: JobSignal::default(),
            command_signal: CommandSignal::default(),
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
    fn a_literal_escapes_quotes_and_backslashes() {
        assert_eq!(literal(r#"{"iss":"a"}"#), r#"E'{"iss":"a"}'"#);
        assert_eq!(
            literal(r"'; drop table users; --"),
            r"E'''; drop table users; --'"
        );
        assert_eq!(literal(r"\' or \"), r"E'\\'' or \\'");
    }
}
