//! A row to decide about, and the steps that every way of deciding takes: judged by how it arrived, and
//! written down as seen.

use chatdb::{Awaited, Digest, Known, Options, Relation, Row, lane};
use rusqlite::Connection;
use shared_protocol::Message;

use super::arrival::{Arrival, Arrivals, Evidence, Occasion};
use super::groups::Groups;
use super::post::Postmark;
use super::twins::{instant_of, recorded_twin, sent_at_of, twin_of};
use crate::state::quarantine::{self, Held};
use crate::state::seen::{self, Outcome, Seen};
use crate::state::told_group::ToldGroup;
use crate::state::waiting;

/// A row to decide about.
pub(super) struct Candidate {
    pub(super) row: Row,
    /// When it was first seen, microseconds since 1970.
    pub(super) since: i64,
    pub(super) look: Look,
    /// Guid of the own message that it repeats.
    pub(super) copy_of: Option<String>,
}

/// Whether a row was looked at before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It just appeared.
    First,
    /// It has been waiting.
    Again,
}

/// What deciding needs besides the rows.
pub(super) struct Rules<'a> {
    pub(super) postmark: &'a Postmark,
    pub(super) options: &'a Options,
    /// The groups that were told.
    pub(super) groups: &'a Groups,
    pub(super) floor: i64,
    pub(super) occasion: Occasion,
    pub(super) now: i64,
    /// The present as far as the network has proven it: nothing is given up by a wrong clock.
    pub(super) proven_now: i64,
}

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// Posts that are new in the outbox.
    pub(super) enqueued: u32,
    /// Messages that are newly held.
    pub(super) held: u32,
    /// Groups that were told for the first time.
    pub(super) told_groups: Vec<ToldGroup>,
    /// Chats, as chat.db names them, of rows that are newly held back by filters.
    pub(super) filtered_chats: Vec<String>,
    /// Rows that are still waiting and young enough to be looked at again at once.
    pub(super) waiting: u32,
}

/// What becomes of a row that repeats an own message: dropped where that was told, a note where that was
/// one. If it was not looked at yet, or was sent before this relay began, the copy stands for it.
pub(super) fn outcome_of_copy(
    state: &Connection,
    candidate: &Candidate,
) -> rusqlite::Result<Option<Outcome>> {
    let Some(original) = &candidate.copy_of else {
        return Ok(None);
    };
    let original = seen::find(state, original)?.map(|seen| seen.outcome);
    Ok(match original {
        Some(Outcome::Forwarded | Outcome::Backfilled) => Some(Outcome::Twin),
        Some(Outcome::NoteToSelf) => Some(Outcome::NoteToSelf),
        _ => None,
    })
}

/// A verdict, and what it was found by.
pub(super) struct Judged {
    pub(super) sent_at: i64,
    pub(super) twin: Digest,
    pub(super) arrival: Arrival,
}

/// Judges the message of a candidate.
pub(super) fn judge(
    state: &Connection,
    arrivals: &Arrivals,
    candidate: &Candidate,
    message: &Message,
    rules: &Rules<'_>,
) -> rusqlite::Result<Judged> {
    let (sent_at, twin) = (sent_at_of(message), twin_of(&candidate.row, message));
    let batch = arrivals.batch_started_at(rules.occasion, candidate.since);
    let twins = seen::count_twins(state, twin, batch)?;
    let arrival = arrivals.judge(&Evidence {
        sent_at,
        arrived_at: candidate.since,
        floor: rules.floor,
        twins,
        instant: instant_of(&candidate.row, message),
        occasion: rules.occasion,
    });
    Ok(Judged {
        sent_at,
        twin,
        arrival,
    })
}

/// Whether a text of nothing but a link came into its chat after its preview, which was told in its
/// place.
pub(super) fn is_told_by_preview(state: &Connection, row: &Row) -> rusqlite::Result<bool> {
    let Relation::TextOfLink(preview) = &row.relation else {
        return Ok(false);
    };
    let told = seen::find(state, preview)?
        .is_some_and(|preview| matches!(preview.outcome, Outcome::Forwarded | Outcome::Backfilled));
    Ok(told)
}

/// A row that is not forwarded.
pub(super) fn record(
    state: &Connection,
    row: &Row,
    now: i64,
    outcome: Outcome,
) -> rusqlite::Result<()> {
    let (sent_at, twin) = (row.sent_at.unwrap_or(now), recorded_twin(row, now));
    let known = Known {
        // What was taken for a preview without showing a link may show another one later.
        text_was_empty: row.awaits == Some(Awaited::Link),
        awaits_title: false,
        history_length: 0,
        unsent_parts: 0,
        unsend_revision: 0,
        attachment_revision: 0,
        attachments: row.digest,
    };
    seen::save(state, &seen_row(row, sent_at, twin, outcome, known, now))?;
    waiting::remove(state, row.rowid)
}

pub(super) fn seen_row(
    row: &Row,
    sent_at: i64,
    twin: Digest,
    outcome: Outcome,
    known: Known,
    now: i64,
) -> Seen {
    Seen {
        guid: row.guid.clone(),
        rowid: row.rowid,
        sent_at,
        twin,
        digest: row.digest,
        outcome,
        known,
        seen_at: now,
        bound_chat: None,
    }
}

/// Quarantines a row that this relay panics over. There is no message to hold. The digest is no row's, so
/// that a relay that starts within a day looks at the row again, and puts the message in if it can.
pub(super) fn set_aside(
    state: &Connection,
    candidate: &Candidate,
    now: i64,
) -> rusqlite::Result<()> {
    let row = &candidate.row;
    if seen::find(state, &row.guid)?.is_some() {
        return waiting::remove(state, row.rowid);
    }
    let sent_at = row.sent_at.unwrap_or(now);
    let lane = row.chat.as_ref().map(|chat| lane(&chat.guid).to_owned());
    let held = Held {
        id: 0,
        guid: row.guid.clone(),
        lane: lane.unwrap_or_default(),
        sent_at,
        reason: quarantine::PANICKED.to_owned(),
        body: Vec::new(),
        held_at: now,
    };
    quarantine::hold(state, &held)?;
    let seen = Seen {
        guid: row.guid.clone(),
        rowid: row.rowid,
        sent_at,
        twin: Digest::default(),
        digest: Digest::default(),
        outcome: Outcome::Quarantined,
        known: Known::default(),
        seen_at: now,
        bound_chat: None,
    };
    seen::save(state, &seen)?;
    waiting::remove(state, row.rowid)
}
