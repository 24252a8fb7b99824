//! Connections: accepted within bounds, given time but not for ever, ended without losing a request.
//!
//! hyper is driven directly because a time limit for headers, a bound on connections and a drain that
//! closes idle ones at once are its features, not those of the convenience above it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::context::Peer;
use crate::lifecycle::Lifecycle;

/// How much a client may ask of the server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For the headers of a request, and for the next request on an idle connection.
    pub header_timeout: Duration,
    /// Connections open at once; more wait in the kernel's queue.
    pub max_connections: usize,
    /// For requests in flight once the process goes down.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Longer than proxies keep idle connections, so that it is they who close them.
            header_timeout: Duration::from_secs(75),
            max_connections: 10_000,
            drain_timeout: Duration::from_secs(10),
        }
    }
}

/// Serves until the process goes down, then finishes what is in flight.
pub async fn serve(listener: TcpListener, router: Router, lifecycle: Lifecycle, limits: Limits) {
    let connections = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(limits.max_connections));
    let builder = Arc::new(builder(limits));
    loop {
        let accepted = tokio::select! {
            () = lifecycle.draining() => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let Some((stream, peer, slot)) = accepted else {
            continue;
        };
        let (builder, router, lifecycle) =
            (Arc::clone(&builder), router.clone(), lifecycle.clone());
        connections.spawn(async move {
            serve_connection(
                &builder,
                stream,
                peer,
                router,
                lifecycle,
                limits.header_timeout,
            )
            .await;
            drop(slot);
        });
    }
    // From here on the kernel refuses new connections, and the load balancer goes elsewhere. Those that
    // waited to be accepted are reset: nothing of them was read, and their clients try again.
    drop(listener);
    connections.close();
    if tokio::time::timeout(limits.drain_timeout, connections.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            open = connections.len(),
            "gave up on requests that would not end"
        );
    }
}

type Accepted = (TcpStream, Peer, tokio::sync::OwnedSemaphorePermit);

async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> Option<Accepted> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, address)) => {
            // Answers are small and awaited; collecting them into larger packets only delays them.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(error = %error, "no TCP_NODELAY");
            }
            Some((stream, Peer(address.ip().to_canonical()), slot))
        }
        Err(error) => {
            // Out of file descriptors, or a client that has gone: neither ends the server. A pause keeps
            // the first from becoming a busy loop.
            tracing::warn!(error = %error, "accepting a connection failed");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

fn builder(limits: Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(64 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(256)
        .keep_alive_interval(limits.header_timeout)
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

async fn serve_connection(
    builder: &auto::Builder<TokioExecutor>,
    stream: TcpStream,
    peer: Peer,
    router: Router,
    lifecycle: Lifecycle,
    header_timeout: Duration,
) {
    let asked = Arc::new(AtomicBool::new(false));
    let service = service_fn({
        let asked = Arc::clone(&asked);
        move |request: Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            let router = router.clone();
            async move {
                let Ok(response) = router.oneshot(request).await;
                Ok::<_, Infallible>(response)
            }
        }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = lifecycle.draining() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = silence(&asked, header_timeout) => return,
    };
    if let Err(error) = ended {
        // Clients vanish all the time; this is worth a look only when one looks for it.
        tracing::debug!(error = %error, "connection ended early");
    }
}

/// Ends if nobody has asked for anything in time. The limit for headers starts only once the first
/// bytes have told which version of HTTP they are; a client that never sends those would stay for ever.
async fn silence(asked: &AtomicBool, timeout: Duration) {
    tokio::time::sleep(timeout).await;
    if asked.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}
