//! What becomes of rows that Apple's filters hold back.
//!
//! Such a row is listed in the state with the message that it would be. Once its mark is lifted it is
//! put into the outbox, in the transaction that takes it off the list: killed before, the relay finds
//! it lifted again; killed after, only the post is left. It was accounted for when it came, so it counts
//! as a copy, or as what others are copies of, from that time on.

use std::time::Duration;

use chatdb::{Chat, Digest, FilterReason, Known, Reading, Relation, Row, compose, lane};
use rusqlite::Connection;
use shared_protocol::Message;

use super::arrival::{Arrival, Arrivals, Evidence, NEWEST_LIVE_AGE, Occasion};
use super::candidate::{
    Candidate, Rules, Settled, is_told_by_preview, judge, outcome_of_copy, record, seen_row,
};
use super::twins::{instant_of, recorded_twin, sent_at_of, twin_of};
use super::{binding, groups};
use crate::state::filtered::{self, Came, Filtered};
use crate::state::seen::{self, BoundChat, Outcome, Seen};
use crate::state::waiting;

/// Patience that is over: what is held back is taken as it is.
const NO_MORE_WAITING: Duration = Duration::from_hours(24);

/// Holds back a row that just appeared.
pub(super) fn hold_back(
    state: &Connection,
    arrivals: &Arrivals,
    candidate: &Candidate,
    rules: &Rules<'_>,
    settled: &mut Settled,
) -> rusqlite::Result<()> {
    let row = &candidate.row;
    let Some(chat) = row.chat.as_deref() else {
        return Ok(());
    };
    let mut message = match compose(&row.unfiltered(), rules.options, NO_MORE_WAITING, rules.now) {
        Reading::Post(message) => *message,
        Reading::Skip(reason) => return record(state, row, rules.now, reason.into()),
        Reading::Wait(_) => {
            settled.filtered_chats.push(chat.guid.clone());
            filtered::hold(state, &incomplete(row, chat, rules.now))?;
            return record(state, row, rules.now, Outcome::Spam);
        }
    };
    let judged = judge(state, arrivals, candidate, &message, rules)?;
    let (outcome, came) = match judged.arrival {
        Arrival::Recorded => (Outcome::Recorded, None),
        Arrival::Twin => (Outcome::Twin, None),
        Arrival::Live => (Outcome::Spam, Some(Came::New)),
        Arrival::Backfill | Arrival::Doubtful => (Outcome::Spam, Some(Came::Old)),
    };
    let bound_chat = Some(binding::chat_of(&message));
    let known = Known::of(row, &message);
    if let Some(came) = came {
        let held = Filtered {
            id: 0,
            guid: row.guid.clone(),
            rowid: row.rowid,
            chat_guid: Some(chat.guid.clone()),
            reason: reason_of(row, chat).to_owned(),
            sent_at: judged.sent_at,
            twin: judged.twin,
            came,
            held_since: rules.now,
            body: Some(rules.postmark.body_of(&mut message)),
            told_by: told_by(row),
        };
        filtered::hold(state, &held)?;
        settled.filtered_chats.push(chat.guid.clone());
    }
    let seen = Seen {
        bound_chat,
        ..seen_row(row, judged.sent_at, judged.twin, outcome, known, rules.now)
    };
    seen::save(state, &seen)?;
    waiting::remove(state, row.rowid)
}

/// Lists a row that told nothing when it came, and that now has something to tell that its filter holds
/// back.
pub(super) fn hold_back_late(
    state: &Connection,
    row: &Row,
    before: &Seen,
    rules: &Rules<'_>,
) -> rusqlite::Result<()> {
    let Some(chat) = row.chat.as_deref() else {
        return Ok(());
    };
    let reading = compose(&row.unfiltered(), rules.options, NO_MORE_WAITING, rules.now);
    let Reading::Post(mut message) = reading else {
        return Ok(());
    };
    let seen = Seen {
        bound_chat: Some(binding::chat_of(&message)),
        known: Known::of(row, &message),
        twin: twin_of(row, &message),
        digest: row.digest,
        outcome: Outcome::Spam,
        ..before.clone()
    };
    let held = Filtered {
        twin: seen.twin,
        body: Some(rules.postmark.body_of(&mut message)),
        ..incomplete(row, chat, rules.now)
    };
    filtered::hold(state, &held)?;
    seen::save(state, &seen)
}

