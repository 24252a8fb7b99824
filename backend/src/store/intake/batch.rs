//! Which waiting messages go into one batch.
//!
//! One statement sees one state of the database: it cannot see a row that it inserts itself. Messages
//! that would have to see each other, such as two retries of one message or two lines of one new chat,
//! therefore never share a batch; the later one waits for the next.

use std::collections::{HashMap, HashSet, VecDeque};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Job, MAX_BATCH, NewMessage};

/// Hands out batches in order of arrival.
pub(in crate::store) struct Source {
    queue: mpsc::Receiver<Job>,
    stop: CancellationToken,
    /// Held back from an earlier batch, oldest first.
    held: VecDeque<Job>,
}

impl Source {
    pub(super) fn new(queue: mpsc::Receiver<Job>, stop: CancellationToken) -> Self {
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
    pub(super) fn take(&mut self) -> Vec<Job> {
        while self.held.len() < MAX_BATCH
            && let Ok(job) = self.queue.try_recv()
        {
            self.held.push_back(job);
        }
        let mut batch = Vec::with_capacity(self.held.len());
        let mut later = VecDeque::new();
        let mut seen = Seen::default();
        for job in self.held.drain(..) {
            if batch.len() < MAX_BATCH && seen.admit(&job.message) {
                batch.push(job);
            } else {
                later.push_back(job);
            }
        }
        self.held = later;
        batch
    }
}

#[derive(Default)]
struct Seen {
    identities: HashSet<(String, String)>,
    receipts: HashSet<(String, String, i64)>,
    /// The line of each chat: a second line of one chat may have to begin, or to claim, a conversation
    /// that the first has just begun.
    lines: HashMap<(String, String), String>,
}

impl Seen {
    fn admit(&mut self, message: &NewMessage) -> bool {
        let relay = message.relay.as_str();
        let chat = (relay.to_owned(), message.chat.guid.clone());
        if let Some(line) = self.lines.get(&chat)
            && *line != message.chat.line
        {
            return false;
        }
        let identity = (relay.to_owned(), message.identity.clone());
        let receipt = message.receipt.as_ref().map(|receipt| {
            (
                relay.to_owned(),
                receipt.webhook_id.clone(),
                receipt.signed_at,
            )
        });
        if self.identities.contains(&identity)
            || receipt
                .as_ref()
                .is_some_and(|receipt| self.receipts.contains(receipt))
        {
            return false;
        }
        self.identities.insert(identity);
        self.receipts.extend(receipt);
        self.lines.insert(chat, message.chat.line.clone());
        true
    }
}
