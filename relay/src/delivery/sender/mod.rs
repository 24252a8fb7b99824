//! The sender: a loop over [`Sender::step`] that carries posts from the outbox to the backend.
//!
//! A step collects the answers that have come, writes their results in one transaction, reads the posts to
//! send next, sends them, and waits. A post is sent again, or counts as delivered, only after the result of
//! its last attempt is written. While the state cannot be written (a full disk), the results are kept in
//! memory and no further post is sent.

mod in_flight;
mod results;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crash_point::crash_point;
use rand::rngs::StdRng;
use shared_protocol::MESSAGE_ROUTE;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::gate::Gate;
use super::lanes::{Lanes, Limits, QueuedPost};
use super::outbox::{Results, read_page};
use super::timestamps::Timestamps;
use crate::backend::Trouble;
use crate::backend::answer::{AnswerDecision, AssessedAnswer, Backend, assess, unanswered};
use crate::backend::availability::{Availability, BackendState, TroubleReporter};
use crate::backend::backoff::Backoff;
use crate::backend::client::{Client, Request};
use crate::blocking::run_blocking;
use crate::clock::{Clock, UnixMicros};
use crate::config::Auth;
use crate::state::{State, StateError, meta, outbox};
use in_flight::{Attempt, InFlight};

/// Requests in flight at once. More do not speed up delivery to a backend on the same machine; fewer slow
/// down delivery to a distant one.
const MAX_IN_FLIGHT: usize = 32;
/// How many pending posts are held in memory.
const LIMITS: Limits = Limits {
    window: 4096,
    per_lane: 64,
};
/// How often the outbox is checked for changes by a command of the owner.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How long the sender waits for answers when it is asked to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// The settings of the sender, and its connections to the other parts of the relay.
pub struct SenderContext {
    pub state: Arc<State>,
    pub client: Arc<Client>,
    pub clock: Arc<dyn Clock>,
    /// Randomness of the backoff's jitter.
    pub rng: StdRng,
    /// Notified when the outbox has a new post.
    pub new_post: Arc<Notify>,
    /// The backend as the last pull found it.
    pub backend_availability: watch::Receiver<Availability>,
    /// Whether this run has read the owner's lines from chat.db.
    pub knows_lines: Box<dyn Fn() -> bool + Send + Sync>,
    /// Called with the time of each answer that is the backend's own.
    pub on_contact: Box<dyn Fn(UnixMicros) + Send + Sync>,
    /// Cancelled when the relay stops.
    pub stop: CancellationToken,
}

/// What a step of the sender did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SenderStep {
    /// So many attempts ended, and so many posts were sent.
    Worked { ended: usize, sent: usize },
    /// It only waited.
    Waited,
    /// It could not write the state.
    StateTrouble,
    /// It stopped, because it was asked to.
    Stopped,
}

/// The loop that sends posts.
pub struct Sender {
    context: SenderContext,
    message_url: Url,
    lanes: Lanes,
    gate: Gate,
    timestamps: Timestamps,
    in_flight: InFlight,
    /// How often the sending of a post has panicked, by number in the outbox.
    panics: HashMap<i64, u32>,
    /// Attempts that have ended and are not processed yet.
    ended: Vec<(Attempt, AssessedAnswer)>,
    /// Results that are not written into the state yet.
    results: Results,
    reporter: TroubleReporter,
    /// The backend that answered last; at first the one that the last run has written down.
    backend: Option<Backend>,
    /// When `backend` last changed in this run.
    backend_since: Option<Instant>,
    /// The outbox's counter of changes by the owner, as it was last read.
    generation: i64,
    /// A number that differs once another process has written the state, as it was last read.
    data_version: i64,
    /// Failures in a row to write the state.
    state_failures: u32,
    /// When the sender last took the posts that were due.
    due_checked_at: Instant,
}

impl Sender {
    pub fn new(context: SenderContext) -> Result<Self, StateError> {
        let now = context.clock.now();
        let (generation, version) = context.state.read(|connection| {
            Ok((
                outbox::generation(connection)?,
                meta::get(connection, meta::BACKEND_VERSION)?,
            ))
        })?;
        let backend = version.map(|version| Backend {
            version,
            environment: String::new(),
        });
        Ok(Self {
            message_url: context.client.config().backend_url.join(MESSAGE_ROUTE),
            lanes: Lanes::new(LIMITS),
            gate: Gate::default(),
            timestamps: Timestamps::new(now.as_secs()),
            in_flight: InFlight::default(),
            panics: HashMap::new(),
            ended: Vec::new(),
            results: Results::default(),
            reporter: TroubleReporter::default(),
            backend,
            backend_since: None,
            generation,
            data_version: 0,
            state_failures: 0,
            due_checked_at: Instant::now(),
            context,
        })
    }

