//! Reads, in slices and after each comparison of recent rows, which filtered rows are still held back.
//! Comparison and reading together may take a fixed share of the thread's time.
//!
//! First each chat is read once. As long as a mark (a filter category, or blocking) holds back a whole chat,
//! none of its rows need be read. Rows of other chats have marks of their own and are read one by one. Each
//! pass also reads a few of all listed rows in turn, to notice which were deleted.

use std::collections::{BTreeSet, HashMap};

use chatdb::{ChatDb, ChatMarks, FilterReason, Row};
use crash_point::crash_point;

use super::Feed;
use crate::pipeline::PipelineError;
use crate::pipeline::candidate::{BatchResult, Candidate};
use crate::pipeline::filtered::{self, HeldBy};
use crate::pipeline::freshness::ReadCause;
use crate::pipeline::row_guard::{clear_current_row, set_current_row, without_panicking};
use crate::state::filtered::{self as list, FilteredMessage, FilteredRow};

/// Chats per slice.
const CHATS: usize = 512;
/// Rows per slice.
const ROWS: usize = 128;
/// The maximum number of rows of one chat that are read before new messages of that chat are posted. More rows
/// would delay the new messages.
const MAX_BEFORE_NEW: usize = 512;
/// The number of rows that each pass reads in turn, whether their chats are marked or not.
const READ_IN_TURN: u32 = 64;

/// The state of the pass over the listed rows.
#[derive(Debug, Default)]
pub(super) struct FilteredPass {
    /// The chats of the listed rows; `None` before the first pass.
    chats: Option<Vec<MarkedChat>>,
    /// The index in `chats` at which the pass continues.
    next_chat: usize,
    /// Numbers of rows that are still to be read, in the order in which the rows came. Rows of one chat
    /// that are lifted together are posted in that order.
    rows: BTreeSet<i64>,
    /// Numbers of rows over which this relay panicked. They stay listed and are not read in this run.
    pub(super) set_aside: BTreeSet<i64>,
    /// The last of the rows that were read in turn.
    last_in_turn: i64,
    /// How many chats and rows were read so far.
    #[cfg(test)]
    pub(super) reads: (usize, usize),
}

#[derive(Debug)]
struct MarkedChat {
    guid: String,
    /// `chat.ROWID`, once it was found.
    rowid: Option<i64>,
}

/// How a listed row has changed.
enum FilteredChange {
    None,
    Moved { guid: String, rowid: i64 },
    Deleted(i64),
    Refreshed(i64, Box<Row>, HeldBy),
    Lifted(i64, Box<Candidate>),
}

impl FilteredPass {
    /// Adds chats of which rows are newly listed.
    pub(super) fn add_chats(&mut self, guids: Vec<String>) {
        let Some(chats) = &mut self.chats else { return };
        for guid in guids {
            if !chats.iter().any(|chat| chat.guid == guid) {
                chats.push(MarkedChat { guid, rowid: None });
            }
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.rows.is_empty() && self.next_chat >= self.chats.as_ref().map_or(0, Vec::len)
    }
}

impl Feed<'_> {
    pub(super) fn begin_filtered(&mut self) -> Result<(), PipelineError> {
        let wants_all = self.options.relay_spam;
        let (has_chats, last_in_turn) = (self.filtered.chats.is_some(), self.filtered.last_in_turn);
        let (chats, rows, in_turn) = self.context.state.read(|state| {
            let chats = (!has_chats).then(|| list::chats(state)).transpose()?;
            if wants_all {
                return Ok((chats, list::ids_after(state, 0, u32::MAX)?, Vec::new()));
            }
            let mut in_turn = list::ids_after(state, last_in_turn, READ_IN_TURN)?;
            // After the newest row the oldest is next.
            let rest =
                READ_IN_TURN.saturating_sub(u32::try_from(in_turn.len()).unwrap_or(u32::MAX));
            let first = list::ids_after(state, 0, rest)?;
            in_turn.extend(first.into_iter().filter(|id| *id <= last_in_turn));
            Ok((chats, list::of_chat(state, None)?, in_turn))
        })?;
        let pass = &mut self.filtered;
        if let Some(chats) = chats {
            let marked = |guid| MarkedChat { guid, rowid: None };
            pass.chats = Some(chats.into_iter().map(marked).collect());
        }
        pass.next_chat = if wants_all { usize::MAX } else { 0 };
        pass.last_in_turn = in_turn.last().copied().unwrap_or(0);
        pass.rows = rows.into_iter().chain(in_turn).collect();
        Ok(())
    }

    /// Reads the listed rows in the chats of new rows that no filter holds back. The marks of such a chat
    /// were lifted, and its held messages are posted before the new ones.
    pub(super) fn release_in_chats_of(
        &mut self,
        db: &ChatDb,
        candidates: &[Candidate],
    ) -> Result<(), PipelineError> {
        if self.filtered.chats.as_ref().is_some_and(Vec::is_empty) {
            return Ok(());
        }
        let unheld = candidates.iter().filter_map(|candidate| {
            let chat = candidate.row.chat.as_deref()?;
            let is_held = FilterReason::of(&candidate.row, chat).is_some();
            (!is_held).then_some(chat.guid.as_str())
        });
        let chats: BTreeSet<&str> = unheld.collect();
        let ids = self.context.state.read(|state| {
            let mut ids = Vec::new();
            for chat in chats {
                let held = list::of_chat(state, Some(chat))?;
                ids.extend(held.into_iter().take(MAX_BEFORE_NEW));
            }
            Ok(ids)
        })?;
        for slice in ids.chunks(ROWS) {
            self.read_filtered_rows(db, slice)?;
        }
        Ok(())
    }

