//! Takes the commands of an answer into the ledger, before anything else is done with the answer.
//!
//! All commands of an answer and the position behind them are one durable transaction. If the process dies before it,
//! the backend gives the same commands again, since the position of the next poll lies before them; if it dies
//! afterwards, the ledger has them. A command that cannot be carried out is acked `failed` at once and spoils no
//! other one. One without an id cannot be acked; the heartbeat tells the backend that there was one.

use std::sync::Arc;

use crash_point::crash_point;
use rusqlite::Transaction;
use shared_protocol::{Command, CommandBody, MAX_BUBBLES, MAX_COMMAND_ID_BYTES, MAX_SEQ};

use crate::blocking::run_blocking;
use crate::clock::UnixMicros;
use crate::state::ledger::take::{Take, advance, refuse, take};
use crate::state::ledger::{acks, cancelling, requests};
use crate::state::{State, StateError, filtered, outbox, quarantine};

/// The code of a command whose id belongs to another content.
const CONFLICT_CODE: &str = "conflict";
/// The code of a text that a relay with `sends = off` does not send.
const SENDS_OFF_CODE: &str = "sends_off";

/// Whether this relay sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sends {
    On,
    /// Texts are refused, so that none is sent hours later when sending is turned on.
    #[default]
    Off,
}

/// How many commands of an answer were taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) new: usize,
    pub(super) known: usize,
    pub(super) refused: usize,
    /// How many of the refused ones have no id by which the backend could be told.
    pub(super) nameless: usize,
    /// Whether the position has moved, so that the next poll brings other commands.
    pub(super) has_advanced: bool,
}

/// Takes the commands of an answer. After an error none was taken.
pub(super) async fn take_all(
    state: &Arc<State>,
    commands: Vec<Command>,
    sends: Sends,
    now: UnixMicros,
) -> Result<Taken, StateError> {
    if commands.is_empty() {
        return Ok(Taken::default());
    }
    let state = Arc::clone(state);
    let taken = run_blocking(move || {
        crash_point("commands_answered");
        let taken = state.write_durably(|tx| {
            let mut taken = Taken::default();
            for command in &commands {
                take_one(tx, command, sends, now, &mut taken)?;
                if command.seq <= MAX_SEQ {
                    taken.has_advanced |= advance(tx, command.seq, position_id(command))?;
                }
            }
            Ok(taken)
        });
        crash_point("commands_taken");
        taken
    })
    .await?;
    let Taken {
        new,
        known,
        refused,
        ..
    } = taken;
    tracing::info!(new, known, refused, "commands taken");
    Ok(taken)
}

fn take_one(
    tx: &Transaction<'_>,
    command: &Command,
    sends: Sends,
    now: UnixMicros,
    taken: &mut Taken,
) -> rusqlite::Result<()> {
    let (bubbles, code) = match command.parse() {
        Ok(body @ CommandBody::SendMessage(_)) if sends == Sends::Off => {
            (body.bubble_count(), SENDS_OFF_CODE)
        }
        Ok(body) => match take(tx, command, &body, now)? {
            Take::New => {
                taken.new += 1;
                return carry_out(tx, command, &body, now);
            }
            Take::Known => {
                taken.known += 1;
                return Ok(());
            }
            Take::OtherContent => (body.bubble_count(), CONFLICT_CODE),
        },
        Err(refusal) => (bubbles_of(command), refusal.code()),
    };
    taken.refused += 1;
    let (seq, kind) = (command.seq, loggable_kind(&command.kind));
    tracing::warn!(
        seq,
        kind,
        code,
        "a command of the backend is not carried out"
    );
    if can_be_named(&command.id) {
        refuse(tx, &command.id, bubbles, code, now)
    } else {
        taken.nameless += 1;
        Ok(())
    }
}

/// Carries out what needs no more than the state. The dispatcher sends texts, and the pipeline posts messages again. A
/// backend that asks for messages again has lost acks as well.
fn carry_out(
    tx: &Transaction<'_>,
    command: &Command,
    body: &CommandBody,
    now: UnixMicros,
) -> rusqlite::Result<()> {
    match body {
        CommandBody::SendMessage(_) => return Ok(()),
        CommandBody::ResendSince(resend) => {
            return acks::repeat_since(tx, UnixMicros::from_secs(resend.since));
        }
        CommandBody::Ping => {}
        CommandBody::Cancel(cancel) => {
            cancelling::cancel(tx, cancel, now)?;
        }
        CommandBody::Forget(forget) => {
            cancelling::forget(tx, forget, now)?;
            outbox::forget_parked(tx, forget, now)?;
            quarantine::forget(tx, forget)?;
            filtered::forget(tx, forget)?;
        }
    }
    requests::complete(tx, &command.id, now)?;
    Ok(())
}

/// How many bubbles the backend waits for, of a command that cannot be read.
fn bubbles_of(command: &Command) -> usize {
    let bubbles = command
        .fields
        .get("bubbles")
        .and_then(|value| value.as_array());
    bubbles.map_or(1, |bubbles| bubbles.len().clamp(1, MAX_BUBBLES))
}

/// Whether a pull may have the id: the backend refuses one with an id that breaks this.
fn can_be_named(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_COMMAND_ID_BYTES && !id.chars().any(char::is_control)
}

/// The id in the position; empty if a pull may not have it.
fn position_id(command: &Command) -> &str {
    Some(&*command.id)
        .filter(|id| can_be_named(id))
        .unwrap_or_default()
}

/// The kind of a command as the log shows it. Text without the form of a kind is not logged.
fn loggable_kind(kind: &str) -> &str {
    let is_kind = kind.len() <= 32 && kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if is_kind { kind } else { "malformed" }
}
