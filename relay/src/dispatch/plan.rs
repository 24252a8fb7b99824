//! Chooses the next text.
//!
//! Codes go before replies, and replies before what was planned. Of one priority, the chat goes first that was served
//! the longest ago, and of one chat the command that came first. Of a command, the first bubble that is not through
//! goes. A text that may not go now, because of its pause, its line or messages that come in, holds back the later
//! commands of its chat, so that no other reply comes between its bubbles. A text that waits for its own hour holds back
//! nothing. Other chats are never held back.
//!
//! All texts that could be sent are considered, however many of them may not go. They are read again only after the
//! state has changed.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::gates::{IncomingWait, contact_of, has_incoming, is_line_paused, line_of};
use super::governor::{self, BreakerState};
use super::timing::{self, Timing};
use super::{Dispatcher, IDLE_CHECK, RunningAttempt, SendLimits};
use crate::clock::UnixMicros;
use crate::pull::LeaseProof;
use crate::state::ledger::dispatching::{SendableBubble, in_flight, sendable};
use crate::state::ledger::history::Contact;
use crate::state::ledger::{BubbleNumber, name_move, pauses};
use crate::state::{State, StateError};

/// The most scripts that run at once.
const MAX_SCRIPTS: usize = 2;
const NO_LIMIT: usize = u32::MAX as usize;
/// How often the ledger is read while texts are under way.
const BUSY_CHECK: Duration = Duration::from_millis(100);

/// What may be done now, and when to look again.
pub(super) struct Plan {
    pub(super) start: Option<(SendableBubble, IncomingWait)>,
    pub(super) expired: Vec<BubbleNumber>,
    pub(super) wait: Duration,
}

/// The texts that could be sent, by priority and then in the order of their commands.
#[derive(Default)]
pub(super) struct Candidates {
    bubbles: Vec<SendableBubble>,
    /// What each chat had to do with its line, as far as it was asked for.
    contacts: HashMap<String, Contact>,
    /// The version of the state at which they were read.
    version: Option<i64>,
}

impl Candidates {
    /// Reads them, if the state has changed.
    fn refresh(&mut self, state: &State) -> Result<(), StateError> {
        // Read first: a change that comes between the two reads is read again next time.
        let version = Some(state.data_version()?);
        if self.version != version {
            self.bubbles = state.read(|connection| sendable(connection, NO_LIMIT))?;
            self.contacts.clear();
            self.version = version;
        }
        Ok(())
    }
}

/// Which lines may send now.
struct Lines<'c> {
    connection: &'c Connection,
    limits: &'c SendLimits,
    now: UnixMicros,
    paused: pauses::PausedLines,
    next_allowed: HashMap<(String, Contact), Option<UnixMicros>>,
}

impl Lines<'_> {
    /// When the line may send its next text to a chat with this contact; `None` if it may now.
    fn next_allowed(
        &mut self,
        line: &str,
        contact: Contact,
    ) -> rusqlite::Result<Option<UnixMicros>> {
        let key = (line.to_owned(), contact);
        if let Some(next) = self.next_allowed.get(&key) {
            return Ok(*next);
        }
        let next = governor::next_allowed(self.connection, self.limits, line, contact, self.now)?;
        self.next_allowed.insert(key, next);
        Ok(next)
    }
}

