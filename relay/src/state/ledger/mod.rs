//! The ledger: what the backend asked this relay to do, and what became of it, bubble by bubble.
//!
//! A bubble is `queued`, or `held` for the owner, then `dispatched`, `row_seen`, `sent`, `delivered`; or it ends as
//! `failed`, `unknown`, `cancelled` or `expired`. What is about to be done is written before it is done. So the
//! relay that finds a bubble `dispatched` after a crash never sends it again, but looks for its row in chat.db: a
//! row, once matched, proves one bubble for ever. A bubble whose text is not needed any more keeps only its hash.
//!
//! | who | writes |
//! |---|---|
//! | the puller | [`take`], [`acks`], [`cancel`](cancelling::cancel), [`forget`](cancelling::forget) |
//! | the dispatcher | [`dispatching`], [`transitions`], [`history`], [`pauses`] |
//! | the pipeline | [`matching`], [`lost_rows`], [`handed`], [`cancel_replies`](cancelling::cancel_replies) |
//! | the owner | [`owner`], [`pauses`] |
//!
//! [`take`], [`dispatch`](dispatching::dispatch) and [`requeue`](dispatching::requeue) belong into
//! [`State::write_durably`](super::State::write_durably). All else may be lost in a power cut: chat.db proves it
//! again, or the backend is told again.

pub mod acks;
mod baseline;
mod bubble_state;
pub mod cancelling;
mod chats;
pub mod counts;
pub mod dispatching;
pub mod handed;
pub mod history;
pub mod lost_rows;
pub mod matching;
pub mod name_move;
pub mod owner;
pub mod pauses;
mod priority;
pub mod requests;
pub mod retention;
pub mod take;
mod text_hash;
pub mod transitions;

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef};
use serde::Serialize;

pub use baseline::Baseline;
pub use bubble_state::BubbleState;
pub use text_hash::TextHash;

/// The number of a bubble in the ledger, by which the owner's commands name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct BubbleNumber(pub i64);

impl ToSql for BubbleNumber {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.into())
    }
}

impl FromSql for BubbleNumber {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        i64::column_result(value).map(Self)
    }
}

/// The number that the next ack gets: above every ack that was not taken, so that the acks stay in the order in
/// which they came to be, and an answer takes only the acks that its request had.
const NEXT_ACK: &str = "1 + max(
    coalesce((select max(ack) from ledger_bubble where ack is not null), 0),
    coalesce((select max(ack) from ledger_refusal), 0))";

/// The states in which a bubble waits for Messages or for the owner, as the partial index names them.
const UNFINISHED: &str = "state in ('queued', 'held', 'dispatched', 'row_seen', 'unknown')";

#[cfg(test)]
mod tests;
