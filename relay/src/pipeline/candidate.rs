//! A row to decide about, and the steps that several kinds of decision share.

use std::time::Duration;

use chatdb::{Awaited, Composed, Digest, Options, PostedContent, Relation, Row, compose, lane};
use rusqlite::Connection;
use shared_protocol::Message;

use super::first_chat;
use super::freshness::{ArrivalHistory, ArrivedRow, ReadCause};
use super::groups::{self, GroupNames};
use super::post_builder::PostBuilder;
use super::twins::{sent_at_of, timestamp_proof, twin_hash_of, twin_hash_of_row};
use crate::state::group_name::GroupName;
use crate::state::quarantine::{self, HeldMessage};
use crate::state::seen::{self, Originals, RowOutcome, SeenMessage};
use crate::state::waiting;

/// Longer than any row waits for content. A row that has waited this long is composed with what it has.
const WAITED_LONG_ENOUGH: Duration = Duration::from_hours(24);

/// A row to decide about.
pub(super) struct Candidate {
    pub(super) row: Row,
    /// When the row was first seen, microseconds since 1970.
    pub(super) since: i64,
    /// Whether the row just appeared; otherwise it was waiting or held back.
    pub(super) is_new: bool,
    /// Guid of the own message of which the row is certainly a copy; `None` before that was examined.
    pub(super) copy_of: Option<String>,
}

impl Candidate {
    /// A row that just appeared.
    pub(super) fn new(row: Row, since: i64) -> Self {
        Self {
            row,
            since,
            is_new: true,
            copy_of: None,
        }
    }
}

/// What is the same for all rows of one transaction and decides about them.
pub(super) struct DecisionContext<'a> {
    pub(super) post_builder: &'a PostBuilder,
    pub(super) options: &'a Options,
    pub(super) groups: &'a GroupNames,
    /// Names the chat.db that is read ([`read_position::chat_db_file`](crate::state::read_position::chat_db_file)).
    pub(super) chat_db_file: &'a str,
    /// Messages sent before this time are recorded and never posted, microseconds since 1970.
    pub(super) floor: i64,
    pub(super) cause: ReadCause,
    /// Whether the state may have forgotten sends, so that an own row is not known to be the owner's.
    pub(super) may_have_forgotten_sends: bool,
    pub(super) now: i64,
    /// The earlier of `now` and the last proof of the network: a wrong clock alone gives up no row.
    pub(super) proven_now: i64,
}

/// What the decisions about a batch of rows have changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct BatchResult {
    /// Posts that are new in the outbox.
    pub(super) enqueued: u32,
    /// Messages that are newly held for the owner.
    pub(super) held: u32,
    /// Groups of which a message was posted for the first time, with their names.
    pub(super) named_groups: Vec<GroupName>,
    /// `chat.guid` of the chats of messages that filters newly hold back.
    pub(super) filtered_chats: Vec<String>,
    /// Waiting rows that hold back later rows, or are held back by an earlier one.
    pub(super) waiting: u32,
    /// Whether bubbles of the ledger have reached other states.
    pub(super) has_moved_bubbles: bool,
}

/// The outcome of a copy of an own message, or `None` if the copy is to be posted. A copy is dropped if its
/// original was posted, and is a note to self if its original is one. If the original was not read yet, or
/// was sent before this relay's first run, the copy is posted in its place.
pub(super) fn outcome_of_copy(
    state: &Connection,
    candidate: &Candidate,
) -> rusqlite::Result<Option<RowOutcome>> {
    let Some(original) = &candidate.copy_of else {
        return Ok(None);
    };
    let original = seen::find(state, original)?.map(|seen| seen.outcome);
    Ok(match original {
        Some(RowOutcome::Forwarded | RowOutcome::Backfilled) => Some(RowOutcome::Twin),
        Some(RowOutcome::NoteToSelf) => Some(RowOutcome::NoteToSelf),
        _ => None,
    })
}