impl Dispatcher {
    /// Chooses the next text, and lists those that have expired.
    pub(super) fn plan(&mut self, lease: LeaseProof, now: UnixMicros) -> Result<Plan, StateError> {
        let is_idle = self.running.is_empty() && self.unproven.is_empty();
        let mut plan = Plan {
            start: None,
            expired: Vec::new(),
            wait: if is_idle { IDLE_CHECK } else { BUSY_CHECK },
        };
        if self.scripts_are_busy() {
            return Ok(plan);
        }
        let mut limited_chats = 0;
        self.candidates.refresh(&self.context.state)?;
        let (state, limits) = (&self.context.state, &self.context.limits);
        state.read(|connection| {
            let is_stopped = match governor::breaker_state(connection, now)? {
                BreakerState::Open(_) => true,
                BreakerState::OneTry => !is_idle,
                BreakerState::Closed => false,
            };
            if is_stopped || name_move::stops_sending(connection)? {
                return Ok(());
            }
            let under_way = in_flight(connection)?;
            let under_way = under_way
                .iter()
                .filter_map(|sent| sent.conversation.as_deref());
            let mut passed_over: HashSet<&str> = under_way.collect();
            passed_over.extend(self.running.keys().map(String::as_str));
            let mut lines = Lines {
                connection,
                limits,
                now,
                paused: pauses::paused_lines(connection)?,
                next_allowed: HashMap::new(),
            };
            let Candidates {
                bubbles, contacts, ..
            } = &mut self.candidates;
            let mut in_turn: Vec<&SendableBubble> = bubbles.iter().collect();
            // The sort is stable, so texts of one priority and chat stay in the order of their commands.
            in_turn.sort_by_cached_key(|bubble| {
                let served = self.served.get(&bubble.conversation).copied();
                (std::cmp::Reverse(bubble.priority), served.unwrap_or(0))
            });
            for bubble in in_turn {
                let chat = bubble.conversation.as_str();
                if passed_over.contains(chat) {
                    continue;
                }
                match timing::of(bubble, now, lease.backend_time(now)) {
                    Timing::Expired => {
                        plan.expired.push(bubble.number);
                        continue;
                    }
                    Timing::Wait(wait) => {
                        plan.wait = plan.wait.min(wait);
                        if bubble.due_at.is_some_and(|due| due > now) {
                            passed_over.insert(chat);
                        }
                        continue;
                    }
                    Timing::Due => {}
                }
                // From here on, a text that may not go holds back its chat.
                passed_over.insert(chat);
                if is_line_paused(&lines.paused, bubble) {
                    continue;
                }
                let contact = known_contact(connection, bubble, contacts)?;
                if let Some(next) = lines.next_allowed(line_of(bubble), contact)? {
                    plan.wait = plan.wait.min(next.since(now));
                    limited_chats += 1;
                    continue;
                }
                let since = &mut self.waiting_for_incoming;
                let Some(incoming) = incoming_wait(connection, bubble, since, limits)? else {
                    plan.wait = plan.wait.min(BUSY_CHECK);
                    continue;
                };
                plan.start = Some((bubble.clone(), incoming));
                break;
            }
            Ok(())
        })?;
        let told = &self.context.link.limited_chats;
        told.store(limited_chats, Ordering::Relaxed);
        Ok(plan)
    }

    /// Whether no further script may start: a second one may once the first has run for a while.
    fn scripts_are_busy(&self) -> bool {
        let is_young = |running: &RunningAttempt| {
            running.began.elapsed() < self.context.limits.other_chat_after
        };
        self.running.len() >= MAX_SCRIPTS || self.running.values().any(is_young)
    }
}

/// What the chat of a text had to do with its line, which `known` remembers.
fn known_contact(
    connection: &Connection,
    bubble: &SendableBubble,
    known: &mut HashMap<String, Contact>,
) -> rusqlite::Result<Contact> {
    if let Some(contact) = known.get(&bubble.conversation) {
        return Ok(*contact);
    }
    let contact = contact_of(connection, bubble)?;
    known.insert(bubble.conversation.clone(), contact);
    Ok(contact)
}

/// Whether a later bubble of a reply may go although messages of its chat may be on their way to the backend, which may
/// cancel the reply; `None` if it waits for them. `waiting_since` has the texts that wait.
fn incoming_wait(
    connection: &Connection,
    bubble: &SendableBubble,
    waiting_since: &mut HashMap<BubbleNumber, Instant>,
    limits: &SendLimits,
) -> rusqlite::Result<Option<IncomingWait>> {
    if bubble.bubble == 0 {
        return Ok(Some(IncomingWait::Over));
    }
    if !has_incoming(connection, bubble)? {
        waiting_since.remove(&bubble.number);
        return Ok(Some(IncomingWait::Waits));
    }
    let since = waiting_since
        .entry(bubble.number)
        .or_insert_with(Instant::now);
    let is_over = since.elapsed() >= limits.incoming_wait;
    Ok(is_over.then_some(IncomingWait::Over))
}