/// A row of which nothing can be told yet.
fn incomplete(row: &Row, chat: &Chat, now: i64) -> Filtered {
    Filtered {
        id: 0,
        guid: row.guid.clone(),
        rowid: row.rowid,
        chat_guid: Some(chat.guid.clone()),
        reason: reason_of(row, chat).to_owned(),
        sent_at: row.sent_at.unwrap_or(now),
        twin: recorded_twin(row, now),
        came: Came::New,
        held_since: now,
        body: None,
        told_by: told_by(row),
    }
}

/// The preview that tells the same as this row.
fn told_by(row: &Row) -> Option<String> {
    match &row.relation {
        Relation::TextOfLink(preview) => Some(preview.clone()),
        _ => None,
    }
}

/// By what a row is held back.
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

/// Writes down what a row that stays held back holds by now, and by what it is held if that was looked
/// at.
pub(super) fn refresh(
    state: &Connection,
    id: i64,
    row: &Row,
    held_by: Option<HeldBy>,
    rules: &Rules<'_>,
) -> rusqlite::Result<()> {
    let Some(mut held) = filtered::find(state, id)? else {
        return Ok(());
    };
    let before = seen::find(state, &held.guid)?;
    let mut message = match compose(&row.unfiltered(), rules.options, NO_MORE_WAITING, rules.now) {
        Reading::Post(message) => *message,
        Reading::Skip(reason) => {
            filtered::remove(state, &held.guid)?;
            return record(state, row, held.held_since, reason.into());
        }
        Reading::Wait(_) => return Ok(()),
    };
    binding::rename(&mut message, bound_chat(&held, before.as_ref()).as_ref());
    if let Some(held_by) = held_by {
        held.chat_guid = Some(held_by.chat_guid);
        held_by.reason.clone_into(&mut held.reason);
    }
    held.guid.clone_from(&row.guid);
    held.rowid = row.rowid;
    held.twin = twin_of(row, &message);
    let known = Known::of(row, &message);
    let seen = Seen {
        bound_chat: Some(binding::chat_of(&message)),
        ..seen_row(
            row,
            held.sent_at,
            held.twin,
            Outcome::Spam,
            known,
            held.held_since,
        )
    };
    held.body = Some(rules.postmark.body_of(&mut message));
    held.told_by = told_by(row);
    filtered::update(state, &held)?;
    seen::save(state, &seen)
}

