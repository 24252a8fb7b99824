//! Carries out `resend_since`: posts again what was delivered to a backend that was restored from a backup.
//!
//! Each step puts some posts back into the outbox, in their order. A post that is delivered again is newer than the command,
//! so a relay that is killed in between goes on with the rest.

use std::time::Duration;

use chatdb::ChatDb;
use crash_point::crash_point;

use super::Feed;
use crate::clock::UnixMicros;
use crate::pipeline::PipelineError;
use crate::pipeline::candidate::BatchResult;
use crate::pipeline::freshness::ReadCause;
use crate::pipeline::resend::compose_again;
use crate::pipeline::row_guard::{clear_current_row, set_current_row, without_panicking};
use crate::state::ledger::matching;
use crate::state::ledger::requests::{self, ResendRequest};
use crate::state::outbox::{self, PastPost};
use crate::state::seen;

/// Posts per step.
const POSTS: usize = 200;
/// How far before the named time posts are sent again: the backend and the Mac have different clocks.
const CLOCK_TOLERANCE: Duration = Duration::from_mins(10);

/// The command that is being carried out, and the last post that was put back.
#[derive(Debug, Default)]
pub(super) struct ResendProgress {
    command_id: String,
    seq: i64,
    /// How many posts were put back.
    count: usize,
}

impl Feed<'_> {
    /// Puts the next posts back into the outbox that the backend asks for; returns whether there may be more.
    pub(super) fn resend(&mut self, db: &ChatDb) -> Result<bool, PipelineError> {
        let state = &self.context.state;
        let Some(request) = state.read(requests::resends)?.into_iter().next() else {
            return Ok(false);
        };
        if self.resending.command_id != request.command_id {
            self.resending = ResendProgress {
                command_id: request.command_id.clone(),
                ..ResendProgress::default()
            };
        }
        let since = UnixMicros::from_secs(request.since).minus(CLOCK_TOLERANCE);
        let after = self.resending.seq;
        let posts = state.read(|state| {
            outbox::delivered_between(state, since, request.taken_at, after, POSTS)
        })?;
        let Some(last) = posts.last().map(|post| post.seq) else {
            return self.complete_resend(&request);
        };
        let count = without_panicking(
            posts,
            &mut Vec::new(),
            |post| post.seq,
            |posts, _| self.post_again(db, posts, request.taken_at),
        )?;
        self.resending.seq = last;
        self.resending.count += count;
        Ok(true)
    }

    fn post_again(
        &mut self,
        db: &ChatDb,
        posts: &[PastPost],
        until: UnixMicros,
    ) -> Result<usize, PipelineError> {
        let mut bodies = Vec::with_capacity(posts.len());
        for post in posts {
            set_current_row(post.seq, "resend");
            let found = db.rows_by_guid(&[&post.message_guid])?.pop();
            let Some(mut row) = found.filter(|row| !row.is_unreadable) else {
                continue;
            };
            let find = |state: &_| seen::find(state, &row.guid);
            let Some(seen) = self.context.state.read(find)? else {
                continue;
            };
            self.examine_again(db, &mut row)?;
            let context = self.decision_context(ReadCause::Appeared);
            let Some(mut message) = compose_again(&row, post, &seen, &context) else {
                continue;
            };
            message.answered = message.from_owner || self.is_answered(db, row.rowid)?;
            bodies.push((post.seq, context.post_builder.body_of(&mut message)));
        }
        clear_current_row();
        crash_point("resend_composed");
        let count = self.context.state.write(|tx| {
            bodies.iter().try_fold(0, |count, (seq, body)| {
                Ok(count + usize::from(outbox::post_again(tx, *seq, body, until)?))
            })
        })?;
        crash_point("resend_committed");
        (self.context.wake_sender)();
        Ok(count)
    }

    /// Whether an own row stands after the message in its chat. A bubble of a reply to an earlier message, which comes late,
    /// does not answer it.
    fn is_answered(&self, db: &ChatDb, rowid: i64) -> Result<bool, PipelineError> {
        for guid in db.own_rows_after(rowid)? {
            let anchor = self
                .context
                .state
                .read(|state| matching::anchor_of_row(state, &guid))?;
            let answered_row = anchor.map(|anchor| db.rowid_of(&anchor)).transpose()?;
            if answered_row
                .flatten()
                .is_none_or(|answered| answered >= rowid)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn complete_resend(&mut self, request: &ResendRequest) -> Result<bool, PipelineError> {
        let now = UnixMicros::from_micros(self.now());
        let state = &self.context.state;
        let completed = state.write(|tx| requests::complete(tx, &request.command_id, now))?;
        let posts = std::mem::take(&mut self.resending).count;
        tracing::warn!(
            posts,
            "messages were posted again, because the backend was restored"
        );
        self.wake_others(&BatchResult {
            has_moved_bubbles: completed,
            ..BatchResult::default()
        });
        Ok(true)
    }
}
