//! The sender's side of the outbox: paging what is pending, loading bodies, recording answers.
//!
//! Every mark names the state that it expects, so that a row which the owner dropped meanwhile stays
//! dropped.

use rusqlite::{Connection, Row, params};

use super::super::meta;
use crate::clock::UnixMicros;

/// Counts the times that rows behind the sender's position became pending again.
const GENERATION: &str = "outbox_generation";

/// A pending post without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its place in the outbox.
    pub seq: i64,
    /// Its conversation.
    pub lane: String,
    /// Failed attempts so far.
    pub attempts: u32,
    /// Not to be sent before this instant.
    pub next_attempt_at: UnixMicros,
}

/// What is needed to send a post.
#[derive(Clone, PartialEq, Eq)]
pub struct Sendable {
    /// Its place in the outbox.
    pub seq: i64,
    /// The id under which it is signed.
    pub webhook_id: String,
    /// What happened to the message.
    pub event: String,
    /// Which revision of it.
    pub revision: u32,
    /// The exact bytes to sign and post.
    pub body: Vec<u8>,
}

/// An answer that settles a post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Its place in the outbox.
    pub seq: i64,
    /// The backend's id of the stored message.
    pub message_id: Option<String>,
    /// When the answer came.
    pub at: UnixMicros,
    /// `id_conflict` when the backend had it with other bytes.
    pub note: Option<&'static str>,
}

/// An attempt that is to be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Its place in the outbox.
    pub seq: i64,
    /// When to try again.
    pub next_attempt_at: UnixMicros,
    /// A code, never text of a message.
    pub code: &'static str,
}

/// A post that the backend refused for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its place in the outbox.
    pub seq: i64,
    /// A code, never text of a message.
    pub code: &'static str,
    /// Version of the backend that refused it.
    pub version: String,
}

fn pending_row(row: &Row<'_>) -> rusqlite::Result<Pending> {
    Ok(Pending {
        seq: row.get(0)?,
        lane: row.get(1)?,
        attempts: row.get(2)?,
        next_attempt_at: row.get(3)?,
    })
}

/// Up to `limit` pending posts after `seq`, in order.
pub fn pending_after(
    connection: &Connection,
    seq: i64,
    limit: usize,
) -> rusqlite::Result<Vec<Pending>> {
    let mut statement = connection.prepare_cached(
        "select seq, lane, attempts, next_attempt_at from outbox indexed by outbox_pending
         where state = 'pending' and seq > ?1 order by seq limit ?2",
    )?;
    let rows = statement.query_map(params![seq, count(limit)], pending_row)?;
    rows.collect()
}

/// Up to `limit` pending posts of one lane after `seq`, in order.
pub fn pending_of_lane(
    connection: &Connection,
    lane: &str,
    seq: i64,
    limit: usize,
) -> rusqlite::Result<Vec<Pending>> {
    let mut statement = connection.prepare_cached(
        "select seq, lane, attempts, next_attempt_at from outbox indexed by outbox_lane
         where state = 'pending' and lane = ?1 and seq > ?2 order by seq limit ?3",
    )?;
    let rows = statement.query_map(params![lane, seq, count(limit)], pending_row)?;
    rows.collect()
}

/// The posts of `seqs` that are still pending.
pub fn load(connection: &Connection, seqs: &[i64]) -> rusqlite::Result<Vec<Sendable>> {
    let mut statement = connection.prepare_cached(
        "select seq, webhook_id, event, revision, body from outbox
         where seq = ?1 and state = 'pending' and body is not null",
    )?;
    let mut found = Vec::with_capacity(seqs.len());
    for seq in seqs {
        let rows = statement.query_map([seq], |row| {
            Ok(Sendable {
                seq: row.get(0)?,
                webhook_id: row.get(1)?,
                event: row.get(2)?,
                revision: row.get(3)?,
                body: row.get(4)?,
            })
        })?;
        for row in rows {
            found.push(row?);
        }
    }
    Ok(found)
}

/// Records that the backend has these; their bodies are let go.
pub fn mark_delivered(tx: &Connection, posts: &[Delivered]) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached(
        "update outbox
         set state = 'delivered', body = null, attempts = attempts + 1, message_id = ?2,
             delivered_at = ?3, last_error = ?4
         where seq = ?1 and state <> 'delivered'",
    )?;
    for post in posts {
        statement.execute(params![post.seq, post.message_id, post.at, post.note])?;
    }
    Ok(())
}

/// Records attempts that failed and when to repeat them.
pub fn mark_failed(tx: &Connection, posts: &[Failed]) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached(
        "update outbox set attempts = attempts + 1, next_attempt_at = ?2, last_error = ?3
         where seq = ?1 and state = 'pending'",
    )?;
    for post in posts {
        statement.execute(params![post.seq, post.next_attempt_at, post.code])?;
    }
    Ok(())
}

/// Sets posts aside that the backend refused for good. Others of their chats go on.
pub fn park(tx: &Connection, posts: &[Refused]) -> rusqlite::Result<()> {
    let mut statement = tx.prepare_cached(
        "update outbox
         set state = 'parked', attempts = attempts + 1, last_error = ?2, parked_version = ?3
         where seq = ?1 and state = 'pending'",
    )?;
    for post in posts {
        statement.execute(params![post.seq, post.code, post.version])?;
    }
    Ok(())
}

/// Makes posts pending again that another version of the backend than `version` refused.
pub fn revive_parked(tx: &Connection, version: &str) -> rusqlite::Result<usize> {
    let revived = tx.execute(
        "update outbox set state = 'pending', next_attempt_at = 0, parked_version = null
         where state = 'parked' and parked_version is not ?1",
        [version],
    )?;
    if revived > 0 {
        bump_generation(tx)?;
    }
    Ok(revived)
}

/// Changes whenever a row behind the sender's position became pending again.
pub fn generation(connection: &Connection) -> rusqlite::Result<i64> {
    let text = meta::get(connection, GENERATION)?;
    Ok(text.and_then(|text| text.parse().ok()).unwrap_or(0))
}

pub(super) fn bump_generation(tx: &Connection) -> rusqlite::Result<()> {
    let next = generation(tx)?.wrapping_add(1);
    meta::set(tx, GENERATION, &next.to_string())
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
