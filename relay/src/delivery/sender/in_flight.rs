//! The posts in flight. Each request runs in a task and a span of its own, so that a panic is a failure of
//! that post alone.

use std::collections::HashMap;

use tokio::task::{Id, JoinError, JoinSet};
use tracing::{Instrument, Span};

use super::super::lanes::QueuedPost;
use super::super::outbox::LoadedPost;
use crate::backend::Trouble;
use crate::backend::answer::{Judgement, Scope, Verdict};

/// A post that is sent.
pub(super) struct Attempt {
    pub(super) post: QueuedPost,
    pub(super) loaded: LoadedPost,
    /// Epoch of the gate in which the post is sent.
    pub(super) epoch: u64,
    /// How often the post was signed in a row.
    pub(super) signed: u32,
    /// Parent of all log lines about the post.
    pub(super) span: Span,
}

impl Attempt {
    pub(super) fn new(post: QueuedPost, loaded: LoadedPost, epoch: u64) -> Self {
        let LoadedPost {
            event, revision, ..
        } = &loaded;
        let span = tracing::info_span!("post", seq = post.seq, event, revision);
        Self {
            post,
            loaded,
            epoch,
            signed: 1,
            span,
        }
    }
}

#[derive(Default)]
pub(super) struct InFlight {
    tasks: JoinSet<Judgement>,
    attempts: HashMap<Id, Attempt>,
}

impl InFlight {
    pub(super) fn start(
        &mut self,
        attempt: Attempt,
        request: impl Future<Output = Judgement> + Send + 'static,
    ) {
        let task = self.tasks.spawn(request.instrument(attempt.span.clone()));
        self.attempts.insert(task.id(), attempt);
    }

    /// An attempt that has ended, if there is one.
    pub(super) fn try_next(&mut self) -> Option<(Attempt, Judgement)> {
        let ended = self.tasks.try_join_next_with_id()?;
        Some(self.ended(ended))
    }

    /// Waits for the next attempt that ends. `None` if no post is in flight. Cancelling loses no attempt.
    pub(super) async fn next(&mut self) -> Option<(Attempt, Judgement)> {
        let ended = self.tasks.join_next_with_id().await?;
        Some(self.ended(ended))
    }

    pub(super) fn abort_all(&mut self) {
        self.tasks.abort_all();
    }

    fn ended(&mut self, ended: Result<(Id, Judgement), JoinError>) -> (Attempt, Judgement) {
        let (id, judgement) = ended.unwrap_or_else(|panicked| {
            let verdict = Verdict::Retry {
                scope: Scope::Lane,
                after: None,
                trouble: Trouble::Panicked,
            };
            let judgement = Judgement {
                verdict,
                backend: None,
            };
            (panicked.id(), judgement)
        });
        let attempt = self
            .attempts
            .remove(&id)
            .expect("each task has its attempt");
        (attempt, judgement)
    }
}
