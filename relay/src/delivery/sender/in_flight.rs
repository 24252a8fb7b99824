//! The posts in flight. Each request runs in a task and a span of its own, so that a panic is a failure of
//! that post alone.

use std::collections::HashMap;

use bytes::Bytes;
use shared_protocol::{Purpose, WebhookId};
use tokio::task::{Id, JoinError, JoinSet};
use tracing::{Instrument, Span};

use super::super::lanes::QueuedPost;
use crate::backend::Trouble;
use crate::backend::answer::{AnswerDecision, AssessedAnswer, Scope};
use crate::state::outbox::PostToSend;

/// One attempt to send a post.
pub(super) struct Attempt {
    pub(super) post: QueuedPost,
    pub(super) id: WebhookId,
    pub(super) body: Bytes,
    /// Epoch of the gate ([`super::Gate`]) in which the post is sent.
    pub(super) epoch: u64,
    /// How often the post was signed without a wait in between.
    pub(super) signings: u32,
    /// Parent of all log lines about the post.
    pub(super) span: Span,
}

impl Attempt {
    /// `None` if the outbox row has no valid id.
    pub(super) fn new(post: &QueuedPost, row: PostToSend, epoch: u64) -> Option<Self> {
        let (seq, event, revision) = (row.seq, row.event.as_str(), row.revision);
        let Ok(id) = WebhookId::parse(&row.webhook_id, Purpose::Message) else {
            tracing::error!(seq, "an outbox row has no valid id; it is not sent");
            return None;
        };
        Some(Self {
            post: post.clone(),
            id,
            epoch,
            signings: 1,
            span: tracing::info_span!("post", seq, event, revision),
            body: row.body.into(),
        })
    }
}

/// The attempts whose requests are under way.
#[derive(Default)]
pub(super) struct InFlight {
    tasks: JoinSet<AssessedAnswer>,
    attempts: HashMap<Id, Attempt>,
}

impl InFlight {
    /// Runs the request of an attempt in a task.
    pub(super) fn start(
        &mut self,
        attempt: Attempt,
        request: impl Future<Output = AssessedAnswer> + Send + 'static,
    ) {
        let task = self.tasks.spawn(request.instrument(attempt.span.clone()));
        self.attempts.insert(task.id(), attempt);
    }

    /// An attempt that has ended and was not returned before, if there is one.
    pub(super) fn try_next(&mut self) -> Option<(Attempt, AssessedAnswer)> {
        let ended = self.tasks.try_join_next_with_id()?;
        Some(self.take_ended(ended))
    }

    /// Waits for the next attempt that ends. `None` if no post is in flight. No attempt is lost if this future is
    /// dropped.
    pub(super) async fn next(&mut self) -> Option<(Attempt, AssessedAnswer)> {
        let ended = self.tasks.join_next_with_id().await?;
        Some(self.take_ended(ended))
    }

    pub(super) fn abort_all(&mut self) {
        self.tasks.abort_all();
    }

    fn take_ended(
        &mut self,
        ended: Result<(Id, AssessedAnswer), JoinError>,
    ) -> (Attempt, AssessedAnswer) {
        let (id, assessed) = ended.unwrap_or_else(|panicked| {
            let decision = AnswerDecision::Retry {
                scope: Scope::Lane,
                after: None,
                trouble: Trouble::Panicked,
            };
            let assessed = AssessedAnswer {
                decision,
                backend: None,
            };
            (panicked.id(), assessed)
        });
        let attempt = self
            .attempts
            .remove(&id)
            .expect("each task has its attempt");
        (attempt, assessed)
    }
}
