//! The relay's long poll: the request carries the heartbeat, the answer carries commands.

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
    /// Highest sequence number of a command that the relay has stored.
    #[serde(default)]
    pub after_seq: i64,
    /// Whether a rehearsal polls. It has its own commands and its own lease.
    #[serde(default, skip_serializing_if = "is_false")]
    pub rehearsal: bool,
    /// Results of earlier commands.
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
    /// The newest message that the backend has of this relay. A relay that has lost its state goes on after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_message: Option<NewestMessage>,
}

/// A stored message.
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

/// The result of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ack {
    /// Sequence number of the command.
    pub seq: i64,
    /// State of the command.
    pub state: AckState,
    /// Why the command failed, as a code without personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// States of a command, in the order in which they are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AckState {
    /// The relay has stored the command.
    Received,
    /// The relay has passed the message to Messages.
    Dispatched,
    /// The row of the message is in chat.db.
    RowSeen,
    /// The row is marked as sent.
    Sent,
    /// The row is marked as delivered.
    Delivered,
    /// The message was not sent; `code` says why.
    Failed,
    /// The relay does not know whether the message was sent.
    Unknown,
    /// The command was cancelled before the message was sent.
    Cancelled,
}

/// Most lines of a heartbeat.
pub const MAX_LINES: usize = 64;
/// Most addresses of all lines of a heartbeat together, names included.
pub const MAX_LINE_ADDRESSES: usize = 512;

/// The own addresses of one persona. Each address belongs to one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Line {
    /// The value of [`crate::Message::line`] for all addresses of the line. It is one of them.
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
    /// Rows of chat.db that are incomplete.
    pub waiting: u64,
    /// Messages held back, because iCloud may have brought them back.
    pub quarantined: u64,
    /// The own addresses, by persona.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Line>,
    /// Codes of the checks that fail on this Mac.
    pub doctor_codes: Vec<String>,
    /// Free space on the disk that holds the relay's state, in bytes.
    pub free_disk_bytes: Option<u64>,
    /// The relay's clock.
    pub clock: i64,
}
