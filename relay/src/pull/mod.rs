//! The pull: signed long polls, each of which carries the heartbeat (how the relay is) to the backend, and the
//! lease and commands back.
//!
//! Each answer proves that the network works, names the backend's version and environment and the newest
//! message that the backend has of this relay. The answer also says whether this installation holds the
//! lease of the relay's name; another installation's lease stops all sending here. A command that this relay
//! does not know is not acknowledged: the backend keeps it for a relay that knows it.

mod heartbeat;

use std::sync::Arc;
use std::sync::mpsc::Sender as Channel;
use std::time::{Duration, Instant};

use crash_point::crash_point;
use rand::RngExt;
use rand::rngs::StdRng;
use shared_protocol::{
    MAX_PULL_WAIT_SECS, NewestMessage, PULL_ROUTE, Problem, ProblemCode, PullAnswer, PullRequest,
    WebhookId,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use url::Url;

use crate::backend::Trouble;
use crate::backend::answer::{
    AnswerDecision, AssessedAnswer, Backend, Received, assess, unanswered,
};
use crate::backend::availability::{Availability, BackendState, TroubleReporter, TroubleStatus};
use crate::backend::backoff::Backoff;
use crate::backend::client::{Client, Request};
use crate::clock::{Clock, UnixMicros};
use crate::pipeline::PipelineHandle;
use crate::state::{State, StateError, meta};

/// How long an answer may take in addition to the wait that the request asks for.
const ANSWER_GRACE: Duration = Duration::from_secs(15);
/// Pause after a refusal that only the owner can resolve, and after commands that are not acknowledged.
const LONG_PAUSE: Duration = Duration::from_mins(1);
/// Longest time between two answers of a working backend: the longest wait that a poll asks for, the grace for
/// the answer, the longest pause, and 10 s for a loaded machine.
pub const ANSWER_OVERDUE: Duration = Duration::from_secs(
    MAX_PULL_WAIT_SECS as u64 + ANSWER_GRACE.as_secs() + LONG_PAUSE.as_secs() + 10,
);
/// How long the first poll waits until the lines (the sets of own addresses) are read from chat.db.
const LINES_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a poll without lines checks whether they are read.
const LINES_CHECK_EVERY: Duration = Duration::from_millis(5);
/// Pause after an answer, so that a backend that always answers at once is not flooded.
const SHORT_PAUSE: Duration = Duration::from_millis(200);

/// The settings of the pull, and its connections to the other parts of the relay.
pub struct PullContext {
    pub state: Arc<State>,
    pub client: Arc<Client>,
    pub clock: Arc<dyn Clock>,
    /// Randomness of ids and of the backoff's jitter.
    pub rng: StdRng,
    /// Tells the sender in which state the backend is.
    pub backend_availability: watch::Sender<Availability>,
    /// Health of the reading thread, for the heartbeat. Contact with the backend is recorded in it.
    pub pipeline_handle: Arc<PipelineHandle>,
    /// When the backend last answered a pull.
    pub pull_answered_at: watch::Sender<Option<Instant>>,
    /// Tells the pipeline the newest message that the backend has of this relay.
    pub newest_message: Channel<Option<NewestMessage>>,
    /// Cancelled when the relay stops.
    pub stop: CancellationToken,
}

/// How a poll ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollOutcome {
    /// The backend answered, or the poll was cancelled because the lines are read. The next poll follows after
    /// [`SHORT_PAUSE`].
    Continue,
    /// The next poll follows after this time.
    Pause(Duration),
}

/// The loop that pulls.
pub struct Puller {
    context: PullContext,
    pull_url: Url,
    instance_id: String,
    reporter: TroubleReporter,
    /// Failed polls in a row, except refusals that only the owner can resolve.
    failures: u32,
    /// 0 for the first poll, so that the backend answers it at once: the sender and an empty state wait for
    /// the answer.
    wait_seconds: u8,
    /// Whether messages need not wait for the lines of this run: the backend has accepted a heartbeat with
    /// them, or takes none.
    lines_settled: bool,
    /// A status of the pull that is not written into the state yet.
    unwritten_status: Option<TroubleStatus>,
}

impl Puller {
    /// Creates the id of this installation if the state has none.
    pub fn new(mut context: PullContext) -> Result<Self, StateError> {
        let random = context.rng.random();
        let file = context.state.file_id()?;
        let instance_id = context
            .state
            .write(|tx| meta::instance_id(tx, &file, random))?;
        Ok(Self {
            pull_url: context.client.config().backend_url.join(PULL_ROUTE),
            instance_id,
            reporter: TroubleReporter::default(),
            failures: 0,
            wait_seconds: 0,
            lines_settled: false,
            unwritten_status: None,
            context,
        })
    }

    /// Polls until it is asked to stop. The current poll is then cancelled, which loses nothing: the backend
    /// gives the same commands to the next poll.
    pub async fn run(mut self) {
        let stop = self.context.stop.clone();
        let polling = async {
            // The first heartbeat includes the lines if they are read soon. If chat.db cannot be read, the
            // heartbeat is sent without lines, because the backend should know that this relay runs.
            let _ =
                tokio::time::timeout(LINES_TIMEOUT, wait_for_lines(&self.context.pipeline_handle))
                    .await;
            loop {
                let pause = match self.step().await {
                    PollOutcome::Continue => SHORT_PAUSE,
                    PollOutcome::Pause(pause) => pause,
                };
                tokio::time::sleep(pause).await;
            }
        };
        stop.run_until_cancelled(polling).await;
    }

