//! A stand-in for Messages: builds a chat.db in the style of each macOS, and writes to it over time.
//!
//! [`ChatDb`] writes single rows, in the separate commits of the real writer: first the message, later its
//! join, then text or attachments. The content comes from the caller or from a [`Script`] (see [`script`]
//! for the format), which [`build()`] plays at once and a [`Player`] step by step. [`payload`] makes the
//! binary columns of balloons.
//!
//! [`osascript`] is the other direction: a stand-in for the program by which the relay sends.
//!
//! The library must not read a clock or draw random numbers. It contains no Apple code and no personal
//! data. It shares no code with the crates that read a chat.db, except the archive decoder.

#![forbid(unsafe_code)]
#![allow(
    missing_docs,
    reason = "only programs and tests of this workspace use the library, so a name that explains itself has no doc"
)]

pub mod bulk;
mod db;
mod error;
pub mod keyed_archive;
pub mod osascript;
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
pub use play::{PlayedStep, Player, build};
