//! Keeps the owner's lines and the names of groups up to date with each batch of rows.

use std::borrow::Cow;

use chatdb::{ChatDb, Lines, Options};
use rusqlite::Connection;

use super::Feed;
use crate::pipeline::PipelineError;
use crate::pipeline::candidate::Candidate;
use crate::pipeline::own_addresses::{SEARCHED_ROWS, found_in, with_found};
use crate::pipeline::row_guard::{set_current_row, without_panicking};
use crate::state::group_name::GroupName;
use crate::state::{meta, own_addresses};

impl Feed<'_> {
    /// Puts together the lines that the owner declares and the own addresses that were found. If own addresses
    /// were never searched for, because the relay is new or an earlier release did not search, the newest rows
    /// are searched.
    pub(super) fn load_lines(&mut self, db: &ChatDb) -> Result<(), PipelineError> {
        let state = &self.context.state;
        let (found, reported) =
            state.read(|state| Ok((own_addresses::found(state)?, own_addresses::lines(state)?)))?;
        let declared = self.context.options.lines.clone();
        let mut lines = with_found(declared, &found.clone().unwrap_or_default());
        if found.is_none() {
            let newest = db.addresses_of_newest(SEARCHED_ROWS)?;
            let finder = &mut self.own_addresses;
            let with_newest = without_panicking(
                newest,
                &mut Vec::new(),
                |row| row.rowid,
                |rows, _| finder.find_in(db, rows.iter(), &lines),
            )?;
            lines = with_newest.unwrap_or(lines);
        }
        // Before an address is found no name is chosen, since the first row may prove a better one.
        if !lines.found().is_empty() {
            lines.choose_name();
        }
        if found.as_ref() != Some(&found_in(&lines)) || reported != lines.all() {
            state.write(|tx| save_lines(tx, &lines))?;
        }
        self.options.lines = lines;
        self.context.pipeline_handle.note_lines_loaded();
        Ok(())
    }

    /// The options with the own addresses that the rows of a batch prove, if there are new ones.
    pub(super) fn find_lines(
        &mut self,
        db: &ChatDb,
        candidates: &[Candidate],
    ) -> Result<Option<Options>, PipelineError> {
        let rows = candidates.iter().map(|candidate| &candidate.row);
        let found = self.own_addresses.find_in(db, rows, &self.options.lines)?;
        Ok(found.map(|lines| Options {
            lines,
            ..self.options.clone()
        }))
    }

    /// Names for those groups of a batch of which chat.db joins several chats, if these don't all have one name yet.
    pub(super) fn name_groups(
        &self,
        db: &ChatDb,
        candidates: &[Candidate],
    ) -> Result<Vec<GroupName>, PipelineError> {
        let state = &self.context.state;
        let mut all = Vec::new();
        let mut groups = Cow::Borrowed(&self.groups);
        for Candidate { row, .. } in candidates {
            set_current_row(row.rowid, "name_group");
            if groups.needs_name(row) {
                let earliest_post = self.earliest_post()?;
                let names = groups.find_name(db, state, row, earliest_post, self.now())?;
                groups.to_mut().add(names.iter().cloned());
                all.extend(names);
            }
        }
        Ok(all)
    }

    /// The earliest time at which this relay can have posted a message; 0 if its state was lost.
    fn earliest_post(&self) -> Result<i64, PipelineError> {
        let resumed = |state: &Connection| meta::get(state, meta::RESUME_TARGET);
        Ok(match self.context.state.read(resumed)? {
            Some(_) => 0,
            None => self.position.floor,
        })
    }
}

/// Writes down the found addresses, and the lines that follow from them.
pub(super) fn save_lines(tx: &Connection, lines: &Lines) -> rusqlite::Result<()> {
    own_addresses::save(tx, &found_in(lines), &lines.all())
}
