//! What was said in a conversation since it was last answered, as one run of the job has read it.

use shared_protocol::RelayName;

use super::turn_message::TurnMessage;
use crate::store::{NewTurn, TurnFacts, TurnOutcome, TurnRows};

/// What was said, and where.
pub(super) struct Said {
    pub(super) rows: TurnRows,
    pub(super) facts: TurnFacts,
    pub(super) relay: RelayName,
    /// The messages as they are now, without messages from own addresses.
    pub(super) messages: Vec<TurnMessage>,
}

impl Said {
    /// The decision about what was said, without a reply.
    pub(super) fn decision(&self, newest: &TurnMessage, outcome: TurnOutcome) -> NewTurn<'_> {
        NewTurn {
            conversation: &self.facts.conversation,
            rows: &self.rows,
            outcome,
            newest_message_id: Some(newest.id),
            reply: None,
            keeps_unanswered: false,
        }
    }

    pub(super) fn unanswered(&self) -> impl DoubleEndedIterator<Item = &TurnMessage> {
        self.messages.iter().filter(|message| message.is_unanswered)
    }
}
