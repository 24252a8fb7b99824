//! The owner's decision about a held message: one that may be old, or one that filters hold back. It is
//! released, which posts it, or discarded.

use chatdb::{Digest, PostedContent, lane};
use rusqlite::Connection;
use shared_protocol::{Address, Message, Mode, RelayName};

use super::first_chat;
use super::freshness::{ArrivalHistory, ArrivedRow, NEWEST_LIVE_AGE, ReadCause};
use super::post_builder::PostBuilder;
use super::twins::timestamp_proof_of_message;
use crate::clock::UnixMicros;
use crate::state::filtered::{self, FilteredMessage};
use crate::state::group_name;
use crate::state::seen::{self, Originals, RowOutcome, SeenMessage};
use crate::state::{own_addresses, quarantine};

/// How a held message is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseAs {
    /// By the reason for which the message was held. A message that may be old is released as live, since
    /// the owner has looked at it. A filtered message is released as live if it was new when it came and was
    /// sent in the last twelve hours, else as backfill.
    Auto,
    /// As a message that just came in, to be answered.
    Live,
    /// As an old message, which the backend stores and never answers.
    Backfill,
}

/// The result of releasing a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseOutcome {
    /// The message is in the outbox.
    Done,
    /// The message was posted before, under another guid or by its link preview. It leaves the list.
    PostedBefore,
    /// No message is held under the number.
    NotHeld,
    /// The row of the message is listed, and this release of the relay has not read it yet.
    NotReadYet,
    /// This relay panics over the row, so there is no message.
    Panicked,
}

/// Puts a held message into the outbox. The list and the outbox change in the caller's transaction.
pub fn release(
    tx: &Connection,
    relay: &RelayName,
    id: i64,
    release_as: ReleaseAs,
    now: UnixMicros,
) -> rusqlite::Result<ReleaseOutcome> {
    if quarantine::is_empty(tx, id)? {
        return Ok(ReleaseOutcome::Panicked);
    }
    if let Some(held) = quarantine::take(tx, id)? {
        let message = parsed(&held.body)?;
        let is_backfill = release_as == ReleaseAs::Backfill;
        enqueue(tx, relay, message, is_backfill, now)?;
        seen::set_outcome(tx, &held.guid, posted_as(is_backfill))?;
        return Ok(ReleaseOutcome::Done);
    }
    let Some(held) = filtered::find(tx, id)? else {
        return Ok(ReleaseOutcome::NotHeld);
    };
    let Some(body) = &held.body else {
        return Ok(ReleaseOutcome::NotReadYet);
    };
    let message = parsed(body)?;
    let is_backfill = match release_as {
        ReleaseAs::Auto => held.was_old || now.as_micros() - held.sent_at > NEWEST_LIVE_AGE,
        ReleaseAs::Live => false,
        ReleaseAs::Backfill => true,
    };
    filtered::take(tx, id)?;
    if let Some(outcome) = posted_before(tx, &held, &message)? {
        seen::save(tx, &seen_message(tx, &held, outcome)?)?;
        return Ok(ReleaseOutcome::PostedBefore);
    }
    let seen = seen_message(tx, &held, posted_as(is_backfill))?;
    let first_chat = Some(enqueue(tx, relay, message, is_backfill, now)?);
    seen::save(tx, &SeenMessage { first_chat, ..seen })?;
    Ok(ReleaseOutcome::Done)
}

/// The outcome of a message that was posted for another row: the preview of its link, or a copy.
fn posted_before(
    tx: &Connection,
    held: &FilteredMessage,
    message: &Message,
) -> rusqlite::Result<Option<RowOutcome>> {
    if let Some(preview) = &held.preview_guid
        && seen::is_posted(tx, preview)?
    {
        return Ok(Some(RowOutcome::LinkPreview));
    }
    let (cause, arrived_at) = (ReadCause::Appeared, held.held_since);
    let batch_at = ArrivalHistory::default().batch_started_at(cause, arrived_at);
    let arrived = ArrivedRow {
        sent_at: held.sent_at,
        arrived_at,
        // `is_copy` does not depend on it.
        floor: 0,
        copies: seen::count_copies(tx, held.twin_hash, batch_at, Originals::Posted)?,
        timestamp: timestamp_proof_of_message(message),
        cause,
    };
    Ok(arrived.is_copy().then_some(RowOutcome::Twin))
}

/// Discards a held message; returns whether it was held.
pub fn discard(tx: &Connection, id: i64) -> rusqlite::Result<bool> {
    if let Some(held) = quarantine::take(tx, id)? {
        seen::set_outcome(tx, &held.guid, RowOutcome::Dropped)?;
        return Ok(true);
    }
    let Some(held) = filtered::take(tx, id)? else {
        return Ok(false);
    };
    seen::save(tx, &seen_message(tx, &held, RowOutcome::Dropped)?)?;
    Ok(true)
}

fn parsed(body: &[u8]) -> rusqlite::Result<Message> {
    Message::from_json(body).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, Box::new(error))
    })
}

fn posted_as(is_backfill: bool) -> RowOutcome {
    if is_backfill {
        RowOutcome::Backfilled
    } else {
        RowOutcome::Forwarded
    }
}

/// Puts a message into the outbox; returns the chat to which it is posted. Its group may have got another
/// name, and its sender's address may have been found to be the owner's, since it was composed.
fn enqueue(
    tx: &Connection,
    relay: &RelayName,
    mut message: Message,
    is_backfill: bool,
    now: UnixMicros,
) -> rusqlite::Result<seen::FirstChat> {
    if message.mode == Mode::Group
        && let Some(name) = group_name::find(tx, lane(&message.chat_guid))?
    {
        message.chat_guid = name;
    }
    message.is_backfill = is_backfill;
    message.from_owner |= is_own(tx, &message.sender)?;
    let post_builder = PostBuilder {
        relay: relay.clone(),
        reply_via: message.reply_via,
    };
    post_builder.enqueue(tx, &mut message, now.as_micros())?;
    Ok(first_chat::of_message(&message))
}

fn is_own(tx: &Connection, sender: &str) -> rusqlite::Result<bool> {
    let Some(sender) = Address::parse(sender) else {
        return Ok(false);
    };
    let lines = own_addresses::lines(tx)?;
    let mut own = lines.iter().flat_map(|line| &line.addresses);
    Ok(own.any(|address| address == sender.as_str()))
}

/// The record of a message that filters held back, with this outcome. If the record was removed since, it
/// is made again, so that no later read of the row posts the message once more.
fn seen_message(
    tx: &Connection,
    held: &FilteredMessage,
    outcome: RowOutcome,
) -> rusqlite::Result<SeenMessage> {
    if let Some(seen) = seen::find(tx, &held.guid)? {
        return Ok(SeenMessage { outcome, ..seen });
    }
    let message = held.body.as_deref().map(parsed).transpose()?;
    let edit = message.as_ref().and_then(|message| message.edit.as_ref());
    Ok(SeenMessage {
        guid: held.guid.clone(),
        rowid: held.rowid,
        sent_at: held.sent_at,
        twin_hash: held.twin_hash,
        digest: Digest::default(),
        outcome,
        is_own_send: false,
        // Records are removed long after the time in which rows are compared with them. So no other change of
        // the row will be noticed.
        posted: PostedContent {
            history_length: edit.map_or(0, |edit| edit.history_length),
            unsent_parts: edit.map_or(0, |edit| {
                u32::try_from(edit.unsent_parts.len()).unwrap_or(u32::MAX)
            }),
            ..PostedContent::default()
        },
        seen_at: held.held_since,
        first_chat: message.as_ref().map(first_chat::of_message),
    })
}
