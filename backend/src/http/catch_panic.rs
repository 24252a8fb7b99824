//! A net under a handler: its panic becomes a value, and the connection lives on.
//!
//! A task of its own would catch a panic too, at the price of a hop for every request. Where it
//! happened is logged by the panic hook.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// The handler panicked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Panicked;

/// Polls a future and turns its panic into an error.
pub(super) struct CatchPanic<F>(Pin<Box<F>>);

impl<F: Future> CatchPanic<F> {
    pub(super) fn new(future: F) -> Self {
        Self(Box::pin(future))
    }
}

impl<F: Future> Future for CatchPanic<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let inner = self.0.as_mut();
        // Nothing that the handler was working on is used after its panic; the store's own tasks are
        // other tasks.
        match catch_unwind(AssertUnwindSafe(|| inner.poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_value_and_everything_else_passes() {
        assert_eq!(CatchPanic::new(async { 7 }).await, Ok(7));
        let panicking = async {
            tokio::task::yield_now().await;
            assert!(std::hint::black_box(false), "on purpose");
        };
        assert_eq!(CatchPanic::new(panicking).await, Err(Panicked));
    }
}
