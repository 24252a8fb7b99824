//! Intake on Postgres: a batch is one statement.
//!
//! What races with another replica comes back unresolved and goes again, now that the other's rows are
//! visible. A batch that Postgres breaks off for a deadlock or a lost race starts over as a whole. One
//! message whose content the database refuses must not take its batch down: such a batch is split.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::batch::Source;
use super::columns::Columns;
use super::{Job, Stored};
use crate::store::statement::statements;
use crate::store::{StoreError, trust};

statements! {
    STORE_MESSAGES { postgres: include_str!("store_messages.sql") }
}

/// Batches in flight at once. While one waits for the disk the next is already being worked on; more
/// would only make the batches smaller.
const CONCURRENT_BATCHES: usize = 2;
/// Longer than the server's own limit for a statement: this one is for a server that has fallen silent.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often a batch goes again. Each further try needs another replica to win the very same race.
const MAX_TRIES: usize = 8;

/// Writes batches until the queue is closed and empty.
pub(super) async fn run(pool: PgPool, mut source: Source) {
    let slots = Arc::new(Semaphore::new(CONCURRENT_BATCHES));
    let writing = TaskTracker::new();
    while source.ready().await {
        // Taken before the batch, so that more can gather while all slots are busy.
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            break;
        };
        let batch = source.take();
        let pool = pool.clone();
        writing.spawn(async move {
            write(&pool, batch).await;
            drop(slot);
        });
    }
    writing.close();
    writing.wait().await;
}

async fn write(pool: &PgPool, mut open: Vec<Job>) {
    metrics::histogram!("intake_batch_messages")
        .record(f64::from(u32::try_from(open.len()).unwrap_or(u32::MAX)));
    let mut last = None;
    let mut is_second = false;
    for _ in 0..MAX_TRIES {
        match execute(pool, &open).await {
            Ok(rows) => {
                open = settle(open, &rows);
                if open.is_empty() {
                    return;
                }
            }
            Err(error) if lost_a_race(&error) => last = Some(error),
            // Committed all the same, the second try finds the receipt: the relay hears `replayed`.
            Err(error) if !is_second && trust::is_lost(&error) => {
                trust::learn(&error);
                (is_second, last) = (true, Some(error));
            }
            Err(error) if !is_second && trust::is_read_only(&error) => {
                tokio::time::sleep(trust::READ_ONLY_FOR).await;
                trust::learn(&error);
                (is_second, last) = (true, Some(error));
            }
            Err(error) if open.len() > 1 && refuses_content(&error) => {
                for job in open {
                    Box::pin(write(pool, vec![job])).await;
                }
                return;
            }
            Err(error) => return fail(open, error),
        }
    }
    fail(open, last.unwrap_or(sqlx::Error::PoolTimedOut));
}

/// Answers what is decided and returns the rest.
fn settle(jobs: Vec<Job>, rows: &[Row]) -> Vec<Job> {
    let mut outcomes = vec![None; jobs.len()];
    for row in rows {
        if let Some(outcome) = usize::try_from(row.ord)
            .ok()
            .and_then(|ord| outcomes.get_mut(ord))
        {
            *outcome = row.stored();
        }
    }
    let mut open = Vec::new();
    for (mut job, outcome) in jobs.into_iter().zip(outcomes) {
        if let Some(stored) = outcome {
            job.finish(Ok(stored));
        } else {
            // Its receipt is committed; taken a second time it would count as a replay of itself. Should
            // this process die before the next try, the sender hears `replayed`, signs again under the
            // same identity, and is stored then.
            job.message.receipt = None;
            open.push(job);
        }
    }
    open
}

fn fail(jobs: Vec<Job>, error: sqlx::Error) {
    let error = StoreError::from(error);
    tracing::error!(error = %error, cause = %error.cause(), messages = jobs.len(), "intake failed");
    for job in jobs {
        job.finish(Err(error.clone()));
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    ord: i32,
    outcome: String,
    message_id: Option<Uuid>,
}

impl Row {
    fn stored(&self) -> Option<Stored> {
        match (self.outcome.as_str(), self.message_id) {
            ("replayed", _) => Some(Stored::Replayed),
            ("accepted", Some(id)) => Some(Stored::Accepted(id)),
            ("duplicate", Some(id)) => Some(Stored::Duplicate(id)),
            ("conflict", Some(id)) => Some(Stored::Conflict(id)),
            _ => None,
        }
    }
}

async fn execute(pool: &PgPool, jobs: &[Job]) -> Result<Vec<Row>, sqlx::Error> {
    let columns = Columns::of(jobs);
    let mut connection = trust::acquire(pool).await?;
    let statement = sqlx::query_as(STORE_MESSAGES.postgres)
        .bind(&columns.ord)
        .bind(&columns.id)
        .bind(&columns.relay)
        .bind(&columns.webhook_id)
        .bind(&columns.signed_at)
        .bind(&columns.identity)
        .bind(&columns.body_hash)
        .bind(&columns.chat_id)
        .bind(&columns.guid)
        .bind(&columns.chat_guid)
        .bind(&columns.line)
        .bind(&columns.mode)
        .bind(&columns.owner)
        .bind(&columns.participants_digest)
        .bind(&columns.user_id)
        .bind(&columns.phone)
        .bind(&columns.sender)
        .bind(&columns.role)
        .bind(&columns.message_guid)
        .bind(&columns.event)
        .bind(&columns.revision)
        .bind(&columns.text)
        .bind(&columns.sent_at)
        .bind(&columns.service)
        .bind(&columns.from_owner)
        .bind(&columns.is_backfill)
        .bind(&columns.meta_data)
        .bind(&columns.received_at)
        .bind(&columns.handle_ord)
        .bind(&columns.handle)
        .bind(&columns.tombstone)
        .bind(&columns.persona_id)
        .bind(&columns.receipt_relay)
        .bind(&columns.change_ord)
        .bind(&columns.changed)
        .bind(&columns.mention_ord)
        .bind(&columns.mention)
        .bind(&columns.changed_tombstone_ord)
        .bind(&columns.changed_tombstone)
        .fetch_all(&mut *connection);
    if let Ok(rows) = tokio::time::timeout(PATIENCE, statement).await {
        return rows;
    }
    // Whatever this connection still waits for, nobody else shall wait for it.
    drop(connection.detach());
    let silent = std::io::Error::from(std::io::ErrorKind::TimedOut);
    Err(sqlx::Error::Io(silent))
}

/// Serialization failure, deadlock, or a row that another replica inserted or removed meanwhile.
fn lost_a_race(error: &sqlx::Error) -> bool {
    has_code(error, |code| {
        matches!(code, "40001" | "40P01" | "23505" | "23503")
    })
}

/// Data exceptions: something in one of the messages is not to be stored.
fn refuses_content(error: &sqlx::Error) -> bool {
    has_code(error, |code| {
        code.starts_with("22") || code.starts_with("54")
    })
}

fn has_code(error: &sqlx::Error, fits: impl Fn(&str) -> bool) -> bool {
    matches!(error, sqlx::Error::Database(fault) if fault.code().is_some_and(|code| fits(&code)))
}
