//! What is learnt with each batch: the owner's lines, and which groups are one.

use std::borrow::Cow;

use chatdb::{ChatDb, Lines, Options};
use rusqlite::Connection;

use super::Feed;
use crate::pipeline::PipelineError;
use crate::pipeline::candidate::Candidate;
use crate::pipeline::own_addresses::{memory_of, with_memory};
use crate::pipeline::row_guard::take_in_hand;
use crate::state::told_group::ToldGroup;
use crate::state::{meta, own_addresses};

impl Feed<'_> {
    /// Puts together what the owner declares and what was learnt. A state that has learnt nothing yet,
    /// of a new relay or of one before own addresses were learnt, learns from the newest rows.
    pub(super) fn recall_lines(&mut self, db: &ChatDb) -> Result<(), PipelineError> {
        let state = &self.context.state;
        let (learnt, told) = state.read(|connection| {
            Ok((
                own_addresses::learnt(connection)?,
                own_addresses::lines(connection)?,
            ))
        })?;
        let declared = self.context.options.lines.clone();
        let mut lines = with_memory(declared, &learnt.clone().unwrap_or_default());
        if learnt.is_none() {
            self.own_addresses.look_back(db, &mut lines)?;
        }
        // One that only the owner's word is known for may be known by a better name with the first row.
        if !lines.learnt().is_empty() {
            lines.choose_name();
        }
        if learnt.as_ref() != Some(&memory_of(&lines)) || told != lines.all() {
            state.write(|tx| save_lines(tx, &lines))?;
        }
        self.options.lines = lines;
        self.context.health.lines_are_known();
        Ok(())
    }

    /// What the rows of a batch teach, if it is news.
    pub(super) fn learn_lines(
        &mut self,
        db: &ChatDb,
        candidates: &[Candidate],
    ) -> Result<Option<Options>, PipelineError> {
        let rows = candidates.iter().map(|candidate| &candidate.row);
        let learnt = self
            .own_addresses
            .learn_from(db, rows, &self.options.lines)?;
        Ok(learnt.map(|lines| Options {
            lines,
            ..self.options.clone()
        }))
    }

    /// Decides about groups of a batch that chat.db has joined since, or that were never told.
    pub(super) fn join_groups(
        &self,
        db: &ChatDb,
        candidates: &[Candidate],
    ) -> Result<Vec<ToldGroup>, PipelineError> {
        let state = &self.context.state;
        let mut decided = Vec::new();
        let mut groups = Cow::Borrowed(&self.groups);
        for Candidate { row, .. } in candidates {
            take_in_hand(row.rowid, "group");
            if !groups.is_undecided(row) {
                continue;
            }
            let news = groups.decide(db, state, row, self.began()?, self.now())?;
            groups.to_mut().add(news.iter().cloned());
            decided.extend(news);
        }
        Ok(decided)
    }

    /// From when on messages may have been told. After a lost state that is long ago.
    fn began(&self) -> Result<i64, PipelineError> {
        let resumed = |state: &Connection| meta::get(state, meta::RESUME_TARGET);
        Ok(match self.context.state.read(resumed)? {
            Some(_) => 0,
            None => self.source.floor,
        })
    }
}

/// Writes down what was learnt, and the lines that follow from it.
pub(super) fn save_lines(tx: &Connection, lines: &Lines) -> rusqlite::Result<()> {
    own_addresses::save(tx, &memory_of(lines), &lines.all())
}