/// Puts a row into the outbox whose mark was lifted.
pub(super) fn release_lifted(
    state: &Connection,
    arrivals: &mut Arrivals,
    id: i64,
    candidate: &Candidate,
    rules: &Rules<'_>,
    settled: &mut Settled,
) -> rusqlite::Result<()> {
    let row = &candidate.row;
    let reading = compose(&row.unfiltered(), rules.options, NO_MORE_WAITING, rules.now);
    if matches!(reading, Reading::Wait(_)) {
        return Ok(());
    }
    // The owner may have been faster.
    let Some(held) = filtered::take(state, id)? else {
        return Ok(());
    };
    let mut message = match reading {
        Reading::Skip(reason) => return record(state, row, held.held_since, reason.into()),
        Reading::Wait(_) => return Ok(()),
        Reading::Post(message) => message,
    };
    if let Some(outcome) = outcome_of_copy(state, candidate)? {
        return record(state, row, held.held_since, outcome);
    }
    if is_told_by_preview(state, row)? {
        return record(state, row, held.held_since, Outcome::LinkPreview);
    }
    let before = seen::find(state, &held.guid)?;
    binding::rename(&mut message, bound_chat(&held, before.as_ref()).as_ref());
    // It was not told until now: its group may have been told under another name meanwhile.
    if let Some(told) = rules.groups.told_as(&message.chat_guid) {
        told.clone_into(&mut message.chat_guid);
    }
    let (sent_at, twin) = (sent_at_of(&message), twin_of(row, &message));
    let arrived_at = held.held_since;
    let began_at = arrivals.batch_started_at(Occasion::Ordinary, arrived_at);
    let evidence = Evidence {
        sent_at,
        arrived_at,
        floor: rules.floor,
        twins: seen::count_twins(state, twin, began_at)?,
        instant: instant_of(row, &message),
        occasion: Occasion::Ordinary,
    };
    let outcome = if Arrivals::is_copy(&evidence) {
        Outcome::Twin
    } else if held.came == Came::Old || rules.now - sent_at > NEWEST_LIVE_AGE {
        Outcome::Backfilled
    } else {
        Outcome::Forwarded
    };
    message.is_backfill = outcome == Outcome::Backfilled;
    if outcome != Outcome::Twin {
        let lane = lane(&message.chat_guid).to_owned();
        settled.enqueued += rules
            .postmark
            .enqueue(state, &lane, &mut message, rules.now)?;
        let group = groups::note_telling(state, rules.groups, row, &message, rules.now)?;
        settled.told_groups.extend(group);
    }
    if outcome == Outcome::Forwarded {
        arrivals.accept(sent_at, rules.now);
    }
    let seen = Seen {
        bound_chat: Some(binding::chat_of(&message)),
        ..seen_row(
            row,
            sent_at,
            twin,
            outcome,
            Known::of(row, &message),
            held.held_since,
        )
    };
    seen::save(state, &seen)
}

/// Forgets a row that was deleted from chat.db: should it come back, it is read as a new one.
pub(super) fn forget_deleted(state: &Connection, id: i64) -> rusqlite::Result<()> {
    match filtered::take(state, id)? {
        Some(held) => seen::forget(state, &held.guid),
        None => Ok(()),
    }
}

/// Gives a row that is held back the guid that it has in a chat.db that was built anew; tells whether
/// that is free.
pub(super) fn rename(state: &Connection, id: i64, row: &Row) -> rusqlite::Result<bool> {
    if seen::find(state, &row.guid)?.is_some() || filtered::contains(state, &row.guid)? {
        return Ok(false);
    }
    let Some(held) = filtered::find(state, id)? else {
        return Ok(false);
    };
    if let Some(before) = seen::find(state, &held.guid)? {
        seen::forget(state, &held.guid)?;
        let seen = Seen {
            guid: row.guid.clone(),
            rowid: row.rowid,
            ..before
        };
        seen::save(state, &seen)?;
    }
    let held = Filtered {
        guid: row.guid.clone(),
        rowid: row.rowid,
        body: held.body.map(|body| renamed(body, row)),
        ..held
    };
    filtered::update(state, &held)?;
    Ok(true)
}

/// The body under the row's guid.
fn renamed(body: Vec<u8>, row: &Row) -> Vec<u8> {
    let Ok(mut message) = Message::from_json(&body) else {
        return body;
    };
    message.message_guid = Some(row.wire_guid());
    serde_json::to_vec(&message).expect("a message has only string keys and finite numbers")
}

/// Whether `row`, under whatever guid, is the message that is held back with this twin hash.
pub(super) fn is_same(row: &Row, twin: Digest, rules: &Rules<'_>) -> bool {
    let reading = compose(&row.unfiltered(), rules.options, NO_MORE_WAITING, rules.now);
    matches!(&reading, Reading::Post(message) if twin_of(row, message) == twin)
        || recorded_twin(row, rules.now) == twin
}

fn reason_of(row: &Row, chat: &Chat) -> &'static str {
    FilterReason::of(row, chat)
        .unwrap_or(FilterReason::Category)
        .into()
}

/// The chat that the message was composed for at first.
fn bound_chat(held: &Filtered, seen: Option<&Seen>) -> Option<BoundChat> {
    seen.and_then(|seen| seen.bound_chat.clone()).or_else(|| {
        let message = Message::from_json(held.body.as_deref()?).ok()?;
        Some(binding::chat_of(&message))
    })
}
