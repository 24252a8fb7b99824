//! Applies the answer of an attempt: to the results that are written into the state, to the post's lane, to
//! the gate and to the reported trouble.

use std::time::Duration;

use crash_point::crash_point;
use tokio::time::Instant;

use super::super::lanes::QueuedPost;
use super::Sender;
use super::in_flight::Attempt;
use crate::backend::Trouble;
use crate::backend::answer::{AnswerDecision, AssessedAnswer, Backend, Scope};
use crate::backend::availability::BackendState;
use crate::backend::backoff::Backoff;
use crate::clock::UnixMicros;
use crate::state::outbox::{DeliveredPost, FailedPost, RefusedPost};

/// How often a backend that refuses this relay is asked again.
const PROBE_EVERY: Duration = Duration::from_mins(1);
/// How long after a change of the backend's version another change is ignored. During a deploy two versions
/// answer in turn, and each change would send the parked posts again.
const VERSION_CHANGE_PAUSE: Duration = Duration::from_mins(1);
/// How often a post is signed without a wait in between. After that its lane waits.
const MAX_SIGNINGS: u32 = 5;
/// How many panics over a post park it.
const MAX_PANICS: u32 = 3;

impl Sender {
    /// Applies the answer that ended an attempt.
    pub(super) fn apply(&mut self, attempt: Attempt, assessed: AssessedAnswer) {
        let now = self.context.clock.now();
        let seq = attempt.post.seq;
        let span = attempt.span.clone();
        let _entered = span.enter();
        let is_backends_own = assessed.backend.is_some();
        if let Some(backend) = assessed.backend {
            (self.context.on_contact)(now);
            self.note_backend(backend);
        }
        match self.park_if_panicking(seq, assessed.decision) {
            AnswerDecision::Delivered {
                message_id,
                note,
                cancels_replies,
            } => {
                crash_point("answered");
                if let Some(code) = note {
                    tracing::warn!(
                        code,
                        "the backend has this message with other bytes; it counts as delivered"
                    );
                } else {
                    let message_id = message_id.as_deref().unwrap_or("-");
                    tracing::info!(message_id, "delivered");
                }
                self.gate.succeeded(attempt.epoch);
                self.results.delivered.push(DeliveredPost {
                    seq,
                    message_id,
                    at: now,
                    note,
                    cancels_replies,
                });
                self.finish(&attempt.post);
                // A success does not end trouble that a post of the same step has just reported.
                if self.results.trouble_status.is_none() || self.results.failed.is_empty() {
                    let changed = self.reporter.succeeded(now);
                    self.results.trouble_status = changed.or(self.results.trouble_status.take());
                }
            }
            AnswerDecision::Park(trouble) => {
                tracing::error!(code = trouble.code(), "{trouble}");
                if is_backends_own {
                    self.gate.succeeded(attempt.epoch);
                }
                let backend = self.backend.as_ref();
                self.results.refused.push(RefusedPost {
                    seq,
                    code: trouble.code(),
                    version: backend.map_or_else(String::new, |backend| backend.version.clone()),
                });
                self.finish(&attempt.post);
            }
            AnswerDecision::SignAgain if attempt.signings < MAX_SIGNINGS => {
                let signings = attempt.signings + 1;
                self.send(Attempt {
                    signings,
                    ..attempt
                });
            }
            AnswerDecision::SignAgain => {
                let wait = self.back_off(&attempt, Scope::Lane, None);
                self.retry(attempt.post, wait, &Trouble::Replayed, now);
            }
            AnswerDecision::Retry {
                scope,
                after,
                trouble,
            } => {
                // The backend works, and only this post has failed.
                if is_backends_own && scope == Scope::Lane {
                    self.gate.succeeded(attempt.epoch);
                }
                let wait = self.back_off(&attempt, scope, after);
                self.retry(attempt.post, wait, &trouble, now);
            }
            AnswerDecision::Pause(trouble) => {
                // Posts that fail at the same time close the gate once.
                if self.gate.failed(attempt.epoch).is_some() {
                    self.gate.close(Instant::now().into_std(), PROBE_EVERY);
                }
                // The closed gate holds the post back, so the post needs no wait of its own.
                self.retry(attempt.post, Duration::ZERO, &trouble, now);
            }
        }
    }

    /// Turns a panic into a refusal if the post has made the relay panic too often.
    fn park_if_panicking(&mut self, seq: i64, decision: AnswerDecision) -> AnswerDecision {
        if let AnswerDecision::Retry {
            trouble: Trouble::Panicked,
            ..
        } = decision
        {
            let panics = self.panics.entry(seq).or_default();
            *panics += 1;
            if *panics >= MAX_PANICS {
                return AnswerDecision::Park(Trouble::Panicked);
            }
        }
        decision
    }

    /// Forgets a post that is not sent again.
    fn finish(&mut self, post: &QueuedPost) {
        self.panics.remove(&post.seq);
        self.timestamps.forget(post.seq);
        self.lanes.finish(post);
    }

    /// Closes the gate if the backend as a whole has failed repeatedly or has asked for a wait (`after`).
    /// Returns how long the failed post waits.
    fn back_off(&mut self, attempt: &Attempt, scope: Scope, after: Option<Duration>) -> Duration {
        let rng = &mut self.context.rng;
        let wait = Backoff::LANE.delay(attempt.post.attempts + 1, after, rng);
        if scope == Scope::Backend
            && let Some(failures) = self.gate.failed(attempt.epoch)
            && (failures > 1 || after.is_some())
        {
            let closed_for = Backoff::BACKEND.delay(failures - 1, after, rng);
            self.gate.close(Instant::now().into_std(), closed_for);
            // The post did not cause the outage, so it waits no longer than the gate is closed.
            return closed_for;
        }
        wait
    }

    /// Puts a failed post back into its lane, to be sent again after `wait`.
    fn retry(&mut self, post: QueuedPost, wait: Duration, trouble: &Trouble, now: UnixMicros) {
        self.report(trouble, now);
        self.results.failed.push(FailedPost {
            seq: post.seq,
            next_attempt_at: now.plus(wait),
            code: trouble.code(),
        });
        self.lanes.retry(QueuedPost {
            attempts: post.attempts.saturating_add(1),
            not_before: Some(Instant::now().into_std() + wait),
            ..post
        });
    }

    fn report(&mut self, trouble: &Trouble, now: UnixMicros) {
        if let Some(status) = self.reporter.failed(trouble, now) {
            self.results.trouble_status = Some(status);
        }
    }

    /// Remembers the backend that answered. If its version has changed, parked posts are tried again.
    fn note_backend(&mut self, backend: Backend) {
        if backend.version.is_empty() || self.backend.as_ref() == Some(&backend) {
            return;
        }
        let has_just_changed = self
            .backend_since
            .is_some_and(|since| since.elapsed() < VERSION_CHANGE_PAUSE);
        if !has_just_changed {
            self.backend_since = Some(Instant::now());
            self.results.backend = Some(backend.clone());
            self.backend = Some(backend);
        }
    }

    /// Reports trouble that the last pull has found, and remembers the backend that answered the pull.
    pub(super) fn note_availability(&mut self) {
        let found = self
            .context
            .backend_availability
            .borrow_and_update()
            .clone();
        let now = self.context.clock.now();
        match found.state {
            BackendState::LeasedElsewhere => self.report(&Trouble::Elsewhere, now),
            BackendState::WrongEnvironment(found) => {
                self.report(&Trouble::WrongEnvironment { found }, now);
            }
            BackendState::Unknown | BackendState::Ready => {}
        }
        if let Some(backend) = found.backend {
            self.note_backend(backend);
        }
    }
}
