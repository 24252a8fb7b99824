//! A listener whose connections can be cut in the middle of an exchange.
//!
//! Each connection has a state that its reads and writes check. A handler changes the state and returns;
//! then the server fails to write the answer and closes the socket. The client sees the same as when a
//! real server dies: the connection ends without an answer.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct CuttableListener {
    pub(crate) inner: TcpListener,
    /// Set when the server stops. A connection that a client keeps open ends at its next read or write.
    pub(crate) is_stopped: Arc<AtomicBool>,
}

pub(crate) struct CuttableStream {
    inner: TcpStream,
    cut: CutSwitch,
    is_stopped: Arc<AtomicBool>,
}

/// A handle that cuts one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct CutSwitch(Arc<AtomicU8>);

// The states of a `CutSwitch`.
const OPEN: u8 = 0;
const CLOSED: u8 = 1;
const RESET: u8 = 2;

impl CutSwitch {
    /// Closes the connection: every further read and write fails.
    pub(crate) fn close(&self) {
        self.0.store(CLOSED, Ordering::Release);
    }

    /// Resets the connection: the client gets an error instead of the end of the stream.
    pub(crate) fn reset(&self) {
        self.0.store(RESET, Ordering::Release);
    }
}

impl Listener for CuttableListener {
    type Io = CuttableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (inner, address) = Listener::accept(&mut self.inner).await;
        let stream = CuttableStream {
            inner,
            cut: CutSwitch::default(),
            is_stopped: Arc::clone(&self.is_stopped),
        };
        (stream, address)
    }

    fn local_addr(&self) -> Result<Self::Addr> {
        self.inner.local_addr()
    }
}

impl Connected<IncomingStream<'_, CuttableListener>> for CutSwitch {
    fn connect_info(stream: IncomingStream<'_, CuttableListener>) -> Self {
        stream.io().cut.clone()
    }
}

impl CuttableStream {
    /// Fails if the connection was cut or the server has stopped.
    fn require_open(&self) -> Result<()> {
        let cut = self.cut.0.load(Ordering::Acquire);
        if cut == RESET {
            self.inner.set_zero_linger()?;
        }
        if cut != OPEN || self.is_stopped.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::ConnectionReset, "cut on purpose"));
        }
        Ok(())
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        self.require_open()?;
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<Result<usize>> {
        self.require_open()?;
        Pin::new(&mut self.inner).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
