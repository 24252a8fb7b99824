//! What follows from the answer to a poll, or from its absence.

use std::time::Instant;

use shared_protocol::{MAX_PULL_WAIT_SECS, Problem, ProblemCode, PullAnswer};

use super::commands::Taken;
use super::dispatch_link::{LeaseProof, PollTime};
use super::{LONG_PAUSE, PollOutcome, Puller, REPEATED_PAUSE, commands, is_accepted, moving};
use crate::backend::Trouble;
use crate::backend::answer::{AnswerDecision, AssessedAnswer, Backend, Received, assess};
use crate::backend::availability::{Availability, BackendState, TroubleStatus};
use crate::clock::UnixMicros;
use crate::state::{StateError, meta};

/// Code of an answer with a command that has no id, so that no ack can name it.
const NAMELESS_COMMAND: &str = "nameless_command";

impl Puller {
    pub(super) async fn apply_response(
        &mut self,
        received: &Received,
        sent: PollTime,
    ) -> PollOutcome {
        let now = self.context.clock.now();
        let expected = self.context.client.config().expect_env.clone();
        let assessed = assess(received, expected.as_deref(), now.as_secs());
        if received.trust.is_ok() {
            self.context.pipeline_handle.note_contact(now.as_micros());
        }
        if is_accepted(received) {
            return match serde_json::from_slice::<PullAnswer>(&received.body) {
                Ok(answer) => self.apply_answer(answer, expected.as_deref(), sent).await,
                Err(_) => {
                    self.apply_failure(AnswerDecision::Pause(Trouble::NotAnAnswer { status: 200 }))
                }
            };
        }
        if is_unknown_route(received) {
            // An older backend has no such route, so deliveries do not wait for a pull.
            self.lines_settled = true;
            self.publish(BackendState::Ready, assessed.backend);
            self.note_answer(now);
            return PollOutcome::Pause(LONG_PAUSE);
        }
        let AssessedAnswer { decision, backend } = assessed;
        match &decision {
            AnswerDecision::Pause(Trouble::Elsewhere) => {
                self.context.dispatch.lease.send_replace(None);
                self.note_elsewhere();
                self.publish(BackendState::LeasedElsewhere, backend);
            }
            AnswerDecision::Pause(Trouble::WrongEnvironment { found }) => {
                self.context.dispatch.lease.send_replace(None);
                self.publish(BackendState::WrongEnvironment(found.clone()), backend);
            }
            // The expected backend refuses the heartbeat. That does not keep messages from being sent.
            AnswerDecision::Park(_) => {
                let version = backend.as_ref().map(|backend| backend.version.as_str());
                if self.acks.refuse(version) {
                    return PollOutcome::Continue;
                }
                self.lines_settled = true;
                self.publish(BackendState::Ready, backend);
            }
            _ => {}
        }
        self.apply_failure(decision)
    }

    async fn apply_answer(
        &mut self,
        answer: PullAnswer,
        expected: Option<&str>,
        sent: PollTime,
    ) -> PollOutcome {
        let now = self.context.clock.now();
        let backend = Backend {
            version: answer.version,
            environment: answer.environment,
        };
        if let Some(expected) = expected
            && backend.environment != expected
        {
            let found = backend.environment.clone();
            self.context.dispatch.lease.send_replace(None);
            self.publish(BackendState::WrongEnvironment(found.clone()), Some(backend));
            return self.apply_failure(AnswerDecision::Pause(Trouble::WrongEnvironment { found }));
        }
        let has_commands = !answer.commands.is_empty();
        let state = &self.context.state;
        let taken =
            commands::take_all(state, answer.commands, self.context.dispatch.sends, now).await;
        let acks_taken = if answer.reads_acks {
            self.acks.mark_taken(state, &backend.version)
        } else {
            self.acks.note_unread(&backend.version);
            false
        };
        if let Some(outcome) = self.note_lease_answer(answer.lease) {
            return outcome;
        }
        let proof = moving::takes_commands(self.move_step).then_some(LeaseProof {
            sent,
            answered_at: now,
            server_time: answer.server_time,
        });
        self.context.dispatch.lease.send_replace(proof);
        self.publish(BackendState::Ready, Some(backend));
        // The pipeline may read the rows of sends whose commands come with a later part.
        let is_last_part = |taken: &Taken| !answer.more || !taken.has_advanced;
        if taken.as_ref().is_ok_and(is_last_part) {
            // Sending fails only if the pipeline has ended and needs no answer.
            let _ = self.context.newest_message.send(answer.newest_message);
        }
        self.note_answer(now);
        self.wait_seconds = MAX_PULL_WAIT_SECS;
        let taken = match taken {
            Ok(taken) => taken,
            Err(error) => return self.apply_ledger_failure(&error),
        };
        self.failures = 0;
        self.ledger_trouble = (taken.nameless > 0).then_some(NAMELESS_COMMAND);
        if taken.new > 0 {
            self.context.dispatch.new_commands.notify_one();
        }
        if taken.has_advanced || acks_taken {
            PollOutcome::Again
        } else if has_commands {
            PollOutcome::Pause(REPEATED_PAUSE)
        } else {
            PollOutcome::Continue
        }
    }

