//! A batch turned on its side: one array per column, as `unnest` takes them.

use uuid::Uuid;

use super::Job;
use crate::clock::Timestamp;

#[derive(Default)]
pub(super) struct Columns<'a> {
    pub(super) ord: Vec<i32>,
    pub(super) id: Vec<Uuid>,
    pub(super) relay: Vec<&'a str>,
    pub(super) webhook_id: Vec<Option<&'a str>>,
    pub(super) signed_at: Vec<Option<i64>>,
    pub(super) identity: Vec<&'a str>,
    pub(super) body_hash: Vec<&'a [u8]>,
    pub(super) chat_id: Vec<Uuid>,
    pub(super) guid: Vec<&'a str>,
    pub(super) chat_guid: Vec<&'a str>,
    pub(super) line: Vec<&'a str>,
    pub(super) mode: Vec<&'a str>,
    pub(super) owner: Vec<Option<&'a str>>,
    pub(super) participants_digest: Vec<&'a [u8]>,
    pub(super) user_id: Vec<Option<Uuid>>,
    pub(super) phone: Vec<Option<&'a str>>,
    pub(super) sender: Vec<&'a str>,
    pub(super) role: Vec<&'a str>,
    pub(super) message_guid: Vec<Option<&'a str>>,
    pub(super) event: Vec<&'a str>,
    pub(super) revision: Vec<i32>,
    pub(super) text: Vec<&'a str>,
    pub(super) sent_at: Vec<Timestamp>,
    pub(super) service: Vec<Option<&'a str>>,
    pub(super) from_owner: Vec<bool>,
    pub(super) is_backfill: Vec<bool>,
    pub(super) meta_data: Vec<Option<&'a str>>,
    pub(super) received_at: Vec<Timestamp>,
    pub(super) tombstone: Vec<&'a [u8]>,
    pub(super) persona_id: Vec<Option<&'a str>>,
    pub(super) receipt_relay: Vec<Option<&'a str>>,
    pub(super) handle_ord: Vec<i32>,
    pub(super) handle: Vec<&'a str>,
    pub(super) change_ord: Vec<i32>,
    pub(super) changed: Vec<&'a str>,
    pub(super) changed_tombstone_ord: Vec<i32>,
    pub(super) changed_tombstone: Vec<&'a [u8]>,
    pub(super) mention_ord: Vec<i32>,
    pub(super) mention: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(jobs: &'a [Job]) -> Self {
        let mut columns = Self::default();
        for (ord, job) in (0..).zip(jobs) {
            columns.push(ord, job);
        }
        columns
    }

    fn push(&mut self, ord: i32, job: &'a Job) {
        let message = &job.message;
        let chat = &message.chat;
        let receipt = message.receipt.as_ref();
        self.ord.push(ord);
        self.id.push(message.id);
        self.relay.push(message.relay.as_str());
        self.webhook_id
            .push(receipt.map(|receipt| receipt.webhook_id.as_str()));
        self.signed_at
            .push(receipt.map(|receipt| receipt.signed_at));
        self.identity.push(&message.identity);
        self.body_hash.push(&message.body_hash);
        self.chat_id.push(chat.id);
        self.guid.push(&chat.guid);
        self.chat_guid.push(&chat.chat_guid);
        self.line.push(&chat.line);
        self.mode.push(chat.mode.as_str());
        self.owner.push(chat.owner.as_deref());
        self.participants_digest.push(&chat.participants_digest);
        self.user_id.push(message.phone.as_ref().map(|(_, id)| *id));
        self.phone
            .push(message.phone.as_ref().map(|(phone, _)| phone.as_str()));
        self.sender.push(&message.sender);
        self.role.push(message.role);
        self.message_guid.push(message.message_guid.as_deref());
        self.event.push(message.event.as_str());
        self.revision.push(message.revision);
        self.text.push(&message.text);
        self.sent_at.push(message.sent_at);
        self.service.push(message.service.as_deref());
        self.from_owner.push(message.from_owner);
        self.is_backfill.push(message.is_backfill);
        self.meta_data.push(message.meta_data.as_deref());
        self.received_at.push(message.received_at);
        self.tombstone.push(&message.tombstone);
        self.persona_id.push(message.persona_id.as_deref());
        self.receipt_relay
            .push(receipt.map(|receipt| receipt.relay.as_str()));
        for participant in &chat.participants {
            self.handle_ord.push(ord);
            self.handle.push(participant);
        }
        for identity in &message.changes {
            self.change_ord.push(ord);
            self.changed.push(identity);
        }
        for tombstone in &message.changed_tombstones {
            self.changed_tombstone_ord.push(ord);
            self.changed_tombstone.push(tombstone);
        }
        for address in &message.mentions {
            self.mention_ord.push(ord);
            self.mention.push(address);
        }
    }
}
