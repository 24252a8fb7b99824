//! Chooses the next text.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::gates::{IncomingWait, contact_of, has_incoming, is_line_paused, line_of};
use super::governor::{self, BreakerState};
use super::timing::{self, Timing};
use super::{Dispatcher, IDLE_CHECK, RunningAttempt};
use crate::clock::UnixMicros;
use crate::pull::LeaseProof;
use crate::state::StateError;
use crate::state::ledger::dispatching::{SendableBubble, in_flight, sendable};
use crate::state::ledger::{BubbleNumber, pauses};

/// The most scripts that run at once.
const MAX_SCRIPTS: usize = 2;
/// How many texts are considered at a time.
const CANDIDATES: usize = 1_000;
/// How often the ledger is read while texts are under way.
const BUSY_CHECK: Duration = Duration::from_millis(100);

/// What may be done now, and when to look again.
pub(super) struct Plan {
    pub(super) start: Option<(SendableBubble, IncomingWait)>,
    pub(super) expired: Vec<BubbleNumber>,
    pub(super) wait: Duration,
}

impl Dispatcher {
    /// Chooses the next text: by priority, and among chats in turn.
    pub(super) fn plan(&mut self, lease: LeaseProof, now: UnixMicros) -> Result<Plan, StateError> {
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
        let mut limited = 0;
        context.state.read(|connection| {
            if pauses::stops_all(connection)? {
                return Ok(());
            }
            match governor::breaker_state(connection, now)? {
                BreakerState::Open(_) => return Ok(()),
                BreakerState::OneTry if !self.running.is_empty() || !self.unproven.is_empty() => {
                    return Ok(());
                }
                BreakerState::OneTry | BreakerState::Closed => {}
            }
            let under_way: Vec<String> = in_flight(connection)?
                .into_iter()
                .filter_map(|bubble| bubble.conversation)
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
                if is_busy {
                    continue;
                }
                match timing::of(&bubble, now, backend_secs) {
                    Timing::Expired => {
                        plan.expired.push(bubble.number);
                        continue;
                    }
                    Timing::Wait(wait) => {
                        plan.wait = plan.wait.min(wait);
                        // A text that waits for its hour holds back no other command of its chat. A pause does, or
                        // another reply would come between two bubbles.
                        if bubble.due_at.is_some_and(|due| due > now) {
                            passed_over.push(bubble.conversation);
                        }
                        continue;
                    }
                    Timing::Due => {}
                }
                let line = line_of(&bubble);
                if is_line_paused(connection, &bubble)? {
                    passed_over.push(bubble.conversation);
                    continue;
                }
                let contact = contact_of(connection, &bubble)?;
                let next = governor::next_allowed(connection, &context.limits, line, contact, now)?;
                if let Some(next) = next {
                    plan.wait = plan.wait.min(next.since(now));
                    passed_over.push(bubble.conversation);
                    limited += 1;
                    continue;
                }
                let Some(incoming) = self.incoming_wait(connection, &bubble)? else {
                    plan.wait = plan.wait.min(BUSY_CHECK);
                    passed_over.push(bubble.conversation);
                    continue;
                };
                plan.start = Some((bubble, incoming));
                break;
            }
            Ok(())
        })?;
        let limited_chats = &context.link.limited_chats;
        limited_chats.store(limited, Ordering::Relaxed);
        Ok(plan)
    }

    /// Whether no further script may start: a second one may once the first has run for a while.
    fn scripts_are_busy(&self) -> bool {
        let is_young = |running: &RunningAttempt| {
            running.began.elapsed() < self.context.limits.other_chat_after
        };
        self.running.len() >= MAX_SCRIPTS || self.running.values().any(is_young)
    }

    /// Whether a later bubble of a reply may go although messages of its chat may be on their way to the backend, which
    /// may cancel the reply; `None` if it waits for them.
    fn incoming_wait(
        &mut self,
        connection: &Connection,
        bubble: &SendableBubble,
    ) -> rusqlite::Result<Option<IncomingWait>> {
        if bubble.bubble == 0 {
            return Ok(Some(IncomingWait::Over));
        }
        if !has_incoming(connection, bubble)? {
            self.waiting_for_incoming.remove(&bubble.number);
            return Ok(Some(IncomingWait::Waits));
        }
        let since = self
            .waiting_for_incoming
            .entry(bubble.number)
            .or_insert_with(Instant::now);
        let is_over = since.elapsed() >= self.context.limits.incoming_wait;
        Ok(is_over.then_some(IncomingWait::Over))
    }
}
