//! The pull: a signed long poll that is heartbeat, lease and the way of commands in one.
//!
//! Each answer proves contact with the network, says which backend it is and whether this
//! installation is the one it listens to, and names the newest message that the backend has of this
//! relay. No other installation may pull under a relay's name: another installation's lease stops
//! all sending here. Commands that this relay does not know stay unacknowledged: the backend keeps
//! them for one that does.

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
use crate::backend::answer::{Backend, Judgement, Received, Verdict, judge, unanswered};
use crate::backend::availability::{Availability, Reporter, Standing, Standstill};
use crate::backend::backoff::Backoff;
use crate::backend::client::{Client, Request};
use crate::clock::{Clock, UnixMicros};
use crate::pipeline::PipelineHealth;
use crate::state::{State, StateError, meta};

/// How long an answer may take beyond the wait that was asked for.
const GRACE: Duration = Duration::from_secs(15);
/// Pause after a refusal that only the owner can mend, and after commands that stay where they are.
const PAUSE: Duration = Duration::from_mins(1);
/// A poll that is answered follows the answer before within this time, whatever the pause between and
/// however long the backend lets it wait; the rest is for a loaded machine.
pub const ANSWER_OVERDUE: Duration =
    Duration::from_secs(MAX_PULL_WAIT_SECS as u64 + GRACE.as_secs() + PAUSE.as_secs() + 10);
/// How long the first poll waits for the reading thread to know the lines, and how often it looks.
const LINES_WAIT: Duration = Duration::from_secs(2);
const LINES_LOOK: Duration = Duration::from_millis(5);
/// Pause between two polls that were answered at once.
const BREATH: Duration = Duration::from_millis(200);

/// What the pull is given.
pub struct PullContext {
    /// The relay's state.
    pub state: Arc<State>,
    /// The way to the backend.
    pub client: Arc<Client>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness for ids and jitter.
    pub rng: StdRng,
    /// What the sender is told.
    pub availability: watch::Sender<Availability>,
    /// The reading thread's health, for the heartbeat, and where contact is recorded.
    pub health: Arc<PipelineHealth>,
    /// Where it is told when the backend last answered.
    pub answered: watch::Sender<Option<Instant>>,
    /// Where the pipeline hears which message the backend has as the newest.
    pub newest: Channel<Option<NewestMessage>>,
    /// Asks the pull to end.
    pub stop: CancellationToken,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The backend answered; the next poll may follow at once.
    Answered,
    /// Wait so long before the next.
    Pause(Duration),
}

/// The poller.
pub struct Puller {
    context: PullContext,
    route: Url,
    instance_id: String,
    reporter: Reporter,
    failures: u32,
    /// The first poll is answered at once: the sender and an empty state wait for its word.
    wait_seconds: u8,
    lines_told: bool,
    /// How the pull stands, until the state has it.
    unwritten: Option<Standstill>,
}

impl Puller {
    /// Prepares the poller, and this installation's id if it has none.
    pub fn new(mut context: PullContext) -> Result<Self, StateError> {
        let random = context.rng.random();
        let file = context.state.file_id()?;
        let instance_id = context
            .state
            .write(|tx| meta::instance_id(tx, &file, random))?;
        Ok(Self {
            route: context.client.link().backend_url.join(PULL_ROUTE),
            instance_id,
            reporter: Reporter::default(),
            failures: 0,
            wait_seconds: 0,
            lines_told: false,
            unwritten: None,
            context,
        })
    }

