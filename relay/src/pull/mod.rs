//! The pull: signed long polls, each of which carries the heartbeat (how the relay is) to the backend, and the
//! lease and commands back.
//!
//! Each answer proves that the network works, names the backend's version and environment and the newest
//! message that the backend has of this relay. The answer also says whether this installation holds the
//! lease of the relay's name; another installation's lease stops all sending here. Commands go into the
//! ledger before anything else is done with the answer. The acks of the ledger go out with each poll; new ones
//! interrupt a poll that the backend holds.

mod acks;
mod commands;
mod dispatch_link;
mod heartbeat;
mod moving;
mod responses;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender as Channel;
use std::time::{Duration, Instant};

use crash_point::crash_point;
use rand::RngExt;
use rand::rngs::StdRng;
use shared_protocol::{MAX_PULL_WAIT_SECS, NewestMessage, PULL_ROUTE, PullRequest, WebhookId};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use url::Url;

use crate::backend::answer::{Received, unanswered};
use crate::backend::availability::{Availability, TroubleReporter, TroubleStatus};
use crate::backend::backoff::Backoff;
use crate::backend::client::{Client, Request};
use crate::clock::Clock;
use crate::pipeline::PipelineHandle;
use crate::state::ledger::name_move::MoveStep;
use crate::state::ledger::take;
use crate::state::{State, StateError};
use acks::CarriedAcks;
pub use commands::Sends;
pub use dispatch_link::{DispatchLink, LeaseProof, PollTime};

/// How long an answer may take in addition to the wait that the request asks for.
const ANSWER_GRACE: Duration = Duration::from_secs(15);
/// Pause after a refusal that only the owner can resolve.
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

/// Pause after an answer that brought only commands that were taken before: short enough to keep the lease.
const REPEATED_PAUSE: Duration = Duration::from_secs(10);
/// How long new acks gather before they interrupt a poll.
const GATHER_ACKS: Duration = Duration::from_millis(20);

/// The settings of the pull, and its connections to the other parts of the relay.
pub struct PullContext {
    pub state: Arc<State>,
    pub client: Arc<Client>,
    pub clock: Arc<dyn Clock>,
    /// Randomness of ids and of the backoff's jitter.
    pub rng: StdRng,
    /// Identifies this machine, if its id can be read.
    pub machine_id: Option<String>,
    /// Tells the sender in which state the backend is.
    pub backend_availability: watch::Sender<Availability>,
    /// Health of the reading thread, for the heartbeat. Contact with the backend is recorded in it.
    pub pipeline_handle: Arc<PipelineHandle>,
    /// When the backend last answered a pull.
    pub pull_answered_at: watch::Sender<Option<Instant>>,
    /// Tells the pipeline the newest message that the backend has of this relay.
    pub newest_message: Channel<Option<NewestMessage>>,
    /// Connects the puller with the dispatcher.
    pub dispatch: DispatchLink,
    /// Cancelled when the relay stops.
    pub stop: CancellationToken,
}

/// How a poll ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollOutcome {
    /// The answer brought something new, or acks wait. The next poll follows at once.
    Again,
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
    acks: CarriedAcks,
    /// Where the relay is in a move to another Mac, as the last poll found it.
    move_step: MoveStep,
    /// Code of the error that keeps commands from being taken, for the heartbeat.
    ledger_trouble: Option<&'static str>,
    /// A status of the pull that is not written into the state yet.
    unwritten_status: Option<TroubleStatus>,
}

