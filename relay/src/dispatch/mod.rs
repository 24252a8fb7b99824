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
//! | `attempt` | carries one text through all of this |

mod attempt;
mod governor;
mod limits;
pub mod osascript;
mod outcome;
mod target;
mod timing;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::blocking::run_blocking;
use crate::clock::{Clock, UnixMicros};
use crate::pull::{DispatchLink, LeaseProof};
use crate::state::ledger::dispatching::{
    self, SendableBubble, in_flight, sendable, shorten_pauses,
};
use crate::state::ledger::history::{Contact, has_sent_to};
use crate::state::ledger::{BubbleNumber, BubbleState, pauses, transitions};
use crate::state::{State, StateError, outbox};
use attempt::{Attempt, AttemptEnd};
use governor::BreakerState;
pub use limits::{RateLimit, SendLimits};
use osascript::Osascript;
pub use osascript::SCRIPT;
use timing::Timing;

/// The most scripts that run at once.
const MAX_SCRIPTS: usize = 2;
/// How many texts are considered at a time.
const CANDIDATES: usize = 200;
/// How often the ledger is read although nothing has been notified, for the owner's commands and the clock.
const IDLE_CHECK: Duration = Duration::from_secs(2);
/// How often the ledger is read while texts are under way.
const BUSY_CHECK: Duration = Duration::from_millis(100);
/// The name of the line in the send history if a text names none.
const UNNAMED_LINE: &str = "";

/// The settings of the dispatcher, and its connections to the other parts of the relay.
pub struct DispatchContext {
    pub state: Arc<State>,
    pub clock: Arc<dyn Clock>,
    pub chat_db: PathBuf,
    pub osascript: PathBuf,
    pub limits: SendLimits,
    pub link: DispatchLink,
    /// Notified after the pipeline has moved bubbles.
    pub bubbles_moved: Arc<Notify>,
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
    /// When the script of a text that has no row yet ended.
    unproven: HashMap<BubbleNumber, Instant>,
    /// In which order the conversations were last served.
    served: HashMap<String, u64>,
    serving: u64,
    /// Since when a text waits for incoming messages of its chat.
    waiting_for_incoming: HashMap<BubbleNumber, Instant>,
}

struct RunningAttempt {
    number: BubbleNumber,
    began: Instant,
}

/// What may be done now, and when to look again.
struct Plan {
    start: Option<SendableBubble>,
    expired: Vec<BubbleNumber>,
    wait: Duration,
}

impl Dispatcher {
    pub fn new(context: DispatchContext) -> Self {
        Self {
            context: Arc::new(context),
            attempts: JoinSet::new(),
            running: HashMap::new(),
            unproven: HashMap::new(),
            served: HashMap::new(),
            serving: 0,
            waiting_for_incoming: HashMap::new(),
        }
    }

    /// Dispatches until it is asked to stop. A script that runs then is killed with the process, and its text stays
    /// `dispatched`: the next run looks for its row.
    pub async fn run(mut self) {
        let context = Arc::clone(&self.context);
        let mut lease = context.link.lease.subscribe();
        loop {
            let wait = self.step().await;
            tokio::select! {
                () = context.stop.cancelled() => break,
                () = context.link.new_commands.notified() => {}
                () = context.bubbles_moved.notified() => {}
                _ = lease.changed() => {}
                Some(ended) = self.attempts.join_next() => self.finish(ended),
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.attempts.detach_all();
    }

    /// Starts what may go now. Returns how long the next step may wait.
    async fn step(&mut self) -> Duration {
        match self.try_step().await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::error!(code = error.code(), %error, "texts cannot be sent; trying again");
                IDLE_CHECK
            }
        }
    }

    async fn try_step(&mut self) -> Result<Duration, StateError> {
        let now = self.context.clock.now();
        self.give_up_unproven(now).await?;
        let lease = *self.context.link.lease.borrow();
        let Some(lease) = lease.filter(|lease| self.context.holds(*lease, now)) else {
            return Ok(IDLE_CHECK);
        };
        loop {
            let plan = self.plan(lease, now)?;
            for number in plan.expired {
                self.context
                    .reach(number, BubbleState::Expired, "too_late", now)
                    .await?;
                self.context.link.new_acks.notify_one();
            }
            let Some(bubble) = plan.start else {
                return Ok(plan.wait);
            };
            self.start(bubble);
        }
    }

