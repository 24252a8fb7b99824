//! Texts that were passed to Messages and have no row yet.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::limits::SendLimits;
use super::{Dispatcher, target};
use crate::blocking::run_blocking;
use crate::clock::UnixMicros;
use crate::state::ledger::dispatching::{InFlightBubble, in_flight};
use crate::state::ledger::owner::find as ledger_entry;
use crate::state::ledger::{BubbleNumber, BubbleState, pauses};
use crate::state::{StateError, own_addresses};

/// The code of a text whose script has succeeded.
pub(super) const NO_ROW: &str = "no_row";
/// The code of a line from which Messages has not sent one of its texts.
const SENT_FROM_ANOTHER_LINE: &str = "sent_from_another_line";

/// A text that may be with Messages and has no row yet.
pub(super) struct Unproven {
    since: Instant,
    /// How long its row may take from then on.
    patience: Duration,
    code: &'static str,
}

impl Unproven {
    pub(super) fn from_now(patience: Duration, code: &'static str) -> Self {
        Self {
            since: Instant::now(),
            patience,
            code,
        }
    }

    /// A text that an earlier run has dispatched. Its script may have outlived that run, and then still runs.
    fn of_earlier_run(bubble: &InFlightBubble, limits: &SendLimits, now: UnixMicros) -> Self {
        let script_left = limits
            .script_timeout
            .saturating_sub(now.since(bubble.dispatched_at));
        Self::from_now(script_left + limits.row_within, NO_ROW)
    }
}

impl Dispatcher {
    /// Makes each text `unknown` whose script ended a while ago and that has no row. Until then its chat waits: the next
    /// text would overtake it.
    pub(super) async fn give_up_unproven(&mut self, now: UnixMicros) -> Result<(), StateError> {
        let dispatched = self.context.state.read(in_flight)?;
        let is_running = |number| {
            self.running
                .values()
                .any(|running| running.number == number)
        };
        let is_dispatched = |number| dispatched.iter().any(|bubble| bubble.number == number);
        let proven: Vec<BubbleNumber> = self
            .unproven
            .keys()
            .copied()
            .filter(|number| !is_dispatched(*number))
            .collect();
        for number in proven {
            self.check_line(number, now).await?;
            self.unproven.remove(&number);
        }
        let mut given_up = Vec::new();
        for bubble in dispatched {
            if is_running(bubble.number) {
                continue;
            }
            let limits = &self.context.limits;
            let unproven = self
                .unproven
                .entry(bubble.number)
                .or_insert_with(|| Unproven::of_earlier_run(&bubble, limits, now));
            if unproven.since.elapsed() > unproven.patience {
                given_up.push((bubble, unproven.code));
            }
        }
        for (bubble, code) in given_up {
            self.context
                .reach(
                    bubble.number,
                    BubbleState::Dispatched,
                    BubbleState::Unknown,
                    code,
                    now,
                )
                .await?;
            self.unproven.remove(&bubble.number);
            tracing::warn!(
                command = bubble.command_id,
                bubble = bubble.bubble,
                code,
                "a text may have been passed on, and chat.db has no row of it"
            );
            self.context.link.new_acks.notify_one();
        }
        Ok(())
    }

    /// Pauses the line of a text whose row shows that Messages has sent it from another line.
    async fn check_line(&self, number: BubbleNumber, now: UnixMicros) -> Result<(), StateError> {
        let read = self.context.state.read(|connection| {
            Ok((
                ledger_entry(connection, number)?,
                own_addresses::lines(connection)?,
            ))
        })?;
        let (Some(entry), lines) = read else {
            return Ok(());
        };
        let (Some(guid), Some(line)) = (entry.message_guid, entry.line) else {
            return Ok(());
        };
        let context = Arc::clone(&self.context);
        run_blocking(move || {
            let used = target::line_of_row(&context.chat_db, &guid);
            let used = used.unwrap_or_else(|error| {
                tracing::warn!(%error, "the line of a sent text cannot be read");
                None
            });
            if target::other_line(&lines, &line, &[used.as_deref()]).is_none() {
                return Ok(());
            }
            tracing::error!(
                command = entry.command_id,
                code = SENT_FROM_ANOTHER_LINE,
                "Messages has sent a text from another line, so its line sends nothing until \
                 `archety-relay resume`: choose the line in Messages, Settings, iMessage"
            );
            context
                .state
                .write(|tx| pauses::pause_line(tx, &line, SENT_FROM_ANOTHER_LINE, now))
        })
        .await
    }
}