    /// Sends until it is asked to stop.
    pub async fn run(mut self) {
        while self.step().await != SenderStep::Stopped {}
    }

    /// Collects answers, writes their results and sends the posts that are due. Waits if no attempt had ended
    /// and no post was due.
    pub async fn step(&mut self) -> SenderStep {
        crash_point("send");
        while let Some(ended) = self.in_flight.try_next() {
            self.ended.push(ended);
        }
        let attempts = std::mem::take(&mut self.ended);
        let ended = attempts.len();
        for (attempt, assessed) in attempts {
            self.apply(attempt, assessed);
        }
        self.note_availability();
        let step = match self.write_and_send().await {
            Ok(sent) if ended + sent > 0 => return SenderStep::Worked { ended, sent },
            Ok(_) => {
                self.wait().await;
                SenderStep::Waited
            }
            Err(error) => {
                self.wait_for_state(&error).await;
                SenderStep::StateTrouble
            }
        };
        if self.context.stop.is_cancelled() {
            self.drain().await;
            return SenderStep::Stopped;
        }
        step
    }

    /// Writes the results, fills the lanes from the outbox, and sends the posts that are due. Returns how many
    /// posts were sent.
    async fn write_and_send(&mut self) -> Result<usize, StateError> {
        self.write_results().await?;
        if self.context.stop.is_cancelled() {
            return Ok(0);
        }
        while let Some(page) = self.lanes.next_page() {
            let (now, wanted) = (self.context.clock.now(), page.clone());
            let instant = Instant::now().into_std();
            let posts = self
                .with_state(move |state| read_page(state, &wanted, now, instant))
                .await?;
            self.lanes.add(&page, posts);
        }
        let due = self.take_due();
        if due.is_empty() {
            return Ok(0);
        }
        let seqs: Vec<i64> = due.iter().map(|post| post.seq).collect();
        let rows = self.with_state(move |state| state.read(|c| outbox::load(c, &seqs)));
        let rows = match rows.await {
            Ok(rows) => rows,
            Err(error) => {
                for post in due {
                    self.lanes.retry(QueuedPost {
                        not_before: None,
                        ..post
                    });
                }
                return Err(error);
            }
        };
        // The rows have the order of `due`, but some may be missing.
        let mut rows = rows.into_iter().peekable();
        let (mut sent, epoch) = (0, self.gate.epoch());
        for post in due {
            let row = rows.next_if(|row| row.seq == post.seq);
            if let Some(attempt) = row.and_then(|row| Attempt::new(&post, row, epoch)) {
                self.send(attempt);
                sent += 1;
            } else {
                // The owner has dropped the post, or it has no valid id.
                self.lanes.finish(&post);
            }
        }
        Ok(sent)
    }

    /// Takes out of the lanes the posts that may be sent now.
    fn take_due(&mut self) -> Vec<QueuedPost> {
        self.due_checked_at = Instant::now();
        if !self.may_send() {
            return Vec::new();
        }
        let now = self.due_checked_at.into_std();
        let allowance = self.gate.allowance(now, MAX_IN_FLIGHT);
        let mut due = Vec::new();
        while self.lanes.in_flight() < allowance
            && let Some(post) = self.lanes.take(now)
        {
            due.push(post);
        }
        due
    }

    /// Whether the last pull permits sending. Messages of this run name their line, so the backend must know
    /// the lines first. Before this run has read the lines, the outbox has only posts of an earlier run, whose
    /// lines the backend knows.
    fn may_send(&self) -> bool {
        let availability = self.context.backend_availability.borrow();
        match availability.state {
            BackendState::Ready => availability.lines_settled || !(self.context.knows_lines)(),
            // A bearer relay does not pull: the first answer to a post shows the environment.
            BackendState::Unknown => self.context.client.config().auth == Auth::Bearer,
            BackendState::LeasedElsewhere | BackendState::WrongEnvironment(_) => false,
        }
    }

