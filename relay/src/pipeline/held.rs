//! What becomes of a held message, by its owner's word: one that may be old, or one that filters hold
//! back.

use chatdb::{Digest, Known, lane};
use rusqlite::Connection;
use shared_protocol::{Address, Message, Mode, RelayName};

use super::arrival::{Arrivals, Evidence, NEWEST_LIVE_AGE, Occasion};
use super::binding;
use super::post::Postmark;
use super::twins::instant_of_message;
use crate::clock::UnixMicros;
use crate::state::filtered::{self, Came, Filtered};
use crate::state::seen::{self, Outcome, Seen};
use crate::state::told_group;
use crate::state::{own_addresses, quarantine};

/// How a held message is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseAs {
    /// One that may be old as live, since its owner has looked at it; one that filters held back as live
    /// if it was new when it came and was sent in the last twelve hours, else as an old one.
    ItsKind,
    /// As a message that just came in, to be answered.
    Live,
    /// As an old one: stored, never answered.
    Backfill,
}

/// What came of releasing a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// It is in the outbox.
    Done,
    /// It was told before, under another guid or by its link preview. It is off the list.
    ToldBefore,
    /// Nothing is held under that number.
    NotHeld,
    /// Its row was listed by the relay and not yet read.
    NotReadYet,
    /// This relay panics over its row: there is no message.
    Panicked,
}

/// Puts a held message into the outbox. The list and the outbox change in the caller's one transaction.
pub fn release(
    tx: &Connection,
    relay: &RelayName,
    id: i64,
    release_as: ReleaseAs,
    now: UnixMicros,
) -> rusqlite::Result<Released> {
    if quarantine::is_empty(tx, id)? {
        return Ok(Released::Panicked);
    }
    if let Some(held) = quarantine::take(tx, id)? {
        let is_backfill = release_as == ReleaseAs::Backfill;
        let mut message = parsed(&held.body)?;
        rename_group(tx, &mut message)?;
        let lane = lane(&message.chat_guid).to_owned();
        enqueue(tx, relay, &lane, message, is_backfill, now)?;
        seen::set_outcome(tx, &held.guid, outcome(is_backfill))?;
        return Ok(Released::Done);
    }
    let Some(held) = filtered::find(tx, id)? else {
        return Ok(Released::NotHeld);
    };
    let Some(body) = &held.body else {
        return Ok(Released::NotReadYet);
    };
    let mut message = parsed(body)?;
    rename_group(tx, &mut message)?;
    let is_old = held.came == Came::Old || now.as_micros() - held.sent_at > NEWEST_LIVE_AGE;
    let is_backfill = match release_as {
        ReleaseAs::ItsKind => is_old,
        ReleaseAs::Live => false,
        ReleaseAs::Backfill => true,
    };
    filtered::take(tx, id)?;
    if let Some(outcome) = told_before(tx, &held, &message)? {
        decide(tx, &held, outcome)?;
        return Ok(Released::ToldBefore);
    }
    decide(tx, &held, outcome(is_backfill))?;
    if let Some(seen) = seen::find(tx, &held.guid)? {
        let bound_chat = Some(binding::chat_of(&message));
        seen::save(tx, &Seen { bound_chat, ..seen })?;
    }
    let lane = lane(&message.chat_guid).to_owned();
    enqueue(tx, relay, &lane, message, is_backfill, now)?;
    Ok(Released::Done)
}

/// Whether another row has told the same: the preview of a link, or a copy.
fn told_before(
    tx: &Connection,
    held: &Filtered,
    message: &Message,
) -> rusqlite::Result<Option<Outcome>> {
    if let Some(preview) = &held.told_by
        && let Some(Outcome::Forwarded | Outcome::Backfilled) =
            seen::find(tx, preview)?.map(|preview| preview.outcome)
    {
        return Ok(Some(Outcome::LinkPreview));
    }
    let (occasion, arrived_at) = (Occasion::Ordinary, held.held_since);
    let began_at = Arrivals::default().batch_started_at(occasion, arrived_at);
    let is_copy = Arrivals::is_copy(&Evidence {
        sent_at: held.sent_at,
        arrived_at,
        floor: 0,
        twins: seen::count_told_twins(tx, held.twin, began_at)?,
        instant: instant_of_message(message),
        occasion,
    });
    Ok(is_copy.then_some(Outcome::Twin))
}

/// A group may have been told under another name since the message was composed.
fn rename_group(tx: &Connection, message: &mut Message) -> rusqlite::Result<()> {
    if message.mode == Mode::Group
        && let Some(told_as) = told_group::find(tx, lane(&message.chat_guid))?
    {
        message.chat_guid = told_as;
    }
    Ok(())
}

/// Gives a held message up; tells whether it was held.
pub fn give_up(tx: &Connection, id: i64) -> rusqlite::Result<bool> {
    if let Some(held) = quarantine::take(tx, id)? {
        seen::set_outcome(tx, &held.guid, Outcome::Dropped)?;
        return Ok(true);
    }
    let Some(held) = filtered::take(tx, id)? else {
        return Ok(false);
    };
    decide(tx, &held, Outcome::Dropped)?;
    Ok(true)
}

fn parsed(body: &[u8]) -> rusqlite::Result<Message> {
    Message::from_json(body).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, Box::new(error))
    })
}

fn outcome(is_backfill: bool) -> Outcome {
    if is_backfill {
        Outcome::Backfilled
    } else {
        Outcome::Forwarded
    }
}

fn enqueue(
    tx: &Connection,
    relay: &RelayName,
    lane: &str,
    mut message: Message,
    is_backfill: bool,
    now: UnixMicros,
) -> rusqlite::Result<()> {
    message.is_backfill = is_backfill;
    message.from_owner |= is_own(tx, &message.sender)?;
    let postmark = Postmark {
        relay: relay.clone(),
        reply_via: message.reply_via,
    };
    postmark.enqueue(tx, lane, &mut message, now.as_micros())?;
    Ok(())
}

/// Whether an address is the owner's by now: it may have been learnt since the message was composed.
fn is_own(tx: &Connection, sender: &str) -> rusqlite::Result<bool> {
    let Some(sender) = Address::parse(sender) else {
        return Ok(false);
    };
    let lines = own_addresses::lines(tx)?;
    let mut own = lines.iter().flat_map(|line| &line.addresses);
    Ok(own.any(|address| address == sender.as_str()))
}

/// Writes down what became of a row that filters held back. `seen` may have forgotten it by now: it is
/// remembered anew, so that no later look at its row tells it again.
fn decide(tx: &Connection, held: &Filtered, outcome: Outcome) -> rusqlite::Result<()> {
    let message = held.body.as_deref().map(parsed).transpose()?;
    let seen = match seen::find(tx, &held.guid)? {
        Some(seen) => Seen { outcome, ..seen },
        None => Seen {
            guid: held.guid.clone(),
            rowid: held.rowid,
            sent_at: held.sent_at,
            twin: held.twin,
            digest: Digest::default(),
            outcome,
            known: long_known(message.as_ref()),
            seen_at: held.held_since,
            bound_chat: message.as_ref().map(binding::chat_of),
        },
    };
    seen::save(tx, &seen)
}

/// What was told of a row that came too long ago to change.
fn long_known(message: Option<&Message>) -> Known {
    let edit = message.and_then(|message| message.edit.as_ref());
    Known {
        history_length: edit.map_or(0, |edit| edit.history_length),
        unsent_parts: edit.map_or(0, |edit| {
            u32::try_from(edit.unsent_parts.len()).unwrap_or(u32::MAX)
        }),
        ..Known::default()
    }
}
