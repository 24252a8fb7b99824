//! Decides about rows, one by one in the order of their ROWIDs, and writes the decisions down.
//!
//! All of it runs inside one transaction of the relay's state: outbox, waiting rows, quarantine, the
//! record of what was seen and the cursor change together or not at all. A relay that is killed before
//! the commit reads the same rows again; one that is killed after it has only to post.

use std::time::Duration;

use chatdb::{Composed, Row, SkipReason, WaitReason, compose, lane};
use crash_point::crash_point;
use rusqlite::Connection;
use shared_protocol::Message;

use super::candidate::{
    BatchResult, Candidate, DecisionContext, arrived_row, enqueue, is_posted_by_preview,
    outcome_of_copy, record, seen_message,
};
use super::filtered;
use super::freshness::{ArrivalHistory, Freshness};
use super::own_sends::{self, LedgerVerdict};
use super::row_guard::set_current_row;
use crate::state::filtered as filtered_rows;
use crate::state::quarantine::{self, HeldMessage};
use crate::state::seen::{self, RowOutcome};
use crate::state::waiting::{self, BEHIND_INCOMPLETE_ROW, MAY_BE_OWN_SEND, Waiting};

/// A row without a chat holds back the chats that it may belong to for this long, to keep their order.
const HOLD_UNJOINED_MICROS: i64 = 2_000_000;
/// An incomplete row holds back its chat for this long, to keep its order.
const HOLD_INCOMPLETE_MICROS: i64 = 4_000_000;
/// A row without a chat is given up after this long.
const ORPHAN_AFTER_MICROS: i64 = 30 * 24 * 3600 * 1_000_000;

/// A waiting row that holds back later rows.
struct Blocker {
    /// `None` if the row has no chat yet.
    lane: Option<String>,
    /// `handle.id` of the row. A row without a chat may belong to any chat of this handle.
    handle: Option<String>,
}

/// Decides about `candidates`, which must be in the order of their ROWIDs.
pub(super) fn decide(
    state: &Connection,
    arrivals: &mut ArrivalHistory,
    candidates: &[Candidate],
    context: &DecisionContext<'_>,
) -> rusqlite::Result<BatchResult> {
    let candidates = unaccounted(state, candidates)?;
    // A late row counts once, when it appears, although a row that waits for its chat is read many times.
    let appeared = candidates.iter().filter(|candidate| candidate.is_new);
    arrivals.count_late(appeared.filter_map(|c| Some((c.row.sent_at?, c.since))));
    let now = context.now;
    let mut result = BatchResult::default();
    let mut blockers: Vec<Blocker> = Vec::new();
    for candidate in candidates {
        let row = &candidate.row;
        set_current_row(row.rowid, "decide");
        crash_point("row");
        match own_sends::ask_ledger(state, candidate, context, &mut result)? {
            LedgerVerdict::OwnSend => {
                own_sends::record(state, row, context)?;
                continue;
            }
            LedgerVerdict::CopyOfOwnSend => {
                own_sends::record_copy(state, row, context)?;
                continue;
            }
            LedgerVerdict::MayBecomeOne => {
                wait(state, candidate, MAY_BE_OWN_SEND)?;
                hold_back_chat(
                    candidate,
                    HOLD_INCOMPLETE_MICROS,
                    now,
                    &mut result,
                    &mut blockers,
                );
                continue;
            }
            LedgerVerdict::Unrelated => {}
        }
        let waited = Duration::from_micros(u64::try_from(now - candidate.since).unwrap_or(0));
        match compose(row, context.options, waited, now) {
            Composed::Wait(WaitReason::NoChat)
                if context.proven_now - candidate.since > ORPHAN_AFTER_MICROS =>
            {
                record(state, row, now, RowOutcome::Orphaned)?;
            }
            Composed::Wait(reason) => {
                let hold = match reason {
                    WaitReason::NoChat => HOLD_UNJOINED_MICROS,
                    WaitReason::NoHandle
                    | WaitReason::NotFinished
                    | WaitReason::NoText
                    | WaitReason::NoAttachment
                    | WaitReason::NoReference
                    | WaitReason::NoEdit
                    | WaitReason::NoOtherSide => HOLD_INCOMPLETE_MICROS,
                };
                wait(state, candidate, reason.into())?;
                hold_back_chat(candidate, hold, now, &mut result, &mut blockers);
            }
            Composed::Skip(SkipReason::Spam) => {
                filtered::hold_back(state, arrivals, candidate, context, &mut result)?;
            }
            Composed::Skip(reason) => record(state, row, now, reason.into())?,
            Composed::Post(_) if let Some(outcome) = outcome_of_copy(state, candidate)? => {
                record(state, row, now, outcome)?;
            }
            Composed::Post(_) if is_posted_by_preview(state, row)? => {
                record(state, row, now, RowOutcome::LinkPreview)?;
            }
            Composed::Post(_) if is_blocked(row, &blockers) => {
                wait(state, candidate, BEHIND_INCOMPLETE_ROW)?;
                result.waiting += 1;
            }
            Composed::Post(message) => {
                post(state, arrivals, candidate, *message, context, &mut result)?;
            }
        }
    }
    Ok(result)
}

