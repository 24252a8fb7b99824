//! Turns: reads what a conversation has said, and commits what was decided about it.
//!
//! The commit is one transaction. It locks the conversation, so that two commits of a conversation go one after the
//! other, and checks that this process still has the job and that the messages are those that the responder saw. A
//! message that is stored meanwhile keeps its row in `unanswered_messages`, and has a job of its own.

use std::collections::BTreeSet;

use shared_protocol::CommandBody;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use super::commands::{self, NewCommand};
use super::conversation::TurnConversation;
use crate::clock::Timestamp;
use crate::store::execute::{Execute, json_list};
use crate::store::jobs::{JobClaim, NewJob, enqueue, hold};
use crate::store::statement::statements;
use crate::store::transaction::Tx;
use crate::store::{Store, StoreError};

/// The most unanswered messages that a responder sees. Earlier ones belong to the turn as well.
const MAX_UNANSWERED: usize = 1_000;
/// The most rows that one statement reads.
const MAX_ROWS: i64 = 2_000;

/// A statement that reads rows of the conversation $1 since $2.
macro_rules! turn_rows {
    ($rest:literal) => {
        concat!(
            "select m.id, m.identity, m.event, m.revision, m.message_guid, m.sender, m.text, m.meta_data,
               m.service, m.chat_guid, m.sent_at, m.created_at as received_at,
               u.message_id is not null as is_unanswered
             from messages m left join unanswered_messages u on u.message_id = m.id
             where m.conversation_id = $1 and m.created_at >= $2 and m.role = 'user'
               and not m.is_backfill
               and m.event in ('message', 'other', 'edit', 'unsend', 'attachment_update') ",
            $rest
        )
    };
}