/// The facts by which to decide the freshness of a row that first appeared at `arrived_at`.
pub(super) fn arrived_row(
    state: &Connection,
    arrivals: &ArrivalHistory,
    row: &Row,
    message: &Message,
    arrived_at: i64,
    context: &DecisionContext<'_>,
) -> rusqlite::Result<ArrivedRow> {
    let batch_at = arrivals.batch_started_at(context.cause, arrived_at);
    let twin_hash = twin_hash_of(row, message);
    Ok(ArrivedRow {
        sent_at: sent_at_of(message),
        arrived_at,
        floor: context.floor,
        copies: seen::count_copies(state, twin_hash, batch_at, Originals::Decided)?,
        timestamp: timestamp_proof(row, message),
        cause: context.cause,
    })
}

/// Composes a row with what it has, as if it had waited long enough.
pub(super) fn compose_now(row: &Row, context: &DecisionContext<'_>) -> Composed {
    compose(row, context.options, WAITED_LONG_ENOUGH, context.now)
}

/// Guid of the link preview that shows the same link as `row`, if `row` contains nothing but that link.
pub(super) fn preview_of(row: &Row) -> Option<&str> {
    match &row.relation {
        Relation::TextOfLink(preview) => Some(preview),
        _ => None,
    }
}

/// Whether the preview of the link that a row contains was posted.
pub(super) fn is_posted_by_preview(state: &Connection, row: &Row) -> rusqlite::Result<bool> {
    preview_of(row).map_or(Ok(false), |preview| seen::is_posted(state, preview))
}

/// Puts the message of a row into the outbox. If it is the first of its group, the group's name is written down.
pub(super) fn enqueue(
    state: &Connection,
    row: &Row,
    message: &mut Message,
    context: &DecisionContext<'_>,
    result: &mut BatchResult,
) -> rusqlite::Result<()> {
    let now = context.now;
    result.enqueued += context.post_builder.enqueue(state, message, now)?;
    let group = groups::note_first_post(state, context.groups, row, message, now)?;
    result.named_groups.extend(group);
    Ok(())
}

/// Records the outcome of a row that is not posted.
pub(super) fn record(
    state: &Connection,
    row: &Row,
    now: i64,
    outcome: RowOutcome,
) -> rusqlite::Result<()> {
    seen::save(state, &unposted(row, now, outcome))?;
    waiting::remove(state, row.rowid)
}

/// The record of a row of which no message is posted.
pub(super) fn unposted(row: &Row, now: i64, outcome: RowOutcome) -> SeenMessage {
    SeenMessage {
        guid: row.guid.clone(),
        rowid: row.rowid,
        sent_at: row.sent_at.unwrap_or(now),
        twin_hash: twin_hash_of_row(row, now),
        digest: row.digest,
        outcome,
        is_own_send: false,
        posted: PostedContent {
            // A row that was taken for a preview and shows no link yet may show one later.
            text_was_empty: row.awaits == Some(Awaited::Link),
            attachments_digest: row.digest,
            ..PostedContent::default()
        },
        seen_at: now,
        first_chat: None,
    }
}

/// The record of a row and its message.
pub(super) fn seen_message(
    row: &Row,
    message: &Message,
    seen_at: i64,
    outcome: RowOutcome,
) -> SeenMessage {
    SeenMessage {
        guid: row.guid.clone(),
        rowid: row.rowid,
        sent_at: sent_at_of(message),
        twin_hash: twin_hash_of(row, message),
        digest: row.digest,
        outcome,
        is_own_send: false,
        posted: PostedContent::of(row, message),
        seen_at,
        first_chat: Some(first_chat::of_message(message)),
    }
}

/// Quarantines a row over which this relay panics, without a message. The empty digest matches no row, so
/// a relay that starts within a day reads the row as a changed one, and adds the message if it can.
pub(super) fn quarantine_panicked(
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
    let held = HeldMessage {
        id: 0,
        guid: row.guid.clone(),
        lane: lane.unwrap_or_default(),
        sent_at,
        reason: quarantine::PANICKED.to_owned(),
        body: Vec::new(),
        held_at: now,
    };
    quarantine::hold(state, &held)?;
    let seen = SeenMessage {
        guid: row.guid.clone(),
        rowid: row.rowid,
        sent_at,
        twin_hash: Digest::default(),
        digest: Digest::default(),
        outcome: RowOutcome::Quarantined,
        is_own_send: false,
        posted: PostedContent::default(),
        seen_at: now,
        first_chat: None,
    };
    seen::save(state, &seen)?;
    waiting::remove(state, row.rowid)
}
