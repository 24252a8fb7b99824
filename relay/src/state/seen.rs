//! One row for every message of chat.db that was accounted for: the decision about the message and the parts
//! of it that were posted, so that each later change is posted once.

use chatdb::{Digest, PostedContent};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, params};
use shared_protocol::Mode;
use strum::{EnumString, IntoStaticStr};

use super::query;

/// The decision about a message, written in snake case.
///
/// The previous release reads the column too, and fails at a word that it does not know. So a new kind of
/// outcome must be written as one of these words, and another column must distinguish it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumString, IntoStaticStr)]
#[cfg_attr(test, derive(strum::VariantArray))]
#[strum(serialize_all = "snake_case")]
pub enum RowOutcome {
    /// Put into the outbox, to be answered.
    Forwarded,
    /// Put into the outbox as an old message, which the backend stores and does not answer.
    Backfilled,
    /// Not posted, because it is a copy of another message.
    Twin,
    /// Held in the [`quarantine`](super::quarantine) for the owner.
    Quarantined,
    /// Dropped by the owner.
    Dropped,
    /// Sent before this relay's first run.
    Recorded,
    /// Never posted, because the row was never joined to a chat.
    Orphaned,
    /// Held back by Apple's filters; listed in [`filtered`](super::filtered).
    Spam,
    /// The owner wrote it to an own address, and the options do not ask for such notes.
    NoteToSelf,
    /// Its content is posted for another row: the preview of a link, the text of a link, the notice of an edit.
    LinkPreview,
    /// Not sent yet: Messages sends the message at a time that the owner has set.
    Scheduled,
    /// A row that Messages wrote by itself and that has no content to post.
    System,
}

impl RowOutcome {
    /// The outcome in snake case.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether the message was put into the outbox.
    pub fn is_posted(self) -> bool {
        matches!(self, Self::Forwarded | Self::Backfilled)
    }
}

impl From<chatdb::SkipReason> for RowOutcome {
    fn from(reason: chatdb::SkipReason) -> Self {
        match reason {
            chatdb::SkipReason::Spam => Self::Spam,
            chatdb::SkipReason::NoteToSelf => Self::NoteToSelf,
            chatdb::SkipReason::LinkPreview | chatdb::SkipReason::EditNotice => Self::LinkPreview,
            chatdb::SkipReason::Scheduled => Self::Scheduled,
            chatdb::SkipReason::System => Self::System,
        }
    }
}

impl ToSql for RowOutcome {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for RowOutcome {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let parsed = value.as_str()?.parse();
        parsed.map_err(|_| FromSqlError::InvalidType)
    }
}

/// The chat in which a message was first posted, as the wire names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstChat {
    /// [`shared_protocol::Message::chat_guid`]
    pub chat_guid: String,
    pub mode: Mode,
}

impl FirstChat {
    /// Reads the columns `chat_guid` at the index `first` and `chat_mode` at the next one.
    fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Self>> {
        let chat_guid: Option<String> = row.get(first)?;
        let mode: Option<String> = row.get(first + 1)?;
        let mode = [Mode::Direct, Mode::Group]
            .into_iter()
            .find(|known| mode.as_deref() == Some(known.as_str()));
        Ok(chat_guid
            .zip(mode)
            .map(|(chat_guid, mode)| Self { chat_guid, mode }))
    }
}

/// A message that was accounted for: one row of the table `seen`. Times in microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenMessage {
    /// `message.guid`
    pub guid: String,
    /// `message.ROWID` in the file that was last read.
    pub rowid: i64,
    pub sent_at: i64,
    /// Equal for copies of one message.
    pub twin_hash: Digest,
    /// Equal as long as the row is unchanged.
    pub digest: Digest,
    pub outcome: RowOutcome,
    /// Whether the row is that of a bubble of the ledger. It is never posted, its `outcome` is [`RowOutcome::Twin`], and
    /// rows that repeat it are its copies.
    pub is_own_send: bool,
    /// The parts of the message that were posted.
    pub posted: PostedContent,
    /// When the message was accounted for.
    pub seen_at: i64,
    /// The chat in which the message was first posted. `None` if it was not posted, or by a release that
    /// did not write this down.
    pub first_chat: Option<FirstChat>,
}

