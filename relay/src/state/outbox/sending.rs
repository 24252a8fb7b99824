//! The sender's statements on the outbox: read pages of pending posts, load bodies, record answers.
//!
//! Attempts that fail and refusals change only posts that are still pending. So a post that the owner dropped
//! during an attempt stays dropped, unless the backend has stored it.

use rusqlite::{Connection, Params, Row, params};

use super::super::{meta, query};
use crate::clock::UnixMicros;

/// Key of the number in `meta` that [`generation`] returns.
const GENERATION: &str = "outbox_generation";

/// A pending post without its body. `seq` is here and below the number of a post in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingPost {
    pub seq: i64,
    pub lane: String,
    /// Failed attempts so far.
    pub attempts: u32,
    pub next_attempt_at: UnixMicros,
}

/// A post with the bytes to sign and send.
#[derive(Clone, PartialEq, Eq)]
pub struct PostToSend {
    pub seq: i64,
    pub webhook_id: String,
    pub event: String,
    pub revision: u32,
    pub body: Vec<u8>,
}

/// A post that the backend has stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveredPost {
    pub seq: i64,
    /// The backend's id of the stored message.
    pub message_id: Option<String>,
    /// When the answer came.
    pub at: UnixMicros,
    /// `id_conflict` if the backend has stored other bytes under the same identity.
    pub note: Option<&'static str>,
    /// Whether the backend asks to cancel the replies to the chat that were not sent yet.
    pub cancels_replies: bool,
}

/// A post whose attempt failed and is to be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedPost {
    pub seq: i64,
    pub next_attempt_at: UnixMicros,
    /// Why the attempt failed: a code, never text of a message.
    pub code: &'static str,
}

/// A post that the backend refused for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedPost {
    pub seq: i64,
    /// Why the backend refused the post: a code, never text of a message.
    pub code: &'static str,
    /// Version of the backend that refused the post.
    pub version: String,
}

fn read_pending_post(row: &Row<'_>) -> rusqlite::Result<PendingPost> {
    Ok(PendingPost {
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
) -> rusqlite::Result<Vec<PendingPost>> {
    query::all(
        connection,
        "select seq, lane, attempts, next_attempt_at from outbox indexed by outbox_pending
         where state = 'pending' and seq > ?1 order by seq limit ?2",
        params![seq, limit],
        read_pending_post,
    )
}

/// Up to `limit` pending posts of one lane after `seq`, in order.
pub fn pending_of_lane(
    connection: &Connection,
    lane: &str,
    seq: i64,
    limit: usize,
) -> rusqlite::Result<Vec<PendingPost>> {
    query::all(
        connection,
        "select seq, lane, attempts, next_attempt_at from outbox indexed by outbox_lane
         where state = 'pending' and lane = ?1 and seq > ?2 order by seq limit ?3",
        params![lane, seq, limit],
        read_pending_post,
    )
}

/// The posts of `seqs` that are still pending.
pub fn load(connection: &Connection, seqs: &[i64]) -> rusqlite::Result<Vec<PostToSend>> {
    let sql = "select seq, webhook_id, event, revision, body from outbox
               where seq = ?1 and state = 'pending' and body is not null";
    let mut found = Vec::with_capacity(seqs.len());
    for seq in seqs {
        found.extend(query::first(connection, sql, [seq], |row| {
            Ok(PostToSend {
                seq: row.get(0)?,
                webhook_id: row.get(1)?,
                event: row.get(2)?,
                revision: row.get(3)?,
                body: row.get(4)?,
            })
        })?);
    }
    Ok(found)
}

/// Records that the backend has stored these posts, and removes their bodies.
pub fn mark_delivered(tx: &Connection, posts: &[DeliveredPost]) -> rusqlite::Result<()> {
    let sql = "update outbox
               set state = 'delivered', body = null, attempts = attempts + 1, message_id = ?2,
                   delivered_at = ?3, last_error = ?4
               where seq = ?1 and state <> 'delivered'";
    posts.iter().try_for_each(|post| {
        let values = params![post.seq, post.message_id, post.at, post.note];
        query::execute(tx, sql, values)
    })
}

/// Records failed attempts and when to repeat them. Only pending posts change.
pub fn mark_failed(tx: &Connection, posts: &[FailedPost]) -> rusqlite::Result<()> {
    let sql = "update outbox set attempts = attempts + 1, next_attempt_at = ?2, last_error = ?3
               where seq = ?1 and state = 'pending'";
    posts.iter().try_for_each(|post| {
        let values = params![post.seq, post.next_attempt_at, post.code];
        query::execute(tx, sql, values)
    })
}

/// Parks posts that the backend refused for good. They do not hold back later posts of their lanes.
pub fn park(tx: &Connection, posts: &[RefusedPost]) -> rusqlite::Result<()> {
    let sql = "update outbox
               set state = 'parked', attempts = attempts + 1, last_error = ?2, parked_version = ?3
               where seq = ?1 and state = 'pending'";
    posts.iter().try_for_each(|post| {
        let values = params![post.seq, post.code, post.version];
        query::execute(tx, sql, values)
    })
}

/// Makes posts pending again that a backend of another version than `version` refused; returns how many.
pub fn revive_parked(tx: &Connection, version: &str) -> rusqlite::Result<usize> {
    change_pending(
        tx,
        "update outbox set state = 'pending', next_attempt_at = 0, parked_version = null
         where state = 'parked' and parked_version is not ?1",
        [version],
    )
}

/// A number that grows whenever the owner retries or drops posts, and whenever parked posts are revived.
pub fn generation(connection: &Connection) -> rusqlite::Result<i64> {
    Ok(meta::number(connection, GENERATION)?.unwrap_or(0))
}

/// Runs an update that changes which posts are pending. If it changed any, the generation grows.
pub(super) fn change_pending(
    tx: &Connection,
    sql: &str,
    params: impl Params,
) -> rusqlite::Result<usize> {
    let changed = query::change(tx, sql, params)?;
    if changed > 0 {
        let next = generation(tx)?.wrapping_add(1);
        meta::set(tx, GENERATION, &next.to_string())?;
    }
    Ok(changed)
}
