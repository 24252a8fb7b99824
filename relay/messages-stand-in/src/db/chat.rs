//! Handles, chats and who is in them.

use rusqlite::{OptionalExtension, ToSql, params};

use super::ChatDb;
use crate::{Error, Style, schema};

/// `chat.style`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ChatStyle {
    /// 45, `-`
    #[default]
    Direct,
    /// 43, `+`
    Group,
}

impl ChatStyle {
    fn code(self) -> i64 {
        match self {
            Self::Direct => 45,
            Self::Group => 43,
        }
    }

    fn sign(self) -> char {
        match self {
            Self::Direct => '-',
            Self::Group => '+',
        }
    }
}

/// `chat.is_filtered`: a code, not a truth value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Filter(pub i64);

impl Filter {
    /// A known sender.
    pub const KNOWN: Self = Self(0);
    /// An unknown sender.
    pub const UNKNOWN_SENDER: Self = Self(1);
    /// Spam.
    pub const SPAM: Self = Self(2);
}

/// A chat to be made.
#[derive(Clone, Debug, Default)]
pub struct Chat {
    /// Direct or group.
    pub style: ChatStyle,
    /// The others' addresses.
    pub participants: Vec<String>,
    /// `iMessage`, `SMS`, `RCS`; empty for iMessage.
    pub service: String,
    /// The whole guid, where the one that follows from the rest won't do.
    pub guid: Option<String>,
    /// Without it: the only participant of a direct chat, a made-up `chat…` of a group.
    pub chat_identifier: Option<String>,
    /// The name that its members gave it.
    pub display_name: Option<String>,
    /// Known, unknown, spam, …
    pub filter: Filter,
    /// The own account; without it the database's line.
    pub account_login: Option<String>,
}

impl Chat {
    /// A direct iMessage chat.
    pub fn direct(peer: impl Into<String>) -> Self {
        Self {
            participants: vec![peer.into()],
            ..Self::default()
        }
    }

    /// An iMessage group.
    pub fn group<A: Into<String>>(participants: impl IntoIterator<Item = A>) -> Self {
        Self {
            style: ChatStyle::Group,
            participants: participants.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// The same chat on another service.
    #[must_use]
    pub fn on(mut self, service: impl Into<String>) -> Self {
        self.service = service.into();
        self
    }

    /// The same chat with a name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.display_name = Some(name.into());
        self
    }

    /// The same chat under a given guid.
    #[must_use]
    pub fn with_guid(mut self, guid: impl Into<String>) -> Self {
        self.guid = Some(guid.into());
        self
    }

    /// The guid that the chat gets in a style; `None` if it is made up when the chat is.
    pub fn guid_in(&self, style: Style) -> Option<String> {
        Some(self.guid_as(&self.identifier()?, style))
    }

    fn service(&self) -> &str {
        if self.service.is_empty() {
            "iMessage"
        } else {
            &self.service
        }
    }

    /// `None` if it has to be made up.
    fn identifier(&self) -> Option<String> {
        let in_guid = || {
            let guid = self.guid.as_ref()?;
            guid.splitn(3, ';').nth(2).map(str::to_owned)
        };
        let peer = || match self.style {
            ChatStyle::Direct => Some(self.participants.first().cloned().unwrap_or_default()),
            ChatStyle::Group => None,
        };
        self.chat_identifier.clone().or_else(in_guid).or_else(peer)
    }

    fn guid_as(&self, identifier: &str, style: Style) -> String {
        self.guid.clone().unwrap_or_else(|| {
            let prefix = style.chat_prefix(self.service());
            format!("{prefix};{};{identifier}", self.style.sign())
        })
    }
}

impl ChatDb {
    /// The handle of an address on a service, made if need be: a person has one per service.
    pub fn handle(&mut self, id: &str, service: &str) -> Result<i64, Error> {
        let known = self
            .raw()
            .prepare_cached("select ROWID from handle where id = ?1 and service = ?2")?
            .query_row(params![id, service], |row| row.get(0))
            .optional()?;
        if let Some(handle) = known {
            return Ok(handle);
        }
        // Short codes with a filter suffix keep the bare number here.
        let uncanonicalized = id.split_once('(').map(|(bare, _)| bare);
        let country = id.starts_with("+1").then_some("us");
        self.raw().execute(
            "insert into handle (id, country, service, uncanonicalized_id) values (?1, ?2, ?3, ?4)",
            params![id, country, service, uncanonicalized],
        )?;
        Ok(self.raw().last_insert_rowid())
    }

