//! The HTTP request to which the current task belongs.
//!
//! The middleware around all routes sets the request's id and span. Log lines of the task have the span, and
//! events of the audit log have the id. Jobs and commands belong to no request.

use tokio::task::JoinHandle;
use tracing::{Instrument, Span};

use crate::ids::RequestId;

tokio::task_local! {
    static REQUEST_ID: RequestId;
}

/// The id of the current task's request. `None` outside a request.
pub(crate) fn current_id() -> Option<RequestId> {
    REQUEST_ID.try_with(RequestId::clone).ok()
}

/// Runs `work` as a part of the request with this id and span.
pub(crate) async fn within<T>(id: RequestId, span: Span, work: impl Future<Output = T>) -> T {
    REQUEST_ID.scope(id, work).instrument(span).await
}

/// Spawns a task that belongs to the same request.
pub(crate) fn spawn<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    let span = Span::current();
    match current_id() {
        Some(id) => tokio::spawn(within(id, span, work)),
        None => tokio::spawn(work.instrument(span)),
    }
}