    /// Reads the next slice of chats or rows.
    pub(super) fn read_filtered(&mut self, db: &ChatDb) -> Result<(), PipelineError> {
        let chats = self.filtered.chats.as_ref().map_or(0, Vec::len);
        if self.filtered.next_chat < chats {
            return self.read_filtered_chats(db);
        }
        let rows = &mut self.filtered.rows;
        let ids: Vec<i64> = std::iter::from_fn(|| rows.pop_first()).take(ROWS).collect();
        self.read_filtered_rows(db, &ids)
    }

    /// Adds the rows of chats whose mark was lifted, or that are gone, to those that are to be read.
    fn read_filtered_chats(&mut self, db: &ChatDb) -> Result<(), PipelineError> {
        let pass = &mut self.filtered;
        let chats = pass.chats.get_or_insert_default();
        let from = pass.next_chat.min(chats.len());
        let to = (from + CHATS).min(chats.len());
        #[cfg(test)]
        {
            pass.reads.0 += to - from;
        }
        let mut unmarked = Vec::new();
        for (index, chat) in (from..to).zip(&mut chats[from..to]) {
            let marks = match chat.rowid {
                Some(rowid) => db.chat_marks_at(rowid)?,
                None => db.chat_marks(&chat.guid)?,
            };
            chat.rowid = marks.map(|marks| marks.rowid);
            if marks.is_none_or(|marks| marks.reason.is_none()) {
                unmarked.push(index);
            }
        }
        pass.next_chat = to;
        if unmarked.is_empty() {
            return Ok(());
        }
        let found = self.context.state.read(|state| {
            unmarked
                .iter()
                .map(|index| list::of_chat(state, Some(&chats[*index].guid)))
                .collect::<rusqlite::Result<Vec<_>>>()
        })?;
        for (index, ids) in unmarked.into_iter().zip(found).rev() {
            if ids.is_empty() {
                chats.remove(index);
                pass.next_chat -= 1;
            }
            pass.rows.extend(ids);
        }
        Ok(())
    }

    fn read_filtered_rows(&mut self, db: &ChatDb, ids: &[i64]) -> Result<(), PipelineError> {
        let is_readable = |id: &i64| !self.filtered.set_aside.contains(id);
        let ids: Vec<i64> = ids.iter().copied().filter(is_readable).collect();
        let mut set_aside = Vec::new();
        let read = without_panicking(
            ids,
            &mut set_aside,
            |id| *id,
            |ids, _| self.try_filtered_rows(db, ids),
        );
        self.filtered.set_aside.extend(set_aside);
        read
    }

    fn try_filtered_rows(&mut self, db: &ChatDb, ids: &[i64]) -> Result<(), PipelineError> {
        let listed = self.context.state.read(|state| {
            ids.iter()
                .map(|id| list::row(state, *id))
                .collect::<rusqlite::Result<Vec<_>>>()
        })?;
        #[cfg(test)]
        {
            self.filtered.reads.1 += listed.len();
        }
        let mut marks = HashMap::new();
        let mut changes = Vec::new();
        for row in listed.iter().flatten() {
            set_current_row(row.id, "read_marks");
            changes.push(self.find_change(db, row, &mut marks)?);
        }
        changes.retain(|change| !matches!(change, FilteredChange::None));
        if changes.is_empty() {
            return Ok(());
        }
        let context = self.decision_context(ReadCause::Appeared);
        let mut arrivals = self.arrivals.clone();
        let mut chats = Vec::new();
        let result = self.context.state.write(|tx| {
            let mut result = BatchResult::default();
            for change in changes {
                match change {
                    FilteredChange::None => {}
                    FilteredChange::Moved { guid, rowid } => list::set_rowid(tx, &guid, rowid)?,
                    FilteredChange::Deleted(id) => filtered::forget_deleted(tx, id)?,
                    FilteredChange::Refreshed(id, row, held_by) => {
                        set_current_row(id, "refresh");
                        chats.push(held_by.chat_guid.clone());
                        filtered::refresh(tx, id, &row, Some(held_by), &context)?;
                    }
                    FilteredChange::Lifted(id, candidate) => {
                        set_current_row(id, "release");
                        let arrivals = &mut arrivals;
                        filtered::release_lifted(
                            tx,
                            arrivals,
                            id,
                            &candidate,
                            &context,
                            &mut result,
                        )?;
                    }
                }
            }
            clear_current_row();
            Ok(result)
        })?;
        self.arrivals = arrivals;
        self.groups.add(result.named_groups);
        self.filtered.add_chats(chats);
        if result.enqueued > 0 {
            tracing::info!(
                released = result.enqueued,
                "messages that filters had held back are relayed"
            );
            crash_point("rows_committed");
            (self.context.wake_sender)();
        }
        Ok(())
    }