    /// Makes a chat with its participants.
    pub fn chat(&mut self, chat: &Chat) -> Result<i64, Error> {
        let service = chat.service();
        let identifier = chat.identifier();
        let identifier = identifier.unwrap_or_else(|| group_identifier(&self.next_guid()));
        let guid = chat.guid_as(&identifier, self.style());
        let group = chat.style == ChatStyle::Group;
        let (account_id, group_id) = (self.next_guid(), self.next_guid());
        let login = chat.account_login.clone();
        let login = login.unwrap_or_else(|| account(self.line()));
        self.raw().execute(
            "insert into chat (guid, style, state, account_id, chat_identifier, service_name,
                               room_name, account_login, last_addressed_handle, display_name,
                               group_id, original_group_id, is_filtered, successful_query)
             values (?1, ?2, 3, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?11, 1)",
            params![
                guid,
                chat.style.code(),
                account_id,
                identifier,
                service,
                group.then_some(&identifier),
                login,
                self.line(),
                chat.display_name.as_deref().unwrap_or_default(),
                group_id,
                chat.filter.0,
            ],
        )?;
        let rowid = self.raw().last_insert_rowid();
        for address in &chat.participants {
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

    /// The chat with this guid.
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
        if !schema::columns(self.style(), "chat").contains(&column) {
            let (table, column) = ("chat", column.to_owned());
            return Err(Error::UnknownColumn { table, column });
        }
        let sql = format!("update chat set {column} = ?1 where ROWID = ?2");
        match self.raw().execute(&sql, params![value, chat])? {
            0 => Err(Error::NoChat(chat)),
            _ => Ok(()),
        }
    }

    /// Makes `identifier` on the service `domain` stand for a chat in `chat_lookup`, and for no other
    /// one any more. Does nothing where this macOS has no such table.
    pub fn look_up(&mut self, chat: i64, identifier: &str, domain: &str) -> Result<(), Error> {
        if self.style() >= Style::Tahoe {
            self.raw().execute(
                "insert or replace into chat_lookup (identifier, domain, chat) values (?1, ?2, ?3)",
                params![identifier, domain, chat],
            )?;
        }
        Ok(())
    }

    /// Puts somebody into a chat; returns the handle.
    pub fn add_participant(&mut self, chat: i64, id: &str, service: &str) -> Result<i64, Error> {
        let handle = self.handle(id, service)?;
        self.raw().execute(
            "insert or ignore into chat_handle_join (chat_id, handle_id) values (?1, ?2)",
            [chat, handle],
        )?;
        Ok(handle)
    }

    /// Takes somebody out of a chat.
    pub fn remove_participant(&mut self, chat: i64, handle: i64) -> Result<(), Error> {
        self.raw().execute(
            "delete from chat_handle_join where chat_id = ?1 and handle_id = ?2",
            [chat, handle],
        )?;
        Ok(())
    }
}

/// `chat` and eighteen digits, as macOS makes them up.
pub(crate) fn group_identifier(guid: &str) -> String {
    let digits = guid.chars().filter(char::is_ascii_hexdigit).take(15);
    let number = u64::from_str_radix(&digits.collect::<String>(), 16).unwrap_or_default();
    format!("chat{:018}", number % 1_000_000_000_000_000_000)
}

/// An own address as `account` columns write it.
pub(crate) fn account(line: &str) -> String {
    let kind = if line.contains('@') { 'E' } else { 'P' };
    format!("{kind}:{line}")
}
