//! The sender: a loop over [`Sender::step`] that carries posts from the outbox to the backend.
//!
//! One step takes in the answers that have come, writes them down in one transaction, reads what to
//! send next, sends it, and waits for news. Nothing is sent again before its answer is written down,
//! nothing counts as delivered before; a process that dies in between is told `duplicate`. When the
//! state cannot be written (a full disk), answers are kept, nothing more is sent, and it is tried
//! again.

mod flights;
mod settle;

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
use super::lanes::{Lanes, Limits, Taken};
use super::outbox::{Marks, load, page};
use super::timestamps::Timestamps;
use crate::backend::Trouble;
use crate::backend::answer::{Backend, Verdict, judge, unanswered};
use crate::backend::availability::{Availability, Lines, Reporter};
use crate::backend::backoff::Backoff;
use crate::backend::client::{Client, Request};
use crate::clock::{Clock, UnixMicros};
use crate::state::{State, StateError, meta, outbox};
use flights::{Flight, Flights, Landing};

/// Requests under way at once. More gain nothing on one machine, fewer lose on a long line.
const IN_FLIGHT: usize = 32;
const LIMITS: Limits = Limits {
    window: 4096,
    per_lane: 64,
};
/// How often the outbox is looked at for what an owner's command changed.
const LOOK: Duration = Duration::from_secs(1);
/// How long a clean end waits for answers that are under way.
const DRAIN: Duration = Duration::from_secs(3);

/// What the sender is given.
pub struct SenderContext {
    /// The relay's state.
    pub state: Arc<State>,
    /// The way to the backend.
    pub client: Arc<Client>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness for the jitter.
    pub rng: StdRng,
    /// Rung when the outbox has something new.
    pub wake: Arc<Notify>,
    /// What the pull knows of the backend.
    pub availability: watch::Receiver<Availability>,
    /// Whether this run knows the owner's lines.
    pub lines: Box<dyn Fn() -> Lines + Send + Sync>,
    /// Called with the instant of each answer that was the backend's own word.
    pub on_contact: Box<dyn Fn(UnixMicros) + Send + Sync>,
    /// Asks the sender to end.
    pub stop: CancellationToken,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answers were written down or posts were sent.
    Worked {
        /// Answers that came.
        answered: usize,
        /// Posts that were sent.
        sent: usize,
    },
    /// There was nothing to do but to wait.
    Waited,
    /// The state cannot be written now.
    StateTrouble,
    /// It was asked to stop and has.
    Stopped,
}

/// The sender.
pub struct Sender {
    context: SenderContext,
    route: Url,
    lanes: Lanes,
    gate: Gate,
    timestamps: Timestamps,
    flights: Flights,
    /// How often the sending of a post has panicked.
    panics: HashMap<i64, u32>,
    landed: Vec<Landing>,
    marks: Marks,
    reporter: Reporter,
    backend: Option<Backend>,
    backend_since: Option<Instant>,
    generation: i64,
    data_version: i64,
    state_failures: u32,
    /// The instant up to which due posts were looked for.
    looked_at: Instant,
}

