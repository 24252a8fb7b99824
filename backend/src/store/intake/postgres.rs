//! Intake on Postgres: a batch is one statement.
//!
//! If another replica writes the same rows at the same moment, the statement returns `unresolved` for a message. The
//! message is tried again, since the other replica's rows are visible then. A batch that Postgres aborts because of a
//! deadlock or a conflict with another replica is tried again as a whole. If the database refuses the content of a
//! message, the batch is split, so that the other messages are stored.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgArguments;
use sqlx::query::QueryAs;
use sqlx::{PgConnection, PgPool, Postgres};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::batch::Batches;
use super::{NewMessage, QueuedMessage, Stored, fail, record_batch_size};
use crate::store::connection_health;
use crate::store::receipts::Receipt;
use crate::store::replies::{Opens, TurnOpening};
use crate::store::statement::statements;

statements! {
    STORE_MESSAGES {
        postgres: concat!(include_str!("store_messages.sql"), include_str!("count_interactions.sql")),
    }
    /// Also opens the turns of the messages. A batch without turns is spared the parts of the plan.
    STORE_MESSAGES_AND_TURNS {
        postgres: concat!(
            include_str!("store_messages.sql"),
            include_str!("open_turns.sql"),
            include_str!("count_interactions.sql"),
        ),
    }
    /// Makes the waiting turn of the conversation of the message $1 due at $2, if that is earlier.
    HASTEN_TURN_OF_MESSAGE {
        postgres: "update jobs set run_at = $2
                   where kind = 'answer_turn' and run_at > $2 and dedupe_key = (
                     select conversation_id::text from messages where id = $1)",
    }
}

/// The number of batches that are written at the same time. While one waits for the disk, the next is executed. A
/// higher number would only make the batches smaller.
const CONCURRENT_BATCHES: usize = 2;
/// How long to wait for a server that does not answer. Longer than the server's own `statement_timeout`.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// A further try is needed only if another replica writes the same rows again at the same moment.
const MAX_TRIES: usize = 8;

type StoreMessages<'q> = QueryAs<'q, Postgres, StoredRow, PgArguments>;

/// Writes batches until the queue is closed and empty.
pub(super) async fn run(pool: PgPool, mut batches: Batches) {
    let slots = Arc::new(Semaphore::new(CONCURRENT_BATCHES));
    let writing = TaskTracker::new();
    while batches.wait_for_message().await {
        // The slot is taken before the batch, so that the queue fills while all slots are busy.
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            break;
        };
        let batch = batches.take();
        let pool = pool.clone();
        writing.spawn(async move {
            write(&pool, batch).await;
            drop(slot);
        });
    }
    writing.close();
    writing.wait().await;
}

/// Writes a batch and answers its requests.
async fn write(pool: &PgPool, mut unanswered: Vec<QueuedMessage>) {
    record_batch_size(&unanswered);
    let mut last_error = None;
    let mut was_unavailable = false;
    for _ in 0..MAX_TRIES {
        match execute(pool, &unanswered).await {
            Ok(rows) => {
                unanswered = answer(unanswered, &rows);
                if unanswered.is_empty() {
                    return;
                }
            }
            Err(error) if is_conflict(&error) => last_error = Some(error),
            // If the batch was committed nevertheless, the second try finds the receipt, and the relay gets the
            // answer `replayed`.
            Err(error) if !was_unavailable && connection_health::is_lost(&error) => {
                connection_health::note_error(&error);
                (was_unavailable, last_error) = (true, Some(error));
            }
            Err(error) if !was_unavailable && connection_health::is_read_only(&error) => {
                tokio::time::sleep(connection_health::READ_ONLY_FOR).await;
                connection_health::note_error(&error);
                (was_unavailable, last_error) = (true, Some(error));
            }
            Err(error) if unanswered.len() > 1 && refuses_content(&error) => {
                for queued in unanswered {
                    Box::pin(write(pool, vec![queued])).await;
                }
                return;
            }
            Err(error) => return fail(unanswered, error),
        }
    }
    fail(unanswered, last_error.unwrap_or(sqlx::Error::PoolTimedOut));
}

