//! A batch of rows: settled in one transaction with the cursor. A row that makes this relay panic is
//! quarantined in it, and the others go their way.

use std::borrow::Cow;

use chatdb::ChatDb;
use crash_point::crash_point;

use super::Feed;
use super::learn::save_lines;
use crate::pipeline::arrival::Occasion;
use crate::pipeline::candidate::{Candidate, Rules, Settled, set_aside};
use crate::pipeline::row_guard::{attempt, let_go, take_in_hand};
use crate::pipeline::settle::settle;
use crate::pipeline::{PipelineError, groups};
use crate::state::meta;
use crate::state::source::{self, Anchor, Source};

/// What a batch ends with.
struct End {
    occasion: Occasion,
    source: Option<Source>,
    anchors: Option<Vec<Anchor>>,
}

impl Feed<'_> {
    /// Settles rows and moves the cursor, in one transaction; memory follows only after the commit.
    pub(super) fn commit(
        &mut self,
        db: &ChatDb,
        candidates: Vec<Candidate>,
        occasion: Occasion,
        source: Option<Source>,
        anchors: Option<Vec<Anchor>>,
    ) -> Result<Settled, PipelineError> {
        let rows = candidates.len();
        let cursor = source.as_ref().map(|source| source.cursor);
        let _of_the_batch = tracing::info_span!("rows", rows, cursor).entered();
        let end = End {
            occasion,
            source,
            anchors,
        };
        let (mut broken, mut sound): (Vec<_>, Vec<_>) = candidates
            .into_iter()
            .partition(|candidate| candidate.row.is_beyond_reading);
        loop {
            match attempt(|| self.try_commit(db, &mut sound, &broken, &end)) {
                Ok(settled) => return settled,
                Err(culprit) => {
                    let is_it = |candidate: &Candidate| candidate.row.rowid == culprit.row;
                    let at = sound.iter().position(is_it);
                    broken.push(sound.remove(at.expect("a row of this batch is in hand")));
                }
            }
        }
    }

    fn try_commit(
        &mut self,
        db: &ChatDb,
        candidates: &mut [Candidate],
        broken: &[Candidate],
        end: &End,
    ) -> Result<Settled, PipelineError> {
        let End {
            occasion,
            source,
            anchors,
        } = end;
        let learnt = self.learn_lines(db, candidates)?;
        let options = learnt.as_ref().unwrap_or(&self.options);
        let joined = self.join_groups(db, candidates)?;
        let mut groups = Cow::Borrowed(&self.groups);
        if !joined.is_empty() {
            groups.to_mut().add(joined.clone());
        }
        for candidate in &mut *candidates {
            take_in_hand(candidate.row.rowid, "examine");
            groups.name(&mut candidate.row);
            candidate.copy_of =
                self.own_addresses
                    .examine(db, &mut candidate.row, &options.lines)?;
        }
        let rules = Rules {
            options,
            groups: &groups,
            ..self.rules(*occasion)
        };
        let mut arrivals = self.arrivals.clone();
        if !candidates.is_empty() {
            crash_point("rows_read");
        }
        let mut settled = self.context.state.write(|tx| {
            groups::save(tx, &joined)?;
            let settled = settle(tx, &mut arrivals, candidates, &rules)?;
            let_go();
            for candidate in broken {
                set_aside(tx, candidate, rules.now)?;
            }
            if let Some(learnt) = &learnt {
                save_lines(tx, &learnt.lines)?;
            }
            if let Some(source) = source {
                source::save(tx, source)?;
                if matches!(occasion, Occasion::Rebuilt { .. }) {
                    meta::remove(tx, meta::REBUILD_BEGAN_AT)?;
                }
            }
            if let Some(anchors) = anchors {
                source::set_anchors(tx, anchors)?;
            }
            Ok(settled)
        })?;
        if !candidates.is_empty() {
            // A backlog takes longer than a scan may: each batch of it counts as one.
            self.context.health.scanned(rules.now);
        }
        self.arrivals = arrivals;
        self.groups.add(joined);
        self.groups.add(settled.told_groups.iter().cloned());
        if let Some(learnt) = learnt {
            self.options = learnt;
        }
        self.filtered
            .add_chats(std::mem::take(&mut settled.filtered_chats));
        if let Some(source) = source {
            self.source = source.clone();
        }
        if let Some(anchors) = anchors {
            self.anchors.clone_from(anchors);
        }
        if settled.held > 0 {
            tracing::warn!(
                held = settled.held,
                "messages that may be old ones are held; see `archety-relay quarantine list`"
            );
        }
        if settled.enqueued > 0 {
            crash_point("rows_committed");
            (self.context.wake_sender)();
        }
        Ok(settled)
    }
}
