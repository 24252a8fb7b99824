//! Turns, replies and commands: the tables between a stored message and the bubbles that answer it.
//!
//! `unanswered` has the messages that no turn has answered, `turns` what was decided about them, `conversation` what a
//! decision depends on. `commands` has what relays are asked to do, `heartbeat` what a pull changes, `lease` how a
//! relay's name is moved, `acks` what became of bubbles, `restoring` what follows a restore, `handing` what an answer carries, and `ending` which texts are given up.
//! `attention` lists what an operator has to look at, `line_owners` has the relay that answers each line, and
//! `forgetting` erases what is about a deleted person.

pub(in crate::store) mod acks;
pub(in crate::store) mod attention;
pub(in crate::store) mod commands;
pub(in crate::store) mod conversation;
pub(in crate::store) mod ending;
pub(in crate::store) mod forgetting;
pub(in crate::store) mod handing;
pub(in crate::store) mod heartbeat;
pub(in crate::store) mod lease;
pub(in crate::store) mod line_owners;
pub(in crate::store) mod restoring;
pub(in crate::store) mod turns;
pub(in crate::store) mod unanswered;

pub use acks::{BubbleChange, TakenAcks};
pub use attention::{AttentionConversation, AttentionRow, AttentionSubject};
pub use conversation::{EarlierTurn, TurnConversation, TurnFacts};
pub use ending::EndedBubbles;
pub use handing::{HandedCommand, Handing};
pub use heartbeat::{Heartbeat, TakenHeartbeat};
pub use line_owners::{LineClaim, LineMove, LineOwner};
pub use restoring::Restored;
pub use turns::{IfNewer, NewReply, NewTurn, TurnCommit, TurnOutcome, TurnRow, TurnRows};
pub use unanswered::{Opens, TurnOpening};

pub(crate) use unanswered::lane;
pub(in crate::store) use unanswered::{OpeningMessage, lacked_text, open_turns};
