//! The byte stream of a connection. Writes have a time limit, and hyper's own error answers are replaced.
//!
//! hyper answers a request that it cannot read (400, 431) before any handler sees it, with an empty body. Such an
//! answer is replaced by a problem document. An answer without a body and without a request id is hyper's, because
//! every answer of this backend has a request id.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use crate::http::answer::replacement_of_hypers_answer;

/// A client's connection.
pub(super) struct ClientStream {
    stream: TcpStream,
    write_timeout: Duration,
    /// Runs while the client reads nothing.
    stall_timer: Option<Pin<Box<Sleep>>>,
    /// The bytes that are written in place of hyper's own answer.
    replacement: Bytes,
}

impl ClientStream {
    pub(super) fn new(stream: TcpStream, write_timeout: Duration) -> Self {
        Self {
            stream,
            write_timeout,
            stall_timer: None,
            replacement: Bytes::new(),
        }
    }

    /// Passes on the result of a write, or returns an error if the client reads nothing for too long.
    fn limit_stall<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stall_timer = None;
            return polled;
        }
        let deadline = Instant::now() + self.write_timeout;
        let timer = self
            .stall_timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Writes what is left of the replacement.
    fn poll_replacement(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.replacement.has_remaining() {
            let polled = Pin::new(&mut self.stream).poll_write(context, &self.replacement);
            let written = ready!(self.limit_stall(context, polled))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.replacement.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_replacement(context))?;
        if let Some(replacement) = replacement_of_hypers_answer(bytes) {
            self.replacement = replacement;
            // To hyper, its own answer counts as written.
            return Poll::Ready(Ok(bytes.len()));
        }
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.limit_stall(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_replacement(context))?;
        if let [slice] = slices
            && let Some(replacement) = replacement_of_hypers_answer(slice)
        {
            self.replacement = replacement;
            return Poll::Ready(Ok(slice.len()));
        }
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.limit_stall(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_replacement(context))?;
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.limit_stall(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_replacement(context))?;
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.limit_stall(context, polled)
    }
}
