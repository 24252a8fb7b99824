//! The backend's memory and answer time while clients without a valid signature hold connections open.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use archety_harness::{BackendStore, Binaries, now_micros, resident_kib};
use shared_protocol::{HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP, MESSAGE_ROUTE};

use crate::{Bench, print_figure};

const IDLE_CONNECTIONS: usize = 1_100;
/// Number of bodies that are sent with a wrong signature.
const UNPROVED_BODIES: u32 = 250;
const BODY_BYTES: usize = 1 << 20;
/// Number of health checks that are made while all connections are open. Together they take less than the ten
/// seconds after which the backend gives up on an unfinished body.
const HEALTH_CHECKS: usize = 20;
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Environment of a backend in production, which accepts clients of any address. The backend trusts
/// the address that a proxy reports, so each request can come from a network of its own.
const PRODUCTION: [(&str, &str); 10] = [
    ("APP_ENV", "production"),
    ("TRUSTED_PROXIES", "127.0.0.1"),
    ("PUBLIC_URL", "none"),
    ("IDENTITY", "local"),
    ("SQLITE_SINGLE_REPLICA", "1"),
    ("TWILIO_ACCOUNT_SID", "AC00000000000000000000000000000000"),
    ("TWILIO_AUTH_TOKEN", "7c1f0a93e2b84d56"),
    (
        "TWILIO_VERIFY_SERVICE_SID",
        "VA00000000000000000000000000000000",
    ),
    (
        "SESSION_SECRET",
        "c36a41f8e07b9d25164fa8c0d73e95b2608d1f7ea4c92b53",
    ),
    (
        "RELAY_WEBHOOK_SECRET",
        "58e0b7d19c26f43ae9170d85b3f264ca7d9108ef63ab52c4",
    ),
];

pub(crate) fn measure(binaries: &Binaries) -> anyhow::Result<()> {
    let bench = Bench::new(0)?;
    let store = BackendStore::Sqlite(bench.database());
    let backend = bench.start_backend_on(&store, binaries, 0, &PRODUCTION)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, backend.port()));
    check_health(address)?;
    std::thread::sleep(Duration::from_secs(1));
    let at_rest = resident_mib(backend.process.pid())?;
    print_figure(
        "backend at rest",
        &format!("RSS {at_rest:.1} MiB"),
        "RSS < 15 MiB",
    );
    let idle_connections = (0..IDLE_CONNECTIONS)
        .map(|_| TcpStream::connect(address))
        .collect::<Result<Vec<_>, _>>()
        .context("the limit of open files is too low; raise it with `ulimit -n 4096`")?;
    let unproved_bodies = (0..UNPROVED_BODIES)
        .map(|n| send_unproved_body(address, n))
        .collect::<Result<Vec<_>, _>>()?;
    let (mut slowest, mut largest) = (Duration::ZERO, at_rest);
    for _ in 0..HEALTH_CHECKS {
        let begun = Instant::now();
        check_health(address)?;
        slowest = slowest.max(begun.elapsed());
        largest = largest.max(resident_mib(backend.process.pid())?);
        std::thread::sleep(CHECK_INTERVAL);
    }
    drop((idle_connections, unproved_bodies));
    print_figure(
        &format!("{IDLE_CONNECTIONS} idle connections, {UNPROVED_BODIES} unproved bodies of 1 MiB"),
        &format!(
            "RSS {largest:.1} MiB, health {:.1} ms at most",
            slowest.as_secs_f64() * 1e3
        ),
        "RSS < 100 MiB, health < 1 s",
    );
    Ok(())
}

/// Opens a connection and sends all but the last byte of a message with a wrong signature, or as much
/// of the message as the backend accepts.
fn send_unproved_body(address: SocketAddr, n: u32) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_write_timeout(Some(Duration::from_secs(1)))?;
    // Network `n` of 256 addresses, counted from 203.0.113.0.
    let network = Ipv4Addr::from(0xcb00_7100 + (n << 8));
    let timestamp = now_micros() / 1_000_000;
    let head = format!(
        "POST {MESSAGE_ROUTE} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n\
         x-real-ip: {network}\r\n{HEADER_ID}: msg_{n}\r\n{HEADER_TIMESTAMP}: {timestamp}\r\n\
         {HEADER_SIGNATURE}: v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\
         content-length: {BODY_BYTES}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    // A write error is no failure: the backend may answer and close before it has read the whole body.
    let _ = stream.write_all(&vec![b' '; BODY_BYTES - 1]);
    Ok(stream)
}

/// Fails unless `/healthz` answers 200.
fn check_health(address: SocketAddr) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "health says {answer}");
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a measurement")]
fn resident_mib(pid: u32) -> anyhow::Result<f64> {
    let kib = resident_kib(pid).context("needs Linux's /proc")?;
    Ok(kib as f64 / 1024.0)
}
