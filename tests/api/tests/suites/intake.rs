//! Bodies of whoever has not proved who it is: little of them is read, and all of them have a bound.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use subgrant_server::{connections::ConnectionLimits, http::HttpOptions};
use subgrant_service::AppOptions;
use subgrant_tests::{Api, PASSWORD, Program, Raw, Reply, Running, Scrape, TestDatabase, TestServer};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const MIB: usize = 1024 * 1024;

fn head(path: &str, length: usize, further: &str) -> String {
    format!(
        "POST /api/cloud{path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{further}\r\n"
    )
}

/// What a process has in memory, in MiB.
fn resident(server: &Running) -> usize {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("the process is there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") / 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_large_bodies_of_strangers_take_no_memory_and_are_answered_at_once() {
    let database = TestDatabase::create().await;
    let args = ["serve", "--listen", "127.0.0.1:0", "--database-url", &database.url, "--master-key", KEY];
    let server = Program::new(env!("CARGO_BIN_EXE_subgrant-under-test"), args).start();
    let before = resident(&server);
    let forged = "Authorization: Bearer sgt_AgEVaHR0cDovL2xvY2FsaG9zdA\r\n";
    let mut senders = Vec::new();
    for number in 0..100 {
        let mut sender = Raw::connect(&server.origin).await;
        sender.send(head("/spend/batch", 23 * MIB, if number % 2 == 0 { "" } else { forged })).await;
        sender.send(vec![b' '; 2 * MIB]).await;
        senders.push(sender);
    }
    // The rest of each body never comes.
    for sender in &mut senders {
        let answer = sender.head().await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    }
    let grown = resident(&server).saturating_sub(before);
    assert!(grown < 64, "{grown} MiB more for 200 MiB that were sent");
    drop(senders);
    assert!(server.stop().success());
}

/// Sends a batch in chunks, and returns the status of the answer.
async fn in_chunks(server: &TestServer, credential: &str, body: &str) -> u16 {
    let mut connection = Raw::connect(&server.api.origin).await;
    let head = "POST /api/cloud/spend/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    connection.send(format!("{head}Transfer-Encoding: chunked\r\n{credential}\r\n")).await;
    for chunk in body.as_bytes().chunks(30_000) {
        let framed = [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
        connection.send(framed).await;
    }
    connection.send("0\r\n\r\n").await;
    let head = connection.head().await;
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

#[tokio::test]
async fn large_bodies_of_known_callers_are_read_with_and_without_a_length() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let body = |items: usize| json!({ "items": vec![json!({ "amount_credits": 1 }); items] }).to_string();
    let send = async |api: &Api, body: String| {
        let request = api.request(Method::POST, "/spend/batch").header("Content-Type", "application/json");
        Reply::of(request.body(body)).await
    };
    let forged = format!("{}A", &tenant.root_token[..tenant.root_token.len() - 1]);
    for items in [10, 5_000] {
        assert_eq!(send(&root, body(items)).await.status, 200);
    }
    assert_eq!(send(&server.api.with_session(&tenant.session), body(5_000)).await.status, 200, "by session");
    send(&server.api, body(5_000)).await.assert_problem(401, "missing", "large, without a token");
    assert_eq!(send(&server.api.with_token(&forged), body(5_000)).await.status, 401);

    let (bearer, forged) = (
        format!("Authorization: Bearer {}\r\n", tenant.root_token),
        format!("Authorization: Bearer {forged}\r\n"),
    );
    for (credential, body, status) in [
        (bearer.as_str(), body(10), 200),
        (&bearer, body(5_000), 200),
        ("", body(10), 401),
        ("", body(5_000), 401),
        (&forged, body(5_000), 401),
        (&bearer, " ".repeat(24 * MIB + 1), 413),
    ] {
        assert_eq!(in_chunks(&server, credential, &body).await, status, "{} bytes", body.len());
    }

    let large = json!({ "organization": "x".repeat(70_000), "email": "a@a.example", "password": PASSWORD });
    for path in ["/signup", "/session", "/password/reset"] {
        server.api.post(path, &large).await.assert_problem(413, "body_too_large", path);
    }
    let small = json!({ "organization": "x".repeat(60_000), "email": "a@a.example", "password": PASSWORD });
    server.api.post("/signup", &small).await.assert_invalid(&["/organization"], "small enough to be read");
}

#[tokio::test]
async fn who_asks_for_leave_to_send_gets_it_or_a_refusal() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let body = json!({ "items": vec![json!({ "amount_credits": 1 }); 10_000] }).to_string();
    let asking =
        |further: &str| head("/spend/batch", body.len(), &format!("Expect: 100-continue\r\n{further}"));
    let token = format!("Authorization: Bearer {}\r\n", tenant.root_token);

    let mut stranger = Raw::connect(&server.api.origin).await;
    stranger.send(asking("")).await;
    assert!(stranger.head().await.starts_with("HTTP/1.1 401 "), "without leave to send");

    let mut owner = Raw::connect(&server.api.origin).await;
    owner.send(asking(&token)).await;
    assert_eq!(owner.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    owner.send(&body).await;
    assert!(owner.head().await.starts_with("HTTP/1.1 200 "));

    let mut large = Raw::connect(&server.api.origin).await;
    large.send(head("/spend/batch", 25 * MIB, &format!("Expect: 100-continue\r\n{token}"))).await;
    assert!(large.head().await.starts_with("HTTP/1.1 413 "), "without leave to send");

    let small = json!({ "organization": "A", "email": "a@a.example", "password": PASSWORD }).to_string();
    let mut anybody = Raw::connect(&server.api.origin).await;
    anybody.send(head("/signup", small.len(), "Expect: 100-continue\r\n")).await;
    assert_eq!(anybody.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    anybody.send(small).await;
    assert!(anybody.head().await.starts_with("HTTP/1.1 201 "));
}

#[tokio::test]
async fn bytes_in_flight_have_a_bound_and_strangers_and_tenants_a_share_of_it() {
    let http = HttpOptions { max_bytes_in_flight: MIB, ..HttpOptions::default() };
    let server = TestServer::start_with(http, AppOptions::default()).await;
    let (tenant, other) = (server.sign_up().await, server.sign_up().await);
    let (root, other) = (server.api.with_token(&tenant.root_token), server.api.with_token(&other.root_token));
    let in_flight = async || Scrape::of(&server.api).await.count("subgrant_http_bytes_in_flight", &[]);

    // A quarter of it is for bodies of strangers, which never end.
    let mut strangers = Vec::new();
    for _ in 0..4 {
        let mut stranger = Raw::connect(&server.api.origin).await;
        stranger.send(head("/signup", 64 * 1024, "")).await;
        stranger.send(vec![b' '; 63 * 1024]).await;
        strangers.push(stranger);
    }
    while in_flight().await < 4 * 63 * 1024 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut fifth = Raw::connect(&server.api.origin).await;
    fifth.send(head("/signup", 64 * 1024, "")).await;
    fifth.send(vec![b' '; 63 * 1024]).await;
    let refused = fifth.head().await;
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after: 1\r\n"), "{refused}");
    let metadata = json!({ "amount_credits": 1, "description": "x".repeat(20_000) });
    root.post("/spend", &metadata).await.assert_invalid(&["/description"], "who has a token is heard");

    // A tenant has half of it.
    let mut batch = Raw::connect(&server.api.origin).await;
    let token = format!("Authorization: Bearer {}\r\n", tenant.root_token);
    batch.send(head("/spend/batch", 500 * 1024, &token)).await;
    batch.send(vec![b' '; 400 * 1024]).await;
    while in_flight().await < (4 * 63 + 400) * 1024 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let items = json!({ "items": vec![json!({ "amount_credits": 1 }); 8_000] });
    let refused = root.post("/spend/batch", &items).await;
    refused.assert_problem(503, "overloaded", "the tenant's half is taken");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(other.post("/spend/batch", &items).await.status, 200, "another tenant's is not");

    drop((strangers, batch, fifth));
    while in_flight().await > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(root.post("/spend/batch", &items).await.status, 200);
}

#[tokio::test]
async fn large_heads_that_never_end_have_the_same_bound() {
    let patient = ConnectionLimits { head: Duration::from_mins(10), ..ConnectionLimits::default() };
    let http = HttpOptions { max_bytes_in_flight: MIB, ..HttpOptions::default() };
    let server = TestServer::start_limited(patient, http, AppOptions::default()).await;
    let in_flight = async || Scrape::of(&server.api).await.count("subgrant_http_bytes_in_flight", &[]);
    let head = format!("GET /livez HTTP/1.1\r\nX-Long: {}", "x".repeat(200 * 1024));
    let mut first = Raw::connect(&server.api.origin).await;
    first.send(&head).await;
    while in_flight().await < 200 * 1024 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut second = Raw::connect(&server.api.origin).await;
    second.send(&head).await;
    assert_eq!(second.to_end().await, "", "strangers have a quarter of it");
    let mut modest = Raw::connect(&server.api.origin).await;
    modest.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(modest.head().await.starts_with("HTTP/1.1 200 "), "a head of usual size needs nothing of it");
    drop(first);
    while in_flight().await > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
