//! Handles, chats and their participants.

use rusqlite::{OptionalExtension, ToSql, params};

use super::ChatDb;
use crate::{Chat, ChatKind, Error, Style};

/// Values of `chat.style`.
const GROUP_STYLE: i64 = 43;
const DIRECT_STYLE: i64 = 45;

impl ChatDb {
    /// Returns the ROWID of an address's handle on a service, and inserts the handle if it is absent. A person has
    /// one handle per service.
    pub fn ensure_handle(&mut self, id: &str, service: &str) -> Result<i64, Error> {
        let known = self
            .raw()
            .prepare_cached("select ROWID from handle where id = ?1 and service = ?2")?
            .query_row(params![id, service], |row| row.get(0))
            .optional()?;
        if let Some(handle) = known {
            return Ok(handle);
        }
        // `uncanonicalized_id` has a short code without the suffix of an SMS filter: `56249` for `56249(smsfp)`.
        let uncanonicalized = id.split_once('(').map(|(code, _)| code);
        let country = id.starts_with("+1").then_some("us");
        self.raw().execute(
            "insert into handle (id, country, service, uncanonicalized_id) values (?1, ?2, ?3, ?4)",
            params![id, country, service, uncanonicalized],
        )?;
        Ok(self.raw().last_insert_rowid())
    }

    /// Inserts a chat and its participants. Returns its ROWID.
    pub fn insert_chat(&mut self, chat: &Chat) -> Result<i64, Error> {
        let service = chat.service();
        let identifier = chat.identifier();
        let identifier = identifier.unwrap_or_else(|| group_identifier(&self.next_guid()));
        let guid = chat.guid_as(&identifier, self.style());
        let is_group = chat.kind == ChatKind::Group;
        let (account_id, group_id) = (self.next_guid(), self.next_guid());
        let own_address = chat.line.as_deref().unwrap_or(self.own_address());
        self.raw().execute(
            "insert into chat (guid, style, state, account_id, chat_identifier, service_name,
                               room_name, account_login, last_addressed_handle, display_name,
                               group_id, original_group_id, is_filtered, successful_query)
             values (?1, ?2, 3, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?11, 1)",
            params![
                guid,
                if is_group { GROUP_STYLE } else { DIRECT_STYLE },
                account_id,
                identifier,
                service,
                is_group.then_some(&identifier),
                account(own_address),
                own_address,
                chat.name.as_deref().unwrap_or_default(),
                group_id,
                chat.filter.0,
            ],
        )?;
        let rowid = self.raw().last_insert_rowid();
        for address in &chat.with {
            self.add_participant(rowid, address, service)?;
        }
        if self.style() >= Style::Tahoe {
            self.raw().execute(
                "insert or ignore into chat_lookup (identifier, domain, chat) values (?1, ?2, ?3)",
                params![identifier, service, rowid],
            )?;
        }
        if self.style() >= Style::Macos27 {
            self.raw().execute(
                "insert into chat_service (service, chat) values (?1, ?2)",
                params![service, rowid],
            )?;
        }
        Ok(rowid)
    }

    /// The ROWID of the chat with this guid.
    pub fn find_chat(&self, guid: &str) -> Result<Option<i64>, Error> {
        let sql = "select ROWID from chat where guid = ?1";
        let mut query = self.raw().prepare_cached(sql)?;
        Ok(query.query_row([guid], |row| row.get(0)).optional()?)
    }

    /// Overwrites one column of a chat, such as `is_filtered` when the owner moves it out of junk.
    pub fn set_chat_column(
        &mut self,
        chat: i64,
        column: &str,
        value: impl ToSql,
    ) -> Result<(), Error> {
        self.set_value("chat", chat, column, value)
    }

    /// Assigns `identifier` on the service `domain` to a chat in `chat_lookup`, in place of any other chat.
    /// Does nothing in styles without that table.
    pub fn assign_identifier(
        &mut self,
        chat: i64,
        identifier: &str,
        domain: &str,
    ) -> Result<(), Error> {
        if self.style() >= Style::Tahoe {
            self.raw().execute(
                "insert or replace into chat_lookup (identifier, domain, chat) values (?1, ?2, ?3)",
                params![identifier, domain, chat],
            )?;
        }
        Ok(())
    }

    /// Joins the handle of an address to a chat, and inserts the handle if it is missing. Returns its ROWID.
    pub fn add_participant(&mut self, chat: i64, id: &str, service: &str) -> Result<i64, Error> {
        let handle = self.ensure_handle(id, service)?;
        self.raw().execute(
            "insert or ignore into chat_handle_join (chat_id, handle_id) values (?1, ?2)",
            [chat, handle],
        )?;
        Ok(handle)
    }

    pub fn remove_participant(&mut self, chat: i64, handle: i64) -> Result<(), Error> {
        self.raw().execute(
            "delete from chat_handle_join where chat_id = ?1 and handle_id = ?2",
            [chat, handle],
        )?;
        Ok(())
    }
}

/// The identifier of a group, derived from `guid`: `chat` and eighteen digits.
pub(crate) fn group_identifier(guid: &str) -> String {
    let digits = guid.chars().filter(char::is_ascii_hexdigit).take(15);
    let number = u64::from_str_radix(&digits.collect::<String>(), 16).unwrap_or_default();
    format!("chat{:018}", number % 1_000_000_000_000_000_000)
}

/// An own address as the columns `account` and `account_login` have it: `P:` before a phone number, `E:` before
/// an e-mail address.
pub(crate) fn account(own_address: &str) -> String {
    let kind = if own_address.contains('@') { 'E' } else { 'P' };
    format!("{kind}:{own_address}")
}