    /// Compares a listed row with chat.db. `marks` keeps the chats that were read for the same slice.
    fn find_change(
        &mut self,
        db: &ChatDb,
        listed: &FilteredRow,
        marks: &mut HashMap<String, Option<ChatMarks>>,
    ) -> Result<FilteredChange, PipelineError> {
        let Some(row_marks) = db.filter_marks(listed.rowid, &listed.guid)? else {
            return Ok(FilteredChange::Deleted(listed.id));
        };
        let mut chat_marks = None;
        if let Some(guid) = &listed.chat_guid {
            if !marks.contains_key(guid) {
                marks.insert(guid.clone(), db.chat_marks(guid)?);
            }
            chat_marks = marks[guid];
        }
        let is_exempt = row_marks.is_from_me || self.options.relay_spam;
        let is_held =
            !is_exempt && chat_marks.is_some_and(|chat| row_marks.reason.or(chat.reason).is_some());
        // The mark of a chat does not count for a row that was moved to another chat.
        let is_elsewhere = match chat_marks {
            Some(chat) if is_held && row_marks.reason.is_none() => {
                !db.is_joined_to(row_marks.rowid, chat.rowid)? && db.is_joined(row_marks.rowid)?
            }
            _ => false,
        };
        if is_held && listed.has_body && !is_elsewhere {
            return Ok(if row_marks.rowid == listed.rowid {
                FilteredChange::None
            } else {
                FilteredChange::Moved {
                    guid: listed.guid.clone(),
                    rowid: row_marks.rowid,
                }
            });
        }
        let is_listed = |row: &Row| row.guid == listed.guid && !row.is_unreadable;
        let Some(mut row) = db.row(row_marks.rowid)?.filter(is_listed) else {
            return Ok(FilteredChange::None);
        };
        let joined = db.chats_of(row.rowid)?;
        let named = joined
            .iter()
            .find(|chat| Some(&chat.guid) == listed.chat_guid.as_ref());
        let Some(chat) = named.or(joined.first()) else {
            return Ok(FilteredChange::None);
        };
        let held_by = HeldBy::of(&row, chat);
        let is_held = !is_exempt && FilterReason::of(&row, chat).is_some();
        let copy_of = self.examine_again(db, &mut row)?;
        // A row in "Recently Deleted" is in no chat, and counts as lifted only once the owner restores it.
        if !is_held && db.is_joined(row.rowid)? {
            let candidate = Candidate {
                is_new: false,
                copy_of,
                ..Candidate::new(row, self.now())
            };
            return Ok(FilteredChange::Lifted(listed.id, Box::new(candidate)));
        }
        if is_held || !listed.has_body {
            return Ok(FilteredChange::Refreshed(listed.id, Box::new(row), held_by));
        }
        Ok(FilteredChange::None)
    }

    /// Finds the rows of listed messages in a rebuilt chat.db: by their guids, or by timestamp and content if the
    /// guids have changed.
    pub(super) fn find_filtered_again(&mut self, db: &ChatDb) -> Result<(), PipelineError> {
        self.filtered = FilteredPass::default();
        let state = &self.context.state;
        for slice in state
            .read(|state| list::ids_after(state, 0, u32::MAX))?
            .chunks(ROWS)
        {
            let listed = state.read(|state| {
                slice
                    .iter()
                    .map(|id| list::find(state, *id))
                    .collect::<rusqlite::Result<Vec<_>>>()
            })?;
            let mut set_aside = Vec::new();
            without_panicking(
                listed.into_iter().flatten().collect(),
                &mut set_aside,
                |message| message.id,
                |messages, _| self.find_again(db, messages),
            )?;
            let set_aside = set_aside.iter().map(|message| message.id);
            self.filtered.set_aside.extend(set_aside);
        }
        Ok(())
    }

    fn find_again(&self, db: &ChatDb, messages: &[FilteredMessage]) -> Result<(), PipelineError> {
        let context = self.decision_context(ReadCause::Appeared);
        let mut copies = Vec::new();
        for message in messages {
            set_current_row(message.id, "find");
            // A row that has kept its guid is found by the guid when it is next read.
            if db.filter_marks(message.rowid, &message.guid)?.is_some() {
                continue;
            }
            for rowid in db.rowids_at(message.sent_at)? {
                let Some(mut row) = db.row(rowid)? else {
                    continue;
                };
                self.groups.apply(&mut row);
                if filtered::is_held_message(&row, message.twin_hash, &context) {
                    copies.push((message.id, row));
                }
            }
        }
        if copies.is_empty() {
            return Ok(());
        }
        self.context.state.write(|tx| {
            let mut found = BTreeSet::new();
            for (id, copy) in &copies {
                set_current_row(*id, "find");
                if !found.contains(id) && filtered::change_guid(tx, *id, copy)? {
                    found.insert(*id);
                }
            }
            Ok(())
        })?;
        Ok(())
    }
}
