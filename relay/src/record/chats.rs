//! Records chats as steps.

use messages_script::{Chat, ChatKind, Filter, Lookup};
use rusqlite::types::Value;

use super::Recorder;

/// `chat.style` of a group.
const GROUP_STYLE: i64 = 43;

/// Columns that [`Recorder::other_columns`] leaves out: those that the fields of a chat step cover, ids to
/// which no other row refers, and `properties`, which has photos and typing indicators.
const COVERED: &str = "\
    ROWID guid style chat_identifier service_name room_name display_name is_filtered
    account_id group_id original_group_id
    properties";

impl Recorder<'_> {
    /// The step for a chat.
    pub(super) fn chat(&mut self, rowid: i64) -> rusqlite::Result<Chat> {
        let row = self.row("chat", rowid)?;
        let identifier = row.text("chat_identifier");
        let name = row.text("display_name");
        let is_group = row.int("style") == Some(GROUP_STYLE);
        let guid = row.text("guid").map(|guid| self.redactor.chat_guid(&guid));
        let identifier = identifier.map(|identifier| {
            if is_group {
                identifier
            } else {
                self.redactor.address(&identifier)
            }
        });
        Ok(Chat {
            id: self.chat_name(rowid),
            kind: if is_group {
                ChatKind::Group
            } else {
                ChatKind::Direct
            },
            with: self.participants(rowid)?,
            service: row
                .text("service_name")
                .filter(|service| service != "iMessage"),
            // The player takes the end of the guid if the step has no identifier.
            identifier: identifier.filter(|identifier| {
                let end = guid.as_ref().and_then(|guid| guid.splitn(3, ';').nth(2));
                end != Some(identifier)
            }),
            guid,
            name: name
                .filter(|name| !name.is_empty())
                .map(|name| self.redactor.text(&name)),
            filter: Filter(row.int("is_filtered").unwrap_or(0)),
            line: None,
            columns: self.other_columns(
                "chat",
                &row,
                COVERED,
                // What the player writes if the step does not set the column.
                &[
                    ("state", Some(Value::Integer(3))),
                    ("successful_query", Some(Value::Integer(1))),
                    ("account_login", None),
                    ("last_addressed_handle", None),
                ],
            ),
        })
    }

    /// The identifiers in `chat_lookup` that name a chat, without the chat's own `chat_identifier`.
    pub(super) fn lookups(&mut self, chat: i64) -> rusqlite::Result<Vec<Lookup>> {
        let table_exists = "select exists (select 1 from pragma_table_info('chat_lookup'))";
        if !self
            .connection
            .query_row(table_exists, [], |row| row.get(0))?
        {
            return Ok(Vec::new());
        }
        let mut query = self.connection.prepare(
            "select identifier, domain, c.style = ?2 from chat_lookup join chat c on c.ROWID = chat
             where chat = ?1 and (identifier, domain) is not (chat_identifier, service_name)
             order by identifier, domain",
        )?;
        let rows = query.query_map([chat, GROUP_STYLE], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
        let mut steps = Vec::new();
        for row in rows {
            let (identifier, domain, is_group): (Option<String>, Option<String>, bool) = row?;
            steps.push(Lookup {
                chat: self.chat_name(chat),
                identifier: match identifier.unwrap_or_default() {
                    // A group's identifier is random, unless it is an address.
                    identifier if is_group && !identifier.contains(['+', '@']) => identifier,
                    address => self.redactor.address(&address),
                },
                domain,
            });
        }
        Ok(steps)
    }

    /// The addresses of a chat's participants, redacted if redaction is on.
    fn participants(&mut self, chat: i64) -> rusqlite::Result<Vec<String>> {
        let mut query = self.connection.prepare(
            "select id from handle join chat_handle_join on handle_id = handle.ROWID
             where chat_id = ?1 order by chat_handle_join.ROWID",
        )?;
        let addresses = query.query_map([chat], |row| row.get::<_, String>(0))?;
        addresses
            .map(|address| Ok(self.redactor.address(&address?)))
            .collect()
    }

    /// The name of a chat in the script.
    pub(super) fn chat_name(&self, rowid: i64) -> String {
        let place = self.chats.iter().position(|chat| *chat == rowid);
        format!("chat {}", place.map_or(0, |place| place + 1))
    }
}
