//! Catches the panic of a handler, so that the connection stays open.
//!
//! A separate task would catch a panic too, but it would cost every request a switch of tasks. The panic hook logs
//! where the panic happened.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// The future panicked.
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
        // This is unwind safe: the handler's values are dropped after its panic, and the store, which outlives the
        // handler, runs its work in separate tasks, which the panic does not interrupt.
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
    async fn a_panic_is_an_error_and_other_results_are_unchanged() {
        assert_eq!(CatchPanic::new(async { 7 }).await, Ok(7));
        let panicking = async {
            tokio::task::yield_now().await;
            assert!(std::hint::black_box(false), "on purpose");
        };
        assert_eq!(CatchPanic::new(panicking).await, Err(Panicked));
    }
}
