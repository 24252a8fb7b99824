//! The request that a task works for.
//!
//! The middleware around all routes begins a request: every line that is logged meanwhile stands in its span,
//! and what is written down meanwhile can carry its id. A job, a command or a cleaner works for no request.

use tokio::task::JoinHandle;
use tracing::{Instrument, Span};

use crate::ids::RequestId;

tokio::task_local! {
    static REQUEST_ID: RequestId;
}

/// Id of the request that this task works for, if it works for one.
pub(crate) fn current_id() -> Option<RequestId> {
    REQUEST_ID.try_with(RequestId::clone).ok()
}

/// Works for the request of this id and span.
pub(crate) async fn within<T>(id: RequestId, span: Span, work: impl Future<Output = T>) -> T {
    REQUEST_ID.scope(id, work).instrument(span).await
}

/// Starts a task that works for the same request.
pub(crate) fn spawn<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    let span = Span::current();
    match current_id() {
        Some(id) => tokio::spawn(within(id, span, work)),
        None => tokio::spawn(work.instrument(span)),
    }
}
