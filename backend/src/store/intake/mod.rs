//! Storing messages, many to a commit.
//!
//! A commit costs the same for one message as for sixty, so the requests in flight share one: each
//! waits in a queue, a single task takes what is waiting and writes it (`postgres` in one statement,
//! `sqlite` in one transaction), and every request is answered only once its batch is durable. No
//! time is spent waiting for company: a lone message is written at once, and the others gather behind
//! it. A batch that fails fails its requests, whose relays send again under the same identity.

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
use super::{Pools, StoreError};
use crate::clock::Timestamp;

/// How many messages may wait. Beyond it a relay is better off to come back later.
const QUEUE_CAPACITY: usize = 4_096;
/// Most messages of one commit.
const MAX_BATCH: usize = 64;

/// A message as it is stored, with every id that storing it may need.
#[derive(Debug)]
pub struct NewMessage {
    /// Id of the row if it is new.
    pub id: Uuid,
    /// The relay under which it is kept: the authenticated one, or that one's rehearsal.
    pub relay: RelayName,
    /// The signed request that it came in; none for bearer requests.
    pub receipt: Option<Receipt>,
    /// What makes a retry the same message, unique per relay.
    pub identity: String,
    /// What is left of it where its person was deleted: a keyed hash of relay and identity.
    pub tombstone: [u8; 32],
    /// SHA-256 of the body.
    pub body_hash: [u8; 32],
    pub chat: Chat,
    /// Raw handle of the sender.
    pub sender: String,
    /// The sender's phone and the id of its user if it is new; none for any other handle.
    pub phone: Option<(String, Uuid)>,
    /// `user` or `owner`.
    pub role: &'static str,
    /// With which persona it counts as spoken to; with none in a rehearsal.
    pub persona_id: Option<String>,
    /// `message.guid` of chat.db.
    pub message_guid: Option<String>,
    pub event: Event,
    pub revision: i32,
    pub text: String,
    /// The sender's clock.
    pub sent_at: Timestamp,
    /// `iMessage`, `SMS`, …
    pub service: Option<String>,
    /// Typed by the Mac's owner.
    pub from_owner: bool,
    /// Brought back by iCloud.
    pub is_backfill: bool,
    /// Of a change: the identities that the changed message may have.
    pub changes: Vec<String>,
    /// What is left of those, where the message that this one changes was removed.
    pub changed_tombstones: Vec<[u8; 32]>,
    /// Addresses that `meta_data` has among its mentions.
    pub mentions: Vec<String>,
    /// What else the message carries, as JSON.
    pub meta_data: Option<String>,
    /// Our clock.
    pub received_at: Timestamp,
}

/// The conversation that a message belongs to.
#[derive(Debug)]
pub struct Chat {
    /// Id of the row if it is new.
    pub id: Uuid,
    /// The chat's guid without its service prefix.
    pub guid: String,
    /// The full guid.
    pub chat_guid: String,
    /// The line that it runs on, or any own address of that line; empty if the message names none.
    pub line: String,
    /// Direct or group.
    pub mode: Mode,
    /// The sender, if a direct conversation that is new belongs to them.
    pub owner: Option<String>,
    /// The others in the chat.
    pub participants: Vec<String>,
    /// Digest of `participants`.
    pub participants_digest: [u8; 32],
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It is stored now.
    Accepted(Uuid),
    /// It was stored before. Of a message that was removed only that is known, and the id is made up; a change
    /// of such a message counts as stored too.
    Duplicate(Uuid),
    /// Another body was stored under its identity.
    Conflict(Uuid),
    /// The signed request that carries it was seen before; nothing was stored.
    Replayed,
}

/// A message, and where its request waits for the answer.
pub(super) struct QueuedMessage {
    message: NewMessage,
    done: oneshot::Sender<Result<Stored, StoreError>>,
}

impl QueuedMessage {
    fn finish(self, outcome: Result<Stored, StoreError>) {
        // A requester that has gone away needs no answer; its retry will find the message stored.
        let _ = self.done.send(outcome);
    }
}

fn measure(batch: &[QueuedMessage]) {
    let messages = u32::try_from(batch.len()).unwrap_or(u32::MAX);
    metrics::histogram!("intake_batch_messages").record(f64::from(messages));
}

fn fail(batch: Vec<QueuedMessage>, error: impl Into<StoreError>) {
    let error = error.into();
    tracing::error!(error = %error, cause = %error.cause(), messages = batch.len(), "intake failed");
    for queued in batch {
        queued.finish(Err(error.clone()));
    }
}

/// The queue in front of the database.
#[derive(Clone)]
pub(super) struct Intake {
    queue: mpsc::Sender<QueuedMessage>,
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
    stop: CancellationToken,
}

impl Intake {
    /// Starts the task that writes.
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

    pub(super) async fn submit(&self, message: NewMessage) -> Result<Stored, StoreError> {
        let (done, outcome) = oneshot::channel();
        self.queue
            .try_send(QueuedMessage { message, done })
            .map_err(|error| match error {
                TrySendError::Full(_) => StoreError::Overloaded,
                TrySendError::Closed(_) => StoreError::Closed,
            })?;
        // The sender is dropped unused only when the writer task dies with the message in hand.
        outcome.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Whether nothing is taken any more: closed, or the task that writes has died.
    pub(super) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Returns once nothing is taken any more.
    pub(super) async fn ended(&self) {
        self.queue.closed().await;
    }

    pub(super) fn depth(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Takes nothing new, writes what waits, and returns when that is done.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        if let Some(writer) = self.writer.lock().await.take()
            && writer.await.is_err()
        {
            tracing::error!("the intake task had died");
        }
    }
}
