//! Read-only, typed access to Messages' `chat.db`, and a watcher that misses no commit.
//!
//! [`ChatDb`] reads rows. [`compose()`] turns a row into a message of the wire, or returns why the row
//! has to wait or is not posted. [`compose_change`] does the same for a row that changed after it was
//! read. [`Watcher`] returns when there may be something new. The columns that exist are asked from the
//! database and not derived from the macOS version, since two Macs on one build can differ. A column
//! that is absent, NULL or of an unexpected type reads as its neutral value, so that one odd row does
//! not stop the others.
//!
//! This crate does not know which rows were read, what was posted and what is too old to be answered.
//! The relay keeps that in its own state.

mod compose;
mod dates;
mod digest;
mod error;
mod files;
mod lines;
mod read;
mod relation;
mod schema;
mod watch;

pub use compose::{
    Change, Composed, Known, Options, SkipReason, WaitReason, compose, compose_change, lane,
    shorten,
};
pub use digest::{Digest, twin_hash};
pub use error::{OpenError, ReadError};
pub use lines::{Declaration, Lines};
pub use read::{
    AppCard, AttachmentRow, Body, BodyRun, Chat, ChatDb, ChatMarks, ChatStyle, CopyOf, FilterMarks,
    FilterReason, KnownPoll, Mark, Payload, Poll, PollOption, RichLink, Row, Summary, Vote,
};
pub use relation::{Awaited, Relation, TextReaction};
pub use shared_protocol::Address;
pub use watch::{Nudge, Wake, WatchTimings, Watcher};
