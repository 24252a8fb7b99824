//! The sender's reads and writes of the outbox.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crash_point::crash_point;

use super::lanes::{PageRequest, QueuedPost};
use crate::backend::answer::Backend;
use crate::backend::availability::TroubleStatus;
use crate::backend::backoff::Backoff;
use crate::clock::UnixMicros;
use crate::state::ledger::cancelling;
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
            for post in self.delivered.iter().filter(|post| post.cancels_replies) {
                // A lane is a chat guid without its service, by which the ledger knows chats, too.
                if let Some(lane) = outbox::lane_of_post(tx, post.seq)? {
                    cancelling::cancel_replies(tx, &lane, post.at)?;
                }
            }
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

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared_protocol::{Command, Event, Purpose, WebhookId};

    use super::*;
    use crate::state::ledger::dispatching::sendable;
    use crate::state::ledger::take::take;
    use crate::state::outbox::NewPost;

    const NOW: UnixMicros = UnixMicros::from_secs(1_700_000_000);

    #[test]
    fn an_answer_cancels_the_replies_to_its_chat_with_the_delivery() {
        for cancels_replies in [false, true] {
            let folder = tempfile::tempdir().expect("a folder");
            let state = State::open(folder.path(), NOW).expect("a state");
            let seq = state
                .write(|tx| {
                    for (id, peer) in [("cmd_a", "+15550100001"), ("cmd_b", "+15550100002")] {
                        let command: Command = serde_json::from_value(json!({"seq": 1, "id": id,
                            "kind": "send_message", "chat_guid": format!("any;-;{peer}"),
                            "bubbles": [{"text": "hi"}], "not_after": 1_700_000_600}))
                        .expect("a command");
                        take(tx, &command, &command.parse().expect("valid"), NOW)?;
                    }
                    outbox::enqueue(
                        tx,
                        &NewPost {
                            lane: "-;+15550100001",
                            webhook_id: &WebhookId::parse("msg_00", Purpose::Message)
                                .expect("an id"),
                            message_guid: "guid",
                            event: Event::Message,
                            revision: 0,
                            body: b"{}",
                            now: NOW,
                        },
                    )
                })
                .expect("written");
            let results = Results {
                delivered: vec![DeliveredPost {
                    seq: seq.expect("a new post"),
                    message_id: None,
                    at: NOW,
                    note: None,
                    cancels_replies,
                }],
                ..Results::default()
            };
            results.write(&state).expect("written");
            let left = state.read(|state| sendable(state, 10)).expect("read");
            let left: Vec<_> = left
                .iter()
                .map(|bubble| bubble.command_id.as_str())
                .collect();
            let expected: &[&str] = if cancels_replies {
                &["cmd_b"]
            } else {
                &["cmd_a", "cmd_b"]
            };
            assert_eq!(left, expected);
        }
    }
}