const COLUMNS: &str = "guid, message_rowid, sent_at, twin, digest, outcome, text_was_empty, \
     history_length, unsent_parts, unsend_revision, attachment_revision, attachment_digest, seen_at, \
     chat_guid, chat_mode, awaits_title, own";

fn read(row: &Row<'_>) -> rusqlite::Result<SeenMessage> {
    Ok(SeenMessage {
        guid: row.get(0)?,
        rowid: row.get(1)?,
        sent_at: row.get(2)?,
        twin_hash: Digest(row.get(3)?),
        digest: Digest(row.get(4)?),
        outcome: row.get(5)?,
        is_own_send: row.get::<_, Option<bool>>(16)?.unwrap_or(false),
        posted: PostedContent {
            text_was_empty: row.get(6)?,
            awaits_title: row.get::<_, Option<bool>>(15)?.unwrap_or(false),
            history_length: row.get(7)?,
            unsent_parts: row.get(8)?,
            unsend_revision: row.get(9)?,
            attachment_revision: row.get(10)?,
            attachments_digest: Digest(row.get(11)?),
        },
        seen_at: row.get(12)?,
        first_chat: FirstChat::read(row, 13)?,
    })
}

/// Writes a record in place of an earlier one with the same guid.
pub fn save(connection: &Connection, seen: &SeenMessage) -> rusqlite::Result<()> {
    query::execute(
        connection,
        "insert into seen (guid, message_rowid, sent_at, twin, digest, outcome, text_was_empty,
             history_length, unsent_parts, unsend_revision, attachment_revision, attachment_digest,
             seen_at, chat_guid, chat_mode, awaits_title, own)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
         on conflict (guid) do update set message_rowid = excluded.message_rowid,
             sent_at = excluded.sent_at, twin = excluded.twin, digest = excluded.digest,
             outcome = excluded.outcome, text_was_empty = excluded.text_was_empty,
             history_length = excluded.history_length, unsent_parts = excluded.unsent_parts,
             unsend_revision = excluded.unsend_revision,
             attachment_revision = excluded.attachment_revision,
             attachment_digest = excluded.attachment_digest, seen_at = excluded.seen_at,
             chat_guid = excluded.chat_guid, chat_mode = excluded.chat_mode,
             awaits_title = excluded.awaits_title, own = excluded.own",
        params![
            seen.guid,
            seen.rowid,
            seen.sent_at,
            seen.twin_hash.0,
            seen.digest.0,
            seen.outcome,
            seen.posted.text_was_empty,
            seen.posted.history_length,
            seen.posted.unsent_parts,
            seen.posted.unsend_revision,
            seen.posted.attachment_revision,
            seen.posted.attachments_digest.0,
            seen.seen_at,
            seen.first_chat.as_ref().map(|chat| &chat.chat_guid),
            seen.first_chat.as_ref().map(|chat| chat.mode.as_str()),
            seen.posted.awaits_title.then_some(true),
            seen.is_own_send.then_some(true)
        ],
    )
}

/// The record of the message with this guid.
pub fn find(connection: &Connection, guid: &str) -> rusqlite::Result<Option<SeenMessage>> {
    let sql = format!("select {COLUMNS} from seen where guid = ?1");
    query::first(connection, &sql, [guid], read)
}

/// Whether the message with this guid was put into the outbox.
pub fn is_posted(connection: &Connection, guid: &str) -> rusqlite::Result<bool> {
    Ok(find(connection, guid)?.is_some_and(|seen| seen.outcome.is_posted()))
}

/// The chat in which the message with this guid was first posted.
pub fn first_chat(connection: &Connection, guid: &str) -> rusqlite::Result<Option<FirstChat>> {
    let sql = "select chat_guid, chat_mode from seen where guid = ?1";
    let chat = query::first(connection, sql, [guid], |row| FirstChat::read(row, 0))?;
    Ok(chat.flatten())
}

/// Removes the record of the message with this guid. If the message appears again in chat.db, it is read as a
/// new one.
pub fn forget(connection: &Connection, guid: &str) -> rusqlite::Result<()> {
    query::execute(connection, "delete from seen where guid = ?1", [guid])
}

/// Writes the ROWID that the message with this guid has now.
pub fn set_rowid(connection: &Connection, guid: &str, rowid: i64) -> rusqlite::Result<()> {
    let sql = "update seen set message_rowid = ?2 where guid = ?1 and message_rowid <> ?2";
    query::execute(connection, sql, params![guid, rowid])
}

