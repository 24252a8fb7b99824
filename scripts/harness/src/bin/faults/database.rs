//! Reads the backend's database, whether it is `SQLite` or Postgres, while the backend runs or is down.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail};
use archety_harness::BackendStore;
use rusqlite::OpenFlags;
use sqlx::{Connection, PgConnection, Row};

/// The values of a row, all cast to text.
type TextRow = Vec<Option<String>>;

const COMMANDS: &str = "
    select t.command_id, asked.message_guid
    from turns t join messages asked on asked.id = t.newest_message_id
    where t.command_id is not null";
const BUBBLES: &str = "
    select b.command_id, cast(b.bubble as text), m.text, b.state, b.message_guid
    from command_bubbles b
    join commands c on c.relay = b.relay and c.id = b.command_id
    join messages m on m.id = b.message_id
    order by c.seq, b.bubble";
const STORED: &str = "
    select m.message_guid from messages m where m.role <> 'assistant' and m.event = 'message'";
const ANSWERED_TURNS: &str = "
    select cast(count(*) as text), cast(coalesce(sum(messages), 0) as text) from turns
    where outcome = 'replied'";
const OF_OWNER: &str = "select text from messages where role = 'owner'";
const UNANSWERED: &str = "
    select m.message_guid from unanswered_messages u join messages m on m.id = u.message_id";

/// A connection to the database of a backend.
pub(crate) enum Database {
    Sqlite(rusqlite::Connection),
    Postgres(tokio::runtime::Runtime, PgConnection),
}

/// A bubble as the backend knows it.
#[derive(Clone, Debug)]
pub(crate) struct BackendBubble {
    pub(crate) command_id: String,
    pub(crate) bubble: u32,
    pub(crate) text: String,
    pub(crate) state: String,
    pub(crate) guid: Option<String>,
}

impl Database {
    /// Opens the database, which the backend has created.
    pub(crate) fn open(store: &BackendStore) -> anyhow::Result<Self> {
        match store {
            BackendStore::Sqlite(path) => {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
                let connection = rusqlite::Connection::open_with_flags(path, flags)
                    .with_context(|| format!("cannot look into {}", path.display()))?;
                Ok(Self::Sqlite(connection))
            }
            BackendStore::Postgres(url) => {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                let connection = runtime
                    .block_on(PgConnection::connect(url))
                    .context("cannot connect to Postgres")?;
                Ok(Self::Postgres(runtime, connection))
            }
        }
    }

    /// The commands that answer a message, by the guid of the newest message that they answer.
    pub(crate) fn replies(&mut self) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
        let mut replies: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in self.rows(COMMANDS)? {
            if let [Some(command), Some(guid)] = &row[..] {
                let commands = replies.entry(guid.clone()).or_default();
                commands.push(command.clone());
            }
        }
        Ok(replies)
    }

    /// The bubbles of all replies, in the order of their commands.
    pub(crate) fn bubbles(&mut self) -> anyhow::Result<Vec<BackendBubble>> {
        let rows = self.rows(BUBBLES)?;
        let bubbles = rows.into_iter().map(|row| {
            let [command_id, bubble, text, state, guid] =
                <[_; 5]>::try_from(row).ok().context("five columns")?;
            Ok(BackendBubble {
                command_id: command_id.context("an id")?,
                bubble: bubble.context("a number")?.parse()?,
                text: text.unwrap_or_default(),
                state: state.context("a state")?,
                guid,
            })
        });
        bubbles.collect()
    }

    /// How often each message is stored, by its guid.
    pub(crate) fn stored(&mut self) -> anyhow::Result<BTreeMap<String, usize>> {
        let mut stored = BTreeMap::new();
        for guid in self.rows(STORED)?.into_iter().flatten().flatten() {
            *stored.entry(guid).or_default() += 1;
        }
        Ok(stored)
    }

    /// How many turns got a reply, and how many messages they have together.
    pub(crate) fn answered_turns(&mut self) -> anyhow::Result<(usize, usize)> {
        let rows = self.rows(ANSWERED_TURNS)?;
        let numbers: Vec<usize> = rows
            .into_iter()
            .flatten()
            .flatten()
            .map(|number| number.parse())
            .collect::<Result<_, _>>()?;
        let [turns, messages] = numbers[..] else {
            bail!("two numbers were asked for");
        };
        Ok((turns, messages))
    }

    /// The texts that are stored as the owner's.
    pub(crate) fn texts_of_owner(&mut self) -> anyhow::Result<BTreeSet<String>> {
        Ok(self
            .rows(OF_OWNER)?
            .into_iter()
            .flatten()
            .flatten()
            .collect())
    }

    /// The guids of the messages that no turn has answered.
    pub(crate) fn unanswered(&mut self) -> anyhow::Result<BTreeSet<String>> {
        let rows = self.rows(UNANSWERED)?;
        Ok(rows.into_iter().flatten().flatten().collect())
    }

    fn rows(&mut self, sql: &'static str) -> anyhow::Result<Vec<TextRow>> {
        match self {
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql)?;
                let columns = statement.column_count();
                let rows = statement.query_map([], |row| {
                    let values = (0..columns).map(|column| row.get(column));
                    values.collect::<rusqlite::Result<TextRow>>()
                })?;
                Ok(rows.collect::<rusqlite::Result<_>>()?)
            }
            Self::Postgres(runtime, connection) => {
                let rows = runtime.block_on(sqlx::query(sql).fetch_all(connection))?;
                let rows = rows.iter().map(|row| {
                    let values = (0..row.len()).map(|column| row.try_get(column));
                    values.collect::<Result<TextRow, _>>()
                });
                Ok(rows.collect::<Result<_, _>>()?)
            }
        }
    }
}
