//! Traces, as a collector gets them from the program.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use subgrant_tests::{Api, Authority, Collector, Program, Reply, Running, Scratch, TestDatabase, Traced};
use tokio::{net::TcpListener, task::JoinSet};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const CALLER: &str = "b7ad6b7169203331";

/// A server that sends its traces there, and somebody with credits.
async fn serve(database: &TestDatabase, endpoint: &str, variables: &[(&str, &str)]) -> (Running, Api) {
    let args = ["serve", "--listen", "127.0.0.1:0", "--master-key", KEY, "--log-format", "json"];
    let program = Program::new(env!("CARGO_BIN_EXE_subgrant-under-test"), args);
    let program = program.args(["--database-url", &database.url]);
    let program = program.env("OTEL_BSP_SCHEDULE_DELAY", "100").envs(variables);
    let server = program.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).start();
    let body = json!({ "organization": "Acme", "email": "owner@acme.example", "password": "correct horse" });
    let signed_up = Api::new(server.origin.clone()).post("/signup", &body).await;
    let root = Api::new(server.origin.clone()).with_token(&signed_up.text("/root_token"));
    let (leaf, _) = root.child("code-reviewer", 1_000).await;
    (server, leaf)
}

/// A trace id that ends with this number.
fn trace(number: u32) -> String {
    format!("4bf92f3577b34da6a3ce9292{number:08x}")
}

async fn spend_within(leaf: &Api, traceparent: &str) -> Reply {
    let request = leaf.request(Method::POST, "/spend").header("traceparent", traceparent);
    Reply::of(request.json(&json!({ "amount_credits": 1 }))).await
}

