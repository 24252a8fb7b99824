//! What a deletion does to replies: nothing is sent to the person any more, their commands are deleted, and relays are
//! told to erase the texts that they hold.
//!
//! A relay that never pulls has no commands to be told, and holds no texts of replies.

use std::collections::BTreeMap;

use shared_protocol::{CommandBody, Forget, command_id};
use uuid::Uuid;

use super::commands::{self, NewCommand};
use super::conversation::READ_ALIASES;
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::execute::{Execute, json_list};
use crate::store::statement::statements;
use crate::store::transaction::Tx;

/// Begins the ids of commands to forget.
const DOMAIN: &str = "archety.forget.v1";
/// The most guids of one command to forget. Even the longest ones are less than the mebibyte of an answer.
const MAX_GUIDS: usize = 100;

statements! {
    CHAT_OF_CONVERSATION { both: "select relay, chat_guid from conversations where id = $1" }
    DROP_TURN { both: "delete from unanswered_messages where conversation_id = $1" }
    /// Acks of the commands count as those of forgotten ones. The numbers of the commands stay used.
    DELETE_COMMANDS { both: "delete from commands where conversation_id = $1" }
    /// The relays of the conversations in a list.
    LOCK_RELAYS {
        postgres: "select name from relays where name in (
                     select relay from conversations where id in (
                       select given.id::uuid from jsonb_array_elements_text(($1::text)::jsonb) as given (id)))
                   order by name for no key update",
        sqlite: "select name from relays where name in (
                   select relay from conversations where id in (select unhex(value) from json_each($1)))
                 order by name",
    }
    /// The relay, if it pulls. A rehearsal gets no commands.
    PULLING_RELAY {
        both: "select name from relays
               where name = $1 and last_seen_at is not null and name not like '%/rehearsal'",
    }
}

/// Ends the turns of conversations that are deleted, deletes their commands, and tells their relays. In the transaction
/// that hides the conversations.
pub(in crate::store) async fn forget_conversations(
    tx: &mut Tx,
    conversations: &[Uuid],
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(LOCK_RELAYS, (json_list(conversations),)).await?;
    for id in conversations {
        forget_conversation(tx, *id, now).await?;
    }
    Ok(())
}

async fn forget_conversation(
    tx: &mut Tx,
    conversation_id: Uuid,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(DROP_TURN, (conversation_id,)).await?;
    tx.execute(DELETE_COMMANDS, (conversation_id,)).await?;
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
    let conversation_id = conversation_id.to_string();
    for (n, chat_guids) in chat_guids.chunks(MAX_GUIDS).enumerate() {
        let id = command_id(DOMAIN, &[&relay, &conversation_id, &n.to_string()]);
        let forget = Forget {
            chat_guids: chat_guids.to_vec(),
            message_guids: Vec::new(),
        };
        tell(tx, &relay, &id, forget, now).await?;
    }
    Ok(())
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
        for guids in guids.chunks(MAX_GUIDS) {
            let mut parts = vec![relay];
            parts.extend(guids);
            let id = command_id(DOMAIN, &parts);
            let forget = Forget {
                chat_guids: Vec::new(),
                message_guids: guids.iter().map(|guid| (*guid).to_owned()).collect(),
            };
            tell(tx, relay, &id, forget, now).await?;
        }
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
