//! The posts under way, each in a task and a span of its own: a panic in one is that post's failure.

use std::collections::HashMap;

use tokio::task::{Id, JoinError, JoinSet};
use tracing::{Instrument, Span};

use super::super::lanes::Taken;
use super::super::outbox::Loaded;
use crate::backend::Trouble;
use crate::backend::answer::{Judgement, Scope, Verdict};

/// A post under way.
pub(super) struct Flight {
    pub(super) taken: Taken,
    pub(super) loaded: Loaded,
    pub(super) epoch: u64,
    pub(super) signed: u32,
    /// What is logged about the post belongs to it.
    pub(super) span: Span,
}

impl Flight {
    /// A post that is signed for the first time.
    pub(super) fn new(taken: Taken, loaded: Loaded, epoch: u64) -> Self {
        let Loaded {
            event, revision, ..
        } = &loaded;
        let span = tracing::info_span!("post", seq = taken.seq, event, revision);
        Self {
            taken,
            loaded,
            epoch,
            signed: 1,
            span,
        }
    }
}

/// A post whose request has ended, and what its answer means.
pub(super) type Landing = (Flight, Judgement);

/// The posts under way, by their tasks.
#[derive(Default)]
pub(super) struct Flights {
    tasks: JoinSet<Judgement>,
    posts: HashMap<Id, Flight>,
}

impl Flights {
    /// Starts the request of a post.
    pub(super) fn start(
        &mut self,
        flight: Flight,
        request: impl Future<Output = Judgement> + Send + 'static,
    ) {
        let task = self.tasks.spawn(request.instrument(flight.span.clone()));
        self.posts.insert(task.id(), flight);
    }

    /// A request that has ended, if there is one.
    pub(super) fn try_land(&mut self) -> Option<Landing> {
        let ended = self.tasks.try_join_next_with_id()?;
        Some(self.landing(ended))
    }

    /// Waits for the next request that ends; `None` if none is under way. Cancelled, it loses none.
    pub(super) async fn land(&mut self) -> Option<Landing> {
        let ended = self.tasks.join_next_with_id().await?;
        Some(self.landing(ended))
    }

    /// Gives up what is under way.
    pub(super) fn abort_all(&mut self) {
        self.tasks.abort_all();
    }

    fn landing(&mut self, ended: Result<(Id, Judgement), JoinError>) -> Landing {
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
        let flight = self.posts.remove(&id).expect("each task has its post");
        (flight, judgement)
    }
}
