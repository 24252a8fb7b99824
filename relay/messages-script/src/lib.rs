//! Scripts of events in Messages: the file format, and the types that describe rows and archives.
//!
//! A [`Script`] is read from and written as lines of JSON (see [`Script::parse`]). Its [`Step`]s consist
//! of the types that the stand-in for Messages writes into a chat.db: [`Chat`], [`Attachment`], [`Poll`]
//! and others. To convert an existing row into a step, the crate also has the archives of texts
//! ([`typedstream`]), the history of edits ([`Summary`]), and the columns of each macOS ([`schema`]).
//!
//! The crate opens no database, reads no clock and draws no random numbers. It contains no Apple code and
//! no personal data.

#![forbid(unsafe_code)]
#![allow(
    missing_docs,
    reason = "only programs and tests of this workspace use the library, so a name that explains itself has no doc"
)]

mod attachment;
mod balloon;
mod cell;
mod change;
mod chat;
mod date;
mod guid;
mod message;
pub mod schema;
mod script;
mod step;
mod style;
mod summary;
pub mod typedstream;
mod words;

pub use attachment::{Attachment, TransferState};
pub use balloon::{AppBalloon, Poll, PollOption, RichLink, Vote};
pub use cell::{Cell, Columns};
pub use change::{Edit, Lookup, TranscriptStep, Unsend};
pub use chat::{Chat, Filter};
pub use date::Date;
pub use guid::{Guids, Label, is_guid};
pub use message::MessageStep;
pub use script::{Header, Script, ScriptError, TimedStep, is_mark};
pub use step::{Backfill, GroupStep, Step, TapbackStep};
pub use style::{Style, UnknownStyle};
pub use summary::{Edition, History, Summary};
pub use typedstream::{Attribute, Piece, attributed_body};
pub use words::{
    ChatKind, DateUnit, EditDate, EventKind, GroupChange, MessageGuids, PartCount, ReceiptKind,
    Stored, Tapback, TapbackChange, TranscriptIn, UrlClass,
};

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
