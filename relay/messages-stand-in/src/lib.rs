//! A stand-in for Messages: builds a chat.db as each macOS writes it, and appends to it live.
//!
//! [`ChatDb`] writes single rows in the order, and with the gaps, in which the real writer does:
//! message first, its join later, text or attachments later still. [`attributed_body()`], [`Summary`]
//! and [`payload`] make the binary columns. What the rows say is up to the caller, or to a [`Script`]
//! (see [`script`] for the format), which [`build()`] carries out at once and a [`Player`] as time passes;
//! [`record()`] makes a script of what a Mac has seen.
//!
//! What must stay true: nothing here reads a clock or draws random numbers; no Apple code, no
//! personal data. Reading a chat.db is the business of other crates, and this one shares no code
//! with them but the archive decoder.

#![forbid(unsafe_code)]

pub mod bulk;
mod date;
mod db;
mod error;
mod guid;
pub mod keyed_archive;
pub mod payload;
pub mod play;
pub mod record;
pub mod schema;
pub mod script;
mod style;
mod summary;
pub mod typedstream;

pub use date::Date;
pub use db::{
    Attachment, Body, Chat, ChatDb, ChatStyle, DateUnit, Durability, Edit, EditDate, Filter,
    MessageGuids, NewMessage, PartCount, Tapback, TapbackChange, TransferState, WalRotation,
};
pub use error::Error;
pub use guid::Guids;
pub use payload::{AppBalloon, Poll, PollOption, PollVote, RichLink};
pub use play::{PlayError, Played, Player, build};
pub use record::{Redaction, Selection, record};
pub use script::{Script, ScriptError};
pub use style::{Style, UnknownStyle};
pub use summary::{Edition, Summary, message_summary_info};
pub use typedstream::{Attribute, Piece, attributed_body};
