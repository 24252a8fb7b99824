//! The states of a bubble, and which may follow which.

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use serde::Serialize;
use shared_protocol::AckState;
use strum::{EnumString, IntoStaticStr, VariantArray};

/// The state of a bubble, in the table and in JSON written in snake case.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, EnumString, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum BubbleState {
    /// Waits to be sent; of another kind of command, to be carried out.
    Queued,
    /// Waits for the owner, because Messages would send it from another line.
    Held,
    /// Passed to Messages, or about to be.
    Dispatched,
    /// Its row is in chat.db.
    RowSeen,
    /// Its row is marked as sent.
    Sent,
    /// Its row is marked as delivered; of another kind of command: carried out.
    Delivered,
    /// It was not sent.
    Failed,
    /// The relay does not know whether it was sent.
    Unknown,
    /// Cancelled before it was sent.
    Cancelled,
    /// Not sent in its time.
    Expired,
}

impl BubbleState {
    /// The state in snake case.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The state as the backend is told.
    pub const fn ack_state(self) -> AckState {
        match self {
            Self::Queued => AckState::Received,
            Self::Held => AckState::Held,
            Self::Dispatched => AckState::Dispatched,
            Self::RowSeen => AckState::RowSeen,
            Self::Sent => AckState::Sent,
            Self::Delivered => AckState::Delivered,
            Self::Failed => AckState::Failed,
            Self::Unknown => AckState::Unknown,
            Self::Cancelled => AckState::Cancelled,
            Self::Expired => AckState::Expired,
        }
    }

    /// Whether nothing further is done about the bubble by itself.
    pub const fn is_final(self) -> bool {
        self.ack_state().is_final()
    }

    /// Whether the bubble may become `next` by itself. The order is that of the acks, so the backend has the same
    /// state in the end. Only a bubble that waits expires. Only [`requeue`](super::dispatching::requeue) and the owner take a bubble back.
    pub fn may_become(self, next: Self) -> bool {
        let may_expire = next != Self::Expired || self == Self::Queued;
        may_expire && next.ack_state().replaces(self.ack_state())
    }

    /// Whether the bubble after it may go: it is in chat.db, or it will not come any more. An unknown bubble may
    /// still come, so the rest of its reply waits.
    pub const fn lets_next_go(self) -> bool {
        match self {
            Self::Queued | Self::Held | Self::Dispatched | Self::Unknown => false,
            Self::RowSeen
            | Self::Sent
            | Self::Delivered
            | Self::Failed
            | Self::Cancelled
            | Self::Expired => true,
        }
    }

    /// Whether the text may still be needed. The owner may have an unknown bubble sent again.
    pub const fn keeps_text(self) -> bool {
        match self {
            Self::Queued | Self::Held | Self::Dispatched | Self::RowSeen | Self::Unknown => true,
            Self::Sent | Self::Delivered | Self::Failed | Self::Cancelled | Self::Expired => false,
        }
    }
}

impl FromSql for BubbleState {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let parsed = value.as_str()?.parse();
        parsed.map_err(|_| FromSqlError::InvalidType)
    }
}

impl ToSql for BubbleState {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}