statements! {
    /// The unanswered messages, and the last decision.
    TURN_BEGINS {
        both: "select count(*) filter (where m.conversation_id = $1) as unanswered,
                 count(*) filter (where m.conversation_id <> $1) as moved,
                 min(u.received_at) filter (where m.conversation_id = $1) as first_at,
                 (select max(decided_at) from turns where conversation_id = $1) as last_decided_at
               from unanswered_messages u join messages m on m.id = u.message_id
               where u.conversation_id = $1",
    }
    /// Newest first.
    UNANSWERED {
        both: "select m.id, m.created_at from unanswered_messages u join messages m on m.id = u.message_id
               where u.conversation_id = $1 and m.conversation_id = $1 order by m.created_at desc, m.id desc",
    }
    /// What people have said and changed since a time, newest first.
    TURN_ROWS { both: turn_rows!("order by m.created_at desc, m.id desc limit $3") }
    /// The same without messages that open no turn: what is unanswered first, and then changes.
    BINDING_ROWS {
        both: turn_rows!(
            "and (u.message_id is not null or m.event in ('edit', 'unsend', 'attachment_update'))
             order by (u.message_id is not null) desc, m.created_at desc, m.id desc limit $3"
        ),
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

/// What a conversation has said since the last decision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TurnRows {
    /// Oldest first. The newest unanswered messages are among them.
    pub rows: Vec<TurnRow>,
    /// Unanswered messages that are too many to be among the rows. They belong to the same turn.
    pub earlier: BTreeSet<Uuid>,
    /// When the first unanswered message was received. `None` if no message is unanswered.
    pub first_at: Option<Timestamp>,
    /// Whether unanswered messages of the conversation were moved to another one.
    pub has_moved: bool,
}

impl TurnRows {
    /// The messages that the turn answers.
    fn unanswered(&self) -> Vec<Uuid> {
        let rows = self.rows.iter().filter(|row| row.is_unanswered);
        let newest = rows.map(|row| row.id);
        self.earlier.iter().copied().chain(newest).collect()
    }

    /// What the responder has to see, or to know of, before its reply is committed.
    fn binding(&self) -> (Vec<&TurnRow>, &BTreeSet<Uuid>) {
        let rows = self.rows.iter().filter(|row| row.is_binding());
        (rows.collect(), &self.earlier)
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
    pub rows: &'a TurnRows,
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
    /// What a conversation has said since the last decision. Empty if no message is unanswered.
    pub async fn turn_rows(&self, conversation_id: Uuid) -> Result<TurnRows, StoreError> {
        let mut tx = self.pools.begin_read(None).await?;
        read_rows(&mut tx, conversation_id).await
    }

    /// Lets unanswered messages that were moved to other conversations wait there, each conversation with its job.
    pub async fn follow_moved_messages(
        &self,
        conversation_id: Uuid,
        job: impl Fn(Uuid) -> NewJob,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.pools.begin_write().await?;
        let moved: Vec<Uuid> = tx.values(FOLLOW_MOVED_MESSAGES, (conversation_id,)).await?;
        // In the order of the lanes' names.
        for conversation_id in BTreeSet::from_iter(moved) {
            enqueue(&mut tx, &job(conversation_id), now).await?;
        }
        tx.commit().await
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
        if if_newer == IfNewer::Refuse && stored.binding() != turn.rows.binding() {
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
        rows: &TurnRows,
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

#[derive(FromRow)]
struct TurnBegins {
    unanswered: i64,
    moved: i64,
    first_at: Option<Timestamp>,
    last_decided_at: Option<Timestamp>,
}

async fn read_rows(tx: &mut Tx, conversation_id: Uuid) -> Result<TurnRows, StoreError> {
    let begins: TurnBegins = tx.one(TURN_BEGINS, (conversation_id,)).await?;
    let has_moved = begins.moved > 0;
    let Some(first_at) = begins.first_at else {
        return Ok(TurnRows {
            has_moved,
            ..TurnRows::default()
        });
    };
    let mut since = first_at.min(begins.last_decided_at.unwrap_or(first_at));
    let mut earlier = BTreeSet::new();
    if usize::try_from(begins.unanswered).is_ok_and(|count| count > MAX_UNANSWERED) {
        let mut newest: Vec<(Uuid, Timestamp)> = tx.all(UNANSWERED, (conversation_id,)).await?;
        let others = newest.split_off(MAX_UNANSWERED.min(newest.len()));
        since = newest.last().map_or(since, |(_, at)| *at);
        earlier = others.into_iter().map(|(id, _)| id).collect();
    }
    let params = (conversation_id, since, MAX_ROWS);
    let mut rows: Vec<TurnRow> = tx.all(TURN_ROWS, params).await?;
    rows.retain(|row| !earlier.contains(&row.id));
    let unanswered = rows.iter().filter(|row| row.is_unanswered).count() + earlier.len();
    if usize::try_from(begins.unanswered).is_ok_and(|all| unanswered < all) {
        // More than `MAX_ROWS` rows came after an unanswered message.
        let binding: Vec<TurnRow> = tx.all(BINDING_ROWS, params).await?;
        rows.extend(binding);
        rows.retain(|row| !earlier.contains(&row.id));
    }
    rows.sort_unstable_by_key(|row| (row.received_at, row.id));
    rows.dedup_by_key(|row| row.id);
    Ok(TurnRows {
        earlier,
        first_at: Some(first_at),
        has_moved,
        rows,
    })
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
    let count = i32::try_from(turn.rows.unanswered().len()).unwrap_or(i32::MAX);
    let number: i64 = tx.value(NEXT_NUMBER, (conversation.id,)).await?;
    let outcome: &str = turn.outcome.into();
    let params = (
        conversation.id,
        number,
        outcome,
        count,
        turn.newest_message_id,
        turn.reply.as_ref().map(|reply| reply.command_id),
        turn.rows.first_at.unwrap_or(now),
        now,
    );
    tx.execute(ADD_TURN, params).await?;
    Ok(())
}

async fn delete_unanswered(
    tx: &mut Tx,
    conversation_id: Uuid,
    rows: &TurnRows,
) -> Result<(), StoreError> {
    let params = (conversation_id, json_list(&rows.unanswered()));
    tx.execute(DELETE_UNANSWERED, params).await?;
    Ok(())
}
