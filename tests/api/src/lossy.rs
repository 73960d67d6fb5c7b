//! A network that loses answers.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Stands before a server: each request arrives there and is carried out, and its answer is lost. Ends with the test.
pub struct Lossy {
    /// Where it listens.
    pub origin: String,
    lost: Arc<AtomicUsize>,
}

impl Lossy {
    /// Stands before the server at `origin`.
    pub async fn before(origin: &str) -> Self {
        let server = origin.strip_prefix("http://").expect("an address of plain HTTP").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let lost = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&lost);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, counted) = (server.clone(), Arc::clone(&counted));
                tokio::spawn(async move {
                    if lose_answer(client, &server).await.is_ok() {
                        counted.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        Self { origin: format!("http://{address}"), lost }
    }

    /// How many answers were lost so far.
    pub fn lost(&self) -> usize {
        self.lost.load(Ordering::SeqCst)
    }
}

async fn lose_answer(mut client: TcpStream, server: &str) -> std::io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    server.write_all(&head).await?;
    // The answer has begun, so that all is done.
    server.read_u8().await?;
    Ok(())
}
