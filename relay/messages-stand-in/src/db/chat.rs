//! Handles, chats and who is in them.

use rusqlite::{OptionalExtension, params};

use super::ChatDb;
use crate::{Error, Style};

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
        let service = if chat.service.is_empty() {
            "iMessage"
        } else {
            &chat.service
        };
        let given = chat
            .guid
            .as_ref()
            .and_then(|guid| guid.splitn(3, ';').nth(2));
        let identifier = match (&chat.chat_identifier, given, chat.style) {
            (Some(identifier), ..) => identifier.clone(),
            (None, Some(identifier), _) => identifier.to_owned(),
            (None, None, ChatStyle::Direct) => {
                chat.participants.first().cloned().unwrap_or_default()
            }
            (None, None, ChatStyle::Group) => self.group_identifier(),
        };
        let guid = chat.guid.clone().unwrap_or_else(|| {
            let prefix = self.style().chat_prefix(service);
            format!("{prefix};{};{identifier}", chat.style.sign())
        });
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

    /// `chat` and eighteen digits, as macOS makes them up.
    fn group_identifier(&mut self) -> String {
        let guid = self.next_guid();
        let hex: String = guid
            .chars()
            .filter(char::is_ascii_hexdigit)
            .take(15)
            .collect();
        let number = u64::from_str_radix(&hex, 16).unwrap_or_default();
        format!("chat{:018}", number % 1_000_000_000_000_000_000)
    }
}

/// An own address as `account` columns write it.
pub(crate) fn account(line: &str) -> String {
    let kind = if line.contains('@') { 'E' } else { 'P' };
    format!("{kind}:{line}")
}
