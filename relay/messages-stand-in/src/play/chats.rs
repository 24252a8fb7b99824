//! Chats of a script, and the handles of senders.

use rusqlite::OptionalExtension;

use super::Player;
use crate::db::{account, group_identifier};
use crate::{Chat, ChatKind, Error, Guids};

/// A chat of the script, with the values that later steps need.
#[derive(Debug)]
pub(super) struct KnownChat {
    pub(super) rowid: i64,
    pub(super) service: String,
    /// The other person in a direct chat.
    pub(super) peer: Option<String>,
    /// Guid of the newest message, for the column `reply_to_guid` of the next one.
    pub(super) newest: Option<String>,
}

impl Player {
    pub(super) fn make_chat(&mut self, mut chat: Chat) -> Result<(), Error> {
        if chat.kind == ChatKind::Group && chat.identifier().is_none() {
            // The identifier is derived from the step, so that a second play finds the group of the first.
            let name = format!(
                "group {} {} {}",
                chat.id,
                chat.service(),
                chat.with.join(" ")
            );
            chat.identifier = Some(group_identifier(&Guids::from_text(&name).next_guid()));
        }
        let identifier = chat.identifier().unwrap_or_default();
        let guid = chat.guid_as(&identifier, self.db.style());
        let rowid = match self.db.find_chat(&guid)? {
            Some(rowid) => self.update_chat(rowid, &chat)?,
            None => self.db.insert_chat(&chat)?,
        };
        for (column, value) in self.present("chat", std::mem::take(&mut chat.columns))? {
            self.db.set_chat_column(rowid, &column, value)?;
        }
        let known = KnownChat {
            rowid,
            service: chat.service().to_owned(),
            peer: chat.peer().cloned(),
            newest: self.newest_in(rowid)?,
        };
        self.chats.insert(chat.id, known);
        Ok(())
    }

    /// Sets the members and columns of a chat that an earlier play has made.
    fn update_chat(&mut self, rowid: i64, chat: &Chat) -> Result<i64, Error> {
        for address in &chat.with {
            self.db.add_participant(rowid, address, chat.service())?;
        }
        let columns = [
            ("display_name", chat.name.clone()),
            ("account_login", chat.line.as_deref().map(account)),
            ("last_addressed_handle", chat.line.clone()),
        ];
        for (column, value) in columns {
            if let Some(value) = value {
                self.db.set_chat_column(rowid, column, value)?;
            }
        }
        self.db
            .set_chat_column(rowid, "is_filtered", chat.filter.0)?;
        Ok(rowid)
    }

    fn newest_in(&self, chat: i64) -> Result<Option<String>, Error> {
        let sql = "select guid from message where ROWID = (
                     select max(message_id) from chat_message_join where chat_id = ?1)";
        let newest = self.db.raw().query_row(sql, [chat], |row| row.get(0));
        Ok(newest.optional()?)
    }

    /// The ROWID of an address's handle; 0 for the owner and for an absent address.
    pub(super) fn sender(&mut self, address: Option<&str>, service: &str) -> Result<i64, Error> {
        match address {
            None | Some("me") => Ok(0),
            Some(address) => self.db.ensure_handle(address, service),
        }
    }
}
