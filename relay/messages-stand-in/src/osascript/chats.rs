//! Which chats Messages finds by their guid, and where a text to a participant goes.

use rusqlite::{OptionalExtension, params};

use super::{Control, Target};
use crate::{Chat, ChatDb, Error, Style};

/// The value of `chat.style` of a group.
const GROUP_STYLE: i64 = 43;

/// A chat to which an own row is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OwnChat {
    pub rowid: i64,
    /// The ROWID of the peer's handle; 0 in a group.
    pub handle: i64,
    pub service: String,
    /// The own address of the chat's line.
    pub line: String,
}

/// Whether Messages has a chat with this guid loaded. An empty chat is not.
pub fn is_found(db: &ChatDb, control: &Control, guid: &str) -> Result<bool, Error> {
    if control.is_unloaded(guid)? {
        return Ok(false);
    }
    let with_messages = "select exists (
        select 1 from chat
        where guid = ?1
          and exists (select 1 from chat_message_join where chat_id = chat.ROWID))";
    let found = db
        .raw()
        .query_row(with_messages, [guid], |row| row.get(0))?;
    Ok(found || is_group_as_direct(db, guid)?)
}

/// Whether the guid names a group as if it were a direct chat. Since macOS 26, Messages finds such a chat, takes
/// texts for it, and delivers none.
pub(super) fn is_group_as_direct(db: &ChatDb, guid: &str) -> Result<bool, Error> {
    let Some(identifier) = guid.strip_prefix("any;-;") else {
        return Ok(false);
    };
    let sql = "select exists (select 1 from chat where chat_identifier = ?1 and style = ?2)";
    let is_group = db
        .raw()
        .query_row(sql, params![identifier, GROUP_STYLE], |row| row.get(0))?;
    Ok(is_group && db.style() >= Style::Tahoe)
}

/// The chat to which a text goes; a participant without a chat gets one.
pub(super) fn chat_of(db: &mut ChatDb, target: &Target) -> Result<Option<OwnChat>, Error> {
    let rowid = match target {
        Target::Chat(guid) => db.find_chat(guid)?,
        Target::Participant { service, address } => Some(direct_chat(db, service, address)?),
    };
    let Some(rowid) = rowid else {
        return Ok(None);
    };
    let sql = "select case style when ?2 then 0 else coalesce(
                 (select handle_id from chat_handle_join where chat_id = ?1 order by handle_id limit 1), 0) end,
               coalesce(service_name, 'iMessage'), coalesce(substr(account_login, 3), '')
        from chat where ROWID = ?1";
    let chat = db.raw().query_row(sql, params![rowid, GROUP_STYLE], |row| {
        Ok(OwnChat {
            rowid,
            handle: row.get(0)?,
            service: row.get(1)?,
            line: row.get(2)?,
        })
    });
    let chat = chat.optional()?;
    Ok(chat.map(|chat| match target {
        Target::Chat(_) => chat,
        Target::Participant { service, .. } => OwnChat {
            service: service.clone(),
            ..chat
        },
    }))
}

/// The direct chat of an address on a service. The service of a chat under `any` does not count.
fn direct_chat(db: &mut ChatDb, service: &str, address: &str) -> Result<i64, Error> {
    let sql = "select ROWID from chat
        where chat_identifier = ?1 and style <> ?3 and (service_name = ?2 or guid like 'any;%')
        order by service_name <> ?2, ROWID limit 1";
    let known = db
        .raw()
        .query_row(sql, params![address, service, GROUP_STYLE], |row| {
            row.get(0)
        })
        .optional()?;
    match known {
        Some(rowid) => Ok(rowid),
        None => db.insert_chat(&Chat::direct(address).on(service)),
    }
}
