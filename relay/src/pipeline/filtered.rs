//! Decides about rows that Apple's filters or the owner's blocking hold back.
//!
//! A row is held back by a mark in chat.db: a filter category of the row or of its chat, or the blocking of the
//! chat. Such a row is listed in the state, with the message that would be posted. Once the mark is lifted, one
//! transaction puts the message into the outbox and removes it from the list. A relay that is killed before the
//! commit finds the lifted mark again at the next start. A relay that is killed after the commit only has to
//! send the post. Whether the row is a copy of another is decided as of the time at which it appeared.

use chatdb::{Chat, Composed, Digest, FilterReason, Row};
use rusqlite::Connection;
use shared_protocol::Message;

use super::candidate::{
    BatchResult, Candidate, DecisionContext, arrived_row, compose_now, enqueue,
    is_posted_by_preview, outcome_of_copy, preview_of, record, seen_message,
};
use super::first_chat;
use super::freshness::{ArrivalHistory, Freshness, NEWEST_LIVE_AGE};
use super::twins::{twin_hash_of, twin_hash_of_row};
use crate::state::filtered::{self, FilteredMessage};
use crate::state::seen::{self, FirstChat, RowOutcome, SeenMessage};
use crate::state::waiting;

/// Lists a row that just appeared and is held back, unless it would not be posted without the mark either.
pub(super) fn hold_back(
    state: &Connection,
    arrivals: &ArrivalHistory,
    candidate: &Candidate,
    context: &DecisionContext<'_>,
    result: &mut BatchResult,
) -> rusqlite::Result<()> {
    let (row, now) = (&candidate.row, context.now);
    let Some(chat) = row.chat.as_deref() else {
        return Ok(());
    };
    let mut message = match compose_now(&row.unfiltered(), context) {
        Composed::Post(message) => *message,
        Composed::Skip(reason) => return record(state, row, now, reason.into()),
        Composed::Wait(_) => {
            result.filtered_chats.push(chat.guid.clone());
            filtered::hold(state, &entry_without_body(row, chat, now))?;
            return record(state, row, now, RowOutcome::Spam);
        }
    };
    let arrived = arrived_row(state, arrivals, row, &message, candidate.since, context)?;
    let freshness = arrivals.classify(&arrived);
    let outcome = match freshness {
        Freshness::Recorded => RowOutcome::Recorded,
        Freshness::Twin => RowOutcome::Twin,
        Freshness::Live | Freshness::Backfill | Freshness::Doubtful => RowOutcome::Spam,
    };
    let seen = seen_message(row, &message, now, outcome);
    if outcome == RowOutcome::Spam {
        let held = FilteredMessage {
            sent_at: seen.sent_at,
            twin_hash: seen.twin_hash,
            was_old: freshness != Freshness::Live,
            body: Some(context.post_builder.body_of(&mut message)),
            ..entry_without_body(row, chat, now)
        };
        filtered::hold(state, &held)?;
        result.filtered_chats.push(chat.guid.clone());
    }
    seen::save(state, &seen)?;
    waiting::remove(state, row.rowid)
}

/// Lists a row that had no content when it appeared, and now has content that a filter holds back.
pub(super) fn hold_back_late(
    state: &Connection,
    row: &Row,
    before: &SeenMessage,
    context: &DecisionContext<'_>,
) -> rusqlite::Result<()> {
    let Some(chat) = row.chat.as_deref() else {
        return Ok(());
    };
    let Composed::Post(mut message) = compose_now(&row.unfiltered(), context) else {
        return Ok(());
    };
    let seen = SeenMessage {
        rowid: before.rowid,
        sent_at: before.sent_at,
        ..seen_message(row, &message, before.seen_at, RowOutcome::Spam)
    };
    let held = FilteredMessage {
        twin_hash: seen.twin_hash,
        body: Some(context.post_builder.body_of(&mut message)),
        ..entry_without_body(row, chat, context.now)
    };
    filtered::hold(state, &held)?;
    seen::save(state, &seen)
}

/// The list entry of a row, without its message.
fn entry_without_body(row: &Row, chat: &Chat, now: i64) -> FilteredMessage {
    FilteredMessage {
        id: 0,
        guid: row.guid.clone(),
        rowid: row.rowid,
        chat_guid: Some(chat.guid.clone()),
        reason: reason_of(row, chat).to_owned(),
        sent_at: row.sent_at.unwrap_or(now),
        twin_hash: twin_hash_of_row(row, now),
        was_old: false,
        held_since: now,
        body: None,
        preview_guid: preview_of(row).map(str::to_owned),
    }
}

/// The chat of a row that is held back, and why it is.
pub(super) struct HeldBy {
    pub(super) chat_guid: String,
    reason: &'static str,
}

impl HeldBy {
    pub(super) fn of(row: &Row, chat: &Chat) -> Self {
        Self {
            chat_guid: chat.guid.clone(),
            reason: reason_of(row, chat),
        }
    }
}

