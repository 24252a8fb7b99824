//! The activity of a connection, which decides how long the connection may stay open.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Limits;

/// The activity of one connection, shared with its requests and with the table of open connections.
#[derive(Debug)]
pub(super) struct Activity {
    began_at: Instant,
    /// Requests that began, in total.
    requests: AtomicUsize,
    /// Requests whose answer is not completely sent.
    in_flight: AtomicUsize,
    /// When a request began or ended, or a part of a body last came or went, in milliseconds after `began_at`.
    progress_ms: AtomicU64,
    /// Cancelled when the connection has to make room for another client.
    evicted: CancellationToken,
}

/// The phase of a connection, which decides its time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No request has come yet.
    Silent,
    /// Every request is answered.
    Idle,
    /// A request is being read or answered.
    Busy,
}

impl Activity {
    /// The activity of a connection that begins now.
    pub(super) fn begin() -> Arc<Self> {
        Arc::new(Self {
            began_at: Instant::now(),
            requests: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            progress_ms: AtomicU64::new(0),
            evicted: CancellationToken::new(),
        })
    }

    pub(super) fn phase(&self) -> Phase {
        if self.requests.load(Ordering::Relaxed) == 0 {
            Phase::Silent
        } else if self.in_flight.load(Ordering::Relaxed) == 0 {
            Phase::Idle
        } else {
            Phase::Busy
        }
    }

    /// When a request or a body last made progress; the connection's beginning if there was no request yet.
    pub(super) fn progress_at(&self) -> Instant {
        let millis = self.progress_ms.load(Ordering::Relaxed);
        self.began_at + std::time::Duration::from_millis(millis)
    }

    /// Asks the connection to close, because another client needs its place.
    pub(super) fn evict(&self) {
        self.evicted.cancel();
    }

    /// Waits until the connection must close: the time limit of its phase is over, or the connection is evicted. If the
    /// connection changes to a phase with a shorter limit, the longer limit still runs to its end.
    pub(super) async fn wait_for_end(&self, limits: &Limits) {
        loop {
            let deadline = match self.phase() {
                Phase::Silent => self.began_at + limits.first_request_timeout,
                Phase::Idle => self.progress_at() + limits.header_timeout,
                Phase::Busy => self.progress_at() + limits.stall_timeout,
            };
            if Instant::now() >= deadline {
                return;
            }
            tokio::select! {
                () = self.evicted.cancelled() => return,
                () = tokio::time::sleep_until(deadline) => {}
            }
        }
    }

    fn note_progress(&self) {
        let millis = self.began_at.elapsed().as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        self.progress_ms.store(millis, Ordering::Relaxed);
    }
}

/// A request in flight. While this value lives, the connection counts as busy.
pub(super) struct InFlight(Arc<Activity>);

impl InFlight {
    pub(super) fn begin(activity: &Arc<Activity>) -> Self {
        activity.in_flight.fetch_add(1, Ordering::Relaxed);
        activity.requests.fetch_add(1, Ordering::Relaxed);
        activity.note_progress();
        Self(Arc::clone(activity))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.note_progress();
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body whose frames count as progress of the request.
pub(super) struct TrackedBody<B> {
    pub(super) body: B,
    pub(super) activity: Arc<Activity>,
    /// Set for the body of an answer: the request is in flight until its answer is sent.
    pub(super) _request: Option<InFlight>,
}

impl<B> HttpBody for TrackedBody<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_ready() {
            self.activity.note_progress();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
