//! Chats of a script, and the handles of senders.

use rusqlite::OptionalExtension;

use super::Player;
use crate::db::{account, group_identifier};
use crate::{Chat, ChatKind, Error, Guids};

/// The value of `handle_id` in a row that refers to no handle.
pub(super) const NO_HANDLE: i64 = 0;

/// A chat of the script, with the values that later steps need.
#[derive(Debug)]
pub(super) struct KnownChat {
    pub(super) rowid: i64,
    pub(super) service: String,
    /// The address of the other person in a direct chat.
    pub(super) peer: Option<String>,
    /// Guid of the newest message, for the column `reply_to_guid` of the next one.
    pub(super) newest: Option<String>,
}

impl Player {
    /// Inserts the chat, or updates it if an earlier play of the script has inserted it. Later steps find it by
    /// its name.
    pub(super) fn make_chat(&mut self, mut chat: Chat) -> Result<(), Error> {
        if chat.kind == ChatKind::Group && chat.identifier().is_none() {
            // The identifier is derived from the step, so that a second play finds the group
            // that the first has inserted.
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
        for (column, value) in self.supported_values("chat", std::mem::take(&mut chat.columns))? {
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

    /// Updates the members and columns of a chat that an earlier play of the script has made.
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

    /// The guid of the newest message in the chat.
    fn newest_in(&self, chat: i64) -> Result<Option<String>, Error> {
        let sql = "select guid from message where ROWID = (
                     select max(message_id) from chat_message_join where chat_id = ?1)";
        let newest = self.db.raw().query_row(sql, [chat], |row| row.get(0));
        Ok(newest.optional()?)
    }

    /// The value of `handle_id` or `other_handle` for an address: the ROWID of its handle, which is inserted if
    /// it is missing. [`NO_HANDLE`] for the owner, whom scripts call `me`, and without an address.
    pub(super) fn ensure_handle_id(
        &mut self,
        address: Option<&str>,
        service: &str,
    ) -> Result<i64, Error> {
        match address {
            None | Some("me") => Ok(NO_HANDLE),
            Some(address) => self.db.ensure_handle(address, service),
        }
    }
}
