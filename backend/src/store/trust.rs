//! Which pooled connections are still good.
//!
//! A pool hands out connections that died with a restart of the server, and sessions that were made
//! while the database was read-only and stay so. The first failure of either kind tells about all
//! connections that are older, so none of them is used again. A connection that was idle is asked before
//! it is used; one that is busy cannot have missed a restart for long.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::pool::{PoolConnection, PoolConnectionMetadata};
use sqlx::{Connection, PgConnection, PgPool, Postgres};

/// Longer than any commit and most restarts of a server take, shorter than a relay waits.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two attempts to reach a server that is restarting.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Asking costs a round trip, which a busy connection is spared.
const ASKED_AFTER: Duration = Duration::from_millis(100);
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);
/// A session that is younger was made read-only just now: another one would be no better.
pub(super) const READ_ONLY_FOR: Duration = Duration::from_millis(200);

/// Connections that were opened before this are not used again. One for the process: a store that is
/// not concerned opens its connections once more.
static DISTRUSTED: Mutex<Option<Instant>> = Mutex::new(None);

/// Whether the connection is gone, rather than its statement refused.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(fault) => fault.kind() != std::io::ErrorKind::TimedOut,
        // Connection exceptions, a server that goes down or comes up, a session that was ended.
        sqlx::Error::Database(fault) => fault.code().is_some_and(|code| {
            code.starts_with("08")
                || matches!(&*code, "57P01" | "57P02" | "57P03" | "57P05" | "25P03")
        }),
        _ => false,
    }
}

/// Whether the session may not write.
pub(super) fn is_read_only(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(fault) if fault.code().as_deref() == Some("25006"))
}

/// Draws the conclusion from an error of any connection.
pub(super) fn learn(error: &sqlx::Error) {
    if is_lost(error) {
        distrust(Instant::now());
    } else if is_read_only(error) {
        distrust_read_only();
    }
}

/// Sessions that were made read-only some time ago may be so no more.
pub(super) fn distrust_read_only() {
    if let Some(before) = Instant::now().checked_sub(READ_ONLY_FOR) {
        distrust(before);
    }
}

fn distrust(before: Instant) {
    let mut distrusted = DISTRUSTED.lock().unwrap_or_else(PoisonError::into_inner);
    *distrusted = (*distrusted).max(Some(before));
}

/// Asked by the pool before it hands out a connection. `false` and an error both make it open another.
pub(super) async fn is_good(
    connection: &mut PgConnection,
    known: PoolConnectionMetadata,
) -> Result<bool, sqlx::Error> {
    let distrusted = *DISTRUSTED.lock().unwrap_or_else(PoisonError::into_inner);
    let opened = Instant::now().checked_sub(known.age);
    if opened < distrusted {
        return Ok(false);
    }
    if known.idle_for >= ASKED_AFTER {
        // An error here would be logged as one; that an idle connection has died is none. One whose other
        // end vanished without a word never answers.
        let answered = tokio::time::timeout(ANSWERED_WITHIN, connection.ping()).await;
        return Ok(matches!(answered, Ok(Ok(()))));
    }
    Ok(true)
}

/// A connection, if need be once the server has restarted. Nothing was sent on it, so waiting and trying
/// again is safe whatever comes next.
pub(super) async fn acquire(pool: &PgPool) -> Result<PoolConnection<Postgres>, sqlx::Error> {
    let attempts = async {
        loop {
            match pool.acquire().await {
                Err(error) if is_lost(&error) => tokio::time::sleep(TRY_AGAIN_AFTER).await,
                done => return done,
            }
        }
    };
    match tokio::time::timeout(ACQUIRE_TIMEOUT, attempts).await {
        Ok(done) => done,
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}
