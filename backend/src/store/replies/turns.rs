//! Turns: reads what a conversation has said, and commits what was decided about it.
//!
//! The commit is one transaction. It locks the conversation, so that two commits of a conversation go one after the
//! other, and checks that this process still has the job and that the messages are those that the responder saw. A
//! message that is stored meanwhile keeps its row in `unanswered_messages`, and has a job of its own.

use shared_protocol::CommandBody;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use super::commands::{self, NewCommand};
use super::conversation::TurnConversation;
use crate::clock::Timestamp;
use crate::store::execute::{Execute, json_list};
use crate::store::jobs::{JobClaim, hold};
use crate::store::statement::statements;
use crate::store::transaction::Tx;
use crate::store::{Store, StoreError};

/// The most rows of a conversation that one turn reads.
const MAX_ROWS: i64 = 1_000;

statements! {
    /// The first unanswered message, and the last decision.
    TURN_BEGINS {
        both: "select
                 (select min(received_at) from unanswered_messages where conversation_id = $1) as first_at,
                 (select max(decided_at) from turns where conversation_id = $1) as last_decided_at",
    }
    /// What people have said and changed since a time, newest first.
    TURN_ROWS {
        both: "select m.id, m.identity, m.event, m.revision, m.message_guid, m.sender, m.text, m.meta_data,
                 m.service, m.chat_guid, m.sent_at, m.created_at as received_at,
                 u.message_id is not null as is_unanswered
               from messages m left join unanswered_messages u on u.message_id = m.id
               where m.conversation_id = $1 and m.created_at >= $2 and m.role = 'user'
                 and not m.is_backfill
                 and m.event in ('message', 'other', 'edit', 'unsend', 'attachment_update')
               order by m.created_at desc, m.id desc limit $3",
    }
    /// A number that has a new owner takes its latest messages to another conversation.
    FOLLOW_MOVED_MESSAGES {
        both: "update unanswered_messages set conversation_id = m.conversation_id
               from messages m
               where unanswered_messages.conversation_id = $1 and m.id = unanswered_messages.message_id
                 and m.conversation_id <> $1
               returning unanswered_messages.conversation_id",
    }
    LOCK_CONVERSATION {
        postgres: "select id from conversations where id = $1 for no key update",
        sqlite: "select id from conversations where id = $1",
    }
    NEXT_NUMBER {
        both: "select coalesce(max(number), 0) + 1 from turns where conversation_id = $1",
    }
    ADD_TURN {
        both: "insert into turns (
                 conversation_id, number, outcome, messages, newest_message_id, command_id,
                 first_received_at, decided_at)
               values ($1, $2, $3, $4, $5, $6, $7, $8)",
    }
    ADD_REPLY {
        both: "insert into messages (
                 id, conversation_id, role, text, created_at, relay, identity, event, revision,
                 sender, service, from_owner, is_backfill, chat_guid)
               values ($1, $2, 'assistant', $3, $4, $5, $6, 'message', 0, $7, $8, false, false, $9)",
    }
    /// $2 is a JSON list of ids.
    DELETE_UNANSWERED {
        postgres: "delete from unanswered_messages
                   where conversation_id = $1 and message_id in (
                     select given.id::uuid from jsonb_array_elements_text(($2::text)::jsonb) as given (id))",
        sqlite: "delete from unanswered_messages
                 where conversation_id = $1
                   and message_id in (select unhex(value) from json_each($2))",
    }
}

/// A message of a person, or a change of one.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct TurnRow {
    pub id: Uuid,
    /// `None` for a message of the earlier deployment.
    pub identity: Option<String>,
    pub event: String,
    pub revision: i32,
    pub message_guid: Option<String>,
    pub sender: Option<String>,
    pub text: String,
    pub meta_data: Option<Json<serde_json::Value>>,
    pub service: Option<String>,
    pub chat_guid: Option<String>,
    pub sent_at: Option<Timestamp>,
    pub received_at: Timestamp,
    pub is_unanswered: bool,
}

