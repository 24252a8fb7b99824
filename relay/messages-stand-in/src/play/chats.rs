//! Chats of a script, and who is meant by `me`.

use rusqlite::{OptionalExtension, params};

use super::{PlayError, Player};
use crate::db::group_identifier;
use crate::script::{ChatKind, ChatStep};
use crate::{Chat, ChatStyle, Filter, Guids};

/// What later steps need to know about a chat.
#[derive(Debug)]
pub(super) struct KnownChat {
    pub(super) rowid: i64,
    pub(super) service: String,
    /// The other one, in a direct chat.
    pub(super) peer: Option<String>,
    /// The newest message, which the next one names in `reply_to_guid`.
    pub(super) newest: Option<String>,
}

impl Player {
    pub(super) fn make_chat(&mut self, step: ChatStep) -> Result<(), PlayError> {
        let service = step.service.unwrap_or_else(|| "iMessage".to_owned());
        let style = match step.kind {
            ChatKind::Direct => ChatStyle::Direct,
            ChatKind::Group => ChatStyle::Group,
        };
        let peer = step.with.first().cloned();
        let peer = peer.filter(|_| style == ChatStyle::Direct);
        let identifier = step.identifier.or_else(|| {
            // Made up once for all, so that a second play finds the group of the first.
            let made_up = style == ChatStyle::Group && step.guid.is_none();
            let members = step.with.join(" ");
            let name = format!("group {} {service} {members}", step.id);
            made_up.then(|| group_identifier(&Guids::from_text(&name).next_guid()))
        });
        let chat = Chat {
            style,
            participants: step.with,
            service: service.clone(),
            guid: step.guid,
            chat_identifier: identifier,
            display_name: step.name,
            filter: Filter(step.filter),
            account_login: None,
        };
        let known = chat.guid_in(self.db.style());
        let known = known.map(|guid| self.db.find_chat(&guid)).transpose()?;
        let rowid = match known.flatten() {
            Some(rowid) => self.find_again(rowid, &chat)?,
            None => self.db.chat(&chat)?,
        };
        if let Some(line) = step.line {
            self.db.raw().execute(
                "update chat set account_login = ?1, last_addressed_handle = ?2 where ROWID = ?3",
                params![crate::db::account(&line), line, rowid],
            )?;
        }
        for (column, value) in self.present("chat", step.columns)? {
            self.db.set_chat_column(rowid, &column, value)?;
        }
        let newest = self.newest_in(rowid)?;
        let chat = KnownChat {
            rowid,
            service,
            peer,
            newest,
        };
        self.chats.insert(step.id, chat);
        Ok(())
    }

    /// A chat that an earlier play made is as its step says again.
    fn find_again(&mut self, rowid: i64, chat: &Chat) -> Result<i64, PlayError> {
        for address in &chat.participants {
            self.db.add_participant(rowid, address, &chat.service)?;
        }
        if let Some(name) = &chat.display_name {
            self.db.set_chat_column(rowid, "display_name", name)?;
        }
        self.db
            .set_chat_column(rowid, "is_filtered", chat.filter.0)?;
        Ok(rowid)
    }

    fn newest_in(&self, chat: i64) -> Result<Option<String>, PlayError> {
        let sql = "select guid from message where ROWID = (
                     select max(message_id) from chat_message_join where chat_id = ?1)";
        let newest = self.db.raw().query_row(sql, [chat], |row| row.get(0));
        Ok(newest.optional()?)
    }

    /// The handle of an address as it appears in a chat; 0 for the owner and the unresolved.
    pub(super) fn sender(
        &mut self,
        address: Option<&str>,
        service: &str,
    ) -> Result<i64, PlayError> {
        match address {
            None | Some("me") => Ok(0),
            Some(address) => Ok(self.db.handle(address, service)?),
        }
    }
}
