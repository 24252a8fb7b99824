//! What Messages writes for a text that it was handed.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::chats::{OwnChat, chat_of, is_group_as_direct};
use super::{Control, Event, Mode, Target, Write};
use crate::{Body, ChatDb, Date, Error, Guids, NewMessage, Style};

/// A text that was handed to Messages. The program passes it to the process that writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub chat_db: PathBuf,
    /// The number of the call.
    pub call: u64,
    pub target: Target,
    pub text: String,
    pub mode: Mode,
}

/// Writes the rows of one delivery.
#[derive(Debug)]
pub struct Writer {
    db: ChatDb,
    delivery: Delivery,
    chat: Option<OwnChat>,
    rowid: i64,
}

impl Writer {
    pub fn open(delivery: Delivery) -> Result<Self, Error> {
        let mut db = ChatDb::open(&delivery.chat_db)?;
        let chat = chat_of(&mut db, &delivery.target)?;
        Ok(Self {
            db,
            delivery,
            chat,
            rowid: 0,
        })
    }

    /// What is to be written, by the time since Messages took the text.
    pub fn writes(&self) -> Result<Vec<(Duration, Write)>, Error> {
        let is_lost = match &self.delivery.target {
            Target::Chat(guid) => self.chat.is_none() && is_group_as_direct(&self.db, guid)?,
            Target::Participant { .. } => false,
        };
        if is_lost {
            return Ok(vec![(Duration::ZERO, Write::Answer)]);
        }
        Ok(self.delivery.mode.writes())
    }

    /// Carries out one write. `pid` is that of this process.
    pub fn write(&mut self, write: &Write, pid: u32, now: Date) -> Result<(), Error> {
        match write {
            Write::Answer => Ok(()),
            Write::Ghost => self.insert_ghost(now),
            Write::Insert => self.insert(pid, now),
            Write::FromMe => {
                self.db.set_column(self.rowid, "is_from_me", 1)?;
                let handle = self.chat()?.handle;
                self.db.set_handle(self.rowid, handle)
            }
            Write::Join => {
                let chat = self.chat()?.rowid;
                self.db.join(chat, self.rowid)
            }
            Write::Sent => self.db.set_column(self.rowid, "is_sent", 1),
            // SMS tells nothing about its delivery.
            Write::Delivered if self.chat()?.service == "SMS" => Ok(()),
            Write::Delivered => self.db.mark_delivered(self.rowid, now),
            Write::Failed(error) => {
                self.db.set_column(self.rowid, "is_sent", 0)?;
                self.db.mark_failed(self.rowid, *error)
            }
            Write::Downgraded => self.db.fall_back_to_sms(self.rowid),
            Write::Line(address) => {
                let chat = self.chat()?.rowid;
                self.db
                    .set_column(self.rowid, "destination_caller_id", address)?;
                self.db
                    .set_chat_column(chat, "last_addressed_handle", address)
            }
            Write::Echo(address) => {
                let (chat, service) = (self.chat()?.rowid, self.chat()?.service.clone());
                let handle = self.db.ensure_handle(address, &service)?;
                let echo = NewMessage::incoming(handle, now)
                    .guid(self.guid("echo", now))
                    .on(service)
                    .text(self.delivery.text.clone());
                self.db.deliver(chat, &echo)?;
                Ok(())
            }
        }
    }

    /// Inserts the own row, marked as received and without a sender. The log says so before, so that it names each
    /// text which the peer may have got.
    fn insert(&mut self, pid: u32, now: Date) -> Result<(), Error> {
        let chat = self.chat()?.clone();
        let guid = self.guid("row", now);
        let handed_over = Event::HandedOver {
            pid,
            guid: guid.clone(),
        };
        let control = Control::beside(&self.delivery.chat_db);
        control.log(self.delivery.call, handed_over, now)?;
        let newest: Option<String> = self.db.raw().query_row(
            "select (select guid from message where ROWID = (
               select max(message_id) from chat_message_join where chat_id = ?1))",
            [chat.rowid],
            |row| row.get(0),
        )?;
        let row = NewMessage::incoming(0, now)
            .guid(guid)
            .on(chat.service)
            .text(self.delivery.text.clone())
            .set("is_delivered", 0)
            .set("account", crate::db::account(&chat.line))
            .set("reply_to_guid", newest);
        // Outgoing rows often do not name the own address; which do is not a matter of the version.
        let row = match self.db.style() {
            Style::Tahoe => row.set("destination_caller_id", None::<String>),
            Style::Macos27 => row.set("destination_caller_id", String::new()),
            _ => row.set("destination_caller_id", chat.line),
        };
        self.rowid = self.db.insert_message(&row)?;
        Ok(())
    }

    /// Inserts the row of a send that failed: without text and chat, its handle named like the chat.
    fn insert_ghost(&mut self, now: Date) -> Result<(), Error> {
        let addressee = self.delivery.target.addressee().to_owned();
        let handle = self.db.ensure_handle(&addressee, "SMS")?;
        let ghost = NewMessage::outgoing(now)
            .guid(self.guid("ghost", now))
            .on("SMS")
            .body(Body::Empty)
            .set("is_sent", 0)
            .set("handle_id", handle);
        self.rowid = self.db.insert_message(&ghost)?;
        Ok(())
    }

    /// The guid of a row of this delivery. Other calls on the same database give others.
    fn guid(&self, row: &str, now: Date) -> String {
        let (call, nanos) = (self.delivery.call, now.apple_nanos());
        Guids::from_text(&format!("osascript {call} {nanos} {row}")).next_guid()
    }

    fn chat(&self) -> Result<&OwnChat, Error> {
        let addressee = self.delivery.target.addressee();
        let chat = self.chat.as_ref();
        chat.ok_or_else(|| Error::UnknownChat(addressee.to_owned()))
    }
}
