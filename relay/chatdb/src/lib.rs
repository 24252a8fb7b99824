//! Read-only, typed access to Messages' `chat.db`, and a watcher that misses no commit.
//!
//! [`ChatDb`] reads rows. [`compose()`] turns a row into the message to post, or returns why the row has to wait or
//! is not posted. [`compose_change`] does the same for a row that changed after it was read. [`Watcher`] waits until
//! chat.db may have new rows. The list of columns is read from the database and not derived from the macOS version,
//! since two Macs with one version can have different columns. A column that is absent, NULL or of an unexpected
//! type reads as a default value, so that one odd row does not stop the others.
//!
//! This crate does not record which rows were read or posted, and does not decide which are too old to be answered.
//! The relay does both.

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
    Change, Composed, Options, PostedContent, SkipReason, WaitReason, compose, compose_change,
    lane, shorten,
};
pub use digest::{Digest, twin_hash};
pub use error::{OpenError, ReadError};
pub use lines::{Declaration, Lines};
pub use read::{
    AppCard, AttachmentRow, Body, BodyRun, Chat, ChatDb, ChatMarks, ChatStyle, FilterMarks,
    FilterReason, KnownPoll, Payload, Poll, PollOption, RichLink, Row, RowDigest, SearchedChats,
    SentFlags, SentRow, Summary, Vote,
};
pub use relation::{Awaited, Relation, TextReaction};
pub use shared_protocol::Address;
pub use watch::{Wake, WakeHandle, WatchTimings, Watcher};
