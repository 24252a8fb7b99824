//! A stand-in for Messages: builds a chat.db as each macOS writes it, and appends to it live.
//!
//! [`ChatDb`] writes single rows in the order, and with the gaps, in which the real writer does:
//! message first, its join later, text or attachments later still. What the rows say is up to the
//! caller, or to a [`Script`] (see [`script`] for the format and for the types that both are told in),
//! which [`build()`] carries out at once and a [`Player`] as time passes. [`payload`] makes the binary
//! columns of balloons.
//!
//! What must stay true: nothing here reads a clock or draws random numbers; no Apple code, no
//! personal data. Reading a chat.db is the business of other crates, and this one shares no code
//! with them but the archive decoder.

#![forbid(unsafe_code)]
#![allow(
    missing_docs,
    reason = "the library serves this program and tests alone: a doc line has to say what a name does not"
)]

pub mod bulk;
mod db;
mod error;
pub mod keyed_archive;
pub mod payload;
pub mod play;
pub mod schema;

pub use messages_script as script;
pub use messages_script::{
    AppBalloon, Attachment, Attribute, Chat, ChatKind, Date, DateUnit, Edit, Edition, Filter,
    Guids, History, MessageGuids, PartCount, Piece, Poll, PollOption, RichLink, Script, Style,
    Summary, Tapback, TapbackChange, TransferState, UrlClass, attributed_body, typedstream,
};

pub use db::{Body, ChatDb, Durability, NewMessage, WalRotation};
pub use error::Error;
pub use payload::{Payload, PollVote};
pub use play::{Played, Player, build};
