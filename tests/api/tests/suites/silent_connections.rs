//! Connections that say or take nothing, and as many of them as there may be: nobody else notices.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use subgrant_server::{connections::ConnectionLimits, http::HttpOptions};
use subgrant_service::AppOptions;
use subgrant_tests::{Api, Program, Raw, Scrape, TestDatabase, TestServer};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// HTTP/2: what a client begins with, and empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// `GET /livez`, whole, as the first stream.
const REQUEST: &[u8] = b"\x00\x00\x10\x01\x05\x00\x00\x00\x01\x82\x86\x04\x06/livez\x01\x04test";

async fn start(limits: ConnectionLimits) -> TestServer {
    TestServer::start_limited(limits, HttpOptions::default(), AppOptions::default()).await
}

fn short() -> ConnectionLimits {
    let head = Duration::from_millis(400);
    ConnectionLimits { head, idle: head, stalled: head, ..ConnectionLimits::default() }
}

#[tokio::test]
async fn every_kind_of_silence_ends() {
    let server = start(short()).await;
    let origin = server.api.origin.as_str();
    let silent = [
        ("nothing", &b""[..]),
        ("the beginning of a head", b"GET /livez HTTP/1.1\r\nHost:"),
        ("the beginning of HTTP/2", &PREFACE[..10]),
        ("HTTP/2 without a request", PREFACE),
    ];
    for (case, bytes) in silent {
        let mut connection = Raw::connect(origin).await;
        connection.send(bytes).await;
        let told = connection.to_end().await;
        assert!(!told.contains("200 OK"), "{case}: {told:?}");
    }
    let mut idle = Raw::connect(origin).await;
    idle.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(idle.head().await.starts_with("HTTP/1.1 200"));
    idle.to_end().await;
    let mut slow = Raw::connect(origin).await;
    slow.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(slow.head().await.starts_with("HTTP/1.1 200"));
    slow.send("GET /livez HTTP/1.1\r\n").await;
    assert!(!slow.to_end().await.contains("HTTP/1.1 200"), "the second head never ends");
    let mut idle = Raw::connect(origin).await;
    idle.send([PREFACE, REQUEST].concat()).await;
    idle.to_end().await;
    let scrape = Scrape::of(&server.api).await;
    let closed = |reason| scrape.count("subgrant_connections_closed_total", &[reason]);
    assert_eq!(closed(r#"reason="head_timeout""#), 5, "{}", scrape.text);
    assert_eq!(closed(r#"reason="idle""#), 2, "{}", scrape.text);
}

#[tokio::test]
async fn what_is_in_use_is_left_alone() {
    let server = start(short()).await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let (mut stream, _) = root.watch(None).await;
    tokio::time::sleep(3 * short().idle).await;
    let spent = root.spend(1).await;
    assert_eq!(spent.status, 201, "a client whose connection was closed opens another one");
    assert_eq!(stream.until("spend.recorded").await.text("/data/id"), spent.text("/id"));
}

#[tokio::test]
async fn whoever_takes_nothing_of_an_answer_is_cut_off() {
    let server = start(short()).await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let item = json!({ "amount_credits": 1, "metadata": { "x": "y".repeat(2_000) } });
    let batch = json!({ "items": vec![item; 5_000] });
    assert_eq!(root.post("/spend/batch", &batch).await.status, 200);
    let mut reader = Raw::narrow(&server.api.origin).await;
    let token = root.token().expect("a token");
    let head =
        format!("GET /api/cloud/ledger/export HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
    reader.send(head).await;
    assert!(reader.head().await.starts_with("HTTP/1.1 200"));
    let stalled = [r#"reason="stalled""#];
    while Scrape::of(&server.api).await.count("subgrant_connections_closed_total", &stalled) == 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let told = reader.to_end().await;
    assert!(!told.contains(r#""type":"end""#), "it was cut off");
}

/// A whole request of HTTP/2 with a token, from a client that makes no room for any answer's body.
fn without_room(path: &str, token: &str) -> Vec<u8> {
    let frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
    };
    let (bearer, path_length) = (format!("Bearer {token}"), u8::try_from(path.len()).expect("a short path"));
    let mut fields =
        [&[0x82, 0x86, 0x04, path_length], path.as_bytes(), b"\x01\x04test\x0f\x08\x7f"].concat();
    // The length of the token's field, in groups of seven bits.
    let mut rest = bearer.len() - 127;
    while rest >= 128 {
        fields.push(u8::try_from(rest % 128).expect("seven bits") | 0x80);
        rest /= 128;
    }
    fields.push(u8::try_from(rest).expect("seven bits"));
    fields.extend(bearer.as_bytes());
    let settings = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    [&PREFACE[..24], &settings, &frame(1, 5, 1, &fields)].concat()
}

#[tokio::test]
async fn whoever_makes_no_room_on_a_stream_of_http2_is_cut_off() {
    let server = start(short()).await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let mut reader = Raw::connect(&server.api.origin).await;
    reader.send(without_room("/api/cloud/ledger/export", root.token().expect("a token"))).await;
    reader.to_end().await;
    let scrape = Scrape::of(&server.api).await;
    assert_eq!(
        scrape.count("subgrant_connections_closed_total", &[r#"reason="stalled""#]),
        1,
        "{}",
        scrape.text
    );
    let exports = r#"route="/api/cloud/ledger/export",status="200""#;
    assert_eq!(scrape.count("subgrant_http_requests_total", &[exports]), 1, "it was answered");
}

#[tokio::test]
async fn whoever_opens_and_resets_streams_without_end_is_cut_off() {
    let long = Duration::from_mins(10);
    let server = start(ConnectionLimits { head: long, idle: long, ..ConnectionLimits::default() }).await;
    let mut flood = PREFACE.to_vec();
    for stream in (1..2_000_u32).step_by(2).map(u32::to_be_bytes) {
        flood.extend(
            [&REQUEST[..5], &stream, &REQUEST[9..], b"\x00\x00\x04\x03\x00", &stream, b"\x00\x00\x00\x08"]
                .concat(),
        );
    }
    let mut connection = Raw::connect(&server.api.origin).await;
    connection.send(flood).await;
    connection.to_end().await;
    assert_eq!(
        server.api.request_at(Method::GET, "/livez").send().await.expect("nobody else notices").status(),
        200
    );
}

#[tokio::test]
async fn where_all_connections_are_in_use_whoever_comes_is_refused_at_once() {
    let server =
        start(ConnectionLimits { most: 2, most_per_address: 2, ..ConnectionLimits::default() }).await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let token = root.token().expect("a token").to_owned();
    let watch = async || {
        let mut stream = Raw::connect(&server.api.origin).await;
        stream
            .send(format!(
                "GET /api/cloud/event HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
            ))
            .await;
        assert!(stream.head().await.starts_with("HTTP/1.1 200"));
        stream
    };
    // The client's own idle connection makes room.
    let streams = [watch().await, watch().await];
    let refused = Raw::connect(&server.api.origin).await.to_end().await;
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after: 1\r\n"), "{refused:?}");
    drop(streams);
    let again =
        async || root.request_at(Method::GET, "/livez").send().await.is_ok_and(|reply| reply.status() == 200);
    while !again().await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_silent_connections_than_files_keep_nobody_out() {
    let database = TestDatabase::create().await;
    let args = ["--listen", "127.0.0.1:0", "--database-url", &database.url, "--master-key", KEY];
    let limited =
        ["-c", r#"ulimit -n 256 && exec "$0" "$@""#, env!("CARGO_BIN_EXE_subgrant-under-test"), "serve"];
    let server = Program::new("/bin/sh", limited).args(args).start();
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(Raw::connect(&server.origin).await);
    }
    for _ in 0..20 {
        let api = Api::new(server.origin.clone());
        let answer =
            tokio::time::timeout(Duration::from_secs(30), api.request_at(Method::GET, "/readyz").send());
        let answer = answer.await.expect("nobody is kept waiting").expect("and nobody is kept out");
        assert_eq!(answer.status(), 200);
    }
    drop(silent);
    assert!(server.stop().success());
}
