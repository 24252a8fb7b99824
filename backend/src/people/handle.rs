//! What is kept under a handle that is no person's: exported as JSON in pieces, and deleted to the end.
//!
//! An e-mail address or a short code has no row of a person. A number may stand beside its person as well,
//! where an older relay wrote it in another way. The handle's conversations are hidden first; a job that is
//! written in the same transaction does the rest if the process that began dies.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared_protocol::Address;
use uuid::Uuid;

use super::deletion::Deleter;
use super::export::{joined, with_open_list};
use crate::clock::Timestamp;
use crate::jobs::{Attempt, Job, JobError, Next};
use crate::keyring::Keyring;
use crate::store::people::{ConversationRow, Membership, Progress, TracedMessage, Traces};
use crate::store::{Pepper, Store, StoreError};

/// Messages of one piece of an export.
const PAGE: usize = 500;
/// Rows that go in one transaction.
const SLICE: usize = 1_000;
/// How long the process that hides a handle has for the rest itself, before the job does it.
const OWN_TIME: Duration = Duration::from_mins(10);

/// Deletes what is left of a handle that was hidden. What was stored since is new.
#[derive(Serialize, Deserialize)]
pub(crate) struct DeleteHandle {
    address: String,
    /// Microseconds since 1970.
    hidden_at: i64,
}

impl Job for DeleteHandle {
    type Context = Deleter;
    const KIND: &'static str = "delete_handle";

    async fn run(self, with: &Deleter, attempt: &Attempt) -> Result<Next, JobError> {
        let damaged = JobError::Never("its content cannot be read");
        let address = Address::parse(&self.address).ok_or(damaged)?;
        let hidden_at = Timestamp::from_micros(self.hidden_at);
        let traces = with.store.traces(&address, Some(hidden_at)).await?;
        delete_rows(&with.store, &with.pepper, &traces, attempt.now).await?;
        Ok(Next::Finished)
    }
}

/// The document about one handle that is being written.
pub struct HandleExport<'a> {
    store: &'a Store,
    head: Option<String>,
    messages: std::slice::Chunks<'a, TracedMessage>,
    separator: &'static str,
    is_done: bool,
}

#[derive(Serialize)]
struct Head<'a> {
    exported_at: Timestamp,
    address: &'a str,
    written_as: Vec<&'a str>,
    conversations: &'a [ConversationRow],
    participates_in: &'a [Membership],
    mentioned_in: Vec<Uuid>,
}

impl<'a> HandleExport<'a> {
    /// Begins the document about what `traces` has of `address`.
    pub async fn begin(
        store: &'a Store,
        address: &'a Address,
        traces: &'a Traces,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let mut mentioned_in = Vec::new();
        for written in &traces.mentioned_as {
            mentioned_in.extend(store.mentions_of(written).await?);
        }
        let head = Head {
            exported_at: now,
            address: address.as_str(),
            written_as: traces.spellings.iter().map(String::as_str).collect(),
            conversations: &traces.conversations,
            participates_in: &traces.memberships,
            mentioned_in,
        };
        Ok(Self {
            store,
            head: Some(with_open_list(&head, "messages")),
            messages: traces.messages.chunks(PAGE),
            separator: "",
            is_done: false,
        })
    }

    /// The next piece; none after the last.
    pub async fn next_piece(&mut self) -> Result<Option<String>, StoreError> {
        if let Some(head) = self.head.take() {
            return Ok(Some(head));
        }
        let Some(chunk) = self.messages.next() else {
            let end = (!self.is_done).then(|| "]}".to_owned());
            self.is_done = true;
            return Ok(end);
        };
        let ids: Vec<Uuid> = chunk.iter().map(|message| message.id).collect();
        let rows = self.store.messages_by_id(&ids).await?;
        Ok(Some(joined(&rows, &mut self.separator)))
    }
}

/// Deletes what `traces` has of `address`. Tells in how many chats of others it stood and how many messages
/// mentioned it. Doing it twice is harmless.
pub async fn delete_handle(
    store: &Store,
    pepper: &Pepper,
    keyring: &Keyring,
    address: &Address,
    traces: &Traces,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let address = address.as_str();
    let job = DeleteHandle {
        address: address.to_owned(),
        hidden_at: now.as_micros(),
    };
    let job = job.to_row(keyring, now).at(now.plus(OWN_TIME));
    let mentions = store
        .hide_handle(address, traces, pepper, &job, now)
        .await?;
    delete_rows(store, pepper, traces, now).await?;
    store.withdraw_deletion_job(job.id).await?;
    let memberships = u64::try_from(traces.memberships_elsewhere()).unwrap_or(u64::MAX);
    Ok(mentions.saturating_add(memberships))
}

async fn delete_rows(
    store: &Store,
    pepper: &Pepper,
    traces: &Traces,
    now: Timestamp,
) -> Result<(), StoreError> {
    for slice in traces.memberships.chunks(SLICE) {
        store.delete_memberships(slice).await?;
    }
    let elsewhere: Vec<Uuid> = (traces.messages.iter())
        .filter(|message| message.is_elsewhere)
        .map(|message| message.id)
        .collect();
    for slice in elsewhere.chunks(SLICE) {
        store.delete_messages_by_id(slice, pepper, now).await?;
    }
    for conversation in &traces.conversations {
        while store
            .delete_conversation_slice(conversation.id, pepper, now)
            .await?
            == Progress::More
        {}
    }
    Ok(())
}
