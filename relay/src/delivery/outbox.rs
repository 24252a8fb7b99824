//! The sender's errands at the state, done together in one hop to a blocking thread: write down what
//! was answered, then read what to send next. In that order, so that nothing settled is read again.

use crash_point::crash_point;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use shared_protocol::{Purpose, WebhookId};

use super::lanes::{Queued, Wanted};
use crate::backend::answer::Backend;
use crate::backend::availability::Standstill;
use crate::backend::backoff::Backoff;
use crate::clock::UnixMicros;
use crate::state::outbox::{self, Delivered, Failed, Pending, Refused, Sendable};
use crate::state::{State, StateError, meta};

/// What was answered and is not written down yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    pub(super) delivered: Vec<Delivered>,
    pub(super) failed: Vec<Failed>,
    pub(super) refused: Vec<Refused>,
    pub(super) standstill: Option<Standstill>,
    /// A backend of another version or environment than the one before.
    pub(super) backend: Option<Backend>,
}

impl Marks {
    pub(super) fn is_empty(&self) -> bool {
        self.delivered.is_empty()
            && self.failed.is_empty()
            && self.refused.is_empty()
            && self.standstill.is_none()
            && self.backend.is_none()
    }

    /// Writes everything down, or nothing.
    pub(super) fn write(&self, state: &State) -> Result<(), StateError> {
        if self.is_empty() {
            return Ok(());
        }
        let written = state.write(|tx| {
            outbox::mark_delivered(tx, &self.delivered)?;
            outbox::mark_failed(tx, &self.failed)?;
            outbox::park(tx, &self.refused)?;
            if let Some(backend) = &self.backend {
                meta::set(tx, meta::BACKEND_VERSION, &backend.version)?;
                meta::set(tx, meta::BACKEND_ENVIRONMENT, &backend.environment)?;
                let revived = outbox::revive_parked(tx, &backend.version)?;
                if revived > 0 {
                    let version = &backend.version;
                    tracing::info!(
                        revived,
                        version,
                        "another backend version: parked messages are tried again"
                    );
                }
            }
            if let Some(standstill) = &self.standstill {
                let json = serde_json::to_string(standstill).expect("plain fields");
                meta::set(tx, meta::DELIVERY, &json)?;
            }
            Ok(())
        });
        if !self.delivered.is_empty() {
            crash_point("marked");
        }
        written
    }
}

/// A post with its bytes.
#[derive(Clone)]
pub(super) struct Loaded {
    pub(super) seq: i64,
    pub(super) id: WebhookId,
    pub(super) event: String,
    pub(super) revision: u32,
    pub(super) body: Bytes,
}

/// Reads the posts of `seqs` that are still pending.
pub(super) fn load(state: &State, seqs: &[i64]) -> Result<Vec<Loaded>, StateError> {
    let posts = state.read(|connection| outbox::load(connection, seqs))?;
    Ok(posts.into_iter().filter_map(with_id).collect())
}

fn with_id(post: Sendable) -> Option<Loaded> {
    let Ok(id) = WebhookId::parse(&post.webhook_id, Purpose::Message) else {
        tracing::error!(
            seq = post.seq,
            "an outbox row has no usable id; it is left out"
        );
        return None;
    };
    Some(Loaded {
        seq: post.seq,
        id,
        event: post.event,
        revision: post.revision,
        body: post.body.into(),
    })
}

/// Reads what the lanes want.
pub(super) fn page(
    state: &State,
    wanted: &Wanted,
    now: UnixMicros,
    instant: Instant,
) -> Result<Vec<Queued>, StateError> {
    let posts = state.read(|connection| match wanted {
        Wanted::After(seq, limit) => outbox::pending_after(connection, *seq, *limit),
        Wanted::Lane(lane, seq, limit) => outbox::pending_of_lane(connection, lane, *seq, *limit),
    })?;
    Ok(posts
        .into_iter()
        .map(|post| queued(post, now, instant))
        .collect())
}

/// Turns the wall clock's instant into the monotonic one that waits are counted by.
fn queued(post: Pending, now: UnixMicros, instant: Instant) -> Queued {
    let wait = post.next_attempt_at.since(now);
    // Further away than any wait: the clock that wrote it has been set back since.
    let due = !wait.is_zero() && wait <= Backoff::longest() + Duration::from_mins(1);
    Queued {
        seq: post.seq,
        lane: Arc::from(post.lane),
        attempts: post.attempts,
        not_before: due.then(|| instant + wait),
    }
}
