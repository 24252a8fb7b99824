//! Decides about rows, one by one in the order of their ROWIDs, and writes down what was decided.
//!
//! Runs inside one transaction of the relay's state: outbox, waiting set, quarantine, the record of
//! what was seen and the cursor change together or not at all. Killed before the commit, the relay
//! reads the same rows again; killed after it, nothing is left to do but to post.

use std::time::Duration;

use chatdb::{Known, Options, Reading, Row, WaitReason, compose, lane, twin_hash};
use rusqlite::Connection;
use shared_protocol::{Message, MessageIdentity, RelayName};

use super::arrival::{Arrival, Arrivals, Evidence, Occasion};
use super::post::body_of;
use crate::clock::UnixMicros;
use crate::state::outbox::{self, Enqueued, NewPost};
use crate::state::quarantine::{self, Held};
use crate::state::seen::{self, Outcome, Seen};
use crate::state::waiting::{self, Waiting};

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
}

/// What deciding needs besides the rows.
pub(super) struct Rules<'a> {
    pub(super) relay: &'a RelayName,
    pub(super) options: &'a Options,
    pub(super) floor: i64,
    pub(super) occasion: Occasion,
    pub(super) now: i64,
}

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// Posts that are new in the outbox.
    pub(super) enqueued: u32,
    /// Messages that are newly held.
    pub(super) held: u32,
    /// Rows that are still waiting and young enough to be looked at again at once.
    pub(super) waiting: u32,
}

/// What holds back rows behind it.
struct Blocker {
    lane: Option<String>,
    handle: Option<String>,
    until: i64,
}

/// Decides about `candidates`, which must be in the order of their ROWIDs.
pub(super) fn settle(
    state: &Connection,
    arrivals: &mut Arrivals,
    candidates: &[Candidate],
    rules: &Rules<'_>,
) -> rusqlite::Result<Settled> {
    arrivals.begin(
        candidates
            .iter()
            .filter_map(|c| Some((c.row.sent_at?, c.since))),
    );
    let mut settled = Settled::default();
    let mut blockers: Vec<Blocker> = Vec::new();
    for candidate in candidates {
        let row = &candidate.row;
        if seen::find(state, &row.guid)?.is_some() {
            // A rebuilt file keeps many guids and gives them other ROWIDs.
            seen::set_rowid(state, &row.guid, row.rowid)?;
            waiting::remove(state, row.rowid)?;
            continue;
        }
        let waited = Duration::from_micros(u64::try_from(rules.now - candidate.since).unwrap_or(0));
        match compose(row, rules.options, waited, rules.now) {
            Reading::Wait(WaitReason::NoChat)
                if rules.now - candidate.since > ORPHAN_AFTER_MICROS =>
            {
                record(state, row, rules.now, Outcome::Orphaned)?;
            }
            Reading::Wait(reason) => {
                let hold = match reason {
                    WaitReason::NoChat => HOLD_UNJOINED_MICROS,
                    WaitReason::NoHandle | WaitReason::NoText | WaitReason::NoAttachment => {
                        HOLD_INCOMPLETE_MICROS
                    }
                };
                let until = candidate.since + hold;
                wait(state, candidate, reason.as_str())?;
                settled.waiting += u32::from(rules.now < until);
                blockers.push(Blocker {
                    lane: row.chat.as_ref().map(|chat| lane(&chat.guid).to_owned()),
                    handle: row.handle.clone(),
                    until,
                });
            }
            Reading::Skip(reason) => record(state, row, rules.now, reason.into())?,
            Reading::Post(_) if is_blocked(row, &blockers, rules.now) => {
                wait(state, candidate, "behind")?;
                settled.waiting += 1;
            }
            Reading::Post(message) => {
                post(state, arrivals, candidate, *message, rules, &mut settled)?;
            }
        }
    }
    Ok(settled)
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

fn is_blocked(row: &Row, blockers: &[Blocker], now: i64) -> bool {
    let Some(chat) = &row.chat else { return false };
    let own_lane = lane(&chat.guid);
    blockers.iter().any(|blocker| {
        let same_lane = blocker.lane.as_deref() == Some(own_lane);
        let may_belong = blocker.lane.is_none()
            && blocker.handle.as_ref().is_some_and(|handle| {
                chat.participants.contains(handle) || chat.identifier.as_ref() == Some(handle)
            });
        now < blocker.until && (same_lane || may_belong)
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
    let sent_at = message.timestamp.as_micros();
    let twin = twin_hash(
        lane(&message.chat_guid),
        &message.sender,
        sent_at,
        &message.text,
    );
    let batch = arrivals.batch_started_at(candidate.since);
    let twins = seen::count_twins(state, twin, batch)?;
    let arrival = arrivals.judge(&Evidence {
        sent_at,
        arrived_at: candidate.since,
        floor: rules.floor,
        twins,
        occasion: rules.occasion,
    });
    if *rules.relay != RelayName::default() {
        message.relay_id = Some(rules.relay.to_string());
    }
    message.is_backfill = arrival == Arrival::Backfill;
    let lane = lane(&message.chat_guid).to_owned();
    let outcome = match arrival {
        Arrival::Live | Arrival::Backfill => {
            settled.enqueued += enqueue(state, rules.relay, &lane, &mut message, rules.now)?;
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
                body: body_of(&mut message),
                held_at: rules.now,
            };
            quarantine::hold(state, &held)?;
            Outcome::Quarantined
        }
    };
    let known = Known::of(row, &message);
    seen::save(
        state,
        &seen_row(row, sent_at, twin, outcome, known, rules.now),
    )?;
    waiting::remove(state, row.rowid)
}

/// Puts a message into the outbox; tells 1 if it was not there yet.
pub(super) fn enqueue(
    state: &Connection,
    relay: &RelayName,
    lane: &str,
    message: &mut Message,
    now: i64,
) -> rusqlite::Result<u32> {
    let body = body_of(message);
    let message_guid = message.message_guid.as_deref().unwrap_or_default();
    let (event, revision) = (message.event, message.revision);
    let webhook_id = MessageIdentity {
        relay,
        message_guid,
        event,
        revision,
    }
    .webhook_id();
    let post = NewPost {
        lane,
        webhook_id: &webhook_id,
        message_guid,
        event,
        revision,
        body: &body,
        now: UnixMicros::from_micros(now),
    };
    Ok(u32::from(matches!(
        outbox::enqueue(state, &post)?,
        Enqueued::New { .. }
    )))
}

/// A row that is not forwarded.
fn record(state: &Connection, row: &Row, now: i64, outcome: Outcome) -> rusqlite::Result<()> {
    let sent_at = row.sent_at.unwrap_or(now);
    let chat = row.chat.as_ref().map_or("", |chat| lane(&chat.guid));
    let twin = twin_hash(
        chat,
        row.handle.as_deref().unwrap_or_default(),
        sent_at,
        &row.visible_text(),
    );
    let known = Known {
        text_was_empty: false,
        history_length: 0,
        unsent_parts: 0,
        unsend_revision: 0,
        attachment_revision: 0,
        attachments: row.digest,
    };
    seen::save(state, &seen_row(row, sent_at, twin, outcome, known, now))?;
    waiting::remove(state, row.rowid)
}

fn seen_row(
    row: &Row,
    sent_at: i64,
    twin: chatdb::Digest,
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
    }
}
