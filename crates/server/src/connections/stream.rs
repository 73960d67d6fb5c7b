//! A socket that notes when its client sends and takes.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::Connection;
use crate::http::{Budget, Held};

/// A head up to here is not counted among the bytes in flight.
const FREE_HEAD_BYTES: usize = 16 * 1024;

pub(super) struct NotedStream {
    socket: TcpStream,
    connection: Arc<Connection>,
    /// What a large head has of the bytes that may be in flight.
    held: Held,
}

impl NotedStream {
    pub(super) fn new(socket: TcpStream, connection: Arc<Connection>, budget: &Arc<Budget>) -> Self {
        Self { socket, connection, held: Held::of_nobody(budget) }
    }

    /// Counts what came of a head.
    fn received(&mut self, bytes: usize) -> io::Result<()> {
        if !self.connection.received() {
            self.held.give_back();
            return Ok(());
        }
        let head = self.connection.head_bytes.fetch_add(bytes, Relaxed) + bytes;
        if head <= FREE_HEAD_BYTES {
            self.held.give_back();
        } else if !self.held.reach(head) {
            return Err(io::Error::other("too many bytes are in flight"));
        }
        Ok(())
    }

    /// Notes whether the client takes what is written.
    fn written<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &polled {
            Poll::Pending => self.connection.is_full(),
            Poll::Ready(_) => self.connection.has_taken(),
        }
        polled
    }
}

impl AsyncRead for NotedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(context, buffer))?;
        let bytes = buffer.filled().len() - before;
        Poll::Ready(if bytes > 0 { self.received(bytes) } else { Ok(()) })
    }
}

impl AsyncWrite for NotedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.written(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.written(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
