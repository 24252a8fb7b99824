//! Which waiting messages go into one batch.
//!
//! One statement sees one state of the database: it cannot see a row that it inserts itself. Messages
//! that would have to see each other, such as two retries of one message or two lines of one new chat,
//! therefore never share a batch; the later one waits for the next.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{MAX_BATCH, NewMessage, QueuedMessage};

/// Hands out batches in order of arrival.
pub(in crate::store) struct Batches {
    queue: mpsc::Receiver<QueuedMessage>,
    stop: CancellationToken,
    /// Held back from an earlier batch, oldest first.
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

    /// Waits until something is there; `false` once the queue is closed and empty.
    pub(super) async fn ready(&mut self) -> bool {
        if !self.held.is_empty() {
            return true;
        }
        let first = tokio::select! {
            biased;
            () = self.stop.cancelled(), if !self.queue.is_closed() => {
                // From here on nothing new gets in, and what waits is still handed out.
                self.queue.close();
                self.queue.recv().await
            }
            first = self.queue.recv() => first,
        };
        self.held.extend(first);
        !self.held.is_empty()
    }

    /// Takes what is waiting right now and fits together.
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

/// Hashed keys of the messages in a batch. Two keys with one hash cost a message one batch's wait.
#[derive(Default)]
struct BatchKeys {
    state: RandomState,
    identities: HashSet<u64>,
    receipts: HashSet<u64>,
    /// What a message would write about its chat. A second line may have to begin, or to claim, a
    /// conversation that the first has just begun; and one statement writes an owner, an alias and a
    /// set of participants for each chat, those of its first message.
    chats: HashMap<u64, u64>,
}

impl BatchKeys {
    /// Adds a message, unless it would have to see one that is in the batch.
    fn add(&mut self, message: &NewMessage) -> bool {
        let relay = message.relay.as_str();
        let identity = self.state.hash_one((relay, &message.identity));
        let receipt = message.receipt.as_ref();
        let receipt = receipt.map(|receipt| self.state.hash_one(receipt));
        let chat = &message.chat;
        let written = self.state.hash_one((
            &chat.line,
            &chat.chat_guid,
            &chat.owner,
            &chat.participants_digest,
        ));
        let chat = self.state.hash_one((relay, &chat.guid));
        let fits = !self.identities.contains(&identity)
            && receipt.is_none_or(|receipt| !self.receipts.contains(&receipt))
            && self.chats.get(&chat).is_none_or(|other| *other == written);
        if fits {
            self.identities.insert(identity);
            self.receipts.extend(receipt);
            self.chats.insert(chat, written);
        }
        fits
    }
}