    fn send(&mut self, attempt: Attempt) {
        let client = Arc::clone(&self.context.client);
        let clock = Arc::clone(&self.context.clock);
        let url = self.message_url.clone();
        let now = clock.now().as_secs();
        let request = Request {
            id: attempt.id.clone(),
            timestamp: self.timestamps.next(attempt.post.seq, now),
            body: attempt.body.clone(),
        };
        self.in_flight.start(attempt, async move {
            crash_point("before_post");
            match client.post(&url, &request).await {
                Ok(received) => {
                    let expected = client.config().expect_env.as_deref();
                    assess(&received, expected, clock.now().as_secs())
                }
                Err(trouble) => unanswered(trouble),
            }
        });
    }

    async fn write_results(&mut self) -> Result<(), StateError> {
        if self.state_failures > 0 {
            // The stored trouble is older than the failures to write. If it lasts, it is reported again.
            self.results.trouble_status = Some(self.reporter.reset());
        }
        if !self.results.is_empty() {
            let results = self.results.clone();
            self.with_state(move |state| results.write(state)).await?;
            self.results = Results::default();
        }
        if self.state_failures > 0 {
            self.state_failures = 0;
            tracing::info!("the relay's state can be written again");
        }
        Ok(())
    }

    /// Does `work` with the state on a thread that may block.
    async fn with_state<T: Send + 'static>(
        &self,
        work: impl FnOnce(&State) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, StateError> {
        let state = Arc::clone(&self.context.state);
        run_blocking(move || work(&state)).await
    }

    /// Waits for an answer, a new or due post, the result of a pull, or the next check of the outbox.
    async fn wait(&mut self) {
        let mut until = Instant::now() + CHECK_EVERY;
        let due_times = [self.lanes.next_due(), self.gate.opens_at()];
        // A post that was due when posts were last taken waits for an answer or a pull. Both wake the sender.
        for due in due_times.into_iter().flatten().map(Instant::from_std) {
            if due > self.due_checked_at {
                until = until.min(due);
            }
        }
        tokio::select! {
            () = self.context.stop.cancelled() => {}
            Some(ended) = self.in_flight.next() => self.ended.push(ended),
            () = self.context.new_post.notified() => self.lanes.expect_more(),
            Ok(()) = self.context.backend_availability.changed() => {}
            () = tokio::time::sleep_until(until) => self.check_outbox().await,
        }
    }

    /// If another process has written the state, makes the lanes look for posts again. They begin at the start of
    /// the outbox if the owner has changed posts.
    async fn check_outbox(&mut self) {
        let last_version = self.data_version;
        let checked = self.with_state(move |state| {
            let version = state.data_version()?;
            let is_changed = version != last_version;
            let generation = is_changed.then(|| state.read(outbox::generation));
            Ok((version, generation.transpose()?))
        });
        let Ok((version, generation)) = checked.await else {
            return;
        };
        self.data_version = version;
        let Some(generation) = generation else { return };
        self.lanes.expect_more();
        if generation != self.generation {
            self.generation = generation;
            self.lanes.rewind();
        }
    }

    /// Reports that the state cannot be written or read, and waits before the next step tries again.
    async fn wait_for_state(&mut self, error: &StateError) {
        self.state_failures += 1;
        // The trouble is only logged, because its status cannot be written while it lasts.
        let _ = self
            .reporter
            .failed(&Trouble::State, self.context.clock.now());
        if self.state_failures == 1 {
            tracing::error!(%error, "answers stay in memory and nothing is sent until the state works again");
        }
        let wait = Backoff::BACKEND.delay(self.state_failures, None, &mut self.context.rng);
        let stop = &self.context.stop;
        stop.run_until_cancelled(tokio::time::sleep(wait)).await;
    }

    /// Waits up to [`DRAIN_TIMEOUT`] for posts in flight and writes their results. A post without an answer is
    /// sent again by the next process; if the backend has stored the post, it answers `duplicate`.
    async fn drain(&mut self) {
        let deadline = Instant::now() + DRAIN_TIMEOUT;
        while let Ok(Some(ended)) = tokio::time::timeout_at(deadline, self.in_flight.next()).await {
            self.ended.push(ended);
        }
        for (attempt, assessed) in std::mem::take(&mut self.ended) {
            // The next process signs the post with a later timestamp anyway.
            if assessed.decision != AnswerDecision::SignAgain {
                self.apply(attempt, assessed);
            }
        }
        self.in_flight.abort_all();
        if let Err(error) = self.write_results().await {
            tracing::warn!(%error, "the last answers could not be written down; their posts will be sent again");
        }
    }
}
