//! The sender's reads and writes of the outbox.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crash_point::crash_point;

use super::lanes::{PageRequest, QueuedPost};
use crate::backend::answer::Backend;
use crate::backend::availability::TroubleStatus;
use crate::backend::backoff::Backoff;
use crate::clock::UnixMicros;
use crate::state::outbox::{self, DeliveredPost, FailedPost, PendingPost, RefusedPost};
use crate::state::{State, StateError, meta};

/// Results of posts that are not written into the state yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Results {
    pub(super) delivered: Vec<DeliveredPost>,
    pub(super) failed: Vec<FailedPost>,
    pub(super) refused: Vec<RefusedPost>,
    /// Set if the trouble with deliveries has changed.
    pub(super) trouble_status: Option<TroubleStatus>,
    /// Set if the backend's version or environment has changed.
    pub(super) backend: Option<Backend>,
}

impl Results {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Writes all results in one transaction.
    pub(super) fn write(&self, state: &State) -> Result<(), StateError> {
        let written = state.write(|tx| {
            outbox::mark_delivered(tx, &self.delivered)?;
            outbox::mark_failed(tx, &self.failed)?;
            outbox::park(tx, &self.refused)?;
            if let Some(Backend {
                version,
                environment,
            }) = &self.backend
            {
                meta::set(tx, meta::BACKEND_VERSION, version)?;
                meta::set(tx, meta::BACKEND_ENVIRONMENT, environment)?;
                let revived = outbox::revive_parked(tx, version)?;
                if revived > 0 {
                    tracing::info!(
                        revived,
                        version,
                        "another backend version: parked messages are tried again"
                    );
                }
            }
            if let Some(status) = &self.trouble_status {
                meta::set_json(tx, meta::DELIVERY, status)?;
            }
            Ok(())
        });
        if !self.delivered.is_empty() {
            crash_point("marked");
        }
        written
    }
}

/// Reads a page of pending posts. `now` and `instant` are the same point in time, by the wall clock and by the
/// monotonic clock.
pub(super) fn read_page(
    state: &State,
    page: &PageRequest,
    now: UnixMicros,
    instant: Instant,
) -> Result<Vec<QueuedPost>, StateError> {
    let posts = state.read(|connection| match &page.lane {
        None => outbox::pending_after(connection, page.after, page.limit),
        Some(lane) => outbox::pending_of_lane(connection, lane, page.after, page.limit),
    })?;
    let queued = |post: PendingPost| {
        let wait = post.next_attempt_at.since(now);
        // A wait that is longer than any backoff was written before the clock was set back, and does not count.
        // The minute is for small corrections of the clock.
        let must_wait = !wait.is_zero() && wait <= Backoff::longest() + Duration::from_mins(1);
        QueuedPost {
            seq: post.seq,
            lane: Arc::from(post.lane),
            attempts: post.attempts,
            not_before: must_wait.then(|| instant + wait),
        }
    };
    Ok(posts.into_iter().map(queued).collect())
}
