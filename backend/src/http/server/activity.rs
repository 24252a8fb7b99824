//! What a connection is doing, as far as it decides how long it may go on.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Limits;

/// Shared by a connection, its requests and the task that looks for connections to close.
#[derive(Debug)]
pub(super) struct Activity {
    began_at: Instant,
    /// Requests that began.
    requests: AtomicUsize,
    /// Requests whose answer is not wholly handed over.
    in_flight: AtomicUsize,
    /// When something last moved, in milliseconds after `began_at`.
    moved_at: AtomicU64,
    evicted: CancellationToken,
}

/// How a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No request has come yet.
    Silent,
    /// Every request is answered.
    Idle,
    /// A request or its answer is on its way.
    Busy,
}

impl Activity {
    pub(super) fn begin() -> Arc<Self> {
        Arc::new(Self {
            began_at: Instant::now(),
            requests: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            moved_at: AtomicU64::new(0),
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

    /// When something last moved.
    pub(super) fn moved_at(&self) -> Instant {
        let millis = self.moved_at.load(Ordering::Relaxed);
        self.began_at + std::time::Duration::from_millis(millis)
    }

    /// Asks the connection to close, since others need its place.
    pub(super) fn evict(&self) {
        self.evicted.cancel();
    }

    /// Waits until the connection has outlived its limits, or its place is needed. A limit that became
    /// shorter meanwhile is noticed when the longer one is over.
    pub(super) async fn ended(&self, limits: &Limits) {
        loop {
            let deadline = match self.phase() {
                Phase::Silent => self.began_at + limits.first_request_timeout,
                Phase::Idle => self.moved_at() + limits.header_timeout,
                Phase::Busy => self.moved_at() + limits.stall_timeout,
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

    fn moved(&self) {
        let millis = self.began_at.elapsed().as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        self.moved_at.store(millis, Ordering::Relaxed);
    }
}

/// A request that has begun; it ends when this and the answer's body are gone.
pub(super) struct InFlight(Arc<Activity>);

impl InFlight {
    pub(super) fn begin(activity: &Arc<Activity>) -> Self {
        activity.in_flight.fetch_add(1, Ordering::Relaxed);
        activity.requests.fetch_add(1, Ordering::Relaxed);
        activity.moved();
        Self(Arc::clone(activity))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.moved();
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body whose frames count as movement.
pub(super) struct Watched<B> {
    body: B,
    activity: Arc<Activity>,
    /// For an answer: ends the request once the body was handed over.
    _request: Option<InFlight>,
}

impl<B> Watched<B> {
    /// A request's body.
    pub(super) fn request(body: B, activity: &Arc<Activity>) -> Self {
        Self {
            body,
            activity: Arc::clone(activity),
            _request: None,
        }
    }
}

impl Watched<Body> {
    /// The answer's body of `request`.
    pub(super) fn answer(body: Body, request: InFlight) -> Self {
        Self {
            body,
            activity: Arc::clone(&request.0),
            _request: Some(request),
        }
    }
}

impl<B> HttpBody for Watched<B>
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
            self.activity.moved();
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
