//! A connection that sends just these bytes, as no client library would.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test itself does")]

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// Far longer than anything takes: a test that waits in vain fails, and does not hang.
const PATIENCE: Duration = Duration::from_mins(1);

/// An open connection.
pub struct Raw {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Raw {
    /// Connects to `http://127.0.0.1:<port>`.
    pub async fn connect(origin: &str) -> Self {
        let stream = TcpStream::connect(address(origin)).await.expect("the server listens");
        Self { stream, received: Vec::new() }
    }

    /// The same with so little room for what comes that a server notices at once when nobody reads.
    pub async fn narrow(origin: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let stream = socket.connect(address(origin)).await.expect("the server listens");
        Self { stream, received: Vec::new() }
    }

    /// Sends bytes. That the server has closed the connection meanwhile is no failure: what it says will be read.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await;
        let _ = sent.expect("the server reads, or closes the connection");
    }

    /// Reads until `mark` has come, and returns everything up to its end.
    pub async fn until(&mut self, mark: &str) -> String {
        let found = timeout(PATIENCE, async {
            loop {
                let place = self.received.windows(mark.len()).position(|window| window == mark.as_bytes());
                if let Some(place) = place {
                    let rest = self.received.split_off(place + mark.len());
                    return String::from_utf8_lossy(&std::mem::replace(&mut self.received, rest))
                        .into_owned();
                }
                let text = String::from_utf8_lossy(&self.received).into_owned();
                let read = self.stream.read_buf(&mut self.received).await;
                assert!(read.is_ok_and(|bytes| bytes > 0), "closed before {mark:?}: {text:?}");
            }
        });
        found.await.unwrap_or_else(|_| panic!("{mark:?} does not come"))
    }

    /// The head of the next answer.
    pub async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    /// Reads until the server closes the connection, in order or not, and returns everything.
    pub async fn to_end(mut self) -> String {
        let read =
            async { while self.stream.read_buf(&mut self.received).await.is_ok_and(|bytes| bytes > 0) {} };
        timeout(PATIENCE, read).await.expect("the server closes the connection");
        String::from_utf8_lossy(&self.received).into_owned()
    }
}

fn address(origin: &str) -> SocketAddr {
    origin.strip_prefix("http://").unwrap().parse().unwrap()
}
