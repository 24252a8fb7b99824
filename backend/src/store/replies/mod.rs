//! Turns, replies and commands: the tables between a stored message and the bubbles that answer it.
//!
//! `unanswered` has the messages that no turn has answered, `turns` what was decided about them, `conversation` what a
//! decision depends on. `commands` has what relays are asked to do, and `line_owners` the relay that answers each line.
//! `forgetting` erases what is about a deleted person.

pub(in crate::store) mod commands;
pub(in crate::store) mod conversation;
pub(in crate::store) mod forgetting;
pub(in crate::store) mod line_owners;
pub(in crate::store) mod turns;
pub(in crate::store) mod unanswered;

pub use conversation::{EarlierTurn, TurnConversation, TurnFacts};
pub use line_owners::{LineClaim, LineMove, LineOwner};
pub use turns::{IfNewer, NewReply, NewTurn, TurnCommit, TurnOutcome, TurnRow};
pub use unanswered::{Opens, TurnOpening};

pub(crate) use unanswered::lane;
pub(in crate::store) use unanswered::{OpeningMessage, lacked_text, open_turns};