impl Puller {
    /// Claims the state for this installation.
    pub fn new(mut context: PullContext) -> Result<Self, StateError> {
        let random = context.rng.random();
        let machine_id = context.machine_id.as_deref();
        let instance_id = context.state.claim_installation(machine_id, random)?;
        Ok(Self {
            pull_url: context.client.config().backend_url.join(PULL_ROUTE),
            instance_id,
            reporter: TroubleReporter::default(),
            failures: 0,
            wait_seconds: 0,
            lines_settled: false,
            acks: CarriedAcks::default(),
            move_step: MoveStep::Here,
            ledger_trouble: None,
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
                    PollOutcome::Again => continue,
                    PollOutcome::Continue => SHORT_PAUSE,
                    PollOutcome::Pause(pause) => pause,
                };
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = moving::wait_for_step(&self.context.state, self.move_step) => {}
                }
            }
        };
        stop.run_until_cancelled(polling).await;
    }

    /// Polls once. A poll without lines is cancelled as soon as the lines are read, because deliveries wait
    /// for a poll that has brought the lines to the backend. A poll is cancelled, too, if acks wait, or if the
    /// owner moves the relay. That loses no command: the backend gives it again to a poll whose position lies
    /// before it.
    pub async fn step(&mut self) -> PollOutcome {
        crash_point("pull");
        let id = WebhookId::pull(self.context.rng.random());
        let span = tracing::info_span!("pull", id = id.as_str());
        self.poll(id).instrument(span).await
    }

    async fn poll(&mut self, id: WebhookId) -> PollOutcome {
        if let Some(outcome) = self.go_on_moving() {
            return outcome;
        }
        let sends_lines = self.context.pipeline_handle.lines_are_loaded();
        let request = match self.request() {
            Ok(request) => request,
            Err(error) => {
                tracing::warn!(%error, "the heartbeat cannot be read from the state");
                return PollOutcome::Pause(self.back_off(None));
            }
        };
        let sent = PollTime {
            wall: self.context.clock.now(),
            uptime: Instant::now(),
        };
        let timeout = Duration::from_secs(request.wait_seconds.into()) + ANSWER_GRACE;
        let is_held = request.wait_seconds > 0;
        let request = Request {
            id,
            timestamp: sent.wall.as_secs(),
            body: serde_json::to_vec(&request)
                .expect("plain fields become JSON")
                .into(),
        };
        let client = Arc::clone(&self.context.client);
        let pipeline_handle = Arc::clone(&self.context.pipeline_handle);
        let new_acks = Arc::clone(&self.context.dispatch.new_acks);
        let (state, move_step) = (Arc::clone(&self.context.state), self.move_step);
        let answer = tokio::select! {
            answer = client.post_within(&self.pull_url, &request, timeout) => answer,
            () = wait_for_lines(&pipeline_handle), if !sends_lines => return PollOutcome::Continue,
            () = gather(&new_acks), if is_held => return PollOutcome::Again,
            () = moving::wait_for_step(&state, move_step) => return PollOutcome::Again,
        };
        match answer {
            Ok(received) => {
                self.lines_settled |= sends_lines && is_accepted(&received);
                self.apply_response(&received, sent).await
            }
            Err(trouble) => self.apply_failure(unanswered(trouble).decision),
        }
    }

    /// The next poll. The backend answers one with acks at once, so that they are taken at once.
    fn request(&mut self) -> Result<PullRequest, StateError> {
        let expect_env = self.context.client.config().expect_env.clone();
        let now = self.context.clock.now();
        let mut status = heartbeat::gather(
            &self.context.state,
            &self.context.pipeline_handle,
            self.context.dispatch.sends,
            expect_env,
            now,
        )?;
        if let Some(sending) = &mut status.sending {
            sending.limited = self.context.dispatch.limited_chats.load(Ordering::Relaxed);
        }
        let ledger_trouble = self.ledger_trouble.map(str::to_owned);
        status.doctor_codes.extend(ledger_trouble);
        let after = self.context.state.read(take::position)?;
        let acks = self.acks.gather(&self.context.state)?;
        Ok(PullRequest {
            instance_id: self.instance_id.clone(),
            wait_seconds: if acks.is_empty() {
                self.wait_seconds.min(moving::longest_wait(self.move_step))
            } else {
                0
            },
            after_seq: after.seq,
            after: moving::takes_commands(self.move_step).then_some(after),
            rehearsal: false,
            lease: moving::lease_change(self.move_step),
            acks,
            status,
        })
    }

    /// Counts a failure, and returns the pause after it.
    fn back_off(&mut self, after: Option<Duration>) -> Duration {
        self.failures = self.failures.saturating_add(1);
        Backoff::BACKEND.delay(self.failures, after, &mut self.context.rng)
    }
}

/// Waits until acks wait, and until those that follow at once have come, too.
async fn gather(new_acks: &Notify) {
    new_acks.notified().await;
    tokio::time::sleep(GATHER_ACKS).await;
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
