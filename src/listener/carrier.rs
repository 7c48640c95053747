//! The socket under an HTTP connection, which knows whether all that was to be written on it is written. The HTTP dispatcher has a
//! buffer of its own, into which nobody else sees.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Whether something was given to the dispatcher that the kernel has not taken yet. Whoever gives says so.
#[derive(Clone, Debug, Default)]
pub struct Unwritten(pub Arc<AtomicBool>);

impl Unwritten {
    /// Something is given to the dispatcher.
    pub fn add(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Debug)]
pub(super) struct Carrier {
    stream: TcpStream,
    unwritten: Unwritten,
}

impl Carrier {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            unwritten: Unwritten::default(),
        }
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(super) fn unwritten(&self) -> &Unwritten {
        &self.unwritten
    }

    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }
}

impl AsyncRead for Carrier {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Carrier {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        // the dispatcher always offers all that it has
        if matches!(written, Poll::Ready(Ok(count)) if count == bytes.len()) {
            self.unwritten.0.store(false, Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