impl Sender {
    /// Prepares the sender; its start second is `now`.
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
            route: context.client.link().backend_url.join(MESSAGE_ROUTE),
            lanes: Lanes::new(LIMITS),
            gate: Gate::default(),
            timestamps: Timestamps::new(now.as_secs()),
            flights: Flights::default(),
            panics: HashMap::new(),
            landed: Vec::new(),
            marks: Marks::default(),
            reporter: Reporter::default(),
            backend,
            backend_since: None,
            generation,
            data_version: 0,
            state_failures: 0,
            looked_at: Instant::now(),
            context,
        })
    }

    /// Sends until it is asked to stop.
    pub async fn run(mut self) {
        while self.step().await != Outcome::Stopped {}
    }

    /// One round: take in, write down, send, wait.
    pub async fn step(&mut self) -> Outcome {
        crash_point("send");
        while let Some(landing) = self.flights.try_land() {
            self.landed.push(landing);
        }
        let landed = std::mem::take(&mut self.landed);
        let answered = landed.len();
        for (flight, judgement) in landed {
            self.settle(flight, judgement);
        }
        self.note_availability();
        match self.exchange().await {
            Ok(sent) if answered + sent > 0 => return Outcome::Worked { answered, sent },
            Ok(_) => {}
            Err(error) => {
                self.stand_aside(&error).await;
                return self.unless_stopped(Outcome::StateTrouble).await;
            }
        }
        self.wait().await;
        self.unless_stopped(Outcome::Waited).await
    }

    async fn unless_stopped(&mut self, outcome: Outcome) -> Outcome {
        if self.context.stop.is_cancelled() {
            self.drain().await;
            return Outcome::Stopped;
        }
        outcome
    }

    /// Writes the marks, reads pages and bodies, and sends what is due.
    async fn exchange(&mut self) -> Result<usize, StateError> {
        self.write_marks().await?;
        if self.context.stop.is_cancelled() {
            return Ok(0);
        }
        while let Some(wanted) = self.lanes.wanted() {
            let (clock, asked) = (self.context.clock.now(), wanted.clone());
            let instant = Instant::now().into_std();
            let posts = self
                .at_state(move |state| page(state, &asked, clock, instant))
                .await?;
            self.lanes.add(&wanted, posts);
        }
        let due = self.take_due();
        if due.is_empty() {
            return Ok(0);
        }
        let seqs: Vec<i64> = due.iter().map(|taken| taken.seq).collect();
        let loaded = self.at_state(move |state| load(state, &seqs)).await;
        let Ok(loaded) = loaded else {
            for taken in due {
                let attempts = taken.attempts;
                self.lanes.failed(&taken, attempts, None);
            }
            return loaded.map(|_| 0);
        };
        let mut loaded = loaded.into_iter().peekable();
        let mut sent = 0;
        for taken in due {
            match loaded.next_if(|post| post.seq == taken.seq) {
                Some(loaded) => {
                    sent += 1;
                    let epoch = self.gate.epoch();
                    self.send(Flight::new(taken, loaded, epoch));
                }
                // The owner dropped it since it was read.
                None => self.lanes.settled(&taken),
            }
        }
        Ok(sent)
    }

    fn take_due(&mut self) -> Vec<Taken> {
        self.looked_at = Instant::now();
        if !self.may_send() {
            return Vec::new();
        }
        let now = self.looked_at.into_std();
        let allowance = self.gate.allowance(now, IN_FLIGHT);
        let mut due = Vec::new();
        while self.lanes.in_flight() < allowance
            && let Some(taken) = self.lanes.take(now)
        {
            due.push(taken);
        }
        due
    }

    fn may_send(&self) -> bool {
        let auth = self.context.client.link().auth;
        let lines = (self.context.lines)();
        self.context.availability.borrow().lets_send(auth, lines)
    }

    fn send(&mut self, flight: Flight) {
        let client = Arc::clone(&self.context.client);
        let clock = Arc::clone(&self.context.clock);
        let route = self.route.clone();
        let request = Request {
            id: flight.loaded.id.clone(),
            timestamp: self
                .timestamps
                .next(flight.taken.seq, clock.now().as_secs()),
            body: flight.loaded.body.clone(),
        };
        self.flights.start(flight, async move {
            crash_point("before_post");
            match client.post(&route, &request).await {
                Ok(received) => {
                    let expected = client.link().expect_env.as_deref();
                    judge(&received, expected, clock.now().as_secs())
                }
                Err(trouble) => unanswered(trouble),
            }
        });
    }

    async fn write_marks(&mut self) -> Result<(), StateError> {
        if self.state_failures > 0 {
            // What stands in the state is of the time before; what else is wrong is soon told again.
            self.marks.standstill = Some(self.reporter.forget());
        }
        if !self.marks.is_empty() {
            let marks = self.marks.clone();
            self.at_state(move |state| marks.write(state)).await?;
            self.marks = Marks::default();
        }
        if self.state_failures > 0 {
            self.state_failures = 0;
            tracing::info!("the relay's state can be written again");
        }
        Ok(())
    }

    async fn at_state<T: Send + 'static>(
        &self,
        errand: impl FnOnce(&State) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, StateError> {
        let state = Arc::clone(&self.context.state);
        match tokio::task::spawn_blocking(move || errand(&state)).await {
            Ok(result) => result,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Waits for an answer, a new post, a due one, the pull's word, or the next look.
    async fn wait(&mut self) {
        let mut until = Instant::now() + LOOK;
        let due = [self.lanes.next_due(), self.gate.opens_at()];
        // What was due when they were looked for is held back by something else, whose end wakes too.
        for due in due.into_iter().flatten().map(Instant::from_std) {
            if due > self.looked_at {
                until = until.min(due);
            }
        }
        let landing = tokio::select! {
            () = self.context.stop.cancelled() => None,
            Some(landing) = self.flights.land() => Some(landing),
            () = self.context.wake.notified() => { self.lanes.poke(); None }
            Ok(()) = self.context.availability.changed() => None,
            () = tokio::time::sleep_until(until) => { self.look().await; None }
        };
        self.landed.extend(landing);
    }

    /// Looks whether another process changed the outbox.
    async fn look(&mut self) {
        let known = self.data_version;
        let looked = self.at_state(move |state| {
            let version = state.data_version()?;
            let generation = if version == known {
                None
            } else {
                Some(state.read(outbox::generation)?)
            };
            Ok((version, generation))
        });
        let Ok((version, generation)) = looked.await else {
            return;
        };
        self.data_version = version;
        let Some(generation) = generation else { return };
        self.lanes.poke();
        if generation != self.generation {
            self.generation = generation;
            self.lanes.rewind();
        }
    }

    async fn stand_aside(&mut self, error: &StateError) {
        self.state_failures += 1;
        // For the log alone: by the time that it could be written down it would not be true any more.
        let _ = self
            .reporter
            .trouble(&Trouble::State, self.context.clock.now());
        if self.state_failures == 1 {
            tracing::error!(%error, "answers are kept in memory and nothing is sent until it can");
        }
        let wait = Backoff::BACKEND.delay(self.state_failures, None, &mut self.context.rng);
        tokio::select! {
            () = self.context.stop.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }

    /// Waits a little for what is under way and writes it down. What stays open is sent again at the
    /// next start, and the backend knows it.
    async fn drain(&mut self) {
        let deadline = Instant::now() + DRAIN;
        while let Ok(Some(landing)) = tokio::time::timeout_at(deadline, self.flights.land()).await {
            self.landed.push(landing);
            for (flight, judgement) in std::mem::take(&mut self.landed) {
                // A replayed one is left to the next start, which signs it later anyway.
                if judgement.verdict != Verdict::SignAgain {
                    self.settle(flight, judgement);
                }
            }
        }
        self.flights.abort_all();
        if let Err(error) = self.write_marks().await {
            tracing::warn!(%error, "the last answers could not be written down; they are asked for again");
        }
    }
}