/// The candidates that are not accounted for yet. For the others, whose guids a rebuilt chat.db may have under
/// other ROWIDs, the new ROWID is written down.
fn unaccounted<'c>(
    state: &Connection,
    candidates: &'c [Candidate],
) -> rusqlite::Result<Vec<&'c Candidate>> {
    let mut unaccounted = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let row = &candidate.row;
        // A message that filters hold back stays listed after its row of `seen` was removed.
        if seen::find(state, &row.guid)?.is_some() || filtered_rows::contains(state, &row.guid)? {
            seen::set_rowid(state, &row.guid, row.rowid)?;
            filtered_rows::set_rowid(state, &row.guid, row.rowid)?;
            waiting::remove(state, row.rowid)?;
        } else {
            unaccounted.push(candidate);
        }
    }
    Ok(unaccounted)
}

/// Has an incomplete row that has waited less than `hold` microseconds hold back its chat.
fn hold_back_chat(
    candidate: &Candidate,
    hold: i64,
    now: i64,
    result: &mut BatchResult,
    blockers: &mut Vec<Blocker>,
) {
    if now >= candidate.since + hold {
        return;
    }
    result.waiting += 1;
    let chat = candidate.row.chat.as_ref();
    blockers.push(Blocker {
        lane: chat.map(|chat| lane(&chat.wire_guid()).to_owned()),
        handle: candidate.row.handle.clone(),
    });
}

fn wait(state: &Connection, candidate: &Candidate, reason: &str) -> rusqlite::Result<()> {
    waiting::save(
        state,
        &Waiting {
            rowid: candidate.row.rowid,
            guid: candidate.row.guid.clone(),
            reason: reason.to_owned(),
            since: candidate.since,
        },
    )
}

/// Whether one of the earlier, incomplete rows may belong to the chat of `row`, which then waits to keep the order.
fn is_blocked(row: &Row, blockers: &[Blocker]) -> bool {
    let Some(chat) = row.chat.as_ref().filter(|_| !blockers.is_empty()) else {
        return false;
    };
    let wire_guid = chat.wire_guid();
    let row_lane = lane(&wire_guid);
    blockers.iter().any(|blocker| match &blocker.lane {
        Some(blocked) => blocked == row_lane,
        None => blocker.handle.as_ref().is_some_and(|handle| {
            chat.participants.contains(handle) || chat.identifier.as_ref() == Some(handle)
        }),
    })
}

/// Puts a complete message into the outbox or the quarantine, or drops it, by its freshness.
fn post(
    state: &Connection,
    arrivals: &mut ArrivalHistory,
    candidate: &Candidate,
    mut message: Message,
    context: &DecisionContext<'_>,
    result: &mut BatchResult,
) -> rusqlite::Result<()> {
    let (row, now) = (&candidate.row, context.now);
    let arrived = arrived_row(state, arrivals, row, &message, candidate.since, context)?;
    let freshness = arrivals.classify(&arrived);
    let outcome = match freshness {
        Freshness::Live => RowOutcome::Forwarded,
        Freshness::Backfill => RowOutcome::Backfilled,
        Freshness::Twin => RowOutcome::Twin,
        Freshness::Recorded => RowOutcome::Recorded,
        Freshness::Doubtful => RowOutcome::Quarantined,
    };
    let seen = seen_message(row, &message, now, outcome);
    message.is_backfill = freshness == Freshness::Backfill;
    if outcome.is_posted() {
        enqueue(state, row, &mut message, context, result)?;
    }
    if freshness == Freshness::Live {
        own_sends::take_over(state, row, &message, context, result)?;
        arrivals.note_live(seen.sent_at, candidate.since);
    }
    if freshness == Freshness::Doubtful {
        result.held += 1;
        let held = HeldMessage {
            id: 0,
            guid: row.guid.clone(),
            lane: lane(&message.chat_guid).to_owned(),
            sent_at: seen.sent_at,
            reason: "late_out_of_order".to_owned(),
            body: context.post_builder.body_of(&mut message),
            held_at: now,
        };
        quarantine::hold(state, &held)?;
    }
    seen::save(state, &seen)?;
    waiting::remove(state, row.rowid)
}
