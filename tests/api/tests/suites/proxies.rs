//! Whose request it is where a proxy stands in front, and whom the server believes.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use subgrant_server::http::{HttpOptions, MetricsFor, TrustedProxies};
use subgrant_service::AppOptions;
use subgrant_tests::{Api, PASSWORD, Program, Proxy, Reply, Tenant, TestDatabase, TestServer, attenuate};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn trusting(networks: &[&str]) -> HttpOptions {
    let networks = networks.iter().map(|text| text.parse().expect("a network"));
    HttpOptions { trusted_proxies: TrustedProxies::new(networks), ..HttpOptions::default() }
}

async fn start(http: HttpOptions) -> TestServer {
    TestServer::start_with(http, AppOptions::default()).await
}

/// A debit with a token for one network.
fn spend(api: &Api, tenant: &Tenant, caveat: &str) -> RequestBuilder {
    let token = attenuate(&tenant.root_token, &[caveat.as_bytes()]);
    api.with_token(&token).request(Method::POST, "/spend").json(&json!({ "amount_credits": 1 }))
}

fn forwarded(request: RequestBuilder, lines: &[&str]) -> RequestBuilder {
    lines.iter().fold(request, |request, line| request.header("X-Forwarded-For", *line))
}

#[tokio::test]
async fn a_trusted_proxys_word_decides_where_a_token_may_be_used() {
    let server = start(trusting(&["127.0.0.0/8", "10.0.0.0/8"])).await;
    let tenant = server.sign_up().await;
    let office = || spend(&server.api, &tenant, "source_ip = 198.51.100.0/24");
    for (lines, status) in [
        (&["198.51.100.7"][..], 201),
        (&["203.0.113.9, 198.51.100.7"], 201),
        (&["203.0.113.9", "198.51.100.7, 10.1.1.1"], 201),
        (&["::ffff:198.51.100.7"], 201),
        (&["198.51.100.7:4711"], 201),
        (&[], 403),
        (&["203.0.113.9"], 403),
        // The client has written the first one itself.
        (&["198.51.100.7, 203.0.113.9"], 403),
        (&["198.51.100.7", "203.0.113.9"], 403),
        (&["198.51.100.7, unknown"], 403),
        (&["198.51.100.7, unknown, 10.1.1.1"], 403),
    ] {
        let reply = Reply::of(forwarded(office(), lines)).await;
        assert_eq!(reply.status, status, "{lines:?}: {}", reply.body);
    }
    let here = || spend(&server.api, &tenant, "source_ip = 127.0.0.1");
    assert_eq!(Reply::of(here()).await.status, 201, "the proxy asks for itself");
    assert_eq!(Reply::of(forwarded(here(), &["203.0.113.9"])).await.status, 403, "a token for this machine");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_is_told_of_proxies_by_options_or_by_its_environment() {
    let database = TestDatabase::create().await;
    let program = |args: &[&str]| Program::new(env!("CARGO_BIN_EXE_subgrant-under-test"), args.to_owned());
    let database = ["--database-url", &database.url, "--master-key", KEY];
    let create = ["tenant", "create", "--name", "A", "--email", "a@acme.example"];
    let tenant: Value = serde_json::from_str(&program(&create).args(database).run().stdout).expect("JSON");
    let token = tenant["root_token"].as_str().expect("a token");
    let token = attenuate(token, &[b"source_ip = 198.51.100.0/24"]);
    let serve = program(&["serve", "--listen", "127.0.0.1:0"]).args(database);
    for (serve, status) in [
        (serve.clone(), 403),
        (serve.clone().env("SUBGRANT_TRUSTED_PROXY", "10.0.0.0/8,127.0.0.1"), 201),
        (serve.clone().args(["--trusted-proxy", "10.0.0.0/8", "--trusted-proxy", "127.0.0.0/8"]), 201),
    ] {
        let server = serve.start();
        let api = Api::new(server.origin.clone()).with_token(&token);
        let spend = api.request(Method::POST, "/spend").json(&json!({ "amount_credits": 1 }));
        assert_eq!(
            Reply::of(forwarded(spend, &["198.51.100.7, 10.1.1.1"])).await.status,
            status,
            "{serve:?}"
        );
        assert!(server.stop().success());
    }
    let output = serve.args(["--trusted-proxy", "everybody"]).run();
    assert!(!output.status.success() && output.stderr.contains("10.0.0.0/8"), "{}", output.stderr);
}

#[tokio::test]
async fn nobody_elses_word_counts() {
    for server in [start(HttpOptions::default()).await, start(trusting(&["10.0.0.0/8", "::1"])).await] {
        let tenant = server.sign_up().await;
        let office = spend(&server.api, &tenant, "source_ip = 198.51.100.0/24");
        assert_eq!(Reply::of(forwarded(office, &["198.51.100.7"])).await.status, 403);
        let here = spend(&server.api, &tenant, "source_ip = 127.0.0.1");
        assert_eq!(Reply::of(forwarded(here, &["198.51.100.7"])).await.status, 201);
    }
}

#[tokio::test]
async fn sign_ins_sessions_and_the_audit_log_know_the_client_and_not_the_proxy() {
    let server = start(trusting(&["127.0.0.1"])).await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let owner = server.owner(&tenant);
    let email = owner.get("/session").await.text("/user/email");
    let sign_in = |password: &str, client: &str| {
        let body = json!({ "email": email, "password": password });
        forwarded(server.api.request(Method::POST, "/session"), &[client]).json(&body)
    };
    assert_eq!(Reply::of(sign_in(PASSWORD, "198.51.100.7")).await.status, 201);
    let id = owner.get("/session").await.text("/user/id");
    let listed = owner.get(&format!("/user/{id}/session")).await.body.to_string();
    assert!(listed.contains("198.51.100.7"), "{listed}");
    let (_, child) = root.child("child", 10).await;
    let revoke = root.request(Method::POST, &format!("/delegation/{child}/revoke")).json(&json!({}));
    assert_eq!(Reply::of(forwarded(revoke, &["198.51.100.8"])).await.status, 200);
    let audit = root.get("/audit?order=newest&action=delegation.revoke").await;
    assert_eq!(audit.text("/data/0/source_ip"), "198.51.100.8");
    let attempts = "SELECT count(*) FROM attempt_levels";
    let pool = server.database.superuser().await;
    let subjects =
        async || sqlx::query_scalar::<_, i64>(attempts).fetch_one(&pool).await.expect("attempts are counted");
    let before = subjects().await;
    for client in ["203.0.113.1", "203.0.113.2", "203.0.113.3"] {
        assert_eq!(Reply::of(sign_in("wrong", client)).await.status, 401);
    }
    assert!(subjects().await >= before + 3, "each client is counted for itself");
}

#[tokio::test]
async fn a_real_nginx_passes_on_whose_request_it_is() {
    let server = start(trusting(&["127.0.0.1"])).await;
    let proxy = Proxy::start(&server.api.origin).await;
    let through = Api::new(proxy.origin.clone());
    let tenant = server.sign_up().await;
    // What the client claims, nginx replaces: its peer is this machine.
    let claimed = spend(&through, &tenant, "source_ip = 198.51.100.0/24");
    assert_eq!(Reply::of(forwarded(claimed, &["198.51.100.7"])).await.status, 403);
    let here = spend(&through, &tenant, "source_ip = 127.0.0.0/8");
    assert_eq!(Reply::of(forwarded(here, &["198.51.100.7"])).await.status, 201);

    let owner = through.with_session(&tenant.session);
    let body = json!({ "label": "x", "budget_credits": 1 });
    assert_eq!(owner.post("/delegation", &body).await.status, 201, "the page is of the same origin");
    let other = server.api.with_session(&tenant.session).request(Method::POST, "/delegation");
    let other = other.header("X-Forwarded-Proto", "https").json(&body);
    Reply::of(other).await.assert_problem(403, "cross_origin", "by https, the page is another one");
    let (mut stream, _) = through.with_token(&tenant.root_token).watch(None).await;
    assert_eq!(through.with_token(&tenant.root_token).spend(1).await.status, 201);
    stream.until("spend.recorded").await;
    let item = json!({ "amount_credits": 1, "metadata": { "x": "y".repeat(1_000) } });
    let batch = json!({ "items": vec![item; 3_000] });
    assert_eq!(through.with_token(&tenant.root_token).post("/spend/batch", &batch).await.status, 200);
    let refused = through.post("/spend/batch", &batch).await;
    refused.assert_problem(401, "missing", "a large body of a stranger");
    let metrics = through.request_at(Method::GET, "/metrics").send().await.expect("nginx answers");
    assert_eq!(metrics.status(), 404);
}

#[tokio::test]
async fn a_page_of_another_scheme_or_site_is_not_ours() {
    let public_origin = Some("https://credits.acme.example".to_owned());
    let server = start(HttpOptions { public_origin, ..trusting(&["127.0.0.1"]) }).await;
    let tenant = server.sign_up().await;
    let host = server.api.origin.strip_prefix("http://").expect("an origin").to_owned();
    let (http, https) = (format!("http://{host}"), format!("https://{host}"));
    let public = "https://credits.acme.example";
    let send = async |headers: &[(&str, &str)]| {
        let request = server.api.request(Method::POST, "/delegation");
        let request = request.header("Cookie", format!("__Host-session={}", tenant.session));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        Reply::of(request.json(&json!({ "label": "x", "budget_credits": 1 }))).await
    };
    for (headers, status) in [
        (&[("Origin", http.as_str())][..], 201),
        (&[("Origin", &https)], 403),
        (&[("Origin", &https), ("X-Forwarded-Proto", "https")], 201),
        (&[("Origin", &http), ("X-Forwarded-Proto", "https")], 403),
        (&[("Origin", &https), ("X-Forwarded-Proto", "http")], 403),
        (&[("Origin", public), ("Host", "credits.acme.example")], 201),
        (&[("Origin", "http://credits.acme.example"), ("Host", "credits.acme.example")], 403),
        // A browser that says where the page is from has compared schemes itself.
        (&[("Origin", &https), ("Sec-Fetch-Site", "same-origin")], 201),
        (&[("Origin", &http), ("Sec-Fetch-Site", "same-site")], 403),
        (&[("Origin", &http), ("Sec-Fetch-Site", "cross-site")], 403),
        (&[("Origin", &http), ("Sec-Fetch-Site", "none")], 403),
        (&[("Sec-Fetch-Site", "same-origin")], 403),
    ] {
        let reply = send(headers).await;
        assert_eq!(reply.status, status, "{headers:?}: {}", reply.body);
    }
    let untrusting = start(HttpOptions::default()).await;
    let tenant = untrusting.sign_up().await;
    let page = untrusting.api.with_session(&tenant.session).request(Method::POST, "/spend");
    let page = page.header("X-Forwarded-Proto", "https").json(&json!({ "amount_credits": 1 }));
    assert_eq!(Reply::of(page).await.status, 201, "nobody else's word counts");
}

#[tokio::test]
async fn metrics_are_for_this_machine_and_not_for_what_a_proxy_passes_on() {
    let server = start(HttpOptions::default()).await;
    let ask = async |server: &TestServer, headers: &[(&str, &str)]| {
        let request = server.api.request_at(Method::GET, "/metrics");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.send().await.expect("the server answers").status().as_u16()
    };
    assert_eq!(ask(&server, &[]).await, 200);
    for name in ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "Via", "X-Real-IP"]
    {
        assert_eq!(ask(&server, &[(name, "127.0.0.1")]).await, 404, "{name}");
    }
    let open = start(HttpOptions { metrics_for: MetricsFor::Anybody, ..HttpOptions::default() }).await;
    assert_eq!(ask(&open, &[("X-Forwarded-For", "198.51.100.7")]).await, 200);
    let trusting = start(trusting(&["127.0.0.1"])).await;
    assert_eq!(ask(&trusting, &[("X-Forwarded-For", "198.51.100.7")]).await, 404);
}

#[tokio::test]
async fn the_page_of_the_documentation_is_protected_as_the_dashboard_is() {
    let server = TestServer::start().await;
    for path in ["/docs/", "/docs/index.html", "/docs/swagger-ui.css"] {
        let response = server.api.request_at(Method::GET, path).send().await.expect("the server answers");
        assert_eq!(response.status(), 200, "{path}");
        let policy = response.headers()["content-security-policy"].to_str().expect("text").to_owned();
        for part in ["default-src 'none'", "frame-ancestors 'none'", "script-src 'self';"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert_eq!(response.headers()["x-frame-options"], "DENY");
    }
    let page = server.api.request_at(Method::GET, "/docs/").send().await.expect("the server answers");
    let page = page.text().await.expect("text");
    let inline = page.split("<script").skip(1).filter(|script| !script.contains("src="));
    assert_eq!(inline.count(), 0, "the policy would stop scripts within the page: {page}");
}