/// The log lines of answers, with what their request's span says.
fn answers(server: &Running) -> Vec<Value> {
    let told = server.told();
    let lines = told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["fields"]["message"] == "answered").collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callers_trace_is_continued_down_to_the_transaction() {
    let (database, collector) = (TestDatabase::create().await, Collector::start().await);
    let named =
        [("OTEL_SERVICE_NAME", "credits"), ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")];
    let (server, leaf) = serve(&database, &collector.origin, &named).await;
    let reply = spend_within(&leaf, &format!("00-{}-{CALLER}-01", trace(1))).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    let spans = collector.wait_for(3, |span| span.trace == trace(1)).await;
    let find =
        |name: &str| spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{spans:#?}"));
    let (request, wait, batch) = (find("POST /api/cloud/spend"), find("engine.wait"), find("engine.batch"));
    assert_eq!((spans.len(), request.kind, request.status), (3, 2, 0));
    assert_eq!((request.parent.as_str(), &wait.parent, &batch.parent), (CALLER, &request.id, &wait.id));
    for (name, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/api/cloud/spend"),
        ("http.response.status_code", "201"),
        ("url.path", "/api/cloud/spend"),
        ("url.scheme", "http"),
    ] {
        assert_eq!(request.attributes.get(name).map(String::as_str), Some(value), "{request:#?}");
    }
    assert_eq!(batch.attributes["subgrant.batch.items"], "1");
    assert_eq!(batch.attributes["subgrant.batch.result"], "committed");
    assert_eq!(request.resource["service.name"], "credits");
    assert_eq!(request.resource["deployment.environment.name"], "test");
    assert_eq!(request.resource["service.version"], env!("CARGO_PKG_VERSION"));
    let logged = answers(&server);
    let ours = logged.iter().filter(|line| line["span"]["trace_id"] == trace(1)).count();
    assert_eq!(ours, 1, "{logged:#?}");
    assert!(server.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_good_traceparent_a_trace_begins_here_and_its_id_is_in_the_log() {
    let (database, collector) = (TestDatabase::create().await, Collector::start().await);
    let (server, leaf) = serve(&database, &collector.origin, &[]).await;
    let is_spend = |span: &Traced| span.name == "POST /api/cloud/spend";
    for (number, bad) in [
        String::new(),
        format!("00-{}-{CALLER}", trace(1)),
        format!("00-{}-{CALLER}-01-x", trace(1)),
        format!("00-{}-{CALLER}-01", trace(1).to_uppercase()),
        format!("ff-{}-{CALLER}-01", trace(1)),
        format!("00-{}-{CALLER}-01", "0".repeat(32)),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(spend_within(&leaf, &bad).await.status, 201, "{bad}");
        let spans = collector.wait_for(number + 1, is_spend).await;
        let newest = spans.last().unwrap();
        assert_eq!((newest.parent.as_str(), newest.resource["service.name"].as_str()), ("", "subgrant"));
        assert_ne!(newest.trace, trace(1), "{bad}");
        let logged = answers(&server);
        assert!(logged.iter().any(|line| line["span"]["trace_id"] == newest.trace), "{logged:#?}");
    }
    // Whoever does not sample is followed as well: nothing is exported, and the log still names the trace.
    assert_eq!(spend_within(&leaf, &format!("00-{}-{CALLER}-00", trace(7))).await.status, 201);
    assert_eq!(spend_within(&leaf, &format!("00-{}-{CALLER}-01", trace(8))).await.status, 201);
    collector.wait_for(3, |span| span.trace == trace(8)).await;
    assert!(collector.came().iter().all(|span| span.trace != trace(7)));
    assert!(answers(&server).iter().any(|line| line["span"]["trace_id"] == trace(7)));
    assert!(server.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_share_a_transaction_are_linked_with_it() {
    let (database, collector) = (TestDatabase::create().await, Collector::start().await);
    let (server, leaf) = serve(&database, &collector.origin, &[]).await;
    let mut holder = PgConnection::connect(&database.url).await.unwrap();
    let mut lock = holder.begin().await.unwrap();
    sqlx::query("SELECT FROM ledger_heads FOR UPDATE").fetch_all(&mut *lock).await.unwrap();
    let mut spends = JoinSet::new();
    for number in 0..20 {
        let leaf = leaf.clone();
        spends.spawn(async move { spend_within(&leaf, &format!("00-{}-{CALLER}-01", trace(number))).await });
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    lock.rollback().await.unwrap();
    for reply in spends.join_all().await {
        assert_eq!(reply.status, 201, "{}", reply.body);
    }
    let waits = collector.wait_for(20, |span| span.name == "engine.wait").await;
    let batches = collector.wait_for(1, |span| span.name == "engine.batch" && !span.links.is_empty()).await;
    let shared = batches.iter().max_by_key(|batch| batch.links.len()).unwrap();
    assert_eq!(shared.attributes["subgrant.batch.items"], (shared.links.len() + 1).to_string());
    for link in &shared.links {
        let wait = waits.iter().find(|wait| (&wait.trace, &wait.id) == (&link.0, &link.1));
        let wait = wait.unwrap_or_else(|| panic!("{link:?} leads nowhere"));
        assert!(wait.links.contains(&(shared.trace.clone(), shared.id.clone())), "{wait:#?}");
        assert_ne!(wait.trace, shared.trace);
    }
    assert!(server.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_hold_no_secret_no_label_and_nothing_of_unknown_routes_but_their_path() {
    let (database, collector) = (TestDatabase::create().await, Collector::start().await);
    let (server, leaf) = serve(&database, &collector.origin, &[]).await;
    let token = leaf.token().unwrap();
    leaf.spend(5_000).await;
    leaf.get(&format!("/delegation/{token}?token={token}")).await;
    leaf.request(Method::from_bytes(b"BREW").unwrap(), "/coffee").send().await.unwrap();
    let body = json!({ "items": vec![json!({ "amount_credits": 1, "description": "private" }); 50] });
    assert_eq!(leaf.post("/spend/batch", &body).await.status, 200);
    assert_eq!(spend_within(&leaf, &format!("00-{}-{CALLER}-01", trace(1))).await.status, 201);
    collector.wait_for(3, |span| span.trace == trace(1)).await;
    let came = collector.came();
    let find = |name: &str| came.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let [brewed] = find("HTTP")[..] else { panic!("{came:#?}") };
    assert_eq!(
        (brewed.attributes["http.request.method"].as_str(), brewed.attributes.get("http.route")),
        ("_OTHER", None)
    );
    let [batch] = find("POST /api/cloud/spend/batch")[..] else { panic!("{came:#?}") };
    let waits = came.iter().filter(|span| span.parent == batch.id).count();
    assert_eq!(waits, 1, "fifty items of one request are one wait");
    let text = format!("{came:?}");
    for secret in [token, "sgt_", "code-reviewer", "owner@acme", "correct horse", "private", "Acme", "5000"] {
        assert!(!text.contains(secret), "{secret} is in {came:#?}");
    }
    assert!(server.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_exports_what_is_left() {
    let (database, collector) = (TestDatabase::create().await, Collector::start().await);
    let slow = [("OTEL_BSP_SCHEDULE_DELAY", "600000")];
    let (server, leaf) = serve(&database, &collector.origin, &slow).await;
    assert_eq!(spend_within(&leaf, &format!("00-{}-{CALLER}-01", trace(1))).await.status, 201);
    assert!(collector.came().is_empty());
    assert!(server.stop().success());
    assert_eq!(collector.came().iter().filter(|span| span.trace == trace(1)).count(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_is_reached_by_tls_if_the_machine_trusts_its_certificate_and_only_then() {
    let (trusted, other) = (Authority::new(), Authority::new());
    let scratch = Scratch::new();
    let file = scratch.path("trusted.pem");
    std::fs::write(&file, &trusted.pem).expect("the directory is writable");
    let own = [("SSL_CERT_FILE", file.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "20")];
    for (authority, is_trusted) in [(&trusted, true), (&other, false)] {
        let (database, collector) = (TestDatabase::create().await, Collector::start_tls(authority).await);
        let (server, leaf) = serve(&database, &collector.origin, &own).await;
        assert_eq!(spend_within(&leaf, &format!("00-{}-{CALLER}-01", trace(1))).await.status, 201);
        if is_trusted {
            collector.wait_for(3, |span| span.trace == trace(1)).await;
        }
        let told = server.told();
        assert!(server.stop().success());
        assert_eq!(collector.came().is_empty(), !is_trusted, "{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_or_never_answers_slows_nobody_and_fills_no_log() {
    // One to which nobody listens any more, and one that takes connections and says nothing.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_at = silent.local_addr().unwrap();
    for address in [gone, silent_at] {
        let database = TestDatabase::create().await;
        let often = [("OTEL_BSP_SCHEDULE_DELAY", "20"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "200")];
        let (server, leaf) = serve(&database, &format!("http://{address}"), &often).await;
        let mut slowest = Duration::ZERO;
        for _ in 0..100 {
            let began = Instant::now();
            assert_eq!(leaf.spend(1).await.status, 201);
            slowest = slowest.max(began.elapsed());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(slowest < Duration::from_secs(2), "{slowest:?}");
        let complaints = server.told().matches("traces were not exported").count();
        assert_eq!(complaints, 1, "{}", server.told());
        let began = Instant::now();
        assert!(server.stop().success());
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_protocol_that_is_not_spoken_is_refused_at_the_start() {
    let database = TestDatabase::create().await;
    let args = ["serve", "--listen", "127.0.0.1:0", "--master-key", KEY, "--database-url", &database.url];
    let program = Program::new(env!("CARGO_BIN_EXE_subgrant-under-test"), args);
    let grpc =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
    let output = program.envs(&grpc).run();
    assert!(!output.status.success() && output.stderr.contains("http/protobuf"), "{}", output.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_collector_a_callers_trace_is_still_in_the_log() {
    let database = TestDatabase::create().await;
    let (server, leaf) = serve(&database, "", &[]).await;
    assert_eq!(spend_within(&leaf, &format!("00-{}-{CALLER}-01", trace(1))).await.status, 201);
    assert_eq!(spend_within(&leaf, &format!("00-{}-{CALLER}-01-x", trace(2))).await.status, 201);
    let logged = answers(&server);
    assert!(logged.iter().any(|line| line["span"]["trace_id"] == trace(1)), "{logged:#?}");
    assert!(logged.iter().all(|line| line["span"]["trace_id"] != trace(2)), "{logged:#?}");
    assert!(server.stop().success());
}
