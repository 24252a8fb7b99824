//! Export and deletion of the data of a contact handle (a phone number, an e-mail address or a short code) that
//! belongs to no person.
//!
//! E-mail addresses and short codes never have a person. A number can also occur in rows without its person,
//! because older relays wrote numbers in other forms. A deletion first hides the handle's conversations and writes
//! a job in the same transaction. If the process dies meanwhile, the job finishes the deletion.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared_protocol::Address;
use uuid::Uuid;

use super::deletion::DeletionContext;
use super::export::{json_items, open_json_list};
use crate::clock::Timestamp;
use crate::jobs::{Job, JobError, JobRun, Next};
use crate::keyring::Keyring;
use crate::store::people::{ConversationRow, HandleRows, Membership, Progress, TracedMessage};
use crate::store::{Pepper, Store, StoreError};

/// Messages in one piece of an export.
const PAGE: usize = 500;
/// Rows that one transaction deletes.
const SLICE: usize = 1_000;
/// The delay before the job starts, within which the process that began the deletion should finish it.
const JOB_DELAY: Duration = Duration::from_mins(10);

/// The job that finishes the deletion of a handle. Rows that were stored after the deletion hid the handle's
/// conversations stay.
#[derive(Serialize, Deserialize)]
pub(crate) struct DeleteHandle {
    address: String,
    /// When the deletion hid the handle's conversations, in microseconds since 1970.
    hidden_at: i64,
}

impl Job for DeleteHandle {
    type Context = DeletionContext;
    const KIND: &'static str = "delete_handle";

    async fn run(
        self,
        context: &DeletionContext,
        JobRun { now, .. }: JobRun,
    ) -> Result<Next, JobError> {
        let damaged = JobError::Never("its content cannot be read");
        let address = Address::parse(&self.address).ok_or(damaged)?;
        let hidden_at = Timestamp::from_micros(self.hidden_at);
        let traces = context.store.traces(&address, Some(hidden_at)).await?;
        delete_rows(&context.store, &context.pepper, &traces, now).await?;
        Ok(Next::Finished)
    }
}

/// The JSON document about one handle, produced in pieces.
pub struct HandleExport<'a> {
    store: &'a Store,
    head: Option<String>,
    messages: std::slice::Chunks<'a, TracedMessage>,
    separator: &'static str,
    is_done: bool,
}

#[derive(Serialize)]
struct HandleHead<'a> {
    exported_at: Timestamp,
    address: &'a str,
    written_as: Vec<&'a str>,
    conversations: &'a [ConversationRow],
    participates_in: &'a [Membership],
    mentioned_in: Vec<Uuid>,
}

impl<'a> HandleExport<'a> {
    /// Begins the document about the rows in `traces` that name `address`.
    pub async fn begin(
        store: &'a Store,
        address: &'a Address,
        traces: &'a HandleRows,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let mut mentioned_in = Vec::new();
        for written in &traces.mentioned_as {
            mentioned_in.extend(store.mentions_of(written).await?);
        }
        let head = HandleHead {
            exported_at: now,
            address: address.as_str(),
            written_as: traces.spellings.iter().map(String::as_str).collect(),
            conversations: &traces.conversations,
            participates_in: &traces.memberships,
            mentioned_in,
        };
        Ok(Self {
            store,
            head: Some(open_json_list(&head, "messages")),
            messages: traces.messages.chunks(PAGE),
            separator: "",
            is_done: false,
        })
    }

    /// The next piece; `None` after the last.
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
        Ok(Some(json_items(&rows, &mut self.separator)))
    }
}

/// Deletes the rows in `traces` that name `address`. Returns the number of other people's chats from which the
/// handle was removed plus the number of messages that mentioned it. Safe to repeat.
pub async fn delete_handle(
    store: &Store,
    pepper: &Pepper,
    keyring: &Keyring,
    address: &Address,
    traces: &HandleRows,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let address = address.as_str();
    let job = DeleteHandle {
        address: address.to_owned(),
        hidden_at: now.as_micros(),
    };
    let job = job.to_row(keyring, now).at(now.plus(JOB_DELAY));
    let mentions = store
        .hide_handle(address, traces, pepper, &job, now)
        .await?;
    delete_rows(store, pepper, traces, now).await?;
    store.withdraw_deletion_job(job.id).await?;
    let memberships = u64::try_from(traces.memberships_elsewhere()).unwrap_or(u64::MAX);
    Ok(mentions.saturating_add(memberships))
}

/// Deletes the handle's memberships, its messages in other people's chats, and its own conversations with all their
/// messages, in slices. Safe to repeat.
async fn delete_rows(
    store: &Store,
    pepper: &Pepper,
    traces: &HandleRows,
    now: Timestamp,
) -> Result<(), StoreError> {
    for slice in traces.memberships.chunks(SLICE) {
        store.delete_memberships(slice).await?;
    }
    let in_other_chats: Vec<Uuid> = (traces.messages.iter())
        .filter(|message| message.is_elsewhere)
        .map(|message| message.id)
        .collect();
    for slice in in_other_chats.chunks(SLICE) {
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
