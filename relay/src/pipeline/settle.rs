//! Decides about rows, one by one in the order of their ROWIDs, and writes down what was decided.
//!
//! Runs inside one transaction of the relay's state: outbox, waiting set, quarantine, the record of
//! what was seen and the cursor change together or not at all. Killed before the commit, the relay
//! reads the same rows again; killed after it, nothing is left to do but to post.

use std::time::Duration;

use chatdb::{
    Awaited, Digest, Known, Options, Reading, Relation, Row, SkipReason, WaitReason, compose, lane,
};
use rusqlite::Connection;
use shared_protocol::Message;

use super::arrival::{Arrival, Arrivals, Evidence, Occasion};
use super::groups::{self, Groups};
use super::post::Postmark;
use super::twins::{instant_of, recorded_twin, sent_at_of, twin_of};
use super::{binding, filtered};
use crate::state::filtered as filtered_rows;
use crate::state::quarantine::{self, Held};
use crate::state::seen::{self, Outcome, Seen};
use crate::state::told_group::ToldGroup;
use crate::state::waiting::{self, BEHIND, Waiting};

/// A row without a chat holds back the chats that it may belong to for this long.
const HOLD_UNJOINED_MICROS: i64 = 2_000_000;
/// A row that waits for its attachments holds back its chat for this long.
const HOLD_INCOMPLETE_MICROS: i64 = 4_000_000;
/// A row that no chat has claimed after this long never will be.
const ORPHAN_AFTER_MICROS: i64 = 30 * 24 * 3600 * 1_000_000;

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
                wait(state, candidate, reason.as_str())?;
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
