//! The stand-in for `osascript`, started as the relay starts the real one: what it answers, what it writes to
//! chat.db and what its log says, in each mode and style.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod calls;
mod modes;
mod rows;
mod stage;
mod texts;
