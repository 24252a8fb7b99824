//! Finds the rows that Messages sends to older devices beside an edit.
//!
//! A row is the notice of an edit only if the edit's history names the guid of the row. The histories
//! of a chat are read once and kept until the database changes, so that for a plain text only the
//! length of a column is read.

use std::collections::HashMap;

use rusqlite::{Statement, params};

use super::{Chat, ChatDb, ROWIDS_AROUND};
use crate::read::summary;
use crate::read::value::{bytes, text};

/// The edited message is among so many rows of the chat before its notice.
const ROWS_BEFORE: u32 = 40;
/// Rows up to this ROWID distance ahead are read together.
const ROWIDS_AHEAD: i64 = 2 * ROWIDS_AROUND;

/// The notices that the edits of each chat name, in one state of the database.
#[derive(Debug, Default)]
pub(in crate::read) struct EditNotices {
    version: Option<i64>,
    chats: HashMap<i64, Looked>,
}

/// The part of a chat that was read.
#[derive(Debug)]
struct Looked {
    /// The first row before which enough rows were read.
    from: i64,
    /// The last ROWID that was read.
    to: i64,
    /// The edited message of each notice, by the guid of the notice.
    edited: HashMap<String, String>,
}

impl EditNotices {
    /// Removes what was read before, unless the database is unchanged.
    pub(in crate::read) fn of_version(&mut self, version: i64) {
        if self.version != Some(version) {
            self.version = Some(version);
            self.chats.clear();
        }
    }
}

impl ChatDb {
    /// The message whose edit names the row with `guid` at `rowid`.
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
        if known.is_none_or(|looked| rowid < looked.from || looked.to < rowid) {
            let mut edited = HashMap::new();
            let mut statement = self.connection.prepare_cached(before)?;
            collect(
                &mut statement,
                params![chat.rowid, rowid, ROWS_BEFORE],
                &mut edited,
            )?;
            let looked = Looked {
                from: rowid,
                to: rowid,
                edited,
            };
            notices.chats.insert(chat.rowid, looked);
        }
        let Some(looked) = notices.chats.get_mut(&chat.rowid) else {
            return Ok(None);
        };
        // The edited message may have a higher ROWID than its notice.
        if looked.to < rowid.saturating_add(ROWIDS_AROUND) {
            let to = rowid.saturating_add(ROWIDS_AHEAD);
            let mut statement = self.connection.prepare_cached(between)?;
            collect(
                &mut statement,
                params![chat.rowid, looked.to, to],
                &mut looked.edited,
            )?;
            looked.to = to;
        }
        Ok(looked
            .edited
            .get(guid)
            .filter(|edited| *edited != guid)
            .cloned())
    }
}

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
