//! Chats of a script, and who is meant by `me`.

use rusqlite::params;

use super::{PlayError, Player};
use crate::script::{ChatKind, ChatStep};
use crate::{Chat, ChatStyle, Error, Filter, schema};

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
        let rowid = self.db.chat(&Chat {
            style,
            participants: step.with,
            service: service.clone(),
            guid: step.guid,
            chat_identifier: step.identifier,
            display_name: step.name,
            filter: Filter(step.filter),
            account_login: None,
        })?;
        if let Some(line) = step.line {
            self.db.raw().execute(
                "update chat set account_login = ?1, last_addressed_handle = ?2 where ROWID = ?3",
                params![crate::db::account(&line), line, rowid],
            )?;
        }
        let present = schema::columns(self.db.style(), "chat");
        for (column, cell) in step.columns {
            if !schema::is_known("chat", &column) {
                let table = "chat";
                return Err(Error::UnknownColumn { table, column }.into());
            }
            if present.contains(&column.as_str()) {
                let value = self.value(cell)?;
                let sql = format!("update chat set {column} = ?1 where ROWID = ?2");
                self.db.raw().execute(&sql, params![value, rowid])?;
            }
        }
        let chat = KnownChat {
            rowid,
            service,
            peer,
            newest: None,
        };
        self.chats.insert(step.id, chat);
        Ok(())
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