    fn start(&mut self, bubble: SendableBubble) {
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
            .spawn(async move { Attempt::new(context, bubble).run().await });
    }

    fn finish(&mut self, ended: Result<AttemptEnd, tokio::task::JoinError>) {
        let ended = match ended {
            Ok(ended) => ended,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        self.running.remove(&ended.conversation);
        if ended.awaits_row {
            self.unproven.insert(ended.number, Instant::now());
            (self.context.wake_pipeline)();
        }
        self.context.link.new_acks.notify_one();
    }

    /// Makes each text `unknown` whose script ended a while ago and that has no row. A text that an earlier run has
    /// dispatched counts from the start of this run.
    async fn give_up_unproven(&mut self, now: UnixMicros) -> Result<(), StateError> {
        let dispatched = self.context.state.read(in_flight)?;
        let is_running = |number| {
            self.running
                .values()
                .any(|running| running.number == number)
        };
        self.unproven
            .retain(|number, _| dispatched.iter().any(|bubble| bubble.number == *number));
        let mut given_up = Vec::new();
        for bubble in dispatched {
            if is_running(bubble.number) {
                continue;
            }
            let ended = *self
                .unproven
                .entry(bubble.number)
                .or_insert_with(Instant::now);
            if ended.elapsed() > self.context.limits.row_within {
                given_up.push(bubble.number);
            }
        }
        for number in given_up {
            self.unproven.remove(&number);
            tracing::warn!(
                code = "no_row",
                "a text was passed on, and chat.db has no row of it"
            );
            self.context
                .reach(number, BubbleState::Unknown, "no_row", now)
                .await?;
            self.context.link.new_acks.notify_one();
        }
        Ok(())
    }

    /// Chooses the next text: by priority, and among chats in turn.
    fn plan(&mut self, lease: LeaseProof, now: UnixMicros) -> Result<Plan, StateError> {
        let context = Arc::clone(&self.context);
        let idle = if self.running.is_empty() && self.unproven.is_empty() {
            IDLE_CHECK
        } else {
            BUSY_CHECK
        };
        let mut plan = Plan {
            start: None,
            expired: Vec::new(),
            wait: idle,
        };
        if self.scripts_are_busy() {
            return Ok(plan);
        }
        let backend_secs = lease.backend_time(now);
        context.state.read(|connection| {
            if pauses::paused_by_owner(connection)?.is_some() {
                return Ok(());
            }
            match governor::breaker_state(connection, now)? {
                BreakerState::Open(_) => return Ok(()),
                BreakerState::OneTry if !self.running.is_empty() || !self.unproven.is_empty() => {
                    return Ok(());
                }
                BreakerState::OneTry | BreakerState::Closed => {}
            }
            let paused_lines = pauses::paused_lines(connection)?;
            let under_way: Vec<String> = in_flight(connection)?
                .into_iter()
                .map(|bubble| bubble.conversation)
                .collect();
            let mut candidates = sendable(connection, CANDIDATES)?;
            // The sort is stable, so texts of one priority and chat stay in the order of their commands.
            candidates.sort_by_key(|bubble| {
                let served = self.served.get(&bubble.conversation).copied();
                (std::cmp::Reverse(bubble.priority), served.unwrap_or(0))
            });
            let mut passed_over: Vec<String> = Vec::new();
            for bubble in candidates {
                let is_busy = self.running.contains_key(&bubble.conversation)
                    || under_way.contains(&bubble.conversation)
                    || passed_over.contains(&bubble.conversation);
                match timing::of(&bubble, now, backend_secs) {
                    Timing::Expired => {
                        plan.expired.push(bubble.number);
                        continue;
                    }
                    _ if is_busy => continue,
                    Timing::Wait(wait) => {
                        plan.wait = plan.wait.min(wait);
                        // A text that waits for its hour holds back no other command of its chat.
                        if wait < IDLE_CHECK {
                            passed_over.push(bubble.conversation);
                        }
                        continue;
                    }
                    Timing::Due => {}
                }
                let line = bubble.line.as_deref().unwrap_or(UNNAMED_LINE);
                if paused_lines.contains_key(line) && !bubble.is_released {
                    continue;
                }
                let contact = contact_of(connection, &bubble)?;
                let next = governor::next_allowed(connection, &context.limits, line, contact, now)?;
                if let Some(next) = next {
                    plan.wait = plan.wait.min(next.since(now));
                    continue;
                }
                if self.waits_for_incoming(connection, &bubble)? {
                    plan.wait = plan.wait.min(BUSY_CHECK);
                    continue;
                }
                plan.start = Some(bubble);
                break;
            }
            Ok(())
        })?;
        Ok(plan)
    }

    /// Whether no further script may start: a second one may once the first has run for a while.
    fn scripts_are_busy(&self) -> bool {
        let is_young = |running: &RunningAttempt| {
            running.began.elapsed() < self.context.limits.other_chat_after
        };
        self.running.len() >= MAX_SCRIPTS || self.running.values().any(is_young)
    }

    /// Whether a later bubble of a reply waits because a message of its chat is on its way to the backend, which may
    /// cancel the reply.
    fn waits_for_incoming(
        &mut self,
        connection: &Connection,
        bubble: &SendableBubble,
    ) -> rusqlite::Result<bool> {
        let is_first = bubble.bubble == 0;
        if is_first || outbox::pending_of_lane(connection, &bubble.conversation, 0, 1)?.is_empty() {
            self.waiting_for_incoming.remove(&bubble.number);
            return Ok(false);
        }
        let since = self
            .waiting_for_incoming
            .entry(bubble.number)
            .or_insert_with(Instant::now);
        Ok(since.elapsed() < self.context.limits.incoming_wait)
    }
}

/// What the line and the chat of a text had to do with each other.
fn contact_of(connection: &Connection, bubble: &SendableBubble) -> rusqlite::Result<Contact> {
    if has_sent_to(connection, &bubble.conversation)? {
        return Ok(Contact::Known);
    }
    let has_anchor = dispatching::load(connection, bubble.number)?
        .is_some_and(|loaded| loaded.anchor_guid.is_some());
    Ok(if has_anchor {
        Contact::FirstAnswer
    } else {
        Contact::Cold
    })
}

impl DispatchContext {
    /// Whether the backend's last answer proves that this installation may send, by both clocks.
    fn holds(&self, lease: LeaseProof, now: UnixMicros) -> bool {
        lease.wall <= now
            && now.since(lease.wall) < self.limits.lease
            && lease.uptime.elapsed() < self.limits.lease
    }

