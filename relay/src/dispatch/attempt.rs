//! One attempt to send a text: find its chat, write it down as dispatched, run the script, write down what that proves.

use std::sync::Arc;

use crash_point::crash_point;

use super::DispatchContext;
use super::gates::{IncomingWait, contact_of, has_incoming, is_line_paused, line_of};
use super::governor::{self, BreakerState};
use super::osascript::Operation;
use super::outcome::{self, SendFault, SendOutcome};
use super::target::{self, Target, TargetError};
use super::timing::{self, Timing};
use super::unproven::NO_ROW;
use crate::blocking::run_blocking;
use crate::state::ledger::Baseline;
use crate::state::ledger::dispatching::{self, SendableBubble};
use crate::state::ledger::{BubbleNumber, BubbleState, history, pauses};
use crate::state::{StateError, own_addresses, read_position};

/// The code of a text that Messages would send from another line.
const ANOTHER_LINE: &str = "another_line";

/// A text that is being sent.
pub(super) struct Attempt {
    context: Arc<DispatchContext>,
    bubble: SendableBubble,
    incoming: IncomingWait,
}

/// How an attempt ended.
pub(super) struct AttemptEnd {
    pub(super) number: BubbleNumber,
    pub(super) conversation: String,
    /// An error if the state could not be read or written.
    pub(super) result: Result<AttemptResult, StateError>,
}

/// What an attempt leaves to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AttemptResult {
    /// The text may be with Messages, so its row may appear. Without one it is unknown, with this code.
    AwaitsRow(&'static str),
    /// Nothing: what came of it is written down.
    Settled,
}

/// How Messages finds the chat.
enum Addressing {
    Chat,
    Participant(String),
}

impl Attempt {
    pub(super) fn new(
        context: Arc<DispatchContext>,
        bubble: SendableBubble,
        incoming: IncomingWait,
    ) -> Self {
        Self {
            context,
            bubble,
            incoming,
        }
    }

    pub(super) async fn run(self) -> AttemptEnd {
        let (number, conversation) = (self.bubble.number, self.bubble.conversation.clone());
        AttemptEnd {
            number,
            conversation,
            result: self.send().await,
        }
    }

    async fn send(&self) -> Result<AttemptResult, StateError> {
        // Read before chat.db is: if another file takes its place meanwhile, the names differ when the text is dispatched.
        let file = self.context.state.read(read_position::chat_db_file)?;
        let Some((text, target)) = self.find_target().await? else {
            return Ok(AttemptResult::Settled);
        };
        let Some(addressing) = self.look_up(&target).await? else {
            return Ok(AttemptResult::Settled);
        };
        let baseline = Baseline {
            file,
            rowid: target.sequence,
        };
        if !self.write_dispatched(&target.chat_guid, baseline).await? {
            return Ok(AttemptResult::Settled);
        }
        crash_point("dispatched");
        let operation = match &addressing {
            Addressing::Chat => Operation::Chat {
                chat: &target.chat_guid,
                text: &text,
            },
            Addressing::Participant(address) => Operation::Participant {
                address,
                service: target.service.as_deref().unwrap_or("iMessage"),
                text: &text,
            },
        };
        let end = self.context.osascript().run(&operation).await;
        crash_point("script_ended");
        match outcome::of_sending(&operation, &end) {
            SendOutcome::HandedOver => {
                tracing::info!(
                    command = self.bubble.command_id,
                    bubble = self.bubble.bubble,
                    "passed to Messages"
                );
                Ok(AttemptResult::AwaitsRow(NO_ROW))
            }
            SendOutcome::NotSent(fault) => {
                self.requeue(fault).await?;
                Ok(AttemptResult::Settled)
            }
            SendOutcome::Unknown(fault) => {
                self.log(fault);
                Ok(AttemptResult::AwaitsRow(fault.code()))
            }
        }
    }

    /// The text and where it goes. `None` if it cannot be sent now; then that is written down.
    async fn find_target(&self) -> Result<Option<(String, Target)>, StateError> {
        let number = self.bubble.number;
        let loaded = self.context.state.read(|connection| {
            Ok((
                dispatching::load(connection, number)?,
                own_addresses::lines(connection)?,
            ))
        })?;
        let (Some(bubble), lines) = loaded else {
            return Ok(None);
        };
        let text = bubble.text.clone();
        let context = Arc::clone(&self.context);
        let found = run_blocking(move || target::find(&context.chat_db, &bubble, &lines)).await;
        match found {
            Ok(target) if target.other_line.is_some() && !self.bubble.is_released => {
                tracing::error!(
                    command = self.bubble.command_id,
                    code = ANOTHER_LINE,
                    "Messages would send this text from another line; see `archety-relay ledger list`"
                );
                let now = self.context.clock.now();
                self.context
                    .state
                    .write(|tx| dispatching::hold(tx, number, ANOTHER_LINE, now).map(|_| ()))?;
                Ok(None)
            }
            Ok(target) => Ok(Some((text, target))),
            Err(TargetError::NoChat) => {
                self.fail(SendFault::NoSuchChat).await?;
                Ok(None)
            }
            Err(error) => {
                // The pipeline reports the same trouble. The text waits for chat.db.
                tracing::warn!(%error, "chat.db cannot be read, so a text waits");
                self.postpone("chat_db_unreadable").await?;
                Ok(None)
            }
        }
    }

