//! The outbox: what is to be posted, in order, with the exact bytes that are signed.
//!
//! A post is enqueued in the transaction that accounts for its chat.db row, so no message exists
//! between the two. It leaves `pending` only by the backend's word (delivered, parked) or the owner's
//! (dropped). Delivered rows stay for [`RETENTION`] without their body: `trace` and `report` read
//! them, and a second scan of the same row finds its id taken.

mod owner;
mod sending;

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use shared_protocol::{Event, WebhookId};

use crate::clock::UnixMicros;

pub use owner::{Depths, Entry, PostState, depths, drop_post, list, of_guid, retry};
pub use sending::{
    Delivered, Failed, Pending, Refused, Sendable, generation, load, mark_delivered, mark_failed,
    park, pending_after, pending_of_lane, revive_parked,
};

/// How long a delivered or dropped row is kept.
pub const RETENTION: Duration = Duration::from_hours(30 * 24);

/// A post on its way into the outbox.
pub struct NewPost<'a> {
    /// The conversation; posts of one lane go out in the order in which they were enqueued.
    pub lane: &'a str,
    /// Hash of the message's identity: the same message has the same id for ever.
    pub webhook_id: &'a WebhookId,
    /// `message.guid` of chat.db.
    pub message_guid: &'a str,
    /// What happened to the message.
    pub event: Event,
    /// Which revision of it this is.
    pub revision: u32,
    /// The exact bytes to post.
    pub body: &'a [u8],
    /// The present instant.
    pub now: UnixMicros,
}

/// What became of a [`NewPost`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// It waits for the sender.
    New {
        /// Its place in the outbox.
        seq: i64,
    },
    /// The same identity was enqueued before; nothing changed.
    AlreadyThere {
        /// The place of the earlier one.
        seq: i64,
    },
}

/// Adds a post, unless its identity is in the outbox already.
pub fn enqueue(tx: &Connection, post: &NewPost<'_>) -> rusqlite::Result<Enqueued> {
    let mut insert = tx.prepare_cached(
        "insert into outbox (lane, webhook_id, message_guid, event, revision, body, created_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         on conflict (webhook_id) do nothing
         returning seq",
    )?;
    let inserted = insert
        .query_row(
            params![
                post.lane,
                post.webhook_id.as_str(),
                post.message_guid,
                post.event.as_str(),
                post.revision,
                post.body,
                post.now,
            ],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(seq) = inserted {
        return Ok(Enqueued::New { seq });
    }
    let mut find = tx.prepare_cached("select seq from outbox where webhook_id = ?1")?;
    let seq = find.query_row([post.webhook_id.as_str()], |row| row.get(0))?;
    Ok(Enqueued::AlreadyThere { seq })
}

/// The lane in which a message was first posted, as long as that is remembered.
pub fn lane_of(connection: &Connection, message_guid: &str) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("select lane from outbox where message_guid = ?1 order by seq limit 1")?
        .query_row([message_guid], |row| row.get(0))
        .optional()
}

/// Removes up to `limit` rows that were delivered or dropped before `before`, and says how many.
pub fn clean(tx: &Connection, before: UnixMicros, limit: u32) -> rusqlite::Result<usize> {
    let mut statement = tx.prepare_cached(
        "delete from outbox where seq in (
             select seq from outbox
             where state in ('delivered', 'dropped') and delivered_at < ?1
             limit ?2)",
    )?;
    statement.execute(params![before, limit])
}

#[cfg(test)]
mod tests;