impl TurnRow {
    /// Whether the responder has to see the row before its reply is committed: a message that opens a turn, or a change
    /// of a message.
    fn is_binding(&self) -> bool {
        self.is_unanswered || matches!(&*self.event, "edit" | "unsend" | "attachment_update")
    }
}

/// What was decided about a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum TurnOutcome {
    Replied,
    /// The responder had nothing to say, or nothing was left to answer.
    Silent,
    /// The newest message was too old to be answered.
    TooOld,
    /// The responder cannot answer.
    Failed,
    /// Two machines answer each other, so the conversation is paused.
    Loop,
}

/// A reply that is to be committed.
#[derive(Debug)]
pub struct NewReply<'a> {
    /// The id of the command.
    pub command_id: &'a str,
    pub body: &'a CommandBody,
    /// The text of each bubble, with the id of its message.
    pub bubbles: &'a [(Uuid, String)],
    /// The persona that says it.
    pub sender: &'a str,
    pub service: Option<&'a str>,
    pub chat_guid: &'a str,
}

/// A decision that is to be committed.
#[derive(Debug)]
pub struct NewTurn<'a> {
    pub conversation: &'a TurnConversation,
    /// What the decision is about.
    pub rows: &'a [TurnRow],
    pub outcome: TurnOutcome,
    /// The newest message that is answered.
    pub newest_message_id: Option<Uuid>,
    pub reply: Option<NewReply<'a>>,
    /// Whether the messages are still unanswered after the decision.
    pub keeps_unanswered: bool,
}

/// What the commit demands of messages that came meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfNewer {
    /// Commits nothing.
    Refuse,
    /// Commits; what is new belongs to the next turn.
    Leave,
}

/// The result of [`Store::commit_turn`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnCommit {
    Committed,
    /// Nothing was committed: a message came, or one was changed.
    Newer,
    /// Nothing was committed: another process has the job.
    NotHeld,
    /// Nothing was committed: the conversation was deleted, or has been hidden or moved to another line.
    Gone,
}

impl Store {
    /// What a conversation has said since the last decision. Empty if no message is unanswered. Oldest first.
    pub async fn turn_rows(&self, conversation_id: Uuid) -> Result<Vec<TurnRow>, StoreError> {
        let mut tx = self.pools.begin_read(None).await?;
        read_rows(&mut tx, conversation_id).await
    }

    /// Lets unanswered messages that were moved to other conversations wait there. Returns those conversations.
    pub async fn follow_moved_messages(
        &self,
        conversation_id: Uuid,
    ) -> Result<Vec<Uuid>, StoreError> {
        let mut writes = self.pools.writes();
        let mut moved: Vec<Uuid> = writes
            .values(FOLLOW_MOVED_MESSAGES, (conversation_id,))
            .await?;
        moved.sort_unstable();
        moved.dedup();
        Ok(moved)
    }

    /// Commits a decision: the turn, the reply with its messages and its command, and that the messages are answered.
    pub async fn commit_turn(
        &self,
        claim: JobClaim,
        turn: &NewTurn<'_>,
        if_newer: IfNewer,
        now: Timestamp,
    ) -> Result<TurnCommit, StoreError> {
        let conversation_id = turn.conversation.id;
        let mut tx = self.pools.begin_write().await?;
        let locked: Option<Uuid> = tx
            .optional_value(LOCK_CONVERSATION, (conversation_id,))
            .await?;
        let stands = super::conversation::read(&mut tx, conversation_id).await?;
        if locked.is_none() || stands.as_ref() != Some(turn.conversation) {
            return Ok(TurnCommit::Gone);
        }
        if !hold(&mut tx, claim).await? {
            return Ok(TurnCommit::NotHeld);
        }
        let stored = read_rows(&mut tx, conversation_id).await?;
        let binding = |rows: &[TurnRow]| -> Vec<TurnRow> {
            rows.iter()
                .filter(|row| row.is_binding())
                .cloned()
                .collect()
        };
        if if_newer == IfNewer::Refuse && binding(&stored) != binding(turn.rows) {
            return Ok(TurnCommit::Newer);
        }
        add_turn(&mut tx, turn, now).await?;
        if !turn.keeps_unanswered {
            delete_unanswered(&mut tx, conversation_id, turn.rows).await?;
        }
        crash_point::crash_point("before_turn_commit");
        tx.commit().await?;
        crash_point::crash_point("turn_committed");
        Ok(TurnCommit::Committed)
    }

