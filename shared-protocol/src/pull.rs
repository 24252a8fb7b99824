//! The relay's long poll: heartbeat one way, commands the other.

use serde::{Deserialize, Serialize};

use crate::optional::is_false;

/// Body of `POST /relay/commands/pull`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PullRequest {
    /// Random id of this installation, kept in the relay's state. One relay name is leased to one
    /// instance, so that a cloned Mac cannot send beside the original.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 64))]
    pub instance_id: String,
    /// How long the backend may wait for a command, at most [`crate::MAX_PULL_WAIT_SECS`].
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(maximum = 25))]
    pub wait_seconds: u8,
    /// Highest command sequence number that the relay has written down.
    #[serde(default)]
    pub after_seq: i64,
    /// Asked by a rehearsal, which has commands of its own and takes no lease from the relay.
    #[serde(default, skip_serializing_if = "is_false")]
    pub rehearsal: bool,
    /// What became of earlier commands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acks: Vec<Ack>,
    /// How the relay is doing.
    #[serde(default)]
    pub status: RelayStatus,
}

/// Answer to a pull.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PullAnswer {
    /// Commands after `after_seq`, in order.
    pub commands: Vec<Command>,
    /// The backend's clock, Unix seconds.
    pub server_time: i64,
    /// Version of the backend.
    pub version: String,
    /// `development` or `production`.
    pub environment: String,
    /// The newest message that the backend has of this relay: where a relay that lost its state
    /// resumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_message: Option<NewestMessage>,
}

/// A stored message, named by what chat.db calls it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewestMessage {
    /// `message.guid` of chat.db.
    pub message_guid: String,
    /// When it was sent, Unix seconds.
    pub timestamp: crate::MessageTime,
}

/// One command of the backend, numbered per relay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Command {
    /// Sequence number, ascending per relay.
    pub seq: i64,
    /// What to do.
    pub kind: String,
    /// The fields that belong to the kind.
    #[serde(flatten)]
    pub fields: serde_json::Map<String, serde_json::Value>,
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ack {
    /// Sequence number of the command.
    pub seq: i64,
    /// How far it came.
    pub state: AckState,
    /// Why it failed, a code without personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// States of a command, in the order in which they are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AckState {
    /// Written to the relay's ledger.
    Received,
    /// Handed to Messages.
    Dispatched,
    /// Its row has appeared in chat.db.
    RowSeen,
    /// Messages calls it sent.
    Sent,
    /// Messages calls it delivered.
    Delivered,
    /// It was not sent; `code` says why.
    Failed,
    /// Whether it was sent cannot be told.
    Unknown,
    /// It was taken back before it was sent.
    Cancelled,
}

/// Most lines of a heartbeat.
pub const MAX_LINES: usize = 64;
/// Most addresses of all lines of a heartbeat together, names included.
pub const MAX_LINE_ADDRESSES: usize = 512;

/// Own addresses that count as one persona's. No address belongs to two lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Line {
    /// What [`crate::Message::line`] says for every one of the addresses; it is one of them.
    pub name: String,
    /// The addresses, normalised.
    pub addresses: Vec<String>,
}

/// The relay's heartbeat. Times are Unix seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct RelayStatus {
    /// Version of the relay.
    pub version: String,
    /// The environment that the relay expects the backend to be in, if its owner named one.
    pub environment: Option<String>,
    /// When chat.db was last read without an error.
    pub last_good_scan_at: Option<i64>,
    /// Messages waiting to be posted.
    pub outbox_depth: u64,
    /// Messages the backend refused, kept for the owner.
    pub parked: u64,
    /// Rows of chat.db that are not complete yet.
    pub waiting: u64,
    /// Messages held back because they may be old ones that iCloud brought back.
    pub quarantined: u64,
    /// Which own addresses count as one persona's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Line>,
    /// Codes of the checks that fail on this Mac.
    pub doctor_codes: Vec<String>,
    /// Free space on the disk that holds the relay's state, in bytes.
    pub free_disk_bytes: Option<u64>,
    /// The relay's clock.
    pub clock: i64,
}
