//! One row for every message of chat.db that was accounted for: what became of it, and what was told
//! of it, so that a later change is told once.

use chatdb::{Digest, Known};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params};
use shared_protocol::Mode;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Put into the outbox as live.
    Forwarded,
    /// Put into the outbox as an old message that iCloud brought back.
    Backfilled,
    /// A copy of one that was forwarded.
    Twin,
    /// Held for the owner.
    Quarantined,
    /// Dropped by the owner.
    Dropped,
    /// Sent before this relay began.
    Recorded,
    /// Never completed: no chat ever claimed it.
    Orphaned,
    /// Held back by Apple's filters; listed in [`filtered`](super::filtered).
    Spam,
    /// Not relayed, by the owner's options.
    NoteToSelf,
    /// Told by another row: the preview of a link, the row beside an edit.
    LinkPreview,
    /// To be sent later by Messages.
    Scheduled,
    /// A row of the system without content.
    System,
}

impl Outcome {
    /// The previous release reads the column too, and stops at a word that it does not know: a new
    /// outcome is written under one of these words, and what is special about it into a column of its
    /// own.
    pub(super) const ALL: [Self; 12] = [
        Self::Forwarded,
        Self::Backfilled,
        Self::Twin,
        Self::Quarantined,
        Self::Dropped,
        Self::Recorded,
        Self::Orphaned,
        Self::Spam,
        Self::NoteToSelf,
        Self::LinkPreview,
        Self::Scheduled,
        Self::System,
    ];

    /// The outcome as it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Backfilled => "backfilled",
            Self::Twin => "twin",
            Self::Quarantined => "quarantined",
            Self::Dropped => "dropped",
            Self::Recorded => "recorded",
            Self::Orphaned => "orphaned",
            Self::Spam => "spam",
            Self::NoteToSelf => "note_to_self",
            Self::LinkPreview => "link_preview",
            Self::Scheduled => "scheduled",
            Self::System => "system",
        }
    }
}

impl From<chatdb::SkipReason> for Outcome {
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

impl ToSql for Outcome {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.as_str().to_sql()
    }
}

impl FromSql for Outcome {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let text = value.as_str()?;
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
            .ok_or(FromSqlError::InvalidType)
    }
}

/// The chat that a message was first told in, as the wire names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundChat {
    /// [`shared_protocol::Message::chat_guid`]
    pub chat_guid: String,
    /// Direct or group.
    pub mode: Mode,
}

impl BoundChat {
    fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Self>> {
        let (chat_guid, mode): (Option<String>, Option<String>) =
            (row.get(first)?, row.get(first + 1)?);
        let mode = mode.and_then(|mode| {
            [Mode::Direct, Mode::Group]
                .into_iter()
                .find(|known| known.as_str() == mode)
        });
        Ok(chat_guid
            .zip(mode)
            .map(|(chat_guid, mode)| Self { chat_guid, mode }))
    }
}

/// A message that was accounted for. Times in microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// `message.guid`
    pub guid: String,
    /// `message.ROWID` in the file it was last seen in.
    pub rowid: i64,
    /// When it was sent.
    pub sent_at: i64,
    /// Equal for copies of one message.
    pub twin: Digest,
    /// Equal while nothing changed.
    pub digest: Digest,
    /// What became of it.
    pub outcome: Outcome,
    /// What was told of it.
    pub known: Known,
    /// When it was accounted for.
    pub seen_at: i64,
    /// The chat that it was first told in; none if it was not told, or before this was written down.
    pub bound_chat: Option<BoundChat>,
}

const COLUMNS: &str = "guid, message_rowid, sent_at, twin, digest, outcome, text_was_empty, \
     history_length, unsent_parts, unsend_revision, attachment_revision, attachment_digest, seen_at, \
     chat_guid, chat_mode, awaits_title";

fn read(row: &Row<'_>) -> rusqlite::Result<Seen> {
    Ok(Seen {
        guid: row.get(0)?,
        rowid: row.get(1)?,
        sent_at: row.get(2)?,
        twin: Digest(row.get(3)?),
        digest: Digest(row.get(4)?),
        outcome: row.get(5)?,
        known: Known {
            text_was_empty: row.get(6)?,
            awaits_title: row.get::<_, Option<bool>>(15)?.unwrap_or(false),
            history_length: row.get(7)?,
            unsent_parts: row.get(8)?,
            unsend_revision: row.get(9)?,
            attachment_revision: row.get(10)?,
            attachments: Digest(row.get(11)?),
        },
        seen_at: row.get(12)?,
        bound_chat: BoundChat::read(row, 13)?,
    })
}

/// Writes a row, over an earlier one of the same guid.
pub fn save(connection: &Connection, seen: &Seen) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "insert into seen (guid, message_rowid, sent_at, twin, digest, outcome, text_was_empty,
                 history_length, unsent_parts, unsend_revision, attachment_revision, attachment_digest,
                 seen_at, chat_guid, chat_mode, awaits_title)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
             on conflict (guid) do update set message_rowid = excluded.message_rowid,
                 sent_at = excluded.sent_at, twin = excluded.twin, digest = excluded.digest,
                 outcome = excluded.outcome, text_was_empty = excluded.text_was_empty,
                 history_length = excluded.history_length, unsent_parts = excluded.unsent_parts,
                 unsend_revision = excluded.unsend_revision,
                 attachment_revision = excluded.attachment_revision,
                 attachment_digest = excluded.attachment_digest, seen_at = excluded.seen_at,
                 chat_guid = excluded.chat_guid, chat_mode = excluded.chat_mode,
                 awaits_title = excluded.awaits_title",
        )?
        .execute(params![
            seen.guid,
            seen.rowid,
            seen.sent_at,
            seen.twin.0,
            seen.digest.0,
            seen.outcome,
            seen.known.text_was_empty,
            seen.known.history_length,
            seen.known.unsent_parts,
            seen.known.unsend_revision,
            seen.known.attachment_revision,
            seen.known.attachments.0,
            seen.seen_at,
            seen.bound_chat.as_ref().map(|chat| &chat.chat_guid),
            seen.bound_chat.as_ref().map(|chat| chat.mode.as_str()),
            seen.known.awaits_title.then_some(true)
        ])?;
    Ok(())
}