/// Updates the list entry of a row that is still held back. `held_by` is `None` if the caller has not read the
/// marks; then the chat and the reason stay.
pub(super) fn refresh(
    state: &Connection,
    id: i64,
    row: &Row,
    held_by: Option<HeldBy>,
    context: &DecisionContext<'_>,
) -> rusqlite::Result<()> {
    let Some(mut held) = filtered::find(state, id)? else {
        return Ok(());
    };
    let before = seen::find(state, &held.guid)?;
    let mut message = match compose_now(&row.unfiltered(), context) {
        Composed::Post(message) => *message,
        Composed::Skip(reason) => {
            filtered::remove(state, &held.guid)?;
            return record(state, row, held.held_since, reason.into());
        }
        Composed::Wait(_) => return Ok(()),
    };
    first_chat::write_into(&mut message, first_chat_of(&held, before).as_ref());
    if let Some(held_by) = held_by {
        held.chat_guid = Some(held_by.chat_guid);
        held_by.reason.clone_into(&mut held.reason);
    }
    let seen = SeenMessage {
        sent_at: held.sent_at,
        ..seen_message(row, &message, held.held_since, RowOutcome::Spam)
    };
    held.guid.clone_from(&row.guid);
    held.rowid = row.rowid;
    held.twin_hash = seen.twin_hash;
    held.body = Some(context.post_builder.body_of(&mut message));
    held.preview_guid = preview_of(row).map(str::to_owned);
    filtered::update(state, &held)?;
    seen::save(state, &seen)
}

/// Puts the message of a row whose mark was lifted into the outbox.
pub(super) fn release_lifted(
    state: &Connection,
    arrivals: &mut ArrivalHistory,
    id: i64,
    candidate: &Candidate,
    context: &DecisionContext<'_>,
    result: &mut BatchResult,
) -> rusqlite::Result<()> {
    let (row, now) = (&candidate.row, context.now);
    let composed = compose_now(&row.unfiltered(), context);
    if matches!(composed, Composed::Wait(_)) {
        return Ok(());
    }
    // A command of the owner may have released the message since its row was read.
    let Some(held) = filtered::take(state, id)? else {
        return Ok(());
    };
    let came_at = held.held_since;
    let mut message = match composed {
        Composed::Skip(reason) => return record(state, row, came_at, reason.into()),
        Composed::Wait(_) => return Ok(()),
        Composed::Post(message) => message,
    };
    if let Some(outcome) = outcome_of_copy(state, candidate)? {
        return record(state, row, came_at, outcome);
    }
    if is_posted_by_preview(state, row)? {
        return record(state, row, came_at, RowOutcome::LinkPreview);
    }
    let before = seen::find(state, &held.guid)?;
    first_chat::write_into(&mut message, first_chat_of(&held, before).as_ref());
    // The message was never posted, so it goes under the name that its group has now.
    if let Some(name) = context.groups.name_of(&message.chat_guid) {
        name.clone_into(&mut message.chat_guid);
    }
    let arrived = arrived_row(state, arrivals, row, &message, came_at, context)?;
    let outcome = if arrived.is_copy() {
        RowOutcome::Twin
    } else if held.was_old || now - arrived.sent_at > NEWEST_LIVE_AGE {
        RowOutcome::Backfilled
    } else {
        RowOutcome::Forwarded
    };
    let seen = seen_message(row, &message, came_at, outcome);
    message.is_backfill = outcome == RowOutcome::Backfilled;
    if outcome.is_posted() {
        enqueue(state, row, &mut message, context, result)?;
    }
    if outcome == RowOutcome::Forwarded {
        arrivals.note_live(seen.sent_at, now);
    }
    seen::save(state, &seen)
}

/// Removes a row that was deleted from chat.db. If it appears again, it is read as a new one.
pub(super) fn forget_deleted(state: &Connection, id: i64) -> rusqlite::Result<()> {
    match filtered::take(state, id)? {
        Some(held) => seen::forget(state, &held.guid),
        None => Ok(()),
    }
}

/// Changes the guid of a listed message to the one that its row has in a rebuilt chat.db. Returns `false` if
/// another message has that guid, or if no message is listed under `id`.
pub(super) fn change_guid(state: &Connection, id: i64, row: &Row) -> rusqlite::Result<bool> {
    if seen::find(state, &row.guid)?.is_some() || filtered::contains(state, &row.guid)? {
        return Ok(false);
    }
    let Some(held) = filtered::find(state, id)? else {
        return Ok(false);
    };
    if let Some(before) = seen::find(state, &held.guid)? {
        seen::forget(state, &held.guid)?;
        let seen = SeenMessage {
            guid: row.guid.clone(),
            rowid: row.rowid,
            ..before
        };
        seen::save(state, &seen)?;
    }
    let held = FilteredMessage {
        guid: row.guid.clone(),
        rowid: row.rowid,
        body: held.body.map(|body| with_guid_of(body, row)),
        ..held
    };
    filtered::update(state, &held)?;
    Ok(true)
}

/// Replaces the guid in a body by that of `row`.
fn with_guid_of(body: Vec<u8>, row: &Row) -> Vec<u8> {
    let Ok(mut message) = Message::from_json(&body) else {
        return body;
    };
    message.message_guid = Some(row.wire_guid());
    serde_json::to_vec(&message).expect("a message has only string keys and finite numbers")
}

/// Whether `row` is the row of the held message that has this twin hash. Its guid may have changed.
pub(super) fn is_held_message(row: &Row, twin_hash: Digest, context: &DecisionContext<'_>) -> bool {
    let composed = compose_now(&row.unfiltered(), context);
    matches!(&composed, Composed::Post(message) if twin_hash_of(row, message) == twin_hash)
        || twin_hash_of_row(row, context.now) == twin_hash
}

fn reason_of(row: &Row, chat: &Chat) -> &'static str {
    FilterReason::of(row, chat)
        .unwrap_or(FilterReason::Category)
        .into()
}

/// The chat for which the message was first composed.
fn first_chat_of(held: &FilteredMessage, seen: Option<SeenMessage>) -> Option<FirstChat> {
    seen.and_then(|seen| seen.first_chat).or_else(|| {
        let message = Message::from_json(held.body.as_deref()?).ok()?;
        Some(first_chat::of_message(&message))
    })
}
