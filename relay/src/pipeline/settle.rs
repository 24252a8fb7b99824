//! Decides about rows, one by one in the order of their ROWIDs, and writes down what was decided.
//!
//! Runs inside one transaction of the relay's state: outbox, waiting set, quarantine, the record of
//! what was seen and the cursor change together or not at all. Killed before the commit, the relay
//! reads the same rows again; killed after it, nothing is left to do but to post.

use std::time::Duration;

use chatdb::{Known, Reading, Row, SkipReason, WaitReason, compose, lane};
use crash_point::crash_point;
use rusqlite::Connection;
use shared_protocol::Message;

use super::arrival::{Arrival, Arrivals};
use super::candidate::{
    Candidate, Judged, Look, Rules, Settled, is_told_by_preview, judge, outcome_of_copy, record,
    seen_row,
};
use super::row_guard::take_in_hand;
use super::{binding, filtered, groups};
use crate::state::filtered as filtered_rows;
use crate::state::quarantine::{self, Held};
use crate::state::seen::{self, Outcome, Seen};
use crate::state::waiting::{self, BEHIND, Waiting};

/// A row without a chat holds back the chats that it may belong to for this long.
const HOLD_UNJOINED_MICROS: i64 = 2_000_000;
/// A row that waits for its attachments holds back its chat for this long.
const HOLD_INCOMPLETE_MICROS: i64 = 4_000_000;
/// A row that no chat has claimed after this long never will be.
const ORPHAN_AFTER_MICROS: i64 = 30 * 24 * 3600 * 1_000_000;

/// What holds back rows behind it.
struct Blocker {
    lane: Option<String>,
    handle: Option<String>,
}

/// Decides about `candidates`, which must be in the order of their ROWIDs.
pub(super) fn settle(
    state: &Connection,
    arrivals: &mut Arrivals,
    candidates: &[Candidate],
    rules: &Rules<'_>,
) -> rusqlite::Result<Settled> {
    let candidates = unaccounted(state, candidates)?;
    // A row counts once, when it appears: one that waits for its chat is looked at many times.
    let appeared = candidates
        .iter()
        .filter(|candidate| candidate.look == Look::First);
    arrivals.begin(appeared.filter_map(|c| Some((c.row.sent_at?, c.since))));
    let mut settled = Settled::default();
    let mut blockers: Vec<Blocker> = Vec::new();
    for candidate in candidates {
        let row = &candidate.row;
        take_in_hand(row.rowid, "settle");
        crash_point("row");
        let waited = Duration::from_micros(u64::try_from(rules.now - candidate.since).unwrap_or(0));
        match compose(row, rules.options, waited, rules.now) {
            Reading::Wait(WaitReason::NoChat)
                if rules.proven_now - candidate.since > ORPHAN_AFTER_MICROS =>
            {
                record(state, row, rules.now, Outcome::Orphaned)?;
            }
            Reading::Wait(reason) => {
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
                let until = candidate.since + hold;
                wait(state, candidate, reason.into())?;
                if rules.now < until {
                    settled.waiting += 1;
                    blockers.push(Blocker {
                        lane: row
                            .chat
                            .as_ref()
                            .map(|chat| lane(&chat.wire_guid()).to_owned()),
                        handle: row.handle.clone(),
                    });
                }
            }
            Reading::Skip(SkipReason::Spam) => {
                filtered::hold_back(state, arrivals, candidate, rules, &mut settled)?;
            }
            Reading::Skip(reason) => record(state, row, rules.now, reason.into())?,
            Reading::Post(_) if let Some(outcome) = outcome_of_copy(state, candidate)? => {
                record(state, row, rules.now, outcome)?;
            }
            Reading::Post(_) if is_told_by_preview(state, row)? => {
                record(state, row, rules.now, Outcome::LinkPreview)?;
            }
            Reading::Post(_) if is_blocked(row, &blockers) => {
                wait(state, candidate, BEHIND)?;
                settled.waiting += 1;
            }
            Reading::Post(message) => {
                post(state, arrivals, candidate, *message, rules, &mut settled)?;
            }
        }
    }
    Ok(settled)
}

/// The candidates that nothing is known of. A rebuilt file keeps many guids and gives them other
/// ROWIDs.
fn unaccounted<'c>(
    state: &Connection,
    candidates: &'c [Candidate],
) -> rusqlite::Result<Vec<&'c Candidate>> {
    let mut unaccounted = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let row = &candidate.row;
        // What filters hold back stays listed after `seen` has forgotten it.
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

fn is_blocked(row: &Row, blockers: &[Blocker]) -> bool {
    let Some(chat) = row.chat.as_ref().filter(|_| !blockers.is_empty()) else {
        return false;
    };
    let wire_guid = chat.wire_guid();
    let own_lane = lane(&wire_guid);
    blockers.iter().any(|blocker| {
        let same_lane = blocker.lane.as_deref() == Some(own_lane);
        let may_belong = blocker.lane.is_none()
            && blocker.handle.as_ref().is_some_and(|handle| {
                chat.participants.contains(handle) || chat.identifier.as_ref() == Some(handle)
            });
        same_lane || may_belong
    })
}

/// A message that is complete: judged, and put where the verdict says.
fn post(
    state: &Connection,
    arrivals: &mut Arrivals,
    candidate: &Candidate,
    mut message: Message,
    rules: &Rules<'_>,
    settled: &mut Settled,
) -> rusqlite::Result<()> {
    let row = &candidate.row;
    let Judged {
        sent_at,
        twin,
        arrival,
    } = judge(state, arrivals, candidate, &message, rules)?;
    message.is_backfill = arrival == Arrival::Backfill;
    let lane = lane(&message.chat_guid).to_owned();
    let outcome = match arrival {
        Arrival::Live | Arrival::Backfill => {
            settled.enqueued += rules
                .postmark
                .enqueue(state, &lane, &mut message, rules.now)?;
            if arrival == Arrival::Live {
                arrivals.accept(sent_at, candidate.since);
                Outcome::Forwarded
            } else {
                Outcome::Backfilled
            }
        }
        Arrival::Twin => Outcome::Twin,
        Arrival::Recorded => Outcome::Recorded,
        Arrival::Doubtful => {
            settled.held += 1;
            let held = Held {
                id: 0,
                guid: row.guid.clone(),
                lane,
                sent_at,
                reason: "late_out_of_order".to_owned(),
                body: rules.postmark.body_of(&mut message),
                held_at: rules.now,
            };
            quarantine::hold(state, &held)?;
            Outcome::Quarantined
        }
    };
    if matches!(arrival, Arrival::Live | Arrival::Backfill) {
        let group = groups::note_telling(state, rules.groups, row, &message, rules.now)?;
        settled.told_groups.extend(group);
    }
    let known = Known::of(row, &message);
    let seen = Seen {
        bound_chat: Some(binding::chat_of(&message)),
        ..seen_row(row, sent_at, twin, outcome, known, rules.now)
    };
    seen::save(state, &seen)?;
    waiting::remove(state, row.rowid)
}
