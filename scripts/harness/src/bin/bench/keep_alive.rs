//! Requests over keep-alive connections, each sent when the one before is answered.
//!
//! The generator shares the cores with what it measures, so it does as little as it can: requests are
//! made before the clock starts, and of an answer it reads the status, the length and one word that
//! proves it was the right one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, ensure};
use archety_harness::Backend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How many there are at once.
pub(crate) const CONNECTIONS: usize = 16;

/// What is sent, and where to.
pub(crate) struct Load {
    address: String,
    requests: Vec<Vec<u8>>,
    proof: &'static str,
}

impl Load {
    /// Whole requests; each answer has to be a 200 with `proof` in its body.
    pub(crate) fn new(backend: &Backend, requests: Vec<Vec<u8>>, proof: &'static str) -> Arc<Self> {
        Arc::new(Self {
            address: backend.url().trim_start_matches("http://").to_owned(),
            requests,
            proof,
        })
    }

    /// Sends every request once. Returns answers in a second.
    pub(crate) fn rate_of_all(self: &Arc<Self>) -> anyhow::Result<f64> {
        self.rate(self.requests.len())
    }

    /// Sends so many, beginning anew after the last. Returns answers in a second.
    pub(crate) fn rate(self: &Arc<Self>, count: usize) -> anyhow::Result<f64> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let next = Arc::new(AtomicUsize::new(0));
        let started = Instant::now();
        runtime.block_on(async {
            let mut connections = tokio::task::JoinSet::new();
            for _ in 0..CONNECTIONS {
                connections.spawn(Arc::clone(self).connection(count, Arc::clone(&next)));
            }
            while let Some(ended) = connections.join_next().await {
                ended??;
            }
            anyhow::Ok(())
        })?;
        #[expect(clippy::cast_precision_loss, reason = "a measurement")]
        Ok(count as f64 / started.elapsed().as_secs_f64())
    }

    async fn connection(
        self: Arc<Self>,
        count: usize,
        next: Arc<AtomicUsize>,
    ) -> anyhow::Result<()> {
        let mut stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let mut answer = Vec::with_capacity(8192);
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= count {
                return Ok(());
            }
            stream
                .write_all(&self.requests[n % self.requests.len()])
                .await?;
            let body = read_answer(&mut stream, &mut answer).await?;
            let (head, body) = answer.split_at(body);
            ensure!(
                head.starts_with(b"HTTP/1.1 200") && text(body).contains(self.proof),
                "not the answer that was expected: {}{}",
                text(head),
                text(body)
            );
        }
    }
}

/// Reads one answer and nothing more. Returns where its body begins.
async fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> anyhow::Result<usize> {
    answer.clear();
    let mut whole = None;
    loop {
        let read = stream.read_buf(answer).await?;
        ensure!(read > 0, "the backend closed the connection");
        if whole.is_none()
            && let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n")
        {
            let body = end + 4;
            whole = Some((body, body + length(&answer[..body])?));
        }
        if let Some((body, end)) = whole
            && answer.len() >= end
        {
            ensure!(answer.len() == end, "more than one answer to one request");
            return Ok(body);
        }
    }
}

fn length(head: &[u8]) -> anyhow::Result<usize> {
    const NAME: &[u8] = b"content-length:";
    let line = head
        .split(|byte| *byte == b'\n')
        .find(|line| line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME))
        .context("an answer without its length")?;
    text(&line[NAME.len()..]).trim().parse().context("a length")
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
