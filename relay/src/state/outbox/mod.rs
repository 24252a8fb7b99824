//! The outbox: posts to the backend, in the order of their numbers, each with the exact bytes that are signed.
//!
//! A post is enqueued in the transaction that accounts for its chat.db row. It stays `pending` until the
//! backend has stored it (`delivered`) or refused it for good (`parked`), or the owner drops it (`dropped`). A
//! delivered post stays for [`RETENTION`] without its body: the commands `trace` and `report` show it, and it
//! keeps the same message from being enqueued again.

mod owner;
mod resending;
mod sending;

use std::time::Duration;

use rusqlite::{Connection, params};
use shared_protocol::{Event, WebhookId};

use super::query;
use crate::clock::UnixMicros;

pub use owner::{
    Depths, OutboxPost, PostState, depths, drop_post, forget_parked, list, of_guid, retry,
};
pub use resending::{PastPost, delivered_between, post_again};
pub use sending::{
    DeliveredPost, FailedPost, PendingPost, PostToSend, RefusedPost, generation, load,
    mark_delivered, mark_failed, park, pending_after, pending_of_lane, revive_parked,
};

/// The lane of a post.
pub fn lane_of_post(connection: &Connection, seq: i64) -> rusqlite::Result<Option<String>> {
    let sql = "select lane from outbox where seq = ?1";
    query::first(connection, sql, [seq], |row| row.get(0))
}

/// How long a delivered or dropped post is kept.
pub const RETENTION: Duration = Duration::from_hours(30 * 24);

/// A post that is not in the outbox yet.
pub struct NewPost<'a> {
    /// Posts of one lane are sent in the order in which they were enqueued.
    pub lane: &'a str,
    /// Hash of the message's identity; it never changes.
    pub webhook_id: &'a WebhookId,
    /// `message.guid` of chat.db.
    pub message_guid: &'a str,
    pub event: Event,
    pub revision: u32,
    /// The exact bytes to post.
    pub body: &'a [u8],
    pub now: UnixMicros,
}

/// Adds a post and returns its number in the outbox; `None` if its webhook id is in the outbox already.
pub fn enqueue(tx: &Connection, post: &NewPost<'_>) -> rusqlite::Result<Option<i64>> {
    query::first(
        tx,
        "insert into outbox (lane, webhook_id, message_guid, event, revision, body, created_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         on conflict (webhook_id) do nothing
         returning seq",
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
}

/// The lane of the first post about a message, as long as the outbox still has that post.
pub fn lane_of(connection: &Connection, message_guid: &str) -> rusqlite::Result<Option<String>> {
    let sql = "select lane from outbox where message_guid = ?1 order by seq limit 1";
    query::first(connection, sql, [message_guid], |row| row.get(0))
}

/// Removes up to `limit` posts that were delivered or dropped before `before`; returns how many.
pub fn clean(tx: &Connection, before: UnixMicros, limit: u32) -> rusqlite::Result<usize> {
    query::change(
        tx,
        "delete from outbox where seq in (
             select seq from outbox
             where state in ('delivered', 'dropped') and delivered_at < ?1
             limit ?2)",
        params![before, limit],
    )
}

#[cfg(test)]
mod tests;