pub fn set_outcome(
    connection: &Connection,
    guid: &str,
    outcome: RowOutcome,
) -> rusqlite::Result<()> {
    let sql = "update seen set outcome = ?2 where guid = ?1";
    query::execute(connection, sql, params![guid, outcome])
}

/// How many messages have one twin hash, by their outcomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyCounts {
    /// Messages whose outcome is one of the chosen [`Originals`], and own sends.
    pub originals: u32,
    /// Those `originals` that were accounted for before `batch_at` ([`count_copies`]).
    pub originals_before: u32,
    /// Copies that were not posted ([`RowOutcome::Twin`], without own sends) and were accounted for at `batch_at` or later.
    pub dropped: u32,
}

/// Whether the row with this guid is recorded as one of the relay's own sends.
pub fn is_own_send(connection: &Connection, guid: &str) -> rusqlite::Result<bool> {
    Ok(find(connection, guid)?.is_some_and(|seen| seen.is_own_send))
}

/// Which outcomes make a message an original that others can be copies of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Originals {
    /// Those that were put into the outbox, held for the owner, or dropped by the owner.
    Decided,
    /// Those that were put into the outbox. So the owner can release one copy after dropping another.
    Posted,
}

/// Counts the messages with this twin hash. `batch_at` is when the first of the rows that appeared together
/// with the row in question appeared, in microseconds since 1970.
pub fn count_copies(
    connection: &Connection,
    twin_hash: Digest,
    batch_at: i64,
    originals: Originals,
) -> rusqlite::Result<CopyCounts> {
    let outcomes = match originals {
        Originals::Decided => "'forwarded', 'backfilled', 'quarantined', 'dropped'",
        Originals::Posted => "'forwarded', 'backfilled'",
    };
    let sql = format!(
        "select count(*) filter (where outcome <> 'twin' or own is 1),
                count(*) filter (where (outcome <> 'twin' or own is 1) and seen_at < ?2),
                count(*) filter (where outcome = 'twin' and own is not 1 and seen_at >= ?2)
         from seen
         where twin = ?1 and outcome in ({outcomes}, 'twin')"
    );
    connection
        .prepare_cached(&sql)?
        .query_row(params![twin_hash.0, batch_at], |row| {
            Ok(CopyCounts {
                originals: row.get(0)?,
                originals_before: row.get(1)?,
                dropped: row.get(2)?,
            })
        })
}

/// A time at `now` or shortly after, which is later than every `seen_at` up to one second after `now`.
pub fn time_after_last(connection: &Connection, now: i64) -> rusqlite::Result<i64> {
    let last: Option<i64> = connection
        .prepare_cached("select max(seen_at) from seen where seen_at >= ?1 and seen_at < ?2")?
        .query_row([now, now.saturating_add(1_000_000)], |row| row.get(0))?;
    Ok(last.map_or(now, |last| last + 1))
}

/// The digest that the message with this guid had when it was last read.
pub fn digest_of(connection: &Connection, guid: &str) -> rusqlite::Result<Option<Digest>> {
    let sql = "select digest from seen where guid = ?1";
    query::first(connection, sql, [guid], |row| row.get(0).map(Digest))
}

/// Date of the newest live message that is not dated after `now`, if there is one. A message from a clock
/// years ahead must not make all others look old.
pub fn newest_forwarded(connection: &Connection, now: i64) -> rusqlite::Result<Option<i64>> {
    query::first(
        connection,
        "select sent_at from seen where outcome = 'forwarded' and sent_at <= ?1
         order by sent_at desc limit 1",
        [now],
        |row| row.get(0),
    )
}

/// The number of messages of each outcome.
pub fn count_outcomes(connection: &Connection) -> rusqlite::Result<Vec<(RowOutcome, u64)>> {
    let sql = "select outcome, count(*) from seen group by outcome order by outcome";
    query::all(connection, sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Removes up to `limit` rows that were accounted for before `before`; returns how many.
pub fn clean(connection: &Connection, before: i64, limit: u32) -> rusqlite::Result<usize> {
    let sql = "delete from seen where guid in (select guid from seen where seen_at < ?1 limit ?2)";
    query::change(connection, sql, params![before, limit])
}