/// Answers the requests whose messages have a result and returns the others.
fn answer(batch: Vec<QueuedMessage>, rows: &[StoredRow]) -> Vec<QueuedMessage> {
    let mut outcomes = vec![None; batch.len()];
    for row in rows {
        let ord = usize::try_from(row.ord).ok();
        if let Some(outcome) = ord.and_then(|ord| outcomes.get_mut(ord)) {
            *outcome = row.stored();
        }
    }
    let mut unanswered = Vec::new();
    for (mut queued, outcome) in batch.into_iter().zip(outcomes) {
        if let Some(stored) = outcome {
            queued.finish(Ok(stored));
        } else {
            // The receipt is committed already, so a second try with it would count as a replay. If this process
            // dies before that try, the relay gets the answer `replayed`, signs the message again with the same
            // identity, and the message is stored then.
            queued.message.receipt = None;
            unanswered.push(queued);
        }
    }
    unanswered
}

/// The result of [`STORE_MESSAGES`] for one message.
#[derive(sqlx::FromRow)]
struct StoredRow {
    /// The index of the message in the batch.
    ord: i32,
    outcome: String,
    message_id: Option<Uuid>,
}

impl StoredRow {
    /// `None` if the message has to be tried again.
    fn stored(&self) -> Option<Stored> {
        match (self.outcome.as_str(), self.message_id) {
            ("replayed", _) => Some(Stored::Replayed),
            ("accepted", Some(id)) => Some(Stored::Accepted(id)),
            ("duplicate", Some(id)) => Some(Stored::Duplicate(id)),
            ("conflict", Some(id)) => Some(Stored::Conflict(id)),
            ("own_send", Some(id)) => Some(Stored::OwnSend(id)),
            _ => None,
        }
    }
}

async fn execute(pool: &PgPool, batch: &[QueuedMessage]) -> Result<Vec<StoredRow>, sqlx::Error> {
    let mut connection = connection_health::acquire(pool).await?;
    let mut turns = batch.iter().filter_map(|queued| queued.message.turn);
    let statement = if turns.any(|turn| turn.opens != Opens::NothingButHastensWaitingTurn) {
        STORE_MESSAGES_AND_TURNS
    } else {
        STORE_MESSAGES
    };
    let statement = bind_batch(sqlx::query_as(statement.postgres), batch);
    let storing = async {
        let rows = statement.fetch_all(&mut *connection).await?;
        hasten_turns(&mut connection, batch).await;
        Ok(rows)
    };
    if let Ok(rows) = tokio::time::timeout(ANSWER_TIMEOUT, storing).await {
        return rows;
    }
    // The connection is closed: its next user would wait for the answer to this statement.
    drop(connection.detach());
    let silent = std::io::Error::from(std::io::ErrorKind::TimedOut);
    Err(sqlx::Error::Io(silent))
}

/// Makes turns due that have waited for a message of the batch. The messages are stored already: if this fails, the
/// turns are due a little later.
async fn hasten_turns(connection: &mut PgConnection, batch: &[QueuedMessage]) {
    for message in batch.iter().map(|queued| &queued.message) {
        if let Some(turn) = message.turn
            && turn.opens == Opens::NothingButHastensWaitingTurn
        {
            let hasten = sqlx::query(HASTEN_TURN_OF_MESSAGE.postgres)
                .bind(message.id)
                .bind(message.received_at.plus(turn.quiet));
            if let Err(error) = hasten.execute(&mut *connection).await {
                tracing::warn!(error = %error, "a turn that waited for a transcript was not made due");
            }
        }
    }
}

