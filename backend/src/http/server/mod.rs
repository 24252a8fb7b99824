//! The server: accepts connections within limits. When the process goes down, requests in flight may still finish.
//!
//! hyper is driven directly, because axum's own server has no time limit for headers, no limit on connections and no
//! drain that closes idle connections at once. Limits that hyper lacks are added here: how long a client may send
//! nothing, read nothing of its answer, or hold a connection that other clients need.

mod activity;
mod connection;
mod descriptors;
mod open;
mod stream;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::context::Peer;
use crate::config::TrustedProxies;
use crate::lifecycle::Lifecycle;
use connection::ConnectionServer;
use open::{OpenConnections, Slot};

/// Time between two log lines about failures to accept connections.
const ACCEPT_FAILURE_LOG_INTERVAL: Duration = Duration::from_mins(1);

/// Limits of the server for its clients.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The time for the headers of the first request on a connection.
    pub first_request_timeout: Duration,
    /// The time for the headers of a later request, and the longest idle time of a connection.
    pub header_timeout: Duration,
    /// The longest time in which a connection with a request in flight neither receives nor sends a part of a body.
    pub stall_timeout: Duration,
    /// The longest time in which a client reads no byte of an answer.
    pub write_timeout: Duration,
    /// The number of open connections. Further connections wait in the kernel's queue.
    pub max_connections: usize,
    /// The number of connections of one IPv4 address or one IPv6 /64. A /48 may have four times as many.
    pub max_connections_per_network: usize,
    /// The time for requests in flight after the process began to go down.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            first_request_timeout: Duration::from_secs(10),
            // Longer than proxies keep idle connections, so that the proxy closes them, not this server.
            header_timeout: Duration::from_secs(75),
            // Longer than a pull can wait for commands.
            stall_timeout: Duration::from_mins(2),
            write_timeout: Duration::from_secs(30),
            max_connections: 10_000,
            max_connections_per_network: 128,
            drain_timeout: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// The defaults, with at most as many connections as the process can have file descriptors for. Raises the
    /// process's limit of file descriptors.
    pub fn of_process() -> Self {
        let defaults = Self::default();
        Self {
            max_connections: descriptors::raise_limit_for_connections()
                .min(defaults.max_connections),
            ..defaults
        }
    }
}

/// Serves until the process goes down, then finishes the requests in flight within [`Limits::drain_timeout`]. `proxies`
/// carry the requests of many clients, so the limit per network does not apply to them.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    lifecycle: Lifecycle,
    limits: Limits,
    proxies: TrustedProxies,
) {
    let tasks = TaskTracker::new();
    let open_connections = OpenConnections::new(limits, proxies);
    let connections = Arc::new(ConnectionServer::new(router, lifecycle.clone(), limits));
    let mut acceptor = Acceptor {
        listener,
        failure_logged_at: None,
    };
    loop {
        let accepted = tokio::select! {
            () = lifecycle.draining() => break,
            accepted = acceptor.accept(&open_connections) => accepted,
        };
        let Some((stream, peer, slot)) = accepted else {
            continue;
        };
        let connections = Arc::clone(&connections);
        tasks.spawn(async move { connections.serve(stream, peer, slot).await });
    }
    // From here on the kernel refuses new connections, and the load balancer uses other replicas. Connections that
    // waited to be accepted are reset. Nothing of them was read, so their clients can safely try again.
    drop(acceptor);
    tasks.close();
    if tokio::time::timeout(limits.drain_timeout, tasks.wait())
        .await
        .is_err()
    {
        tracing::warn!(open = tasks.len(), "connections did not end in time");
    }
}

/// Takes connections from the kernel.
struct Acceptor {
    listener: TcpListener,
    failure_logged_at: Option<Instant>,
}

impl Acceptor {
    /// The next connection; `None` if it was refused or accepting failed.
    async fn accept(
        &mut self,
        open_connections: &OpenConnections,
    ) -> Option<(TcpStream, Peer, Slot)> {
        let permit = open_connections.acquire_permit().await;
        match self.listener.accept().await {
            Ok((stream, address)) => {
                let peer: IpAddr = address.ip().to_canonical();
                let Some(slot) = open_connections.register(permit, peer) else {
                    metrics::counter!("connections_refused_total").increment(1);
                    return None;
                };
                // Clients wait for our small answers; collecting them into larger packets only delays them.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(error = %error, "no TCP_NODELAY");
                }
                Some((stream, Peer(peer), slot))
            }
            Err(error) => {
                // The client has gone, or the process has no free file descriptor. The pause keeps a lack of
                // descriptors from becoming a busy loop.
                self.log_failure(&error);
                tokio::time::sleep(Duration::from_millis(50)).await;
                None
            }
        }
    }

    /// Logs the failure, unless one was logged in the last minute.
    fn log_failure(&mut self, error: &std::io::Error) {
        let now = Instant::now();
        let is_due = self
            .failure_logged_at
            .is_none_or(|at| now.duration_since(at) >= ACCEPT_FAILURE_LOG_INTERVAL);
        if is_due {
            self.failure_logged_at = Some(now);
            tracing::warn!(error = %error, "accepting connections fails; logged at most once a minute");
        }
    }
}