/// The row of a guid.
pub fn find(connection: &Connection, guid: &str) -> rusqlite::Result<Option<Seen>> {
    connection
        .prepare_cached(&format!("select {COLUMNS} from seen where guid = ?1"))?
        .query_row([guid], read)
        .optional()
}

/// The chat that the message of a guid was first told in.
pub fn bound_chat(connection: &Connection, guid: &str) -> rusqlite::Result<Option<BoundChat>> {
    let bound = connection
        .prepare_cached("select chat_guid, chat_mode from seen where guid = ?1")?
        .query_row([guid], |row| BoundChat::read(row, 0))
        .optional()?;
    Ok(bound.flatten())
}

/// Forgets a guid: should its row come back, it is read as a new one.
pub fn forget(connection: &Connection, guid: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("delete from seen where guid = ?1")?
        .execute([guid])?;
    Ok(())
}

/// The ROWID of a guid that chat.db now keeps elsewhere.
pub fn set_rowid(connection: &Connection, guid: &str, rowid: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "update seen set message_rowid = ?2 where guid = ?1 and message_rowid <> ?2",
        )?
        .execute(params![guid, rowid])?;
    Ok(())
}

/// What became of a message, by the owner's word.
pub fn set_outcome(connection: &Connection, guid: &str, outcome: Outcome) -> rusqlite::Result<()> {
    connection
        .prepare_cached("update seen set outcome = ?2 where guid = ?1")?
        .execute(params![guid, outcome])?;
    Ok(())
}

/// How often a message and its copies were accounted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Twins {
    /// Told to the backend, or held or dropped by the owner's word.
    pub told: u32,
    /// Those of them that were accounted for before the row's batch began.
    pub told_before: u32,
    /// Copies that were dropped since the row's batch began.
    pub dropped: u32,
}

/// Counts the messages with this twin hash, for a row whose batch began at `batch_at`, in microseconds
/// since 1970.
pub fn count_twins(
    connection: &Connection,
    twin: Digest,
    batch_at: i64,
) -> rusqlite::Result<Twins> {
    const ACCOUNTED: &str = "'forwarded', 'backfilled', 'quarantined', 'dropped'";
    count_twins_among(connection, twin, batch_at, ACCOUNTED)
}

/// The same, where only what was put into the outbox counts: the owner may release one copy and have
/// dropped another.
pub fn count_told_twins(
    connection: &Connection,
    twin: Digest,
    batch_at: i64,
) -> rusqlite::Result<Twins> {
    count_twins_among(connection, twin, batch_at, "'forwarded', 'backfilled'")
}

fn count_twins_among(
    connection: &Connection,
    twin: Digest,
    batch_at: i64,
    outcomes: &'static str,
) -> rusqlite::Result<Twins> {
    connection
        .prepare_cached(&format!(
            "select count(*) filter (where outcome <> 'twin'),
                    count(*) filter (where outcome <> 'twin' and seen_at < ?2),
                    count(*) filter (where outcome = 'twin' and seen_at >= ?2)
             from seen
             where twin = ?1 and outcome in ({outcomes}, 'twin')"
        ))?
        .query_row(params![twin.0, batch_at], |row| {
            Ok(Twins {
                told: row.get(0)?,
                told_before: row.get(1)?,
                dropped: row.get(2)?,
            })
        })
}

/// `now`, or just after the last message that was accounted for if that was this very moment.
pub fn after_everything(connection: &Connection, now: i64) -> rusqlite::Result<i64> {
    let last: Option<i64> = connection
        .prepare_cached("select max(seen_at) from seen where seen_at >= ?1 and seen_at < ?2")?
        .query_row([now, now.saturating_add(1_000_000)], |row| row.get(0))?;
    Ok(last.map_or(now, |last| last + 1))
}

/// The digest of a guid, to compare with a re-read one.
pub fn digest_of(connection: &Connection, guid: &str) -> rusqlite::Result<Option<Digest>> {
    connection
        .prepare_cached("select digest from seen where guid = ?1")?
        .query_row([guid], |row| row.get(0).map(Digest))
        .optional()
}

/// Date of the newest forwarded message that is not dated after `now`; none before the first. One
/// message from a clock years ahead must not make all others look old.
pub fn newest_forwarded(connection: &Connection, now: i64) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached(
            "select sent_at from seen where outcome = 'forwarded' and sent_at <= ?1
             order by sent_at desc limit 1",
        )?
        .query_row([now], |row| row.get(0))
        .optional()
}

/// How many messages came to each outcome.
pub fn count_outcomes(connection: &Connection) -> rusqlite::Result<Vec<(Outcome, u64)>> {
    let mut statement = connection
        .prepare("select outcome, count(*) from seen group by outcome order by outcome")?;
    let counts = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    counts.collect()
}

/// Removes up to `limit` rows that were accounted for before `before`; tells how many.
pub fn clean(connection: &Connection, before: i64, limit: u32) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "delete from seen where guid in (select guid from seen where seen_at < ?1 limit ?2)",
        )?
        .execute(params![before, limit])
}