    fn osascript(&self) -> Osascript {
        Osascript {
            program: self.osascript.clone(),
            timeout: self.limits.script_timeout,
        }
    }

    /// Moves a text to a state, and lets the breaker see the result.
    async fn reach(
        self: &Arc<Self>,
        number: BubbleNumber,
        next: BubbleState,
        code: &'static str,
        now: UnixMicros,
    ) -> Result<(), StateError> {
        let context = Arc::clone(self);
        run_blocking(move || {
            context.state.write(|tx| {
                transitions::reach(tx, number, next, Some(code), now)?;
                context.judge(tx, now)
            })
        })
        .await
    }

    /// Opens or closes the breaker by the last results, and logs it.
    fn judge(&self, tx: &Connection, now: UnixMicros) -> rusqlite::Result<()> {
        if let Some(breaker) = governor::judge_results(tx, &self.limits, now)? {
            let until = UnixMicros::from_micros(breaker.until);
            tracing::error!(
                code = breaker.code,
                "sending is stopped until {until} after repeated failures"
            );
        }
        Ok(())
    }

    /// Shortens the pauses that a clock set back has lengthened.
    fn shorten_pauses(&self, tx: &Connection, now: UnixMicros) -> rusqlite::Result<usize> {
        shorten_pauses(tx, self.limits.retry_after, now)
    }
}
