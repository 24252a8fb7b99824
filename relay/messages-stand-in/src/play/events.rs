//! Rows that tell of an event and are no messages: tapbacks, changes of a group, shared locations, kept audio
//! messages, and calls.

use super::{PlayedStep, Player};
use crate::script::{EventKind, GroupChange, GroupStep, Label, TapbackStep};
use crate::{Date, Error, NewMessage};

/// `item_type` of a row about the location of its sender.
const LOCATION_ITEM: i64 = 4;
/// `item_type` of the row that says that a person keeps an audio message, which would otherwise expire.
const AUDIO_KEPT_ITEM: i64 = 5;
/// `item_type` of a call.
const CALL_ITEM: i64 = 6;
/// `share_status` of a location row: the sender does not share the location any more.
const SHARING_STOPPED: i64 = 1;

impl Player {
    /// Writes the row of a reaction.
    pub(super) fn write_tapback(
        &mut self,
        step: TapbackStep,
        now: Date,
    ) -> Result<PlayedStep, Error> {
        let service = self.known_chat(&step.chat)?.service.clone();
        let guid = self.guid(&step.on)?;
        let quoted_text = self.quoted_text(&step.on)?;
        let row = self.new_row(&step.from, &service, now)?;
        let emoji = step.emoji.as_deref().unwrap_or("🎉");
        let target = (step.part, &*guid);
        let row = row.tapback_with(emoji, step.kind, step.change, target, &quoted_text);
        self.deliver_to_chat("tapback", step.id, &step.chat, row)
    }

    /// Writes the row of a change of a group, and applies the change to the chat.
    pub(super) fn write_group_change(
        &mut self,
        step: GroupStep,
        now: Date,
    ) -> Result<PlayedStep, Error> {
        let chat = self.known_chat(&step.chat)?;
        let (rowid, service) = (chat.rowid, chat.service.clone());
        let sender = self.ensure_handle_id(Some(&step.from), &service)?;
        let mut row = self.new_row(&step.from, &service, now)?;
        // `item_type` and `group_action_type`, by which Messages tells the changes apart.
        let (item_type, action) = match step.change {
            GroupChange::Added | GroupChange::NumberChanged => (1, 0),
            GroupChange::Removed => (1, 1),
            GroupChange::Renamed => (2, 0),
            GroupChange::Left => (3, 0),
            GroupChange::PhotoSet => (3, 1),
            GroupChange::PhotoRemoved => (3, 2),
            GroupChange::BackgroundSet => (3, 4),
        };
        row = row
            .set("item_type", item_type)
            .set("group_action_type", action);
        let member = self.ensure_handle_id(step.who.as_deref(), &service)?;
        match step.change {
            GroupChange::Added => {
                if let Some(address) = &step.who {
                    self.db.add_participant(rowid, address, &service)?;
                }
                row = row.set("other_handle", member);
            }
            GroupChange::Removed => row = row.set("other_handle", member),
            // A row with the same handle as sender and as `other_handle` says that this person's number changed.
            GroupChange::NumberChanged => row = row.set("other_handle", sender),
            GroupChange::Renamed => {
                let title = step.title.as_deref().unwrap_or_default();
                self.db.raw().execute(
                    "update chat set display_name = ?1 where ROWID = ?2",
                    rusqlite::params![title, rowid],
                )?;
                // A title of NULL means that the name was removed.
                row = row.set("group_title", step.title);
            }
            _ => {}
        }
        let played = self.deliver_to_chat("group", step.id, &step.chat, row)?;
        // The row is inserted first, because a trigger deletes a handle to which no row refers.
        match step.change {
            GroupChange::Removed => self.db.remove_participant(rowid, member)?,
            GroupChange::Left => self.db.remove_participant(rowid, sender)?,
            _ => {}
        }
        Ok(played)
    }

    /// Writes the row of an event that has no body.
    pub(super) fn write_event(
        &mut self,
        chat: &str,
        from: &str,
        kind: EventKind,
        now: Date,
    ) -> Result<PlayedStep, Error> {
        let service = self.known_chat(chat)?.service.clone();
        let row = self.new_row(from, &service, now)?;
        let row = match kind {
            EventKind::LocationShared => location_row(row),
            EventKind::LocationStopped => location_row(row).set("share_status", SHARING_STOPPED),
            EventKind::AudioKept => row.set("item_type", AUDIO_KEPT_ITEM),
            EventKind::Call => row.set("item_type", CALL_ITEM),
        };
        self.deliver_to_chat("event", None, chat, row)
    }

    /// A row without content: a sent one if `from` is `me`, the owner, else a received one.
    fn new_row(&mut self, from: &str, service: &str, now: Date) -> Result<NewMessage, Error> {
        let row = if from == "me" {
            NewMessage::outgoing(now)
        } else {
            let handle = self.ensure_handle_id(Some(from), service)?;
            NewMessage::incoming(handle, now)
        };
        Ok(row.on(service))
    }

    /// Inserts the row, joins it to the chat, and returns the record of the step `name`. Later steps find the row
    /// by `id`.
    fn deliver_to_chat(
        &mut self,
        name: &'static str,
        id: Option<Label>,
        chat: &str,
        row: NewMessage,
    ) -> Result<PlayedStep, Error> {
        let label = self.label_or_next_unnamed(id);
        let chat = self.known_chat(chat)?.rowid;
        let rowid = self
            .db
            .deliver(chat, &row.guid(self.guid_salt.guid_of_new(&label)))?;
        self.messages.insert(label.clone(), rowid);
        self.played(name, Some(label), rowid)
    }

    /// The text of the message that a tapback quotes; empty if the database does not have the message.
    fn quoted_text(&self, on: &Label) -> Result<String, Error> {
        match self.rowid(on) {
            Ok(message) => self.db.text_of(message),
            Err(Error::UnknownMessage(_)) => Ok(String::new()),
            Err(error) => Err(error),
        }
    }
}

/// The row as one about a location. `share_direction` is always 1: its codes have no public description, and the
/// relay does not read them.
fn location_row(row: NewMessage) -> NewMessage {
    row.set("item_type", LOCATION_ITEM)
        .set("share_direction", 1)
}
