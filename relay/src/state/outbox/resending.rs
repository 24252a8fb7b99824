//! Posts that were delivered and are to be posted again, because the backend was restored and may have lost them.

use rusqlite::{Connection, params};

use super::super::query;
use super::sending::change_pending;
use crate::clock::UnixMicros;

/// A post that was delivered, without its body, which is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastPost {
    pub seq: i64,
    /// `message.guid`
    pub message_guid: String,
    pub event: String,
    pub revision: u32,
}

/// Up to `limit` posts after `seq`, in order, that were delivered from `since` on and before `until`.
pub fn delivered_between(
    connection: &Connection,
    since: UnixMicros,
    until: UnixMicros,
    seq: i64,
    limit: usize,
) -> rusqlite::Result<Vec<PastPost>> {
    let sql = "select seq, message_guid, event, revision from outbox indexed by outbox_delivered
               where state in ('delivered', 'dropped') and state = 'delivered'
                   and delivered_at >= ?1 and delivered_at < ?2 and seq > ?3
               order by seq limit ?4";
    query::all(connection, sql, params![since, until, seq, limit], |row| {
        Ok(PastPost {
            seq: row.get(0)?,
            message_guid: row.get(1)?,
            event: row.get(2)?,
            revision: row.get(3)?,
        })
    })
}

/// Puts a delivered post back into the outbox with a new body, under the same identity. Returns false if the post was not
/// delivered before `until`.
pub fn post_again(
    tx: &Connection,
    seq: i64,
    body: &[u8],
    until: UnixMicros,
) -> rusqlite::Result<bool> {
    let sql = "update outbox
               set state = 'pending', body = ?2, attempts = 0, next_attempt_at = 0,
                   last_error = null, delivered_at = null
               where seq = ?1 and state = 'delivered' and delivered_at < ?3";
    Ok(change_pending(tx, sql, params![seq, body, until])? > 0)
}
