//! Read-only, typed access to Messages' `chat.db`, and a watcher that never misses a commit.
//!
//! [`ChatDb`] reads rows, [`compose()`] turns a row into a message of the wire or says why not yet or
//! not at all, [`compose_change`] does the same for a row that changed after it was read, and
//! [`Watcher`] says when to look again. The schema is probed column by column and never derived from
//! the macOS version: two Macs on one build can differ. A column that is absent, NULL or of another
//! type than expected reads as its neutral value, because one odd row must not stop the others.
//!
//! What was already read, what was delivered and what is too old to answer is not known here; the
//! relay keeps that in its own state.

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
    Change, Known, Options, Reading, SkipReason, WaitReason, compose, compose_change, lane, shorten,
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
