//! Looking again at the rows that filters hold back, a slice at a time, after each comparison of recent
//! rows and within the share of time that both may take.
//!
//! The chats are asked first, each once: as long as a chat is marked, none of its rows need be read.
//! Rows of chats without a mark are held by their own and are read one by one. A few of the others are
//! looked at in turn, to notice what was deleted.

use std::collections::{BTreeSet, HashMap};

use chatdb::{ChatDb, ChatMarks, FilterReason, Row};
use crash_point::crash_point;

use super::Feed;
use crate::pipeline::PipelineError;
use crate::pipeline::arrival::Occasion;
use crate::pipeline::candidate::{Candidate, Look, Settled};
use crate::pipeline::filtered::{self, HeldBy};
use crate::pipeline::row_guard::{attempt, let_go, take_in_hand};
use crate::state::filtered::{self as rows, Place};

/// Chats per slice.
const CHATS: usize = 512;
/// Rows per slice.
const ROWS: usize = 128;
/// Rows of one chat that are looked at before news of that chat. More of them, which bear marks of their
/// own, would hold the news up.
const AT_ONCE: usize = 512;
/// Rows that each pass looks at in turn, whatever their chats say.
const IN_TURN: u32 = 64;

/// What is to be looked at, and how far a pass has come.
#[derive(Debug, Default)]
pub(super) struct FilteredLook {
    /// The chats of the rows on the list; none before the first pass.
    chats: Option<Vec<MarkedChat>>,
    /// Where in `chats` the pass goes on.
    next_chat: usize,
    /// Numbers of rows that the pass has yet to look at, in the order in which they came: those of one
    /// chat that are lifted together go out in it.
    rows: BTreeSet<i64>,
    /// Numbers of rows that made this relay panic: they stay on the list and are not looked at in this run.
    set_aside: BTreeSet<i64>,
    /// The last row that was looked at in its turn.
    turn: i64,
    /// Chats and rows that were looked at so far.
    #[cfg(test)]
    pub(super) looks: (usize, usize),
}

#[derive(Debug)]
struct MarkedChat {
    guid: String,
    /// `chat.ROWID`, once it was found.
    rowid: Option<i64>,
}

/// What became of one row.
enum Finding {
    Unchanged,
    Moved { guid: String, rowid: i64 },
    Deleted(i64),
    Refreshed(i64, Box<Row>, HeldBy),
    Lifted(i64, Box<Candidate>),
}

impl FilteredLook {
    /// Rows of these chats are newly on the list.
    pub(super) fn add_chats(&mut self, guids: Vec<String>) {
        let Some(chats) = &mut self.chats else { return };
        for guid in guids {
            if !chats.iter().any(|chat| chat.guid == guid) {
                chats.push(MarkedChat { guid, rowid: None });
            }
        }
    }

    /// Nothing is left of the pass under way.
    pub(super) fn is_done(&self) -> bool {
        self.rows.is_empty() && self.next_chat >= self.chats.as_ref().map_or(0, Vec::len)
    }
}

