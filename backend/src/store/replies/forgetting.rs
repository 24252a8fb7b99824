//! What a deletion does to replies: nothing is sent to the person any more, texts of commands are erased, and relays
//! are told to erase theirs.
//!
//! A relay that never pulls has no commands to be told, and holds no texts of replies.

use std::collections::BTreeMap;

use shared_protocol::{CommandBody, Forget, command_id};
use uuid::Uuid;

use super::commands::{self, NewCommand};
use super::conversation::READ_ALIASES;
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::execute::Execute;
use crate::store::statement::statements;
use crate::store::transaction::Tx;

/// Begins the ids of commands to forget.
const DOMAIN: &str = "archety.forget.v1";

statements! {
    CHAT_OF_CONVERSATION { both: "select relay, chat_guid from conversations where id = $1" }
    DROP_TURN { both: "delete from unanswered_messages where conversation_id = $1" }
    ERASE_COMMANDS {
        both: "update commands set body = null, done_at = coalesce(done_at, $2)
               where conversation_id = $1 and (body is not null or done_at is null)",
    }
    /// The relay, if it pulls. A rehearsal gets no commands.
    PULLING_RELAY {
        both: "select name from relays
               where name = $1 and last_seen_at is not null and name not like '%/rehearsal'",
    }
}

/// Ends the turn of a conversation that is deleted, erases its commands, and tells its relay. In the transaction that
/// hides the conversation.
pub(in crate::store) async fn forget_conversation(
    tx: &mut Tx,
    conversation_id: Uuid,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(DROP_TURN, (conversation_id,)).await?;
    tx.execute(ERASE_COMMANDS, (conversation_id, now)).await?;
    let chat: Option<(String, String)> = tx
        .optional(CHAT_OF_CONVERSATION, (conversation_id,))
        .await?;
    let Some((relay, chat_guid)) = chat else {
        return Ok(());
    };
    let mut chat_guids: Vec<String> = tx.values(READ_ALIASES, (conversation_id,)).await?;
    if !chat_guids.contains(&chat_guid) {
        chat_guids.push(chat_guid);
    }
    let id = command_id(DOMAIN, &[&relay, &conversation_id.to_string()]);
    let forget = Forget {
        chat_guids,
        message_guids: Vec::new(),
    };
    tell(tx, &relay, &id, forget, now).await
}

/// Tells relays to erase messages that were deleted: pairs of the relay and the message's guid.
pub(in crate::store) async fn forget_messages(
    tx: &mut Tx,
    deleted: impl Iterator<Item = (&str, &str)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut by_relay: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (relay, guid) in deleted {
        by_relay.entry(relay).or_default().push(guid);
    }
    for (relay, mut guids) in by_relay {
        guids.sort_unstable();
        guids.dedup();
        let mut parts = vec![relay];
        parts.extend(&guids);
        let id = command_id(DOMAIN, &parts);
        let forget = Forget {
            chat_guids: Vec::new(),
            message_guids: guids.into_iter().map(str::to_owned).collect(),
        };
        tell(tx, relay, &id, forget, now).await?;
    }
    Ok(())
}

async fn tell(
    tx: &mut Tx,
    relay: &str,
    id: &str,
    forget: Forget,
    now: Timestamp,
) -> Result<(), StoreError> {
    let pulls: Option<String> = tx.optional_value(PULLING_RELAY, (relay,)).await?;
    if pulls.is_none() {
        return Ok(());
    }
    let command = NewCommand {
        relay,
        id,
        conversation_id: None,
        body: &CommandBody::Forget(forget),
        messages: &[],
    };
    commands::insert(tx, &command, now).await?;
    Ok(())
}
