//! The metrics of a backend.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, ensure};
use archety_harness::Backend;

/// The number of turns that this replica has answered.
pub(super) fn turns_replied(backend: &Backend) -> anyhow::Result<u64> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, backend.port()))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "metrics: {answer}");
    let line = answer
        .lines()
        .find(|line| line.starts_with("turns_total{") && line.contains("\"replied\""));
    // The counter appears with its first turn.
    let Some(line) = line else { return Ok(0) };
    let (_, count) = line.rsplit_once(' ').context("a metric has a value")?;
    Ok(count.parse()?)
}
