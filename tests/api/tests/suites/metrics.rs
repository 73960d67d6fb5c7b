//! `/metrics`, as Prometheus sees it.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test itself does")]

use std::{
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

use reqwest::Method;
use serde_json::json;
use sqlx::AssertSqlSafe;
use subgrant_server::http::{HttpOptions, MetricsFor};
use subgrant_tests::{Api, Program, Receiver, Reply, Scrape, SmtpServer, TestDatabase, TestServer};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const REQUESTS: &str = "subgrant_http_requests_total";
const ITEMS: &str = "subgrant_engine_items_total";

/// Reads the text as the reference implementation for Python does, and prints one line for each sample.
const READ_OPENMETRICS: &str = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.documentation, family.name
    for sample in family.samples:
        print(family.type, sample.name)
";

const READ_PLAIN: &str = "
import sys
from prometheus_client.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    for sample in family.samples:
        print(family.type, sample.name)
";

fn python(program: &str, text: &str) -> String {
    let python = std::env::var_os("SUBGRANT_INTEROP_PYTHON");
    let python = python.expect("SUBGRANT_INTEROP_PYTHON is set by `cargo xtask test`");
    let mut command = Command::new(python);
    command.args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{err}\n{text}");
    out
}

/// A server on which something of everything has happened.
async fn busy() -> (TestServer, Api, Api) {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (leaf, _) = root.child("code-reviewer", 100).await;
    assert_eq!(leaf.spend(10).await.status, 201);
    assert_eq!(leaf.spend(1_000).await.refusal(), (402, "budget_exhausted"));
    assert_eq!(root.get("/ledger/proof").await.status, 200);
    (server, root, leaf)
}

#[tokio::test]
async fn the_reference_parsers_accept_the_text_in_both_formats() {
    let (server, _, _) = busy().await;
    let scrape = Scrape::of(&server.api).await;
    let read = python(READ_OPENMETRICS, &scrape.text);
    assert_eq!(read.lines().count(), scrape.series.len(), "{read}");
    for sample in
        ["counter subgrant_engine_items_total", "info subgrant_build_info", "gauge subgrant_ledger_intact"]
    {
        assert!(read.lines().any(|line| line == sample), "{sample} is missing from {read}");
    }
    let request = server.api.request_at(Method::GET, "/metrics").header("Accept", "text/plain;version=0.0.4");
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let read = python(READ_PLAIN, &response.text().await.unwrap());
    assert!(read.contains("counter subgrant_engine_items_total"), "{read}");
}

#[tokio::test]
async fn what_prometheus_sends_as_accept_gets_openmetrics() {
    let server = TestServer::start().await;
    for accept in [
        "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
        "*/*",
        "text/html,application/xhtml+xml,*/*;q=0.8",
        "application/json",
    ] {
        let request = server.api.request_at(Method::GET, "/metrics").header("Accept", accept);
        let response = request.send().await.unwrap();
        let kind = response.headers()["content-type"].to_str().unwrap();
        assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{accept}: {kind}");
    }
}

#[tokio::test]
async fn requests_are_counted_by_method_route_and_status_and_timed() {
    let (server, _, leaf) = busy().await;
    let before = Scrape::of(&server.api).await;
    for amount in [1, 2, 1_000] {
        leaf.spend(amount).await;
    }
    assert_eq!(leaf.get("/delegation/self").await.status, 200);
    assert_eq!(leaf.get("/delegation/dlg_01jd0000000000000000000001").await.status, 404);
    let after = Scrape::of(&server.api).await;
    let grew = |name, labels: &[&str]| after.count(name, labels) - before.count(name, labels);
    let spends = r#"method="POST",route="/api/cloud/spend""#;
    assert_eq!(grew(REQUESTS, &[spends, r#"status="201""#]), 2);
    assert_eq!(grew(REQUESTS, &[spends, r#"status="402""#]), 1);
    assert_eq!(grew(REQUESTS, &[r#"route="/api/cloud/delegation/self",status="200""#]), 1);
    assert_eq!(grew(REQUESTS, &[r#"route="/api/cloud/delegation/{id}",status="404""#]), 1);
    assert_eq!(grew("subgrant_http_request_duration_seconds_count", &[spends]), 3);
    assert!(after.sum("subgrant_http_request_duration_seconds_sum", &[spends]) > 0.0);
    assert_eq!(grew(ITEMS, &[r#"outcome="acknowledged""#]), 2);
    assert_eq!(grew(ITEMS, &[r#"outcome="budget_exhausted""#]), 1);
    assert_eq!(grew("subgrant_engine_batch_items_sum", &[]), 3);
    assert_eq!(grew("subgrant_engine_commit_duration_seconds_count", &[]), 3);
    assert_eq!(grew("subgrant_engine_batches_total", &[r#"result="committed""#]), 3);
    assert!(grew("subgrant_token_lookups_total", &[r#"result="cached""#]) >= 5);
    assert!(after.count("subgrant_database_begin_duration_seconds_count", &[]) > 0);
    assert!(after.count("subgrant_database_connections", &[]) >= 1);
    assert_eq!(after.count("subgrant_database_max_connections", &[]), 10);
}

#[tokio::test]
async fn refusals_are_counted_under_the_code_that_they_are_answered_with() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let body = json!({ "label": "a", "budget_credits": 100, "max_per_spend": 20, "limits": [{ "per": "day", "credits": 30 }] });
    let leaf = root.with_token(&root.post("/delegation", &body).await.text("/token"));
    let (other, _) = root.child("b", 5).await;
    let hold = leaf.held(5).await;
    assert_eq!(leaf.capture(&hold, 5).await.status, 201);
    let key = leaf.post_with_key("/spend", "key", &json!({ "amount_credits": 1 })).await;
    assert_eq!(key.status, 201);
    let replay = leaf.post_with_key("/spend", "key", &json!({ "amount_credits": 1 })).await;
    assert_eq!(replay.header("idempotent-replayed"), Some("true"));
    let refused = [
        leaf.spend(21).await,
        leaf.capture(&hold, 5).await,
        other.spend(6).await,
        leaf.post_with_key("/spend", "key", &json!({ "amount_credits": 2 })).await,
        {
            leaf.spend(20).await;
            leaf.spend(20).await
        },
    ];
    let id = leaf.get("/delegation/self").await.text("/id");
    assert_eq!(root.act(&id, "revoke").await.status, 200);
    let revoked = leaf.spend(1).await;
    let scrape = Scrape::of(&server.api).await;
    for reply in refused.iter().chain([&revoked]) {
        let outcome = format!(r#"outcome="{}""#, reply.code());
        assert_eq!(scrape.count(ITEMS, &[&outcome]), 1, "{}: {}", outcome, scrape.text);
    }
    assert_eq!(scrape.count(ITEMS, &[r#"outcome="replayed""#]), 1);
}

#[tokio::test]
async fn ten_thousand_paths_and_invented_methods_make_no_series() {
    let (server, _, leaf) = busy().await;
    let api = &server.api;
    let odd = async |method: &[u8], path: &str| {
        let method = Method::from_bytes(method).unwrap();
        Reply::of(api.request_at(method, path)).await;
    };
    odd(b"GET", "/nothing").await;
    odd(b"BREW", "/nothing").await;
    odd(b"GET", "/api/cloud/delegation/x").await;
    Scrape::of(api).await;
    let before = Scrape::of(api).await;
    for number in 0..10_000 {
        match number % 4 {
            0 => odd(b"GET", &format!("/nothing/{number}?a={number}")).await,
            1 => odd(b"GET", &format!("/api/cloud/delegation/x{number}")).await,
            2 => odd(format!("BREW{number}").as_bytes(), "/nothing").await,
            _ => odd(b"GET", &format!("/{number}\"}} 1\\n%0A")).await,
        }
    }
    assert_eq!(leaf.spend(1).await.status, 201);
    let after = Scrape::of(api).await;
    let names = |scrape: &Scrape| scrape.series.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&after), names(&before));
    let others = after.count(REQUESTS, &[r#"route="other""#]) - before.count(REQUESTS, &[r#"route="other""#]);
    assert_eq!(others, 7_500);
}

#[tokio::test]
async fn nothing_in_the_text_names_a_tenant_a_delegation_or_a_secret() {
    let (server, _, leaf) = busy().await;
    let id = leaf.get("/delegation/self").await.text("/id");
    leaf.get(&format!("/delegation/{id}?token={}", leaf.token().unwrap())).await;
    let series = Scrape::of(&server.api).await.series;
    let text = series.into_keys().collect::<Vec<_>>().join("\n");
    for secret in ["sgt_", "dlg_", "ten_", "usr_", "code-reviewer", "@", "Tenant", leaf.token().unwrap()] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}

#[tokio::test]
async fn streams_are_counted_while_they_are_open() {
    let (server, _, leaf) = busy().await;
    let streams = async || Scrape::of(&server.api).await.count("subgrant_event_streams", &[]);
    assert_eq!(streams().await, 0);
    let first = leaf.watch(None).await;
    let second = leaf.watch(None).await;
    assert_eq!(streams().await, 2);
    drop((first, second));
    while streams().await > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn mail_is_counted_by_what_became_of_it() {
    let smtp = SmtpServer::start();
    let server = TestServer::start_mailing(&smtp).await;
    let tenant = server.sign_up().await;
    let owner = server.api.with_session(&tenant.session);
    let reply = owner.post("/email/confirm", &json!({})).await;
    assert_eq!(reply.status, 202, "{}", reply.body);
    while Scrape::of(&server.api).await.count("subgrant_mails_total", &[r#"result="sent""#]) < 1 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn calls_of_webhooks_are_counted_by_what_became_of_them() {
    let (smtp, receiver) = (SmtpServer::start(), Receiver::start().await);
    let server = TestServer::start_mailing(&smtp).await;
    let tenant = server.sign_up().await;
    let owner = server.api.with_session(&tenant.session);
    let webhook = owner.post("/webhook", &json!({ "url": receiver.origin })).await;
    assert_eq!(webhook.status, 201, "{}", webhook.body);
    for (answer, result) in
        [(204, r#"result="sent""#), (500, r#"result="put_off""#), (410, r#"result="given_up""#)]
    {
        receiver.answer(&[answer]);
        let test = format!("/webhook/{}/test", webhook.text("/id"));
        owner.post(&test, &json!({})).await;
        while Scrape::of(&server.api).await.count("subgrant_webhook_calls_total", &[result]) < 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn a_ledger_that_is_not_intact_shows_until_it_is_and_no_other_tenants_proof_hides_it() {
    let (server, root, _) = busy().await;
    let other = server.sign_up().await;
    let other = server.api.with_token(&other.root_token);
    let intact = async || Scrape::of(&server.api).await.count("subgrant_ledger_intact", &[]);
    assert_eq!(intact().await, 1);
    let pool = server.database.superuser().await;
    let tamper = async |sign: char| {
        let of = "SELECT id FROM delegations WHERE label = 'code-reviewer'";
        let tamper = format!("UPDATE balances SET spent = spent {sign} 1 WHERE delegation_id IN ({of})");
        sqlx::query(AssertSqlSafe(tamper)).execute(&pool).await.unwrap();
    };
    tamper('+').await;
    assert_eq!(root.get("/ledger/proof").await.body["intact"], false);
    assert_eq!(other.get("/ledger/proof").await.body["intact"], true);
    let scrape = Scrape::of(&server.api).await;
    assert_eq!(scrape.count("subgrant_ledger_intact", &[]), 0);
    assert_eq!(scrape.count("subgrant_ledgers_not_intact", &[]), 1);
    assert_eq!(scrape.count("subgrant_ledger_proofs_total", &[r#"result="fault""#]), 1);
    tamper('-').await;
    assert_eq!(root.get("/ledger/proof").await.body["intact"], true);
    assert_eq!(intact().await, 1);
}

#[tokio::test]
async fn metrics_can_be_moved_to_an_address_of_their_own() {
    let options = HttpOptions { metrics_for: MetricsFor::Nobody, ..HttpOptions::default() };
    let server = TestServer::start_with(options, subgrant_service::AppOptions::default()).await;
    let reply = Reply::of(server.api.request_at(Method::GET, "/metrics")).await;
    reply.assert_problem(404, "not_found", "/metrics");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_own_address_answers_metrics_and_nothing_else_also_without_a_database() {
    let database = TestDatabase::create().await;
    let args = ["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--master-key", KEY];
    let binary = env!("CARGO_BIN_EXE_subgrant-under-test");
    let server = Program::new(binary, args).args(["--database-url", &database.url]).start();
    let told = server.told();
    let address = told.lines().find_map(|line| line.strip_prefix("Metrics on ")).expect("it says where");
    let metrics = Api::new(address.strip_suffix("/metrics").unwrap().to_owned());
    let api = Api::new(server.origin.clone());
    assert_eq!(Reply::of(api.request_at(Method::GET, "/metrics")).await.status, 404);
    for path in ["/", "/livez", "/api/cloud/config", "/docs/"] {
        assert_eq!(Reply::of(metrics.request_at(Method::GET, path)).await.status, 404, "{path}");
    }
    Reply::of(api.request_at(Method::GET, "/livez")).await;
    let scrape = Scrape::of(&metrics).await;
    assert_eq!(scrape.count(REQUESTS, &[r#"route="/livez",status="200""#]), 1);

    while Scrape::of(&metrics).await.count("subgrant_housekeeping_runs_total", &[r#"result="completed""#]) < 1
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let completed = Scrape::of(&metrics).await.sum("subgrant_housekeeping_completed_timestamp_seconds", &[]);
    assert!(completed > 1.7e9, "{completed}");
    database.go_away().await;
    let ready = Reply::of(api.request_at(Method::GET, "/readyz")).await;
    ready.assert_problem(503, "unavailable", "/readyz without a database");
    assert_eq!(Reply::of(api.request_at(Method::GET, "/livez")).await.status, 200);
    let scrape = Scrape::of(&metrics).await;
    assert_eq!(scrape.count(REQUESTS, &[r#"route="/readyz",status="503""#]), 1);
    database.come_back().await;
    assert!(server.stop().success());
}
