//! HTTP clients, in a process of their own so that their CPU time is not the server's.

use std::{
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rand::RngExt;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
};
use uuid::Uuid;

use crate::{drive::micros, figures::Load};

/// What the clients do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Job {
    /// `127.0.0.1:8402`; connections are spread over them.
    pub(crate) servers: Vec<String>,
    pub(crate) connections: usize,
    pub(crate) lasts: Duration,
    pub(crate) work: Work,
    /// Tokens to choose from.
    pub(crate) tokens: Vec<String>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Work {
    /// `GET /livez`: what HTTP alone takes.
    Nothing,
    Spend,
    /// So many items in one request; of the caller alone, or each of another delegation.
    Batch {
        items: usize,
        is_of_many: bool,
    },
    HoldAndCapture,
    Mint,
}

impl Job {
    /// Runs it in a process of its own.
    pub(crate) async fn run(&self) -> Load {
        let program = std::env::current_exe().expect("this program has a path");
        let mut command = Command::new(program);
        command.arg("client").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("this program can be started again");
        let mut stdin = child.stdin.take().expect("standard input is a pipe");
        stdin.write_all(&serde_json::to_vec(self).expect("plain data")).await.expect("the child reads");
        drop(stdin);
        let output = child.wait_with_output().await.expect("the child ends");
        assert!(output.status.success(), "the clients failed");
        serde_json::from_slice(&output.stdout).expect("the child prints figures")
    }

    /// Runs it here.
    pub(crate) async fn execute(self) -> Load {
        let job = Arc::new(self);
        let mut connections = Vec::new();
        for number in 0..job.connections {
            connections.push(Connection::open(&job.servers[number % job.servers.len()]).await);
        }
        let next = Arc::new(AtomicUsize::new(0));
        let started = Instant::now();
        let tasks: Vec<_> = connections
            .into_iter()
            .map(|connection| tokio::spawn(work(Arc::clone(&job), connection, Arc::clone(&next), started)))
            .collect();
        let (mut operations, mut latencies) = (0, Vec::new());
        for task in tasks {
            let (done, times) = task.await.expect("no client panics");
            operations += done;
            latencies.extend(times);
        }
        Load::of(operations, started.elapsed(), latencies)
    }

    fn token(&self) -> &str {
        &self.tokens[rand::rng().random_range(..self.tokens.len())]
    }
}

async fn work(
    job: Arc<Job>,
    mut connection: Connection,
    labels: Arc<AtomicUsize>,
    started: Instant,
) -> (u64, Vec<u64>) {
    let (mut done, mut latencies) = (0, Vec::new());
    while started.elapsed() < job.lasts {
        let (asked, token) = (Instant::now(), job.token());
        match job.work {
            Work::Nothing => {
                connection.send("GET", "/livez", None, "", 200).await;
                done += 1;
            }
            Work::Spend => {
                let body = r#"{"amount_credits":1}"#;
                connection.send("POST", "/api/cloud/spend", Some(token), body, 201).await;
                done += 1;
            }
            Work::Batch { items, is_of_many } => {
                let body = batch(&job, items, is_of_many);
                connection.send("POST", "/api/cloud/spend/batch", Some(token), &body, 200).await;
                done += items as u64;
            }
            Work::HoldAndCapture => {
                let body = r#"{"amount_credits":2,"expires_in":"1h"}"#;
                let hold = connection.send("POST", "/api/cloud/hold", Some(token), body, 201).await;
                let hold: serde_json::Value = serde_json::from_slice(&hold).expect("an answer is JSON");
                let path =
                    format!("/api/cloud/hold/{}/capture", hold["id"].as_str().expect("a hold has an id"));
                let body = r#"{"amount_credits":1}"#;
                connection.send("POST", &path, Some(token), body, 201).await;
                done += 2;
            }
            Work::Mint => {
                let number = labels.fetch_add(1, Ordering::Relaxed);
                let body = format!(r#"{{"label":"Agent {number}","budget_credits":10}}"#);
                connection.send("POST", "/api/cloud/delegation", Some(token), &body, 201).await;
                done += 1;
            }
        }
        latencies.push(micros(asked.elapsed()));
    }
    (done, latencies)
}

fn batch(job: &Job, items: usize, is_of_many: bool) -> String {
    use std::fmt::Write as _;
    let mut body = String::from(r#"{"items":["#);
    for item in 0..items {
        let separator = if item == 0 { "" } else { "," };
        let key = Uuid::now_v7();
        write!(body, r#"{separator}{{"amount_credits":1,"idempotency_key":"{key}""#)
            .expect("memory is enough");
        if is_of_many {
            write!(body, r#","token":"{}""#, job.token()).expect("memory is enough");
        }
        body.push('}');
    }
    body.push_str("]}");
    body
}

/// A connection that is kept. Requests are written as text, because a client library's work would be taken from the server's
/// cores.
struct Connection {
    stream: TcpStream,
    host: String,
    request: Vec<u8>,
    received: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a socket takes options");
        Self { stream, host: address.to_owned(), request: Vec::new(), received: Vec::new() }
    }

    async fn send(
        &mut self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: &str,
        status: u16,
    ) -> Vec<u8> {
        use std::io::Write as _;
        self.request.clear();
        let (request, host, length) = (&mut self.request, &self.host, body.len());
        write!(request, "{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\n")
            .expect("memory is enough");
        if let Some(token) = token {
            let key = Uuid::now_v7();
            write!(
                request,
                "authorization: Bearer {token}\r\ncontent-type: application/json\r\nidempotency-key: {key}\r\n"
            )
            .expect("memory is enough");
        }
        write!(request, "\r\n{body}").expect("memory is enough");
        self.stream.write_all(request).await.expect("the server listens");
        let (answered, body) = self.receive().await;
        assert_eq!(answered, status, "{}", String::from_utf8_lossy(&body));
        body
    }

    /// The status and the body of the next response, which says how long it is.
    async fn receive(&mut self) -> (u16, Vec<u8>) {
        self.received.clear();
        loop {
            let count = self.stream.read_buf(&mut self.received).await.expect("the server answers");
            assert!(count > 0, "the server keeps the connection");
            let mut headers = [httparse::EMPTY_HEADER; 32];
            let mut response = httparse::Response::new(&mut headers);
            let parsed = response.parse(&self.received).expect("a response");
            let httparse::Status::Complete(head) = parsed else { continue };
            let length = response.headers.iter().find(|header| header.name == "content-length");
            let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok());
            let (status, end) = (response.code.unwrap_or_default(), head + length.unwrap_or(0_usize));
            while self.received.len() < end {
                let count = self.stream.read_buf(&mut self.received).await.expect("the server answers");
                assert!(count > 0, "the answer is whole");
            }
            return (status, self.received[head..end].to_vec());
        }
    }
}
