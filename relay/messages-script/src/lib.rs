//! Scripts of what happens in Messages: their format, and the types that rows and archives are told in.
//!
//! A [`Script`] is read from and written as lines of JSON (see [`Script::parse`]); its [`Step`]s hold the
//! very types that the stand-in for Messages writes into a chat.db: [`Chat`], [`Attachment`], [`Poll`]
//! and their like. Beside them stands what it takes to tell an existing row in these words: archives of
//! texts ([`typedstream`]), the history of edits ([`Summary`]), the columns that each macOS has
//! ([`schema`]).
//!
//! What must stay true: nothing here opens a database, reads a clock or draws random numbers; no Apple
//! code, no personal data.

#![forbid(unsafe_code)]

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
