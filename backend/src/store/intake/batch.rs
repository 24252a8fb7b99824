//! Selects the waiting messages that form a batch.
//!
//! On Postgres one statement writes a batch, and a statement cannot read a row that it inserts itself. Some messages
//! have to read the row of an earlier message: a retry, for example, or a message on another line of a new chat. Such
//! a message is never in the same batch as the earlier one, but waits for the next batch.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{MAX_BATCH, NewMessage, QueuedMessage};

/// The queue of waiting messages, from which batches are taken. Messages are stored in the order of arrival, except
/// that later messages overtake one that waits for the next batch.
pub(in crate::store) struct Batches {
    queue: mpsc::Receiver<QueuedMessage>,
    /// Cancelled when the store is closed.
    stop: CancellationToken,
    /// Messages taken from the queue that are in no batch yet, oldest first.
    held: VecDeque<QueuedMessage>,
}

impl Batches {
    pub(super) fn new(queue: mpsc::Receiver<QueuedMessage>, stop: CancellationToken) -> Self {
        Self {
            queue,
            stop,
            held: VecDeque::new(),
        }
    }

    /// Waits for a message. Returns `false` once the queue is closed and empty.
    pub(super) async fn wait_for_message(&mut self) -> bool {
        if !self.held.is_empty() {
            return true;
        }
        let first = tokio::select! {
            biased;
            () = self.stop.cancelled(), if !self.queue.is_closed() => {
                // New messages are refused from now on. The waiting ones still form batches.
                self.queue.close();
                self.queue.recv().await
            }
            first = self.queue.recv() => first,
        };
        self.held.extend(first);
        !self.held.is_empty()
    }

    /// Takes the next batch, of at most [`MAX_BATCH`] messages.
    pub(super) fn take(&mut self) -> Vec<QueuedMessage> {
        while self.held.len() < MAX_BATCH
            && let Ok(queued) = self.queue.try_recv()
        {
            self.held.push_back(queued);
        }
        let mut batch = Vec::with_capacity(self.held.len());
        let mut later = VecDeque::new();
        let mut keys = BatchKeys::default();
        for queued in self.held.drain(..) {
            if batch.len() < MAX_BATCH && keys.add(&queued.message) {
                batch.push(queued);
            } else {
                later.push_back(queued);
            }
        }
        self.held = later;
        batch
    }
}

/// Hashed keys of the messages in a batch. If the hashes of different keys are equal, a message waits for the next
/// batch without need.
#[derive(Default)]
struct BatchKeys {
    hasher: RandomState,
    identities: HashSet<u64>,
    receipts: HashSet<u64>,
    /// For each chat, the hash of the line, full guid, owner and participants that its messages name. All messages of a
    /// chat in one batch must name the same, since a statement writes only those of the first message. A message on
    /// another line may also need the conversation that the first message creates.
    chats: HashMap<u64, u64>,
}

impl BatchKeys {
    /// Adds a message, unless it has to read the row of a message in the batch. Returns whether it was added.
    fn add(&mut self, message: &NewMessage) -> bool {
        let relay = message.relay.as_str();
        let identity = self.hasher.hash_one((relay, &message.identity));
        let receipt = message.receipt.as_ref();
        let receipt = receipt.map(|receipt| self.hasher.hash_one(receipt));
        let chat = &message.chat;
        let chat_data = self.hasher.hash_one((
            &chat.line,
            &chat.chat_guid,
            &chat.owner,
            &chat.participants_digest,
        ));
        let chat_key = self.hasher.hash_one((relay, &chat.guid));
        let fits = !self.identities.contains(&identity)
            && receipt.is_none_or(|receipt| !self.receipts.contains(&receipt))
            && self
                .chats
                .get(&chat_key)
                .is_none_or(|other| *other == chat_data);
        if fits {
            self.identities.insert(identity);
            self.receipts.extend(receipt);
            self.chats.insert(chat_key, chat_data);
        }
        fits
    }
}
