//! HTTP clients, in a process of their own so that their CPU time is not the server's.

use std::{
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes, client::conn::http1::SendRequest, header};
use hyper_util::rt::TokioIo;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use tokio::{io::AsyncWriteExt, net::TcpStream, process::Command};
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
                connection.send("GET", "/livez", None, String::new(), 200).await;
                done += 1;
            }
            Work::Spend => {
                let body = r#"{"amount_credits":1}"#.to_owned();
                connection.send("POST", "/api/cloud/spend", Some(token), body, 201).await;
                done += 1;
            }
            Work::Batch { items, is_of_many } => {
                let body = batch(&job, items, is_of_many);
                connection.send("POST", "/api/cloud/spend/batch", Some(token), body, 200).await;
                done += items as u64;
            }
            Work::HoldAndCapture => {
                let body = r#"{"amount_credits":2,"expires_in":"1h"}"#.to_owned();
                let hold = connection.send("POST", "/api/cloud/hold", Some(token), body, 201).await;
                let hold: serde_json::Value = serde_json::from_slice(&hold).expect("an answer is JSON");
                let path =
                    format!("/api/cloud/hold/{}/capture", hold["id"].as_str().expect("a hold has an id"));
                let body = r#"{"amount_credits":1}"#.to_owned();
                connection.send("POST", &path, Some(token), body, 201).await;
                done += 2;
            }
            Work::Mint => {
                let number = labels.fetch_add(1, Ordering::Relaxed);
                let body = format!(r#"{{"label":"Agent {number}","budget_credits":10}}"#);
                connection.send("POST", "/api/cloud/delegation", Some(token), body, 201).await;
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

/// A connection that is kept.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a socket takes options");
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("a new connection");
        tokio::spawn(connection);
        Self { sender, host: address.to_owned() }
    }

    async fn send(
        &mut self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: String,
        status: u16,
    ) -> Bytes {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, &self.host);
        if let Some(token) = token {
            request = request
                .header(header::AUTHORIZATION, format!("Bearer {token}"))
                .header(header::CONTENT_TYPE, "application/json")
                .header("idempotency-key", Uuid::now_v7().to_string());
        }
        let request = request.body(Full::from(body)).expect("the request is well-formed");
        let response = self.sender.send_request(request).await.expect("the server answers");
        let answered = response.status();
        let body = response.into_body().collect().await.expect("the answer is whole").to_bytes();
        assert_eq!(answered, status, "{}", String::from_utf8_lossy(&body));
        body
    }
}
