//! The dispatcher: passes the texts of the ledger to Messages, through `osascript`.
//!
//! Each step is written into the ledger before it is done. A text is `dispatched` before its script starts; so after a
//! crash it is never sent again, and its row in chat.db, which the pipeline looks for, is the only proof that it was
//! sent. A text without a row is `unknown`. Of a chat, one text at a time is under way.
//!
//! | module | decides |
//! |---|---|
//! | [`osascript`] | runs the script |
//! | `outcome` | what the end of the script proves |
//! | `target` | chat, service and line of a text |
//! | `timing` | whether the text's own times let it go |
//! | `governor` | whether the limits of the line and the last failures let it go |
//! | `gates` | whether pauses and incoming messages let it go |
//! | `plan` | which text is next |
//! | `unproven` | when a text without a row is given up, and whether a row shows its line |
//! | `attempt` | carries one text through all of this |

mod attempt;
mod gates;
mod governor;
mod limits;
pub mod osascript;
mod outcome;
mod plan;
mod target;
mod timing;
mod unproven;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::blocking::run_blocking;
use crate::clock::{Clock, UnixMicros};
use crate::pull::{DispatchLink, LeaseProof};
use crate::state::ledger::dispatching::{SendableBubble, shorten_pauses};
use crate::state::ledger::{BubbleNumber, BubbleState, transitions};
use crate::state::{State, StateError};
use attempt::{Attempt, AttemptEnd, AttemptResult};
use gates::IncomingWait;
use governor::BreakerChange;
pub use limits::{RateLimit, SendLimits};
use osascript::Osascript;
pub use osascript::SCRIPT;
use plan::Candidates;
use unproven::{NO_ROW, Unproven};

/// Of so many conversations it is remembered when they were last served.
const MAX_SERVED: usize = 10_000;
/// How often the ledger is read although nothing has been notified, for the owner's commands and the clock.
const IDLE_CHECK: Duration = Duration::from_secs(2);
/// How long scripts that run are waited for when the relay stops.
const STOP_WAIT: Duration = Duration::from_secs(3);
/// The settings of the dispatcher, and its connections to the other parts of the relay.
pub struct DispatchContext {
    pub state: Arc<State>,
    pub clock: Arc<dyn Clock>,
    pub chat_db: PathBuf,
    pub osascript: PathBuf,
    pub limits: SendLimits,
    pub link: DispatchLink,
    /// Makes the pipeline look at chat.db.
    pub wake_pipeline: Box<dyn Fn() + Send + Sync>,
    /// Cancelled when the relay stops.
    pub stop: CancellationToken,
}

/// The loop that dispatches.
pub struct Dispatcher {
    context: Arc<DispatchContext>,
    attempts: JoinSet<AttemptEnd>,
    /// The texts whose attempts run, by conversation.
    running: HashMap<String, RunningAttempt>,
    /// The texts that may be with Messages and have no row yet.
    unproven: HashMap<BubbleNumber, Unproven>,
    candidates: Candidates,
    /// In which order the conversations were last served.
    served: HashMap<String, u64>,
    serving: u64,
    /// Since when a text waits for incoming messages of its chat.
    waiting_for_incoming: HashMap<BubbleNumber, Instant>,
    /// Until when nothing is sent, because the state could not be read or written.
    in_trouble_until: Option<Instant>,
    /// The code of the trouble with the state that was logged last, until a text can be sent again.
    logged_trouble: Option<&'static str>,
    /// The wall clock at the last step; `None` before the first.
    last_step: Option<UnixMicros>,
}

struct RunningAttempt {
    number: BubbleNumber,
    began: Instant,
}

impl Dispatcher {
    pub fn new(context: DispatchContext) -> Self {
        Self {
            context: Arc::new(context),
            attempts: JoinSet::new(),
            running: HashMap::new(),
            unproven: HashMap::new(),
            candidates: Candidates::default(),
            served: HashMap::new(),
            serving: 0,
            waiting_for_incoming: HashMap::new(),
            in_trouble_until: None,
            logged_trouble: None,
            last_step: None,
        }
    }

    /// Dispatches until it is asked to stop. A script that runs then may end within [`STOP_WAIT`]. A slower one is killed
    /// with the process, and its text stays `dispatched`: the next run looks for its row.
    pub async fn run(mut self) {
        let context = Arc::clone(&self.context);
        let mut lease = context.link.lease.subscribe();
        loop {
            let wait = self.step().await;
            tokio::select! {
                () = context.stop.cancelled() => break,
                () = context.link.new_commands.notified() => {}
                _ = lease.changed() => {}
                Some(ended) = self.attempts.join_next() => self.finish(ended),
                () = tokio::time::sleep(wait) => {}
            }
        }
        let end = async { while self.attempts.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_WAIT, end).await.is_err() {
            tracing::warn!("a script still runs; the next run looks for the row of its text");
        }
    }

    /// Starts what may go now. Returns how long the next step may wait.
    async fn step(&mut self) -> Duration {
        match self.try_step().await {
            Ok(wait) => wait,
            Err(error) => {
                self.log_trouble(&error);
                IDLE_CHECK
            }
        }
    }