impl Feed<'_> {
    /// Begins to look at what is held back.
    pub(super) fn begin_filtered(&mut self) -> Result<(), PipelineError> {
        let wants_all = self.options.relay_spam;
        let (known, turn) = (self.filtered.chats.is_some(), self.filtered.turn);
        let (chats, rows, in_turn) = self.context.state.read(|state| {
            let chats = if known {
                None
            } else {
                Some(rows::chats(state)?)
            };
            if wants_all {
                return Ok((chats, rows::ids_after(state, 0, u32::MAX)?, Vec::new()));
            }
            let mut in_turn = rows::ids_after(state, turn, IN_TURN)?;
            // Round and round: the first follow the last.
            let rest = IN_TURN.saturating_sub(u32::try_from(in_turn.len()).unwrap_or(u32::MAX));
            let first = rows::ids_after(state, 0, rest)?;
            in_turn.extend(first.into_iter().filter(|id| *id <= turn));
            Ok((chats, rows::of_chat(state, None)?, in_turn))
        })?;
        let look = &mut self.filtered;
        if let Some(chats) = chats {
            let marked = |guid| MarkedChat { guid, rowid: None };
            look.chats = Some(chats.into_iter().map(marked).collect());
        }
        look.next_chat = if wants_all { usize::MAX } else { 0 };
        look.turn = in_turn.last().copied().unwrap_or(0);
        look.rows = rows.into_iter().chain(in_turn).collect();
        Ok(())
    }

    /// Looks at what is held back in the chats of rows that no filter holds back: a mark was lifted
    /// there, and what it held goes out before the news of its chat.
    pub(super) fn release_before(
        &mut self,
        db: &ChatDb,
        candidates: &[Candidate],
    ) -> Result<(), PipelineError> {
        let look = &self.filtered;
        if look.chats.as_ref().is_some_and(Vec::is_empty) {
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
                let held = rows::of_chat(state, Some(chat))?;
                ids.extend(held.into_iter().take(AT_ONCE));
            }
            Ok(ids)
        })?;
        for slice in ids.chunks(ROWS) {
            self.look_at_rows(db, slice)?;
        }
        Ok(())
    }

    /// Looks at the next slice of chats or rows.
    pub(super) fn look_at_filtered(&mut self, db: &ChatDb) -> Result<(), PipelineError> {
        let chats = self.filtered.chats.as_ref().map_or(0, Vec::len);
        if self.filtered.next_chat < chats {
            return self.look_at_chats(db);
        }
        let rows = &mut self.filtered.rows;
        let ids: Vec<i64> = std::iter::from_fn(|| rows.pop_first()).take(ROWS).collect();
        self.look_at_rows(db, &ids)
    }

    /// Rows of chats whose mark was lifted, or that are gone, are to be looked at.
    fn look_at_chats(&mut self, db: &ChatDb) -> Result<(), PipelineError> {
        let look = &mut self.filtered;
        let chats = look.chats.get_or_insert_default();
        let from = look.next_chat.min(chats.len());
        let to = (from + CHATS).min(chats.len());
        #[cfg(test)]
        {
            look.looks.0 += to - from;
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
        look.next_chat = to;
        if unmarked.is_empty() {
            return Ok(());
        }
        let found = self.context.state.read(|state| {
            unmarked
                .iter()
                .map(|index| rows::of_chat(state, Some(&chats[*index].guid)))
                .collect::<rusqlite::Result<Vec<_>>>()
        })?;
        for (index, ids) in unmarked.into_iter().zip(found).rev() {
            if ids.is_empty() {
                chats.remove(index);
                look.next_chat -= 1;
            }
            look.rows.extend(ids);
        }
        Ok(())
    }

    fn look_at_rows(&mut self, db: &ChatDb, ids: &[i64]) -> Result<(), PipelineError> {
        let mut ids = ids.to_vec();
        loop {
            ids.retain(|id| !self.filtered.set_aside.contains(id));
            match attempt(|| self.try_rows(db, &ids)) {
                Ok(looked) => return looked,
                Err(culprit) => {
                    self.filtered.set_aside.insert(culprit.row);
                }
            }
        }
    }

    fn try_rows(&mut self, db: &ChatDb, ids: &[i64]) -> Result<(), PipelineError> {
        let places = self.context.state.read(|state| {
            ids.iter()
                .map(|id| rows::place(state, *id))
                .collect::<rusqlite::Result<Vec<_>>>()
        })?;
        #[cfg(test)]
        {
            self.filtered.looks.1 += places.len();
        }
        let mut marks = HashMap::new();
        let mut findings = Vec::new();
        for place in places.iter().flatten() {
            take_in_hand(place.id, "look");
            match self.find_out(db, place, &mut marks)? {
                Finding::Unchanged => {}
                finding => findings.push(finding),
            }
        }
        if findings.is_empty() {
            return Ok(());
        }
        let rules = self.rules(Occasion::Ordinary);
        let mut arrivals = self.arrivals.clone();
        let mut chats = Vec::new();
        let settled = self.context.state.write(|tx| {
            let mut settled = Settled::default();
            for finding in findings {
                match finding {
                    Finding::Unchanged => {}
                    Finding::Moved { guid, rowid } => rows::set_rowid(tx, &guid, rowid)?,
                    Finding::Deleted(id) => filtered::forget_deleted(tx, id)?,
                    Finding::Refreshed(id, row, held_by) => {
                        take_in_hand(id, "refresh");
                        chats.push(held_by.chat_guid.clone());
                        filtered::refresh(tx, id, &row, Some(held_by), &rules)?;
                    }
                    Finding::Lifted(id, lifted) => {
                        take_in_hand(id, "release");
                        let arrivals = &mut arrivals;
                        filtered::release_lifted(tx, arrivals, id, &lifted, &rules, &mut settled)?;
                    }
                }
            }
            let_go();
            Ok(settled)
        })?;
        self.arrivals = arrivals;
        self.groups.add(settled.told_groups);
        self.filtered.add_chats(chats);
        if settled.enqueued > 0 {
            tracing::info!(
                released = settled.enqueued,
                "messages that filters had held back are relayed"
            );
            crash_point("rows_committed");
            (self.context.wake_sender)();
        }
        Ok(())
    }

    /// What chat.db says of a row by now. `marks` remembers the chats of one slice.
    fn find_out(
        &mut self,
        db: &ChatDb,
        place: &Place,
        marks: &mut HashMap<String, Option<ChatMarks>>,
    ) -> Result<Finding, PipelineError> {
        let Some(own) = db.filter_marks(place.rowid, &place.guid)? else {
            return Ok(Finding::Deleted(place.id));
        };
        let mut chat = None;
        if let Some(guid) = &place.chat_guid {
            if !marks.contains_key(guid) {
                marks.insert(guid.clone(), db.chat_marks(guid)?);
            }
            chat = marks[guid];
        }
        let passes = own.is_from_me || self.options.relay_spam;
        let is_held = !passes && chat.is_some_and(|chat| own.reason.or(chat.reason).is_some());
        // The mark of a chat that it was taken out of holds it no longer.
        let is_elsewhere = match chat {
            Some(chat) if is_held && own.reason.is_none() => {
                !db.is_joined_to(own.rowid, chat.rowid)? && db.is_joined(own.rowid)?
            }
            _ => false,
        };
        if is_held && place.has_body && !is_elsewhere {
            return Ok(if own.rowid == place.rowid {
                Finding::Unchanged
            } else {
                Finding::Moved {
                    guid: place.guid.clone(),
                    rowid: own.rowid,
                }
            });
        }
        let is_it = |row: &Row| row.guid == place.guid && !row.is_beyond_reading;
        let Some(mut row) = db.row(own.rowid)?.filter(is_it) else {
            return Ok(Finding::Unchanged);
        };
        let joined = db.chats_of(row.rowid)?;
        let named = joined
            .iter()
            .find(|chat| Some(&chat.guid) == place.chat_guid.as_ref());
        let Some(chat) = named.or(joined.first()) else {
            return Ok(Finding::Unchanged);
        };
        let held_by = HeldBy::of(&row, chat);
        let is_held = !passes && FilterReason::of(&row, chat).is_some();
        self.groups.name(&mut row);
        self.put_back(db, std::slice::from_mut(&mut row))?;
        let copy_of = self
            .own_addresses
            .examine(db, &mut row, &self.options.lines)?;
        // In "Recently Deleted" it is lifted only once the owner takes it back out.
        if !is_held && db.is_joined(row.rowid)? {
            return Ok(Finding::Lifted(
                place.id,
                Box::new(Candidate {
                    row,
                    since: self.now(),
                    look: Look::Again,
                    copy_of,
                }),
            ));
        }
        if is_held || !place.has_body {
            return Ok(Finding::Refreshed(place.id, Box::new(row), held_by));
        }
        Ok(Finding::Unchanged)
    }

    /// Finds rows that are held back in a chat.db that was built anew: by their guids, else as the
    /// message of the same instant and content under another guid.
    pub(super) fn find_filtered_again(&mut self, db: &ChatDb) -> Result<(), PipelineError> {
        self.filtered = FilteredLook::default();
        let state = &self.context.state;
        let ids = state.read(|state| rows::ids_after(state, 0, u32::MAX))?;
        let rules = self.rules(Occasion::Ordinary);
        for slice in ids.chunks(ROWS) {
            let held = state.read(|state| {
                slice
                    .iter()
                    .map(|id| rows::find(state, *id))
                    .collect::<rusqlite::Result<Vec<_>>>()
            })?;
            let mut copies = Vec::new();
            for held in held.into_iter().flatten() {
                // By its guid it is found whenever it is looked at.
                if db.filter_marks(held.rowid, &held.guid)?.is_some() {
                    continue;
                }
                for rowid in db.rowids_at(held.sent_at)? {
                    let Some(mut row) = db.row(rowid)? else {
                        continue;
                    };
                    self.groups.name(&mut row);
                    if filtered::is_same(&row, held.twin, &rules) {
                        copies.push((held.id, row));
                    }
                }
            }
            if copies.is_empty() {
                continue;
            }
            state.write(|tx| {
                let mut found = BTreeSet::new();
                for (id, copy) in &copies {
                    if !found.contains(id) && filtered::rename(tx, *id, copy)? {
                        found.insert(*id);
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}
