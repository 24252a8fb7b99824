//! Serves one connection until it ends.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tower::ServiceExt;

use super::Limits;
use super::activity::{Activity, InFlight, TrackedBody};
use super::open::Slot;
use super::stream::ClientStream;
use crate::http::context::{HostFault, Peer};
use crate::lifecycle::Lifecycle;

/// How many requests one HTTP/2 connection may have at once. A relay sends at most sixteen at once.
const MAX_STREAMS: u32 = 32;
/// How long a connection whose time limit is over may take to end by itself before it is closed.
const GRACE: Duration = Duration::from_secs(1);
/// Requests with more bytes of headers are refused over HTTP/1.
const MAX_HEADER_BYTES: usize = 64 * 1024;
/// How long an HTTP/2 client may take to answer a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Serves connections with the routes of `router`, within the limits.
pub(super) struct ConnectionServer {
    builder: auto::Builder<TokioExecutor>,
    router: Router,
    lifecycle: Lifecycle,
    limits: Limits,
}

impl ConnectionServer {
    pub(super) fn new(router: Router, lifecycle: Lifecycle, limits: Limits) -> Self {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_buf_size(MAX_HEADER_BYTES);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .keep_alive_interval(limits.header_timeout)
            .keep_alive_timeout(PING_TIMEOUT);
        Self {
            builder,
            router,
            lifecycle,
            limits,
        }
    }

    /// Serves one connection until it ends. `slot` is its entry among the open connections.
    pub(super) async fn serve(&self, stream: TcpStream, peer: Peer, slot: Slot) {
        let activity = &slot.activity;
        let service = service_fn(|request| self.answer(request, peer, activity));
        let stream = ClientStream::new(stream, self.limits.write_timeout);
        let connection = self.builder.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let result = tokio::select! {
            result = connection.as_mut() => result,
            () = self.lifecycle.draining() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = activity.wait_for_end(&self.limits) => {
                // HTTP/2 clients get a GOAWAY. A connection that does not end by itself is closed.
                connection.as_mut().graceful_shutdown();
                let _ = tokio::time::timeout(GRACE, connection).await;
                return;
            }
        };
        if let Err(error) = result {
            // The level is low, because clients often break off connections.
            tracing::debug!(error = %error, "connection ended early");
        }
    }

    /// The router's answer to one request. The request is in flight until the answer is sent.
    fn answer(
        &self,
        request: Request<Incoming>,
        peer: Peer,
        activity: &Arc<Activity>,
    ) -> impl Future<Output = Result<Response<TrackedBody<Body>>, Infallible>> + use<> {
        let in_flight = InFlight::begin(activity);
        let fault = HostFault::of(&request);
        let activity = Arc::clone(activity);
        let mut request = request.map(|body| {
            Body::new(TrackedBody {
                body,
                activity: Arc::clone(&activity),
                _request: None,
            })
        });
        request.extensions_mut().insert(peer);
        if let Some(fault) = fault {
            request.extensions_mut().insert(fault);
        }
        let answering = self.router.clone().oneshot(request);
        async move {
            let Ok(response) = answering.await;
            Ok(response.map(|body| TrackedBody {
                body,
                activity,
                _request: Some(in_flight),
            }))
        }
    }
}
