//! The protocol between `archety-relay` and `archety-backend`: messages, answers, pulls and signatures.
//!
//! The crate has no I/O and reads no clock: callers pass `now`. Both programs validate with the same code, so
//! the backend accepts what the relay produces.

mod ack;
mod address;
mod answer;
mod command;
mod health;
mod identity;
mod message;
mod optional;
mod problem;
mod pull;
mod relay_name;
mod signature;

pub use ack::{Ack, AckState, MAX_ACKS};
pub use address::{Address, without_invisible_characters};
pub use answer::{Answer, AnswerStatus};
pub use command::{
    Bubble, Cancel, Command, CommandBody, CommandRefusal, Forget, MAX_BUBBLE_CHARS, MAX_BUBBLES,
    MAX_COMMAND_ID_BYTES, MAX_COMMANDS, MAX_COMMANDS_BYTES, MAX_PAUSE_MS, MAX_SEQ, Priority,
    QuietHours, ResendSince, SendMessage, command_id, is_sendable, reply_command_id,
};
pub use health::Health;
pub use identity::{MessageIdentity, conversation_guid};
pub use message::{
    Attachment, AttachmentState, Edit, Event, InvalidMessage, MAX_ATTACHMENTS, MAX_BODY_BYTES,
    MAX_GUID_CHARS, MAX_NAME_CHARS, MAX_PARTICIPANTS, MAX_SENDER_CHARS, MAX_TEXT_CHARS,
    MAX_TRANSCRIPT_CHARS, Message, MessageTime, Mode, ReplyVia, Tapback, TapbackAction,
    TapbackKind, Violation,
};
pub use problem::{Problem, ProblemCode, SignatureReason};
pub use pull::{
    After, LeaseChange, Line, MAX_LINE_ADDRESSES, MAX_LINES, NewestMessage, PullAnswer,
    PullRequest, RelayStatus, SendingStatus,
};
pub use relay_name::{InvalidRelayName, RelayName};
pub use signature::{
    AnswerRefusal, HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP, InvalidKey, InvalidSecrets,
    MIN_KEY_BYTES, Purpose, RelaySecret, RelaySecrets, SignatureClaim, SignatureHeaders,
    SignatureRefusal, SigningKey, TOLERANCE_SECS, VerifiedRequest, WebhookId, verify,
    verify_answer,
};

/// `POST` route of messages.
pub const MESSAGE_ROUTE: &str = "/orchestrator/message";
/// The predecessor's route of messages, kept as an alias.
pub const LEGACY_MESSAGE_ROUTE: &str = "/edge/message";
/// `GET` route of [`Health`].
pub const HEALTH_ROUTE: &str = "/healthz";
/// `POST` route of the relay's signed long poll.
pub const PULL_ROUTE: &str = "/relay/commands/pull";
/// Longest time that a pull may wait for a command, in seconds.
pub const MAX_PULL_WAIT_SECS: u8 = 25;