    /// The commands of an answer could not be written, for example because the disk is full. They stay with the
    /// backend, which gives them again to the next poll.
    fn apply_ledger_failure(&mut self, error: &StateError) -> PollOutcome {
        if self.ledger_trouble.replace(error.code()) != Some(error.code()) {
            tracing::error!(code = error.code(), %error, "the backend's commands cannot be taken");
        }
        PollOutcome::Pause(self.back_off(None))
    }

    /// Records that the backend has answered a pull, which ends any trouble of the pull.
    fn note_answer(&mut self, now: UnixMicros) {
        self.context
            .pull_answered_at
            .send_replace(Some(Instant::now()));
        let changed = self.reporter.succeeded(now);
        self.write_status(changed);
        let at = now.as_micros().to_string();
        if let Err(error) = self
            .context
            .state
            .write(|tx| meta::set(tx, meta::LAST_PULL_AT, &at))
        {
            tracing::debug!(%error, "the time of this pull could not be written down");
        }
    }

    /// Tells the sender the state of the backend, if it has changed.
    pub(super) fn publish(&self, state: BackendState, backend: Option<Backend>) {
        let next = Availability {
            state,
            backend,
            lines_settled: self.lines_settled,
        };
        self.context.backend_availability.send_if_modified(|last| {
            let has_changed = *last != next;
            *last = next;
            has_changed
        });
    }

    pub(super) fn apply_failure(&mut self, decision: AnswerDecision) -> PollOutcome {
        let now = self.context.clock.now();
        let (trouble, pause) = match decision {
            AnswerDecision::Pause(trouble) | AnswerDecision::Park(trouble) => (trouble, LONG_PAUSE),
            AnswerDecision::Retry { trouble, after, .. } => (trouble, self.back_off(after)),
            // The same poll is not signed again, because the next one has a new id.
            AnswerDecision::SignAgain | AnswerDecision::Delivered { .. } => {
                (Trouble::Replayed, self.back_off(None))
            }
        };
        let changed = self.reporter.failed(&trouble, now);
        self.write_status(changed);
        PollOutcome::Pause(pause)
    }

    /// Writes a changed status of the pull into the state, for the command `status`. If that fails, for
    /// example because the disk is full, the next poll tries again; otherwise the command would go on
    /// showing the old status.
    pub(super) fn write_status(&mut self, changed: Option<TroubleStatus>) {
        self.unwritten_status = changed.or(self.unwritten_status.take());
        let Some(status) = &self.unwritten_status else {
            return;
        };
        let written = self
            .context
            .state
            .write(|tx| meta::set_json(tx, meta::PULL, status));
        match written {
            Ok(()) => self.unwritten_status = None,
            Err(error) => {
                tracing::debug!(%error, "the status of the pull could not be written down");
            }
        }
    }
}

/// Whether the backend itself says that it has no route for pulls.
fn is_unknown_route(received: &Received) -> bool {
    received.trust.is_ok()
        && received.status == 404
        && serde_json::from_slice::<Problem>(&received.body)
            .is_ok_and(|problem| problem.code == ProblemCode::NotFound)
}
