//! Reads the table `chat_lookup`, which shows which chats are one group.
//!
//! When a group moves to another service, Messages begins a new chat under another identifier. The table then lists
//! several identifiers for one of the chats, or one identifier for several chats. All chats that are connected in
//! this way are one group, except direct chats, and chats with too many connections: in doubt two groups stay apart,
//! since the members of one must not see the messages of the other.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::{ChatDb, value};
use crate::{Address, ReadError};

/// Chats with more connected identifiers than this count as separate groups. No group changes its identifier so often.
const MAX_IDENTIFIERS: usize = 16;

/// Numbers that change whenever the table changes. The sum weighs each chat by its ROWID, so that two exchanged
/// chats change the sum, too; the modulus bounds the weights.
const VERSION: &str = "select count(*), coalesce(max(ROWID), 0), \
    total(cast(chat as integer) * (ROWID % 65521 + 1)) from chat_lookup";
/// Columns: identifier, ROWID of the chat, the chat's own identifier. A `chat.style` of 43 is a group.
const GROUPS: &str = "select l.identifier, c.ROWID, c.chat_identifier from chat_lookup l
    join chat c on c.ROWID = l.chat where c.style = 43";

/// The rows of the table that concern groups, and the table's version when they were read.
#[derive(Debug, Default)]
pub(super) struct ChatLookup {
    version: (i64, i64, i64),
    /// The chats of each identifier.
    chats: HashMap<String, Vec<i64>>,
    /// The identifiers of each chat, its own among them.
    identifiers: HashMap<i64, Vec<String>>,
}

impl ChatLookup {
    /// Adds that `identifier` leads to the group at ROWID `chat`.
    fn add(&mut self, identifier: String, chat: i64) {
        // Groups with the same phone number, or an empty text, may have nothing else in common.
        let is_shared_by_chance =
            Address::parse(&identifier).is_none_or(|address| address.is_phone());
        if is_shared_by_chance {
            return;
        }
        let chats = self.chats.entry(identifier.clone()).or_default();
        if !chats.contains(&chat) {
            chats.push(chat);
            self.identifiers.entry(chat).or_default().push(identifier);
        }
    }

    /// All identifiers that are connected with `identifier` through chats, without `identifier` itself; empty if there
    /// are more than [`MAX_IDENTIFIERS`].
    fn connected_with(&self, identifier: &str) -> Vec<String> {
        let mut found: Vec<&str> = vec![identifier];
        let mut visited: HashSet<i64> = HashSet::new();
        let mut next = 0;
        while let Some(identifier) = found.get(next).copied() {
            next += 1;
            let chats = self.chats.get(identifier).into_iter().flatten();
            for chat in chats.copied().filter(|chat| visited.insert(*chat)) {
                for other in self.identifiers.get(&chat).into_iter().flatten() {
                    if !found.contains(&other.as_str()) {
                        found.push(other);
                    }
                }
                if found.len() > MAX_IDENTIFIERS {
                    return Vec::new();
                }
            }
        }
        found.drain(1..).map(str::to_owned).collect()
    }
}

impl ChatDb {
    /// The guid and the date of the first message at or after `since` in the chat with `guid`. Dates are in
    /// microseconds since 1970.
    pub fn first_message_in(
        &self,
        guid: &str,
        since: i64,
    ) -> Result<Option<(String, i64)>, ReadError> {
        // A date of 0 means that there is no date.
        let since = crate::dates::to_apple_nanos(since).max(1);
        let params = rusqlite::params![guid, since];
        let first = self.first(&self.queries.first_in_chat, params, |row| {
            Ok((value::text(row, 0)?, value::integer(row, 1)?))
        })?;
        Ok(first.and_then(|(guid, date)| guid.zip(crate::dates::from_apple_date(date))))
    }

    /// The guids of the other chats of the group with `identifier`. If chat.db has no chat of an
    /// identifier any more, a guid is made of the identifier.
    pub(super) fn other_chats_of_group(
        &self,
        identifier: &str,
        chat_lookup: &ChatLookup,
    ) -> rusqlite::Result<Vec<String>> {
        let mut guids = Vec::new();
        for other in chat_lookup.connected_with(identifier) {
            let query = "select guid, style from chat where chat_identifier = ?1";
            let chats = self.select(query, [&other], |row| {
                let is_group = value::integer(row, 1)? == 43;
                Ok(value::text(row, 0)?.filter(|_| is_group))
            })?;
            if chats.is_empty() {
                guids.push(format!("any;+;{other}"));
            }
            guids.extend(chats.into_iter().flatten());
        }
        Ok(guids)
    }

    /// The contents of the table; empty if the database has no such table. The table is read again only
    /// if it has changed, because its contents are needed for each new message of a group.
    pub(super) fn chat_lookup(&self) -> rusqlite::Result<Rc<ChatLookup>> {
        if !self.queries.has_chat_lookup {
            return Ok(Rc::default());
        }
        let mut statement = self.connection.prepare_cached(VERSION)?;
        let version = statement.query_row([], |row| {
            Ok((row.get(0)?, row.get(1)?, value::integer(row, 2)?))
        })?;
        let mut cached = self.chat_lookup.borrow_mut();
        if let Some(lookup) = cached.as_ref().filter(|lookup| lookup.version == version) {
            return Ok(Rc::clone(lookup));
        }
        let mut lookup = ChatLookup {
            version,
            ..ChatLookup::default()
        };
        let mut statement = self.connection.prepare_cached(GROUPS)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let chat: i64 = row.get(1)?;
            for index in [0, 2] {
                if let Some(identifier) = value::text(row, index)? {
                    lookup.add(identifier, chat);
                }
            }
        }
        let lookup = Rc::new(lookup);
        *cached = Some(Rc::clone(&lookup));
        Ok(lookup)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(rows: &[(&str, i64, &str)]) -> ChatLookup {
        let mut lookup = ChatLookup::default();
        for (identifier, chat, identifier_of_chat) in rows {
            lookup.add((*identifier).to_owned(), *chat);
            lookup.add((*identifier_of_chat).to_owned(), *chat);
        }
        lookup
    }

    #[test]
    fn connected_chats_are_one_group() {
        let lookup = lookup(&[
            ("chat1", 1, "chat1"),
            ("chat1", 2, "chat2"),
            ("chat3", 2, "chat2"),
            ("chat9", 9, "chat9"),
        ]);
        assert_eq!(lookup.connected_with("chat1"), ["chat2", "chat3"]);
        assert_eq!(lookup.connected_with("chat3"), ["chat1", "chat2"]);
        assert_eq!(lookup.connected_with("chat9"), [""; 0]);
        assert_eq!(lookup.connected_with("chat7"), [""; 0]);
    }

    #[test]
    fn a_phone_number_or_too_many_identifiers_connect_nothing() {
        let members = lookup(&[
            ("+15550100001", 1, "chat1"),
            ("tel:+15550100001", 2, "chat2"),
        ]);
        assert_eq!(members.connected_with("chat1"), [""; 0]);
        let names: Vec<String> = (0..100).map(|n| format!("chat{n}")).collect();
        let crowd: Vec<_> = (0..)
            .zip(&names)
            .map(|(n, name)| ("all", n, name.as_str()))
            .collect();
        assert_eq!(lookup(&crowd).connected_with("chat5"), [""; 0]);
    }
}
