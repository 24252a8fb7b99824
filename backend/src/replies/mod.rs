//! Turns: what a chat has said since it was last answered, and the reply to it.
//!
//! `opens_turn` decides which message opens a turn and when the turn is due; intake asks it, and the store writes the
//! turn with the message. The job in `turn` reads the messages as they are by then (`turn_message`), checks that they
//! speak to us (`addressee`) and that no machine answers a machine (`loop_limits`), asks a `responder` (`canned` is
//! one), makes `bubbles` of its answer and commits them as a command (`commit`). What must stay true: a turn gets one
//! reply, however often its job runs.

mod addressee;
mod bubbles;
mod canned;
mod commit;
mod loop_limits;
mod opens_turn;
mod persona;
mod quiet_hours;
mod responder;
mod said;
mod turn;
mod turn_message;

pub use canned::Canned;
pub use opens_turn::{DueMessage, TurnRules, takes_over};
pub use persona::Persona;
pub use responder::{Answering, Reply, Responder, ResponderError, TurnContext};
pub use turn::{AnswerTurn, ListOldTurn, TurnServices};
pub use turn_message::TurnMessage;
