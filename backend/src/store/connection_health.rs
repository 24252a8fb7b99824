//! Which pooled connections to Postgres are still usable.
//!
//! A pool keeps connections that died when the server restarted. It also keeps connections that were opened while the
//! database was read-only; their sessions stay read-only. The first error of a dead connection makes all pools discard
//! the connections that were opened before the error. The error of a read-only session does the same, except for
//! connections opened in the last moments. A connection that was idle is pinged before it is used. A busy connection is
//! not pinged: its last statement has just shown that it works.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::pool::{PoolConnection, PoolConnectionMetadata};
use sqlx::{Connection, PgConnection, PgPool, Postgres};

/// How long a request waits for a connection: longer than any commit and most restarts of a server take, and shorter
/// than a relay waits for an answer.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause between two attempts to reach a server that is restarting.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// A ping costs a round trip, so a connection that was idle for less is not pinged.
const PING_AFTER_IDLE: Duration = Duration::from_millis(100);
const PING_TIMEOUT: Duration = Duration::from_secs(1);
/// The age from which a read-only session is discarded. When a younger one is read-only, the database still is, and a
/// new session would be read-only as well.
pub(super) const READ_ONLY_FOR: Duration = Duration::from_millis(200);

/// Connections that were opened before this time are discarded. All stores of the process share the value:
/// a store without errors merely opens its connections once more.
static DISCARD_BEFORE: Mutex<Option<Instant>> = Mutex::new(None);

/// Whether the error is the loss of a connection rather than the refusal of a statement.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(fault) => fault.kind() != std::io::ErrorKind::TimedOut,
        // Connection exceptions, a server that stops or starts, and a session that the server ended.
        sqlx::Error::Database(fault) => fault.code().is_some_and(|code| {
            code.starts_with("08")
                || matches!(&*code, "57P01" | "57P02" | "57P03" | "57P05" | "25P03")
        }),
        _ => false,
    }
}

/// Whether the statement was refused because its session is read-only.
pub(super) fn is_read_only(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(fault) if fault.code().as_deref() == Some("25006"))
}

/// Has old connections discarded if `error` says that a connection was lost or a session is read-only.
pub(super) fn note_error(error: &sqlx::Error) {
    if is_lost(error) {
        discard_before(Instant::now());
    } else if is_read_only(error) {
        discard_read_only();
    }
}

/// Has connections older than [`READ_ONLY_FOR`] discarded: the database may have become writable since they were
/// opened.
pub(super) fn discard_read_only() {
    if let Some(before) = Instant::now().checked_sub(READ_ONLY_FOR) {
        discard_before(before);
    }
}

fn discard_before(time: Instant) {
    let mut before = DISCARD_BEFORE
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    *before = (*before).max(Some(time));
}

/// Whether the pool may hand out `connection`. After `false` or an error the pool tries or opens another one.
pub(super) async fn is_usable(
    connection: &mut PgConnection,
    metadata: PoolConnectionMetadata,
) -> Result<bool, sqlx::Error> {
    let discard_before = *DISCARD_BEFORE
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let opened = Instant::now().checked_sub(metadata.age);
    if opened < discard_before {
        return Ok(false);
    }
    if metadata.idle_for >= PING_AFTER_IDLE {
        // Returns `false` rather than an error: the pool would log an error, but the death of an idle connection is
        // no fault. If the server vanished, the ping is never answered.
        let answered = tokio::time::timeout(PING_TIMEOUT, connection.ping()).await;
        return Ok(matches!(answered, Ok(Ok(()))));
    }
    Ok(true)
}

/// A connection from the pool. Waits up to [`ACQUIRE_TIMEOUT`] for a server that is restarting, which is safe since no
/// statement was sent yet.
pub(super) async fn acquire(pool: &PgPool) -> Result<PoolConnection<Postgres>, sqlx::Error> {
    let attempts = async {
        loop {
            match pool.acquire().await {
                Err(error) if is_lost(&error) => tokio::time::sleep(TRY_AGAIN_AFTER).await,
                acquired => return acquired,
            }
        }
    };
    match tokio::time::timeout(ACQUIRE_TIMEOUT, attempts).await {
        Ok(acquired) => acquired,
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}
