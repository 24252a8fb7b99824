//! The command that carries a reply.

use std::time::Duration;

use jiff::tz::TimeZone;
use shared_protocol::{Bubble, CommandBody, Priority, RelayName, SendMessage, reply_command_id};

use super::quiet_hours::quiet_hours;
use super::turn_message::TurnMessage;
use crate::clock::Timestamp;
use crate::store::{TurnConversation, TurnFacts};

/// A reply is sent within this time, or not at all.
const LIFETIME: Duration = Duration::from_hours(6);
/// The most other guids of a chat that a command names. The relay finds the chat by the message that is answered, and
/// needs them only if that message is gone.
const MAX_ALIASES: usize = 16;

/// The relay by the name that its conversations have. `None` for a rehearsal, which is never answered.
pub(super) fn relay_name(stored: &str) -> Option<RelayName> {
    let edge = || RelayName::edge(stored.strip_prefix("edge/")?);
    RelayName::parse(stored).ok().or_else(edge)
}

/// The id of the command that answers `newest`, the newest message of a turn.
pub(super) fn command_id(
    relay: &RelayName,
    conversation: &TurnConversation,
    newest: &TurnMessage,
) -> String {
    let id = newest.id.to_string();
    let identity = newest.identity.as_deref().unwrap_or(&id);
    reply_command_id(relay, &[&conversation.line, &conversation.guid], identity)
}

/// The guid of the chat in which `newest` was said. A late text may name another chat than its message, to which
/// Messages has joined it since; a reply goes to no such chat.
pub(super) fn chat_guid<'a>(facts: &'a TurnFacts, newest: &'a TurnMessage) -> &'a str {
    let is_of_conversation = |guid: &&str| facts.aliases.iter().any(|alias| alias == guid);
    let said_in = newest.chat_guid.as_deref().filter(is_of_conversation);
    said_in.unwrap_or(&facts.conversation.chat_guid)
}

/// The command that sends `bubbles` as the reply to `newest`.
pub(super) fn command(
    facts: &TurnFacts,
    newest: &TurnMessage,
    bubbles: Vec<Bubble>,
    default_zone: &TimeZone,
    now: Timestamp,
) -> CommandBody {
    let conversation = &facts.conversation;
    let chat_guid = chat_guid(facts, newest);
    let own_zone = facts.time_zone.as_deref();
    let own_zone = own_zone.and_then(|name| TimeZone::get(name).ok());
    let aliases = facts.aliases.iter().filter(|alias| *alias != chat_guid);
    CommandBody::SendMessage(SendMessage {
        chat_guid: chat_guid.to_owned(),
        aliases: aliases.take(MAX_ALIASES).cloned().collect(),
        anchor_guid: newest.message_guid.clone(),
        line: Some(conversation.line.clone()).filter(|line| !line.is_empty()),
        service: newest.service.clone(),
        bubbles,
        priority: Priority::Reply,
        not_before: None,
        not_after: now.plus(LIFETIME).as_secs(),
        quiet: quiet_hours(now, own_zone.as_ref().unwrap_or(default_zone)),
        handed: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_relays_that_may_send_have_a_name() {
        for name in ["default", "mini", "edge/agent.1"] {
            assert_eq!(
                relay_name(name).map(|it| it.to_string()).as_deref(),
                Some(name)
            );
        }
        for name in ["default/rehearsal", "edge/rehearsal", ""] {
            assert_eq!(relay_name(name), None, "{name}");
        }
    }
}
