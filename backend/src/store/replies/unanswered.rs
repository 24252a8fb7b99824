//! The messages that no turn has answered yet, and the job that answers them.
//!
//! Intake writes both with the message itself: here on SQLite, in `store_messages.sql` on Postgres. At most one job of
//! a conversation waits, and the transaction that commits a reply deletes the rows that it answers.

use std::time::Duration;

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::ids::row_id;
use crate::store::StoreError;
use crate::store::execute::Execute;
use crate::store::jobs::{ANSWER_TURN, TURNS_QUEUE};
use crate::store::statement::statements;
use crate::store::transaction::Tx;

statements! {
    /// Whether the message that this one changes has a text.
    CHANGED_HAS_TEXT {
        sqlite: "select 1 from messages where relay = $1 and identity = $2 and text <> ''",
    }
    ADD_UNANSWERED {
        sqlite: "insert into unanswered_messages (message_id, conversation_id, received_at)
                 values ($1, $2, $3)",
    }
    /// A waiting job is put off until $7, but not beyond $8 microseconds after the first unanswered message.
    OPEN_TURN {
        sqlite: "insert into jobs (
                   id, kind, queue, lane, priority, dedupe_key, payload, run_at, attempts, created_at)
                 values ($1, $2, $3, $4, 0, $5, $6,
                   min($7, $8 + (select min(received_at) from unanswered_messages where conversation_id = $10)),
                   0, max($9, coalesce(
                     (select max(created_at) + 1 from jobs where lane = $4 and dead_at is null), $9)))
                 on conflict (kind, dedupe_key) where dedupe_key is not null
                   do update set run_at = max(run_at, excluded.run_at)",
    }
    HASTEN_TURN {
        sqlite: "update jobs set run_at = min(run_at, $3) where kind = $1 and dedupe_key = $2",
    }
}

/// What a message does to the turn of its conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnOpening {
    /// How long the chat has to be quiet after this message before the turn is due.
    pub quiet: Duration,
    /// The turn is due at the latest this long after its first message.
    pub longest: Duration,
    pub opens: Opens,
}

/// When a message opens a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opens {
    Turn,
    /// The message is a late text. It opens a turn unless the message that it completes had a text.
    TurnIfTextWasMissing,
    /// The message opens no turn. A turn that waits for the message becomes due.
    NothingButHastensWaitingTurn,
}

impl Opens {
    /// The name in `store_messages.sql`.
    pub(in crate::store) const fn as_str(self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::TurnIfTextWasMissing => "late_text",
            Self::NothingButHastensWaitingTurn => "hasten",
        }
    }
}

/// The lane of the jobs of a conversation.
pub(crate) fn lane(conversation_id: Uuid) -> String {
    format!("turn:{conversation_id}")
}

/// The message that opens a turn, as it is stored.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct OpeningMessage<'a> {
    pub(in crate::store) id: Uuid,
    pub(in crate::store) conversation_id: Uuid,
    pub(in crate::store) relay: &'a str,
    /// The possible identities of the message that this one changes.
    pub(in crate::store) changes: &'a [String],
    pub(in crate::store) received_at: Timestamp,
}

/// Writes that the message is unanswered, and the job that answers the conversation. On SQLite, in the transaction that
/// stores the message.
pub(in crate::store) async fn open_turn(
    tx: &mut Tx,
    message: OpeningMessage<'_>,
    turn: TurnOpening,
) -> Result<(), StoreError> {
    let (now, conversation_id) = (message.received_at, message.conversation_id);
    let quiet_until = now.plus(turn.quiet);
    let key = conversation_id.to_string();
    match turn.opens {
        Opens::Turn => {}
        Opens::TurnIfTextWasMissing => {
            for identity in message.changes {
                let params = (message.relay, identity);
                let found: Option<i64> = tx.optional_value(CHANGED_HAS_TEXT, params).await?;
                if found.is_some() {
                    return Ok(());
                }
            }
        }
        Opens::NothingButHastensWaitingTurn => {
            tx.execute(HASTEN_TURN, (ANSWER_TURN, key, quiet_until))
                .await?;
            return Ok(());
        }
    }
    let params = (message.id, conversation_id, now);
    tx.execute(ADD_UNANSWERED, params).await?;
    let params = (
        row_id(now),
        ANSWER_TURN,
        TURNS_QUEUE,
        lane(conversation_id),
        &key,
        payload(conversation_id),
        quiet_until,
        // The database counts in microseconds, and so does a `Timestamp`.
        Timestamp::from_micros(0).plus(turn.longest),
        now,
        conversation_id,
    );
    tx.execute(OPEN_TURN, params).await?;
    Ok(())
}

/// The payload of the job, as `store_messages.sql` writes it, too.
fn payload(conversation_id: Uuid) -> Vec<u8> {
    format!(r#"{{"conversation_id":"{conversation_id}"}}"#).into_bytes()
}