    /// Deletes the rows of messages that no turn has to answer. `false` if another process has the job.
    pub async fn drop_unanswered(
        &self,
        claim: JobClaim,
        conversation_id: Uuid,
        rows: &[TurnRow],
    ) -> Result<bool, StoreError> {
        let mut tx = self.pools.begin_write().await?;
        if !hold(&mut tx, claim).await? {
            return Ok(false);
        }
        delete_unanswered(&mut tx, conversation_id, rows).await?;
        tx.commit().await?;
        Ok(true)
    }
}

async fn read_rows(tx: &mut Tx, conversation_id: Uuid) -> Result<Vec<TurnRow>, StoreError> {
    let (first_at, last_decided_at): (Option<Timestamp>, Option<Timestamp>) =
        tx.one(TURN_BEGINS, (conversation_id,)).await?;
    let Some(first_at) = first_at else {
        return Ok(Vec::new());
    };
    let since = last_decided_at.map_or(first_at, |decided_at| decided_at.min(first_at));
    let params = (conversation_id, since, MAX_ROWS);
    let mut rows: Vec<TurnRow> = tx.all(TURN_ROWS, params).await?;
    rows.reverse();
    Ok(rows)
}

async fn add_turn(tx: &mut Tx, turn: &NewTurn<'_>, now: Timestamp) -> Result<(), StoreError> {
    let conversation = turn.conversation;
    if let Some(reply) = &turn.reply
        && !commands::is_known(tx, &conversation.relay, reply.command_id).await?
    {
        let messages: Vec<Uuid> = reply.bubbles.iter().map(|(id, _)| *id).collect();
        for (n, (id, text)) in (0_u32..).zip(reply.bubbles) {
            // The times are apart, so that the messages are read back in their order.
            let created_at = Timestamp::from_micros(now.as_micros() + i64::from(n));
            let params = (
                *id,
                conversation.id,
                text,
                created_at,
                &conversation.relay,
                format!("{}.{n}", reply.command_id),
                reply.sender,
                reply.service,
                reply.chat_guid,
            );
            tx.execute(ADD_REPLY, params).await?;
        }
        let command = NewCommand {
            relay: &conversation.relay,
            id: reply.command_id,
            conversation_id: Some(conversation.id),
            body: reply.body,
            messages: &messages,
        };
        commands::insert(tx, &command, now).await?;
    }
    let unanswered = turn.rows.iter().filter(|row| row.is_unanswered);
    let count = i32::try_from(unanswered.clone().count()).unwrap_or(i32::MAX);
    let first_at = unanswered.map(|row| row.received_at).min();
    let number: i64 = tx.value(NEXT_NUMBER, (conversation.id,)).await?;
    let outcome: &str = turn.outcome.into();
    let params = (
        conversation.id,
        number,
        outcome,
        count,
        turn.newest_message_id,
        turn.reply.as_ref().map(|reply| reply.command_id),
        first_at.unwrap_or(now),
        now,
    );
    tx.execute(ADD_TURN, params).await?;
    Ok(())
}

async fn delete_unanswered(
    tx: &mut Tx,
    conversation_id: Uuid,
    rows: &[TurnRow],
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = (rows.iter())
        .filter(|row| row.is_unanswered)
        .map(|row| row.id)
        .collect();
    let params = (conversation_id, json_list(&ids));
    tx.execute(DELETE_UNANSWERED, params).await?;
    Ok(())
}