/// Binds one array for each column of the batch, in the order of the parameters of [`STORE_MESSAGES`].
fn bind_batch<'q>(statement: StoreMessages<'q>, batch: &'q [QueuedMessage]) -> StoreMessages<'q> {
    let ord: Vec<i32> = (0..).zip(batch).map(|(ord, _)| ord).collect();
    let (participant_ord, participants) = items(batch, |message| &message.chat.participants);
    let (change_ord, changes) = items(batch, |message| &message.changes);
    let (mention_ord, mentions) = items(batch, |message| &message.mentions);
    let (tombstone_ord, tombstones) = items(batch, |message| &message.changed_tombstones);
    statement
        .bind(ord)
        .bind(column(batch, |message| message.id))
        .bind(column(batch, |message| message.relay.as_str()))
        .bind(receipts(batch, |receipt| receipt.webhook_id.as_str()))
        .bind(receipts(batch, |receipt| receipt.signed_at))
        .bind(column(batch, |message| message.identity.as_str()))
        .bind(column(batch, |message| &message.body_hash[..]))
        .bind(column(batch, |message| message.chat.id))
        .bind(column(batch, |message| message.chat.guid.as_str()))
        .bind(column(batch, |message| message.chat.chat_guid.as_str()))
        .bind(column(batch, |message| message.chat.line.as_str()))
        .bind(column(batch, |message| message.chat.mode.as_str()))
        .bind(column(batch, |message| message.chat.owner.as_deref()))
        .bind(column(
            batch,
            |message| &message.chat.participants_digest[..],
        ))
        .bind(column(batch, |message| {
            message.phone.as_ref().map(|(_, id)| *id)
        }))
        .bind(column(batch, |message| {
            message.phone.as_ref().map(|(phone, _)| phone.as_str())
        }))
        .bind(column(batch, |message| message.sender.as_str()))
        .bind(column(batch, |message| message.role))
        .bind(column(batch, |message| message.message_guid.as_deref()))
        .bind(column(batch, |message| message.event.as_str()))
        .bind(column(batch, |message| message.revision))
        .bind(column(batch, |message| message.text.as_str()))
        .bind(column(batch, |message| message.sent_at))
        .bind(column(batch, |message| message.service.as_deref()))
        .bind(column(batch, |message| message.from_owner))
        .bind(column(batch, |message| message.is_backfill))
        .bind(column(batch, |message| message.meta_data.as_deref()))
        .bind(column(batch, |message| message.received_at))
        .bind(participant_ord)
        .bind(participants)
        .bind(column(batch, |message| &message.tombstone[..]))
        .bind(column(batch, |message| message.persona_id.as_deref()))
        .bind(receipts(batch, |receipt| receipt.relay.as_str()))
        .bind(change_ord)
        .bind(changes)
        .bind(mention_ord)
        .bind(mentions)
        .bind(tombstone_ord)
        .bind(tombstones)
        .bind(turns(batch, |turn| turn.opens.as_str()))
        .bind(turns(batch, |turn| micros(turn.quiet)))
        .bind(turns(batch, |turn| micros(turn.longest)))
}

fn column<'a, T>(batch: &'a [QueuedMessage], value: impl Fn(&'a NewMessage) -> T) -> Vec<T> {
    batch.iter().map(|queued| value(&queued.message)).collect()
}

/// A column of the messages' receipts; null for a message without a receipt.
fn receipts<'a, T>(batch: &'a [QueuedMessage], value: impl Fn(&'a Receipt) -> T) -> Vec<Option<T>> {
    column(batch, |message| message.receipt.as_ref().map(&value))
}

/// A column of the messages' turns; null for a message without one.
fn turns<T>(batch: &[QueuedMessage], value: impl Fn(&TurnOpening) -> T) -> Vec<Option<T>> {
    column(batch, |message| message.turn.as_ref().map(&value))
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// The concatenated lists of all messages: the index of each item's message in the batch, and the items.
fn items<'a, T>(
    batch: &'a [QueuedMessage],
    list: impl Fn(&'a NewMessage) -> &'a [T],
) -> (Vec<i32>, Vec<&'a T>) {
    let lists = (0..).zip(column(batch, list));
    lists
        .flat_map(|(ord, list)| list.iter().map(move |item| (ord, item)))
        .unzip()
}

/// Whether the statement met another one at the same moment: a serialization failure, a deadlock, or a row that another
/// replica has inserted or deleted.
fn is_conflict(error: &sqlx::Error) -> bool {
    has_code(error, |code| {
        matches!(code, "40001" | "40P01" | "23505" | "23503")
    })
}

/// Whether Postgres cannot store a value of one of the messages: a data exception (class 22), or a value that is too
/// large or too complex (class 54).
fn refuses_content(error: &sqlx::Error) -> bool {
    has_code(error, |code| {
        code.starts_with("22") || code.starts_with("54")
    })
}

fn has_code(error: &sqlx::Error, is_match: impl Fn(&str) -> bool) -> bool {
    matches!(error, sqlx::Error::Database(fault) if fault.code().is_some_and(|code| is_match(&code)))
}
