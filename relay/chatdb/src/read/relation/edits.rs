//! Finds the rows by which Messages shows an edit to older devices.
//!
//! Such a row, called the notice of an edit, is recognised by its guid, which the edited message lists in
//! its edit history. The histories of a chat are read once and kept until the database changes. Of a
//! message that was never edited, only the length of the history column is read.

use std::collections::HashMap;

use rusqlite::{Statement, params};

use super::{Chat, ChatDb, ROWIDS_AROUND};
use crate::read::summary;
use crate::read::value::{bytes, text};

/// How many rows before a notice are searched for the edited message.
const ROWS_BEFORE: u32 = 40;
/// The rows up to this many ROWIDs after a notice are read together, also for later notices.
const ROWIDS_AHEAD: i64 = 2 * ROWIDS_AROUND;

/// The notices that the edit histories of each chat list, at one version of the database.
#[derive(Debug, Default)]
pub(in crate::read) struct EditNotices {
    /// `PRAGMA data_version`
    version: Option<i64>,
    /// By the ROWID of the chat.
    chats: HashMap<i64, ReadRange>,
}

/// The rows of a chat whose edit histories were read.
#[derive(Debug)]
struct ReadRange {
    /// The lowest ROWID of a notice for which enough earlier rows were read.
    from: i64,
    /// The last ROWID that was read.
    to: i64,
    /// The edited message of each notice, by the guid of the notice.
    edited: HashMap<String, String>,
}

impl EditNotices {
    /// Removes everything if `version` is not the one that was read before.
    pub(in crate::read) fn clear_if_changed(&mut self, version: i64) {
        if self.version != Some(version) {
            self.version = Some(version);
            self.chats.clear();
        }
    }
}

impl ChatDb {
    /// The guid of the message whose edit history lists the row with `guid` at `rowid` as a notice.
    pub(super) fn edited_message(
        &self,
        guid: &str,
        rowid: i64,
        chat: &Chat,
    ) -> rusqlite::Result<Option<String>> {
        let queries = &self.queries.relation;
        let (Some(before), Some(between)) = (&queries.edits_before, &queries.edits_between) else {
            return Ok(None);
        };
        let mut notices = self.edit_notices.borrow_mut();
        let known = notices.chats.get(&chat.rowid);
        if known.is_none_or(|range| rowid < range.from || range.to < rowid) {
            let mut edited = HashMap::new();
            let mut statement = self.connection.prepare_cached(before)?;
            collect(
                &mut statement,
                params![chat.rowid, rowid, ROWS_BEFORE],
                &mut edited,
            )?;
            let range = ReadRange {
                from: rowid,
                to: rowid,
                edited,
            };
            notices.chats.insert(chat.rowid, range);
        }
        let Some(range) = notices.chats.get_mut(&chat.rowid) else {
            return Ok(None);
        };
        // The edited message may have a higher ROWID than its notice.
        if range.to < rowid.saturating_add(ROWIDS_AROUND) {
            let to = rowid.saturating_add(ROWIDS_AHEAD);
            let mut statement = self.connection.prepare_cached(between)?;
            collect(
                &mut statement,
                params![chat.rowid, range.to, to],
                &mut range.edited,
            )?;
            range.to = to;
        }
        Ok(range
            .edited
            .get(guid)
            .filter(|edited| *edited != guid)
            .cloned())
    }
}

/// Adds the notices of the edited messages that `statement` selects to `edited`, by the guid of the notice.
fn collect(
    statement: &mut Statement<'_>,
    params: impl rusqlite::Params,
    edited: &mut HashMap<String, String>,
) -> rusqlite::Result<()> {
    let mut rows = statement.query(params)?;
    while let Some(columns) = rows.next()? {
        let Some(guid) = text(columns, 0)? else {
            continue;
        };
        for notice in summary::edit_notices(bytes(columns, 1)?) {
            edited.insert(notice, guid.clone());
        }
    }
    Ok(())
}
