//! A load balancer in front of several backends, as a host has one: each connection goes to the next backend in turn
//! that accepts it.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Passes connections on until the process ends.
pub(crate) struct Balancer {
    port: u16,
}

impl Balancer {
    /// Listens on a free port for connections to the backends at these ports.
    pub(crate) fn start(ports: Vec<u16>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let ports: Arc<[u16]> = ports.into();
        let turn = Arc::new(AtomicUsize::new(0));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (ports, turn) = (Arc::clone(&ports), Arc::clone(&turn));
                thread::spawn(move || {
                    pass_on(client, &ports, turn.fetch_add(1, Ordering::Relaxed));
                });
            }
        });
        Ok(Self { port })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

/// Copies the bytes of both directions. Without a backend the connection is closed.
fn pass_on(client: TcpStream, ports: &[u16], turn: usize) {
    let in_turn = ports.iter().cycle().skip(turn % ports.len());
    let mut backends = in_turn
        .take(ports.len())
        .filter_map(|port| TcpStream::connect(("127.0.0.1", *port)).ok());
    let Some(backend) = backends.next() else {
        return;
    };
    let (Ok(from_client), Ok(from_backend)) = (client.try_clone(), backend.try_clone()) else {
        return;
    };
    thread::spawn(move || copy(from_client, backend));
    copy(from_backend, client);
}

/// Copies until one side closes or breaks the connection, and then closes both.
fn copy(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
