//! Commands: what relays are asked to do, and what became of it.
//!
//! `commands` writes commands and their bubbles. `handing` reads those that a pull carries, `acks` stores what the
//! relay reports, and `watch` finds commands for held pulls. `line_owners` has the relay that answers each line, and `attention`
//! what an operator has to look at.

pub(in crate::store) mod acks;
pub(in crate::store) mod attention;
pub(in crate::store) mod commands;
pub(in crate::store) mod handing;
pub(in crate::store) mod line_owners;
pub(in crate::store) mod watch;

pub use acks::{BubbleChange, TakenAcks};
pub use attention::{AttentionConversation, AttentionRow, AttentionSubject};
pub use handing::{HandedCommand, Handing, RelayPosition, Restored};
pub use line_owners::{LineClaim, LineMove, LineOwner};