    /// Polls once. A poll without lines is cancelled as soon as the lines are read, because deliveries wait
    /// for a poll that has brought the lines to the backend.
    pub async fn step(&mut self) -> PollOutcome {
        crash_point("pull");
        let id = WebhookId::pull(self.context.rng.random());
        let span = tracing::info_span!("pull", id = id.as_str());
        self.poll(id).instrument(span).await
    }

    async fn poll(&mut self, id: WebhookId) -> PollOutcome {
        let sends_lines = self.context.pipeline_handle.lines_are_loaded();
        let body = match self.request() {
            Ok(request) => serde_json::to_vec(&request).expect("plain fields become JSON"),
            Err(error) => {
                tracing::warn!(%error, "the heartbeat cannot be read from the state");
                return PollOutcome::Pause(self.back_off(None));
            }
        };
        let request = Request {
            id,
            timestamp: self.context.clock.now().as_secs(),
            body: body.into(),
        };
        let timeout = Duration::from_secs(self.wait_seconds.into()) + ANSWER_GRACE;
        let client = Arc::clone(&self.context.client);
        let pipeline_handle = Arc::clone(&self.context.pipeline_handle);
        let answer = tokio::select! {
            answer = client.post_within(&self.pull_url, &request, timeout) => answer,
            () = wait_for_lines(&pipeline_handle), if !sends_lines => return PollOutcome::Continue,
        };
        match answer {
            Ok(received) => {
                self.lines_settled |= sends_lines && is_accepted(&received);
                self.apply_response(&received)
            }
            Err(trouble) => self.apply_failure(unanswered(trouble).decision),
        }
    }

    fn request(&self) -> Result<PullRequest, StateError> {
        let expect_env = self.context.client.config().expect_env.clone();
        let now = self.context.clock.now();
        let status = heartbeat::gather(
            &self.context.state,
            &self.context.pipeline_handle,
            expect_env,
            now,
        )?;
        Ok(PullRequest {
            instance_id: self.instance_id.clone(),
            wait_seconds: self.wait_seconds,
            after_seq: 0,
            after: None,
            rehearsal: false,
            acks: Vec::new(),
            status,
        })
    }

    fn apply_response(&mut self, received: &Received) -> PollOutcome {
        let now = self.context.clock.now();
        let expected = self.context.client.config().expect_env.clone();
        let assessed = assess(received, expected.as_deref(), now.as_secs());
        if received.trust.is_ok() {
            self.context.pipeline_handle.note_contact(now.as_micros());
        }
        if is_accepted(received) {
            return match serde_json::from_slice::<PullAnswer>(&received.body) {
                Ok(answer) => self.apply_answer(answer, expected.as_deref(), now),
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
                self.publish(BackendState::LeasedElsewhere, backend);
            }
            AnswerDecision::Pause(Trouble::WrongEnvironment { found }) => {
                self.publish(BackendState::WrongEnvironment(found.clone()), backend);
            }
            // The expected backend refuses the heartbeat. That does not keep messages from being sent.
            AnswerDecision::Park(_) => {
                self.lines_settled = true;
                self.publish(BackendState::Ready, backend);
            }
            _ => {}
        }
        self.apply_failure(decision)
    }

    fn apply_answer(
        &mut self,
        answer: PullAnswer,
        expected: Option<&str>,
        now: UnixMicros,
    ) -> PollOutcome {
        self.failures = 0;
        let backend = Backend {
            version: answer.version,
            environment: answer.environment,
        };
        if let Some(expected) = expected
            && backend.environment != expected
        {
            let found = backend.environment.clone();
            self.publish(BackendState::WrongEnvironment(found.clone()), Some(backend));
            return self.apply_failure(AnswerDecision::Pause(Trouble::WrongEnvironment { found }));
        }
        self.publish(BackendState::Ready, Some(backend));
        // Sending fails only if the pipeline has ended and needs no answer.
        let _ = self.context.newest_message.send(answer.newest_message);
        self.note_answer(now);
        self.wait_seconds = MAX_PULL_WAIT_SECS;
        if answer.commands.is_empty() {
            return PollOutcome::Continue;
        }
        for command in &answer.commands {
            let (seq, kind) = (command.seq, loggable_kind(&command.kind));
            tracing::warn!(
                seq,
                kind,
                "this relay does not know this command; it stays with the backend"
            );
        }
        PollOutcome::Pause(LONG_PAUSE)
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
    fn publish(&self, state: BackendState, backend: Option<Backend>) {
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

    fn apply_failure(&mut self, decision: AnswerDecision) -> PollOutcome {
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
    fn write_status(&mut self, changed: Option<TroubleStatus>) {
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

    /// Counts a failure, and returns the pause after it.
    fn back_off(&mut self, after: Option<Duration>) -> Duration {
        self.failures = self.failures.saturating_add(1);
        Backoff::BACKEND.delay(self.failures, after, &mut self.context.rng)
    }
}

/// Waits until the reading thread has read the lines from chat.db.
async fn wait_for_lines(pipeline_handle: &PipelineHandle) {
    while !pipeline_handle.lines_are_loaded() {
        tokio::time::sleep(LINES_CHECK_EVERY).await;
    }
}

/// Whether the backend has taken the heartbeat.
fn is_accepted(received: &Received) -> bool {
    received.trust.is_ok() && received.status == 200
}

/// The kind of a command as the log shows it. Text without the form of a kind is not logged.
fn loggable_kind(kind: &str) -> &str {
    let is_kind = kind.len() <= 32 && kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if is_kind { kind } else { "malformed" }
}

/// Whether the backend itself says that it has no route for pulls.
fn is_unknown_route(received: &Received) -> bool {
    received.trust.is_ok()
        && received.status == 404
        && serde_json::from_slice::<Problem>(&received.body)
            .is_ok_and(|problem| problem.code == ProblemCode::NotFound)
}