    /// Asks Messages for the chat. `None` if the text cannot be sent now; then that is written down.
    async fn look_up(&self, target: &Target) -> Result<Option<Addressing>, StateError> {
        let find = Operation::Find {
            chat: &target.chat_guid,
        };
        let end = self.context.osascript().run(&find).await;
        let Some(fault) = outcome::of_lookup(&end) else {
            return Ok(Some(Addressing::Chat));
        };
        if fault != SendFault::NoSuchChat {
            self.log(fault);
            self.postpone(fault.code()).await?;
            return Ok(None);
        }
        if let Some(address) = &target.participant {
            return Ok(Some(Addressing::Participant(address.clone())));
        }
        self.fail(fault).await?;
        Ok(None)
    }

    /// Writes that the text is about to be passed on, if it still may: lease, times, limits and pauses are checked again
    /// in the same transaction, and that `baseline` is of the chat.db whose rows prove texts.
    async fn write_dispatched(
        &self,
        chat_guid: &str,
        baseline: Baseline,
    ) -> Result<bool, StateError> {
        let (context, bubble) = (Arc::clone(&self.context), self.bubble.clone());
        let (incoming, chat_guid) = (self.incoming, chat_guid.to_owned());
        crash_point("before_dispatched");
        run_blocking(move || {
            context.state.write_durably(|tx| {
                // Read in the transaction, which may have waited for another one.
                let now = context.clock.now();
                let lease = *context.link.lease.borrow();
                let Some(lease) = lease.filter(|lease| context.holds(*lease, now)) else {
                    return Ok(false);
                };
                if context.stop.is_cancelled() {
                    return Ok(false);
                }
                let is_due = timing::of(&bubble, now, lease.backend_time(now)) == Timing::Due;
                let line = line_of(&bubble);
                let contact = contact_of(tx, &bubble)?;
                let next = governor::next_allowed(tx, &context.limits, line, contact, now)?;
                let is_stopped = matches!(governor::breaker_state(tx, now)?, BreakerState::Open(_))
                    || is_line_paused(&pauses::paused_lines(tx)?, &bubble);
                let waits = incoming == IncomingWait::Waits && has_incoming(tx, &bubble)?;
                let is_of_another_file = read_position::chat_db_file(tx)? != baseline.file;
                if !is_due || next.is_some() || is_stopped || waits || is_of_another_file {
                    return Ok(false);
                }
                let is_dispatched =
                    dispatching::dispatch(tx, bubble.number, &chat_guid, &baseline, now)?;
                if is_dispatched {
                    history::record(tx, line, contact, now)?;
                }
                Ok(is_dispatched)
            })
        })
        .await
    }

    /// Puts the text back, because its script proved that it sent nothing.
    async fn requeue(&self, fault: SendFault) -> Result<(), StateError> {
        self.log(fault);
        let (context, number) = (Arc::clone(&self.context), self.bubble.number);
        run_blocking(move || {
            let now = context.clock.now();
            let due = now.plus(context.limits.retry_after);
            context.state.write_durably(|tx| {
                dispatching::requeue(tx, number, fault.code(), due, now).map(|_| ())
            })
        })
        .await
    }

    /// Lets the text wait before the next attempt. Nothing was dispatched.
    async fn postpone(&self, code: &'static str) -> Result<(), StateError> {
        let (context, number) = (Arc::clone(&self.context), self.bubble.number);
        run_blocking(move || {
            let due = context.clock.now().plus(context.limits.retry_after);
            context
                .state
                .write(|tx| dispatching::postpone(tx, number, code, due))
        })
        .await
    }

    async fn fail(&self, fault: SendFault) -> Result<(), StateError> {
        self.log(fault);
        let now = self.context.clock.now();
        self.context
            .reach(
                self.bubble.number,
                BubbleState::Queued,
                BubbleState::Failed,
                fault.code(),
                now,
            )
            .await
    }

    fn log(&self, fault: SendFault) {
        tracing::error!(
            command = self.bubble.command_id,
            bubble = self.bubble.bubble,
            code = fault.code(),
            "a text was not passed on, or may not have been: {fault}"
        );
    }
}
