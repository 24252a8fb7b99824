//! Load on a backend over keep-alive connections: each connection sends its next request when the
//! previous one is answered.
//!
//! The load generator shares the processor with the backend that it measures, so it does little work:
//! all requests are built before the clock starts, and of an answer only the status, the length and
//! one expected text are checked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, ensure};
use archety_harness::Backend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Number of connections that are open at the same time.
pub(crate) const CONNECTIONS: usize = 16;

/// Requests to one backend, and the text that the body of each answer has to contain.
pub(crate) struct Load {
    address: String,
    requests: Vec<Vec<u8>>,
    expected_text: &'static str,
}

impl Load {
    /// `requests` are complete HTTP requests. Each answer has to be a 200 with `expected_text` in its body.
    pub(crate) fn new(
        backend: &Backend,
        requests: Vec<Vec<u8>>,
        expected_text: &'static str,
    ) -> Arc<Self> {
        Arc::new(Self {
            address: backend.url().trim_start_matches("http://").to_owned(),
            requests,
            expected_text,
        })
    }

    /// Sends every request once. Returns the number of answers per second.
    pub(crate) fn measure_rate_of_all(self: &Arc<Self>) -> anyhow::Result<f64> {
        self.measure_rate(self.requests.len())
    }

    /// Sends `count` requests, starting over after the last one. Returns the number of answers per second.
    pub(crate) fn measure_rate(self: &Arc<Self>, count: usize) -> anyhow::Result<f64> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let next = Arc::new(AtomicUsize::new(0));
        let started = Instant::now();
        runtime.block_on(async {
            let mut connections = tokio::task::JoinSet::new();
            for _ in 0..CONNECTIONS {
                connections.spawn(Arc::clone(self).run_connection(count, Arc::clone(&next)));
            }
            while let Some(ended) = connections.join_next().await {
                ended??;
            }
            anyhow::Ok(())
        })?;
        #[expect(clippy::cast_precision_loss, reason = "a measurement")]
        Ok(count as f64 / started.elapsed().as_secs_f64())
    }

    /// Sends requests over one connection until `next`, which all connections share, reaches `count`.
    async fn run_connection(
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
            let body_start = read_answer(&mut stream, &mut answer).await?;
            let (head, body) = answer.split_at(body_start);
            ensure!(
                head.starts_with(b"HTTP/1.1 200") && text(body).contains(self.expected_text),
                "not the answer that was expected: {}{}",
                text(head),
                text(body)
            );
        }
    }
}

/// Reads one answer into `answer`. Returns the offset of its body.
async fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> anyhow::Result<usize> {
    answer.clear();
    let mut body_range = None;
    loop {
        let read = stream.read_buf(answer).await?;
        ensure!(read > 0, "the backend closed the connection");
        if body_range.is_none()
            && let Some(head_end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")
        {
            let start = head_end + 4;
            body_range = Some((start, start + content_length(&answer[..start])?));
        }
        if let Some((start, end)) = body_range
            && answer.len() >= end
        {
            ensure!(answer.len() == end, "more than one answer to one request");
            return Ok(start);
        }
    }
}

fn content_length(head: &[u8]) -> anyhow::Result<usize> {
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