    /// Polls until it is asked to stop. A poll under way is given up: it changes nothing.
    pub async fn run(mut self) {
        let stop = self.context.stop.clone();
        let polling = async {
            self.await_lines().await;
            loop {
                let pause = match self.step().await {
                    Outcome::Answered => BREATH,
                    Outcome::Pause(pause) => pause,
                };
                tokio::time::sleep(pause).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = polling => {}
        }
    }

    /// The first heartbeat tells the lines if they are soon known. A chat.db that cannot be read holds it
    /// up for a moment only: the backend is to hear that this relay is alive.
    async fn await_lines(&self) {
        let known = lines_known(&self.context.health);
        let _ = tokio::time::timeout(LINES_WAIT, known).await;
    }

    /// One poll. One that had no lines to tell is given up as soon as there are some: deliveries wait
    /// for a poll that has told them.
    pub async fn step(&mut self) -> Outcome {
        crash_point("pull");
        let id = WebhookId::pull(self.context.rng.random());
        let span = tracing::info_span!("pull", id = id.as_str());
        self.poll(id).instrument(span).await
    }

    async fn poll(&mut self, id: WebhookId) -> Outcome {
        let tells_lines = self.context.health.knows_lines();
        let body = match self.request() {
            Ok(request) => serde_json::to_vec(&request).expect("plain fields"),
            Err(error) => {
                tracing::warn!(%error, "no heartbeat can be gathered");
                return Outcome::Pause(self.backoff(None));
            }
        };
        let request = Request {
            id,
            timestamp: self.context.clock.now().as_secs(),
            body: body.into(),
        };
        let timeout = Duration::from_secs(self.wait_seconds.into()) + GRACE;
        let client = Arc::clone(&self.context.client);
        let health = Arc::clone(&self.context.health);
        let lines_are_new = async {
            if tells_lines {
                std::future::pending::<()>().await;
            }
            lines_known(&health).await;
        };
        let answer = tokio::select! {
            answer = client.post_within(&self.route, &request, timeout) => answer,
            () = lines_are_new => return Outcome::Answered,
        };
        match answer {
            Ok(received) => {
                let is_taken = received.trust.is_ok() && received.status == 200;
                self.lines_told |= tells_lines && is_taken;
                self.take(&received)
            }
            Err(trouble) => self.failed(unanswered(trouble).verdict),
        }
    }

    fn request(&self) -> Result<PullRequest, StateError> {
        let expect_env = self.context.client.link().expect_env.clone();
        let now = self.context.clock.now();
        let status = heartbeat::gather(&self.context.state, &self.context.health, expect_env, now)?;
        Ok(PullRequest {
            instance_id: self.instance_id.clone(),
            wait_seconds: self.wait_seconds,
            after_seq: 0,
            rehearsal: false,
            acks: Vec::new(),
            status,
        })
    }

    fn take(&mut self, received: &Received) -> Outcome {
        let now = self.context.clock.now();
        let expected = self.context.client.link().expect_env.clone();
        let judgement = judge(received, expected.as_deref(), now.as_secs());
        if received.trust.is_ok() {
            self.context.health.contact(now.as_micros());
        }
        if received.trust.is_ok() && received.status == 200 {
            return match serde_json::from_slice::<PullAnswer>(&received.body) {
                Ok(answer) => self.answered(answer, expected.as_deref(), now),
                Err(_) => self.failed(Verdict::Pause(Trouble::NotAnAnswer { status: 200 })),
            };
        }
        if is_unknown_route(received) {
            // An older backend without commands: deliveries need not wait for it.
            self.lines_told = true;
            self.stand(Standing::Welcome, judgement.backend);
            self.note_answer(now);
            return Outcome::Pause(PAUSE);
        }
        let Judgement { verdict, backend } = judgement;
        match &verdict {
            Verdict::Pause(Trouble::Elsewhere) => self.stand(Standing::Elsewhere, backend),
            Verdict::Pause(Trouble::WrongEnvironment { found }) => {
                self.stand(Standing::WrongEnvironment(found.clone()), backend);
            }
            // The right backend, which cannot read this heartbeat. Messages go on all the same.
            Verdict::Park(_) => {
                self.lines_told = true;
                self.stand(Standing::Welcome, backend);
            }
            _ => {}
        }
        self.failed(verdict)
    }

    fn answered(&mut self, answer: PullAnswer, expected: Option<&str>, now: UnixMicros) -> Outcome {
        self.failures = 0;
        let backend = Backend {
            version: answer.version,
            environment: answer.environment,
        };
        if let Some(expected) = expected
            && backend.environment != expected
        {
            let found = backend.environment.clone();
            self.stand(Standing::WrongEnvironment(found.clone()), Some(backend));
            return self.failed(Verdict::Pause(Trouble::WrongEnvironment { found }));
        }
        self.stand(Standing::Welcome, Some(backend));
        // The pipeline may have ended; then there is no receiver.
        let _ = self.context.newest.send(answer.newest_message);
        self.note_answer(now);
        self.wait_seconds = MAX_PULL_WAIT_SECS;
        if answer.commands.is_empty() {
            return Outcome::Answered;
        }
        for command in &answer.commands {
            let (seq, kind) = (command.seq, known_kind(&command.kind));
            tracing::warn!(
                seq,
                kind,
                "this relay does not know this command; it stays with the backend"
            );
        }
        Outcome::Pause(PAUSE)
    }

    /// The backend has answered: nothing troubles the pull any more.
    fn note_answer(&mut self, now: UnixMicros) {
        self.context.answered.send_replace(Some(Instant::now()));
        let news = self.reporter.delivered(now);
        self.write_down(news);
        let at = now.as_micros().to_string();
        if let Err(error) = self
            .context
            .state
            .write(|tx| meta::set(tx, meta::LAST_PULL_AT, &at))
        {
            tracing::debug!(%error, "the time of this pull was not written down");
        }
    }

    fn stand(&self, standing: Standing, backend: Option<Backend>) {
        let next = Availability {
            standing,
            backend,
            lines_told: self.lines_told,
        };
        self.context.availability.send_if_modified(|known| {
            let news = *known != next;
            *known = next;
            news
        });
    }

    fn failed(&mut self, verdict: Verdict) -> Outcome {
        let now = self.context.clock.now();
        let (trouble, after) = match verdict {
            Verdict::Pause(trouble) | Verdict::Park(trouble) => {
                let news = self.reporter.trouble(&trouble, now);
                self.write_down(news);
                return Outcome::Pause(PAUSE);
            }
            Verdict::Retry { trouble, after, .. } => (trouble, after),
            Verdict::SignAgain | Verdict::Delivered { .. } => (Trouble::Replayed, None),
        };
        let news = self.reporter.trouble(&trouble, now);
        self.write_down(news);
        Outcome::Pause(self.backoff(after))
    }

    /// Keeps how the pull stands for `status`. What a full disk refuses is written at the next poll:
    /// a trouble that has ended would be shown until the next one, or until a restart.
    fn write_down(&mut self, news: Option<Standstill>) {
        self.unwritten = news.or(self.unwritten.take());
        let Some(standstill) = &self.unwritten else {
            return;
        };
        let json = serde_json::to_string(standstill).expect("plain fields");
        let written = self
            .context
            .state
            .write(|tx| meta::set(tx, meta::PULL, &json));
        match written {
            Ok(()) => self.unwritten = None,
            Err(error) => tracing::debug!(%error, "how the pull stands was not written down"),
        }
    }

    fn backoff(&mut self, after: Option<Duration>) -> Duration {
        self.failures = self.failures.saturating_add(1);
        Backoff::BACKEND.delay(self.failures, after, &mut self.context.rng)
    }
}

/// Waits until the reading thread knows the lines.
async fn lines_known(health: &PipelineHealth) {
    while !health.knows_lines() {
        tokio::time::sleep(LINES_LOOK).await;
    }
}

/// A kind is a name of ours; anything else is not repeated in a log.
fn known_kind(kind: &str) -> &str {
    let clean = kind.len() <= 32 && kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if clean { kind } else { "malformed" }
}

fn is_unknown_route(received: &Received) -> bool {
    received.trust.is_ok()
        && received.status == 404
        && serde_json::from_slice::<Problem>(&received.body)
            .is_ok_and(|problem| problem.code == ProblemCode::NotFound)
}
