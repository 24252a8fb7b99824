//! The relay's long poll: the request carries the heartbeat, the answer carries commands.

use serde::{Deserialize, Serialize};

use crate::command::read_each;
use crate::optional::is_false;
use crate::{Ack, Command};

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
    /// `seq` of `after`, for backends of the first release.
    #[serde(default)]
    pub after_seq: i64,
    /// The newest command that the relay has stored. A backend that has another id at this number, or whose numbers
    /// end below it, was restored from a backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<After>,
    /// Whether a rehearsal polls. It has its own commands and its own lease.
    #[serde(default, skip_serializing_if = "is_false")]
    pub rehearsal: bool,
    /// How the lease of the relay's name is to change. Without it, the pull takes the lease if it is free, and renews it
    /// if this installation has it. Backends of earlier releases do not read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseChange>,
    /// What became of the bubbles of earlier commands; at most [`crate::MAX_ACKS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(max_items = 500))]
    pub acks: Vec<Ack>,
    /// How the relay is doing.
    #[serde(default)]
    pub status: RelayStatus,
}

/// A change of the lease that the Mac's owner has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LeaseChange {
    /// This installation gives the name up. The answer has no commands. The installation is refused from then on, until
    /// it takes the name back.
    Release,
    /// This installation takes the name, unless another one has it. One that had it before is refused from then on.
    Take,
    /// This installation takes the name from the one that has it, which is refused from then on.
    TakeOver,
}

/// A command that a relay has stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct After {
    /// Sequence number of the command; 0 before the first one.
    pub seq: i64,
    /// Id of the command; empty before the first one.
    #[cfg_attr(feature = "openapi", schema(max_length = 208))]
    pub id: String,
}

/// Answer to a pull.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PullAnswer {
    /// Commands after `after`, in order: at most [`crate::MAX_COMMANDS`] and [`crate::MAX_COMMANDS_BYTES`].
    #[serde(deserialize_with = "read_each")]
    pub commands: Vec<Command>,
    /// Whether further commands wait.
    #[serde(default, skip_serializing_if = "is_false")]
    pub more: bool,
    /// The change of the lease that the pull has asked for, and that was made. A backend of an earlier release leaves it
    /// out: it has treated the pull as one without a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseChange>,
    /// Whether the acks of the pull were read. A backend of the first release does not know acks.
    #[serde(default, skip_serializing_if = "is_false")]
    pub reads_acks: bool,
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
    /// How sending fares; absent if the relay does not send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sending: Option<SendingStatus>,
    /// Free space on the disk that holds the relay's state, in bytes.
    pub free_disk_bytes: Option<u64>,
    /// The relay's clock.
    pub clock: i64,
}

/// How a relay's sending fares. Counts are of bubbles, except `limited`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct SendingStatus {
    /// Whether the Mac's owner has paused sending.
    #[serde(skip_serializing_if = "is_false")]
    pub paused: bool,
    /// Bubbles that wait to be sent.
    pub queued: u64,
    /// Bubbles that were passed to Messages and are not proven yet.
    pub open: u64,
    /// Bubbles that wait for the Mac's owner.
    pub held: u64,
    /// Bubbles of which the relay does not know whether they were sent.
    pub unknown: u64,
    /// Chats whose next bubble waits because its line has sent as many as its limits allow.
    pub limited: u64,
    /// Until when repeated failures have stopped sending, Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_until: Option<i64>,
}
