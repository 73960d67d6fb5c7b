//! How often who may ask: by address, by token and by tenant.

use std::{net::IpAddr, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use subgrant_server::http::{HttpOptions, Limit, Rates};
use subgrant_service::AppOptions;
use subgrant_tests::{
    Api, Program, Reply, Scrape, TestDatabase, TestServer, assert_books_balance, ledger_totals,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// So slow that nothing is regained while a test runs.
const NEVER: f64 = 1e-6;

async fn start(rates: Rates) -> TestServer {
    TestServer::start_with(HttpOptions { rates, ..HttpOptions::default() }, AppOptions::default()).await
}

/// Fails unless an answer is that of a limit, and says how to go on.
fn assert_limited(reply: &Reply, limit: &str) {
    assert_eq!(reply.refusal(), (429, "rate_limited"), "{}", reply.body);
    let after = reply.header("retry-after").expect("when to come again").parse::<u64>();
    assert!(after.is_ok_and(|seconds| seconds >= 1), "{reply:?}");
    let policy = reply.header("ratelimit-policy").expect("the draft's header");
    assert!(policy.starts_with(&format!("\"{limit}\";q=")), "{policy}");
    assert!(reply.header("ratelimit").is_some_and(|left| left.contains(";r=0;t=")), "{reply:?}");
}

/// A client at another address of this machine.
async fn from(address: &str, api: &Api, path: &str, body: &Value) -> u16 {
    let address: IpAddr = address.parse().expect("an address");
    let client = reqwest::Client::builder().local_address(address).build().expect("a client");
    let url = format!("{}/api/cloud{path}", api.origin);
    client.post(url).json(body).send().await.expect("the server answers").status().as_u16()
}

/// Sends the same until it is refused by a limit; how often it was not.
async fn passed_before_limit(call: impl AsyncFn() -> Reply, limit: &str) -> usize {
    for passed in 0..20_000 {
        let reply = call().await;
        if reply.status == 429 {
            assert_limited(&reply, limit);
            return passed;
        }
    }
    panic!("{limit} is no limit")
}

#[tokio::test]
async fn what_strangers_may_ask_for_is_limited_by_their_address_from_the_start() {
    let server = TestServer::start().await;
    for (path, limit, burst) in [
        ("/signup", "address-signups", 200),
        ("/session", "address-sessions", 200),
        ("/password/reset", "address-mails", 100),
    ] {
        // Even what is not valid counts: looking at it costs something.
        let passed = passed_before_limit(async || server.api.post(path, &json!({})).await, limit).await;
        assert!(passed >= burst, "{path}: {passed}");
        assert_eq!(from("127.0.0.2", &server.api, path, &json!({})).await, 422, "{path}: another address");
    }
    // Setting a password shares the limit of sign-ups.
    for path in ["/invite/accept", "/password/reset/accept"] {
        let refused =
            passed_before_limit(async || server.api.post(path, &json!({})).await, "address-signups");
        assert!(refused.await < 200, "{path}");
    }
    let scrape = Scrape::of(&server.api).await;
    for limit in ["address-signups", "address-sessions", "address-mails"] {
        let labels = [format!("limit=\"{limit}\"")];
        let counted = scrape.count("subgrant_rate_limited_requests_total", &[&labels[0]]);
        assert!(counted >= 1, "{limit}: {counted}");
    }
}

#[tokio::test]
async fn what_is_dear_is_limited_by_tenant_from_the_start() {
    let server = TestServer::start().await;
    let (one, other) = (server.sign_up().await, server.sign_up().await);
    let owner = server.api.with_session(&one.session);
    for (path, limit, burst) in [("/ledger/proof", "tenant-exports", 60), ("/invite", "tenant-mails", 100)] {
        let call = async |api: &Api| match path {
            "/invite" => api.post(path, &json!({})).await,
            _ => api.get(path).await,
        };
        let passed = passed_before_limit(async || call(&owner).await, limit).await;
        assert!(passed >= burst, "{path}: {passed}");
        let reply = call(&server.api.with_session(&other.session)).await;
        assert_ne!(reply.status, 429, "{path}: another tenant");
    }
    assert_eq!(owner.get("/delegation").await.status, 200, "what is cheap goes on");
}

#[tokio::test]
async fn every_item_of_a_batch_counts_and_what_is_refused_spends_nothing() {
    let server = start(Rates::boundless().with(Limit::TenantSpends, NEVER, 100.0)).await;
    let (one, other) = (server.sign_up().await, server.sign_up().await);
    let (leaf, _) = server.api.with_token(&one.root_token).child("leaf", 1_000).await;
    let (elsewhere, _) = server.api.with_token(&other.root_token).child("leaf", 1_000).await;
    let items = vec![json!({ "amount_credits": 1 }); 60];
    let batch = json!({ "items": items });
    // What is left after the first lets the second in.
    for _ in 0..2 {
        assert_eq!(leaf.post("/spend/batch", &batch).await.status, 200);
    }
    for reply in [leaf.post("/spend/batch", &batch).await, leaf.spend(1).await, leaf.hold(1, "1m").await] {
        assert_limited(&reply, "tenant-spends");
    }
    assert_eq!(elsewhere.spend(1).await.status, 201, "another tenant");
    assert_eq!(leaf.get("/delegation/self").await.status, 200, "looking is another matter");
    assert_eq!(ledger_totals(&server, &one).await, (120, 120));
    assert_books_balance(&server, &one).await;
}

#[tokio::test]
async fn all_tokens_of_a_delegation_share_a_limit_that_no_other_delegation_feels() {
    let server = start(Rates::boundless().with(Limit::TokenSpends, NEVER, 10.0)).await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let ((one, _), (other, _)) = (root.child("one", 100).await, root.child("other", 100).await);
    let narrowed = |number: u32| {
        let caveat = format!("max_per_spend = {}", 50 + number);
        one.with_token(&subgrant_tests::attenuate(one.token().expect("a token"), &[caveat.as_bytes()]))
    };
    for number in 0..10 {
        assert_eq!(narrowed(number).spend(1).await.status, 201);
    }
    for client in [one.clone(), narrowed(11)] {
        assert_limited(&client.spend(1).await, "token-spends");
    }
    for _ in 0..5 {
        assert_eq!(other.spend(1).await.status, 201);
    }
}

#[tokio::test]
async fn who_waits_as_long_as_was_said_gets_through() {
    let server = start(Rates::boundless().with(Limit::TenantWrites, 1.0, 3.0)).await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let mut refused = root.mint("child", 1).await;
    while refused.status == 201 {
        refused = root.mint("child", 1).await;
    }
    assert_limited(&refused, "tenant-writes");
    let seconds = refused.header("retry-after").and_then(|text| text.parse().ok()).expect("seconds");
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    assert_eq!(root.mint("child", 1).await.status, 201);
}

#[tokio::test]
async fn a_known_token_above_its_limit_is_refused_without_its_body_and_without_the_database() {
    let server = start(Rates::boundless().with(Limit::TenantSpends, NEVER, 2.0)).await;
    let tenant = server.sign_up().await;
    let (leaf, _) = server.api.with_token(&tenant.root_token).child("leaf", 100).await;
    assert_eq!((leaf.spend(1).await.status, leaf.spend(1).await.status), (201, 201));
    let address = server.api.origin.trim_start_matches("http://").to_owned();
    let mut connection = TcpStream::connect(&address).await.expect("the server listens");
    let token = leaf.token().expect("a token");
    let head = format!(
        "POST /api/cloud/spend/batch HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 20000000\r\n\r\n{{"
    );
    connection.write_all(head.as_bytes()).await.expect("the server reads");
    let mut answer = [0; 12];
    connection.read_exact(&mut answer).await.expect("the answer comes before the body");
    assert_eq!(&answer, b"HTTP/1.1 429");
    server.database.go_away().await;
    assert_limited(&leaf.spend(1).await, "tenant-spends");
    server.database.come_back().await;
}

#[tokio::test]
async fn who_presents_what_is_refused_waits_but_nobody_whose_credential_is_known() {
    let server = start(Rates::boundless().with(Limit::AddressRefusals, NEVER, 5.0)).await;
    let tenant = server.sign_up().await;
    let (leaf, _) = server.api.with_token(&tenant.root_token).child("leaf", 100).await;
    let session = server.api.with_session(&tenant.session);
    assert_eq!(leaf.spend(1).await.status, 201);
    assert_eq!(session.get("/delegation/self").await.status, 200);
    let stranger = server.api.with_token("sgt_nonsense");
    for _ in 0..5 {
        assert_eq!(stranger.get("/delegation/self").await.status, 401);
    }
    for client in [&stranger, &server.api.with_session("nonsense")] {
        assert_limited(&client.get("/delegation/self").await, "address-refusals");
    }
    assert_eq!(server.api.get("/delegation/self").await.refusal(), (401, "missing"), "nothing to look up");
    for _ in 0..3 {
        assert_eq!(leaf.spend(1).await.status, 201, "a token that was good before");
        assert_eq!(session.get("/delegation/self").await.status, 200, "a session that was good before");
    }
    let elsewhere = reqwest::Client::builder().local_address("127.0.0.2".parse::<IpAddr>().ok());
    let url = format!("{}/api/cloud/delegation/self", server.api.origin);
    let reply = elsewhere.build().expect("a client").get(url).bearer_auth("sgt_nonsense").send().await;
    assert_eq!(reply.expect("the server answers").status(), 401, "another address");
}

#[tokio::test]
async fn health_and_metrics_are_never_limited() {
    let server = start(Rates::boundless().with(Limit::AddressRequests, NEVER, 3.0)).await;
    let paths = ["/livez", "/readyz", "/metrics"];
    for path in paths.into_iter().cycle().take(30) {
        let reply = server.api.request_at(Method::GET, path).send().await.expect("the server answers");
        assert_ne!(reply.status(), 429, "{path}");
    }
    for _ in 0..3 {
        assert_eq!(server.api.get("/config").await.status, 200);
    }
    assert_limited(&server.api.get("/config").await, "address-requests");
}

#[tokio::test]
async fn servers_count_each_other_and_one_that_ends_leaves_its_share() {
    let server = TestServer::start().await;
    let replica = server.replica().await;
    let tasks = [server.keep_count(), replica.keep_count()];
    let counted = async |server: &TestServer, expected: u64| {
        while Scrape::of(&server.api).await.count("subgrant_rate_limit_servers", &[]) != expected {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    counted(&server, 2).await;
    counted(&replica, 2).await;
    tasks[1].abort();
    counted(&server, 1).await;
}

#[tokio::test]
async fn operators_say_other_rates_on_the_command_line() {
    let database = TestDatabase::create().await;
    let login = database.create_login().await;
    sqlx::query(sqlx::AssertSqlSafe(format!("GRANT subgrant_app TO {}", login.name)))
        .execute(&database.superuser().await)
        .await
        .expect("the superuser may");
    let key = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let program =
        Program::new(env!("CARGO_BIN_EXE_subgrant-under-test"), ["serve", "--listen", "127.0.0.1:0"])
            .envs(&[("SUBGRANT_DATABASE_URL", &login.url), ("SUBGRANT_MASTER_KEY", key)]);
    let wrong = program.clone().args(["--rate-limit", "signups=1:1"]).run();
    assert!(!wrong.status.success() && wrong.stderr.contains("address-signups"), "{}", wrong.stderr);
    let running =
        program.envs(&[("SUBGRANT_RATE_LIMITS", "address-signups=0.001:2,address-mails=off")]).start();
    let api = Api::new(running.origin.clone());
    let statuses = [
        api.post("/signup", &json!({})).await.status,
        api.post("/signup", &json!({})).await.status,
        api.post("/signup", &json!({})).await.status,
    ];
    assert_eq!(statuses, [422, 422, 429]);
    for _ in 0..150 {
        assert_eq!(api.post("/password/reset", &json!({})).await.status, 422);
    }
    drop(running);
    login.drop().await;
}
