//! Who answers: a responder gets a turn and says what to reply.

use std::pin::Pin;
use std::time::Duration;

use super::turn_message::TurnMessage;
use crate::clock::Timestamp;

/// The future of an answer.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Result<Reply, ResponderError>> + Send + 'a>>;

/// Answers turns. A turn may be asked for more than once: after a crash, or because a message came meanwhile.
pub trait Responder: Send + Sync {
    fn answer<'a>(&'a self, turn: &'a TurnContext) -> Answering<'a>;
}

/// What a responder knows about a turn.
#[derive(Debug)]
pub struct TurnContext {
    /// The id of the command that will carry the reply. It is the same each time the turn is answered.
    pub command_id: String,
    pub is_group: bool,
    /// The name under which the reply is written.
    pub persona: String,
    /// What the chat has said since it was last answered, oldest first. At least one message is unanswered.
    pub messages: Vec<TurnMessage>,
    pub now: Timestamp,
}

/// What to reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The texts that are sent one after the other. Without any, the turn ends in silence.
    pub bubbles: Vec<String>,
}

/// Why a responder gave no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponderError {
    /// It may answer later: after this time, or with `None` after the pause of the job.
    Later(Option<Duration>),
    /// It cannot answer this turn, for this reason.
    Never(&'static str),
}