    /// Logs once that the state cannot be read or written. The same trouble is met at every attempt until it is over.
    fn log_trouble(&mut self, error: &StateError) {
        if self.logged_trouble.replace(error.code()) != Some(error.code()) {
            tracing::error!(code = error.code(), %error, "texts cannot be sent; trying again until they can");
        }
    }

    async fn try_step(&mut self) -> Result<Duration, StateError> {
        let now = self.context.clock.now();
        // A clock that was set back, now or between two runs, would make pauses longer.
        if self.last_step.is_none_or(|last| now < last) {
            let context = Arc::clone(&self.context);
            run_blocking(move || context.shorten_pauses(now)).await?;
        }
        self.last_step = Some(now);
        self.give_up_unproven(now).await?;
        self.update_breaker(now).await?;
        if let Some(until) = self.in_trouble_until {
            let left = until.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                return Ok(left);
            }
            self.in_trouble_until = None;
        }
        let lease = *self.context.link.lease.borrow();
        let Some(lease) = lease.filter(|lease| self.context.holds(*lease, now)) else {
            return Ok(IDLE_CHECK);
        };
        loop {
            let plan = self.plan(lease, now)?;
            let is_expiring = !plan.expired.is_empty();
            for number in plan.expired {
                self.context
                    .reach(
                        number,
                        BubbleState::Queued,
                        BubbleState::Expired,
                        "too_late",
                        now,
                    )
                    .await?;
                self.context.link.new_acks.notify_one();
            }
            match plan.start {
                Some((bubble, incoming)) => self.start(bubble, incoming),
                // The next bubbles of the same commands have expired as well.
                None if is_expiring => {}
                None => return Ok(plan.wait),
            }
        }
    }

    fn start(&mut self, bubble: SendableBubble, incoming: IncomingWait) {
        if self.served.len() >= MAX_SERVED {
            self.served.clear();
        }
        self.serving += 1;
        self.served
            .insert(bubble.conversation.clone(), self.serving);
        self.waiting_for_incoming.remove(&bubble.number);
        let attempt = RunningAttempt {
            number: bubble.number,
            began: Instant::now(),
        };
        self.running.insert(bubble.conversation.clone(), attempt);
        let context = Arc::clone(&self.context);
        self.attempts
            .spawn(async move { Attempt::new(context, bubble, incoming).run().await });
    }

    fn finish(&mut self, ended: Result<AttemptEnd, tokio::task::JoinError>) {
        let ended = match ended {
            Ok(ended) => ended,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        self.running.remove(&ended.conversation);
        match ended.result {
            Ok(settled) => {
                if self.logged_trouble.take().is_some() {
                    tracing::info!("texts can be sent again");
                }
                if let AttemptResult::AwaitsRow(code) = settled {
                    self.await_row(ended.number, code);
                    (self.context.wake_pipeline)();
                }
            }
            // A text that is dispatched already stays so; its row or the lack of one decides.
            Err(error) => {
                self.log_trouble(&error);
                self.await_row(ended.number, NO_ROW);
                self.in_trouble_until = Some(Instant::now() + self.context.limits.trouble_pause);
            }
        }
        self.context.link.new_acks.notify_one();
    }

    fn await_row(&mut self, number: BubbleNumber, code: &'static str) {
        let unproven = Unproven::from_now(self.context.limits.row_within, code);
        self.unproven.insert(number, unproven);
    }

    /// Opens or closes the breaker by the results of the last texts.
    async fn update_breaker(&self, now: UnixMicros) -> Result<(), StateError> {
        let context = Arc::clone(&self.context);
        let judged = context
            .state
            .read(|connection| governor::judge_results(connection, &context.limits, now))?;
        let Some(change) = judged else {
            return Ok(());
        };
        match &change {
            BreakerChange::Open(breaker) => {
                let until = UnixMicros::from_micros(breaker.until);
                tracing::error!(
                    code = breaker.code,
                    "nothing is sent until {until}, after repeated failures"
                );
            }
            BreakerChange::Close => tracing::info!("texts are sent again"),
        }
        run_blocking(move || context.state.write(|tx| governor::apply(tx, &change, now))).await
    }
}

impl DispatchContext {
    /// Whether the backend's last answer proves that this installation may send, by both clocks.
    fn holds(&self, lease: LeaseProof, now: UnixMicros) -> bool {
        lease.holds(now, self.limits.lease)
    }

    fn osascript(&self) -> Osascript {
        Osascript {
            program: self.osascript.clone(),
            timeout: self.limits.script_timeout,
        }
    }

    /// Moves a text from one state to another, unless it has left the first one.
    async fn reach(
        self: &Arc<Self>,
        number: BubbleNumber,
        current: BubbleState,
        next: BubbleState,
        code: &'static str,
        now: UnixMicros,
    ) -> Result<(), StateError> {
        let context = Arc::clone(self);
        run_blocking(move || {
            context.state.write(|tx| {
                transitions::reach_from(tx, number, current, next, code, now).map(|_| ())
            })
        })
        .await
    }

    fn shorten_pauses(&self, now: UnixMicros) -> Result<(), StateError> {
        let longest = self.limits.retry_after;
        self.state
            .write(|tx| shorten_pauses(tx, longest, now).map(|_| ()))
    }
}
