//! Intake: stores messages in batches, each with one commit.
//!
//! A commit costs the same for one message as for sixty, so simultaneous requests share a commit. Their messages wait
//! in a queue, from which a single task takes batches (`postgres` writes a batch in one statement, `sqlite` in one
//! transaction). A request is answered once its batch is durable. No message waits for a batch to fill: a single
//! message is written at once, and the queue fills meanwhile. If a batch fails, all its requests fail, and the relays
//! send their messages again with the same identity.

mod batch;
pub(super) mod postgres;
pub(super) mod sqlite;

use std::sync::Arc;

use shared_protocol::{Event, Mode, RelayName};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::receipts::Receipt;
use super::replies::TurnOpening;
use super::{Pools, StoreError};
use crate::clock::Timestamp;

/// The maximum number of waiting messages. A relay that sends more is asked to try again later.
const QUEUE_CAPACITY: usize = 4_096;
const MAX_BATCH: usize = 64;

/// A message that is to be stored, with the ids of all rows that may have to be created.
#[derive(Debug)]
pub struct NewMessage {
    /// The id of the new row.
    pub id: Uuid,
    /// The authenticated relay, or the name of its rehearsal.
    pub relay: RelayName,
    /// The key of the signed request with the message; `None` for a request with a bearer token.
    pub receipt: Option<Receipt>,
    /// Unique among the messages of a relay. A retry has the same identity.
    pub identity: String,
    /// The keyed hash that stays in the database if the message is deleted.
    pub tombstone: [u8; 32],
    /// SHA-256 of the body.
    pub body_hash: [u8; 32],
    pub chat: Chat,
    /// The sender's handle.
    pub sender: String,
    /// The sender's phone number, and the id of the new user if no user has the number. `None` if the sender is no
    /// phone number or the Mac's owner.
    pub phone: Option<(String, Uuid)>,
    /// `user` or `owner`.
    pub role: &'static str,
    /// The persona that the message was sent to; `None` in a rehearsal.
    pub persona_id: Option<String>,
    /// `message.guid` of chat.db.
    pub message_guid: Option<String>,
    pub event: Event,
    pub revision: i32,
    pub text: String,
    /// The time of sending by the sender's clock.
    pub sent_at: Timestamp,
    /// `iMessage`, `SMS`, …
    pub service: Option<String>,
    pub from_owner: bool,
    /// Whether this is an old message that iCloud restored. Such a message is not answered.
    pub is_backfill: bool,
    /// The possible identities of the earlier message that this one changes; empty if it changes none.
    pub changes: Vec<String>,
    /// The tombstones of the messages with these identities.
    pub changed_tombstones: Vec<[u8; 32]>,
    /// The addresses that `meta_data` lists as mentioned.
    pub mentions: Vec<String>,
    /// JSON.
    pub meta_data: Option<String>,
    /// `None` if the message changes nothing about turns.
    pub turn: Option<TurnOpening>,
    pub received_at: Timestamp,
}

/// The chat of a message.
#[derive(Debug)]
pub struct Chat {
    /// The id of the conversation's row if the conversation is new.
    pub id: Uuid,
    /// The chat's guid without its service prefix.
    pub guid: String,
    /// The chat's guid with its service prefix.
    pub chat_guid: String,
    /// One of the own addresses of the chat's line; empty if the message names none.
    pub line: String,
    pub mode: Mode,
    /// The sender's handle if the chat is direct and the Mac's owner did not write the message. A conversation
    /// without an owner gets this one.
    pub owner: Option<String>,
    pub participants: Vec<String>,
    /// Digest of `participants`.
    pub participants_digest: [u8; 32],
}

/// The result of storing a message, with the id of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    Accepted(Uuid),
    /// The message was stored before. If it was deleted since, or changes a deleted message, no row has the id.
    Duplicate(Uuid),
    /// A message with another body was stored before with the same identity.
    Conflict(Uuid),
    /// The message is the row of a bubble that the relay has sent for us. Nothing was stored; the id is that of the
    /// bubble's message.
    OwnSend(Uuid),
    /// The signed request was received before. Nothing was stored.
    Replayed,
}

/// A message, and the channel to the request that waits for its result.
pub(super) struct QueuedMessage {
    message: NewMessage,
    done: oneshot::Sender<Result<Stored, StoreError>>,
}

impl QueuedMessage {
    fn finish(self, outcome: Result<Stored, StoreError>) {
        // A request that was cancelled needs no answer. Its retry finds the message stored.
        let _ = self.done.send(outcome);
    }
}

fn record_batch_size(batch: &[QueuedMessage]) {
    let messages = u32::try_from(batch.len()).unwrap_or(u32::MAX);
    metrics::histogram!("intake_batch_messages").record(f64::from(messages));
}

/// Logs the error and answers each request of the batch with it.
fn fail(batch: Vec<QueuedMessage>, error: impl Into<StoreError>) {
    let error = error.into();
    tracing::error!(error = %error, cause = %error.cause(), messages = batch.len(), "intake failed");
    for queued in batch {
        queued.finish(Err(error.clone()));
    }
}

/// The queue of messages that are to be stored, and the task that writes them.
#[derive(Clone)]
pub(super) struct Intake {
    queue: mpsc::Sender<QueuedMessage>,
    /// The task that writes batches; `None` once [`Self::close`] was called.
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
    stop: CancellationToken,
}

impl Intake {
    /// Starts the task that writes batches.
    pub(super) fn start(pools: &Pools) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE_CAPACITY);
        let stop = CancellationToken::new();
        let batches = batch::Batches::new(waiting, stop.clone());
        let writer = match pools {
            Pools::Postgres(pool) => tokio::spawn(postgres::run(pool.clone(), batches)),
            Pools::Sqlite { .. } => tokio::spawn(sqlite::run(pools.clone(), batches)),
        };
        Self {
            queue,
            writer: Arc::new(Mutex::new(Some(writer))),
            stop,
        }
    }

    /// Queues a message and waits until its batch is durable. Fails at once if the queue is full or closed.
    pub(super) async fn submit(&self, message: NewMessage) -> Result<Stored, StoreError> {
        let (done, outcome) = oneshot::channel();
        self.queue
            .try_send(QueuedMessage { message, done })
            .map_err(|error| match error {
                TrySendError::Full(_) => StoreError::Overloaded,
                TrySendError::Closed(_) => StoreError::Closed,
            })?;
        // The sender is dropped unused only if the writer task panics before it has answered.
        outcome.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Whether intake was closed, or its task panicked.
    pub(super) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Waits until intake was closed or its task panicked.
    pub(super) async fn ended(&self) {
        self.queue.closed().await;
    }

    /// The number of queued messages that no batch contains yet.
    pub(super) fn depth(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Refuses new messages, and waits until all queued messages are written.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        if let Some(writer) = self.writer.lock().await.take()
            && writer.await.is_err()
        {
            tracing::error!("the intake task had died");
        }
    }
}
