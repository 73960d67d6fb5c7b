//! Who may ask about requests at a gateway, how a request is named, and that one name is one debit.

use std::{net::SocketAddr, time::Duration};

use reqwest::{Method, RequestBuilder};
use serde_json::json;
use subgrant_store::maintenance;
use subgrant_tests::{Api, Reply, TestServer, assert_books_balance, attenuate};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

const TARGET: &str = "/v1/complete";

/// A service whose requests cost 3, and an agent with a hundred.
struct Stage {
    server: TestServer,
    tenant: subgrant_tests::Tenant,
    root: Api,
    service: String,
    key: String,
    agent: Api,
}

impl Stage {
    async fn start() -> Self {
        let server = TestServer::start().await;
        let tenant = server.sign_up().await;
        let root = server.api.with_token(&tenant.root_token);
        let (service, key) = service(&root, "Models").await;
        let (agent, _) = root.child("agent", 100).await;
        Self { server, tenant, root, service, key, agent }
    }

    /// A gateway's question to a server, with the agent's token.
    fn question(&self, server: &Api, key: Option<&str>) -> RequestBuilder {
        let api = server.with_token(self.agent.token().expect("it has one"));
        let request = api.request(Method::GET, &format!("/authorize/{}", self.service));
        let request = request.header("X-Forwarded-Method", "POST").header("X-Forwarded-Uri", TARGET);
        match key {
            Some(key) => request.header("X-Subgrant-Service-Key", key),
            None => request,
        }
    }

    fn named(&self, name: &str) -> RequestBuilder {
        self.question(&self.server.api, Some(&self.key)).header("X-Subgrant-Request-Id", name)
    }

    async fn spent(&self) -> u64 {
        self.root.get("/delegation/self").await.number("/spent_credits")
    }
}

async fn service(root: &Api, name: &str) -> (String, String) {
    let service = root.post("/service", &json!({ "name": name })).await;
    let (id, key) = (service.text("/id"), service.text("/verification_key"));
    let routes =
        json!([{ "route": "/v1/free", "price_credits": 0 }, { "route": "/v1/*", "price_credits": 3 }]);
    let prices = json!({ "service_id": id, "routes": routes });
    assert_eq!(Reply::of(root.request(Method::PUT, "/route").json(&prices)).await.status, 200);
    (id, key)
}

/// Whoever is no gateway of the service cannot have its word believed, nor anything debited.
#[tokio::test]
async fn without_the_services_key_nothing_is_believed_and_nothing_is_debited() {
    let stage = Stage::start().await;
    let (_, other) = service(&stage.root, "Other").await;
    let stranger = stage.server.sign_up().await;
    let (_, foreign) = service(&stage.server.api.with_token(&stranger.root_token), "Foreign").await;
    let mut altered = stage.key.clone();
    altered.pop();
    altered.push('x');
    for (key, code) in [
        (None, "missing"),
        (Some(other.as_str()), "forged"),
        (Some(&foreign), "forged"),
        (Some("svk_x"), "malformed"),
        (Some(&altered), "forged"),
        (Some(stage.agent.token().unwrap()), "malformed"),
    ] {
        // A thief who says where he would have to be.
        let request = stage.question(&stage.server.api, key).header("X-Forwarded-For", "10.1.1.1");
        let reply = Reply::of(request).await;
        assert_eq!((reply.status, reply.body["status"].as_u64()), (401, Some(401)), "{code}: {}", reply.body);
        // The last characters of base64 may stand for bits that a key has not.
        if Some(altered.as_str()) != key {
            reply.assert_problem(401, code, code);
        }
    }
    let twice =
        stage.question(&stage.server.api, Some(&stage.key)).header("X-Subgrant-Service-Key", &stage.key);
    Reply::of(twice).await.assert_problem(401, "malformed", "two keys");
    assert_eq!(stage.spent().await, 0);
    assert_eq!(Reply::of(stage.question(&stage.server.api, Some(&stage.key))).await.status, 200);
    assert_eq!(stage.spent().await, 3);
}

#[tokio::test]
async fn a_token_of_another_tenant_is_no_token_here() {
    let stage = Stage::start().await;
    let stranger = stage.server.sign_up().await;
    let theirs = stage.server.api.with_token(&stranger.root_token);
    let request = theirs.request(Method::GET, &format!("/authorize/{}", stage.service));
    let request = request.header("X-Subgrant-Service-Key", &stage.key);
    let request = request.header("X-Forwarded-Method", "GET").header("X-Forwarded-Uri", TARGET);
    Reply::of(request).await.assert_problem(401, "forged", "another tenant's");
    assert_eq!(theirs.get("/delegation/self").await.number("/spent_credits"), 0);
}

#[tokio::test]
async fn a_clients_idempotency_key_means_nothing() {
    let stage = Stage::start().await;
    for _ in 0..5 {
        let request = stage.question(&stage.server.api, Some(&stage.key)).header("Idempotency-Key", "one");
        let passed = Reply::of(request).await;
        assert_eq!((passed.status, passed.header("idempotent-replayed")), (200, None), "{}", passed.body);
    }
    assert_eq!(stage.spent().await, 15);
    let nonsense = stage.question(&stage.server.api, Some(&stage.key)).header("Idempotency-Key", "a b");
    assert_eq!(Reply::of(nonsense).await.status, 200, "it is not even looked at");
}

#[tokio::test]
async fn one_name_is_one_debit_and_never_another_requests() {
    let stage = Stage::start().await;
    let first = Reply::of(stage.named("n1")).await;
    let again = Reply::of(stage.named("n1").header("Idempotency-Key", "other")).await;
    assert_eq!((first.status, first.header("idempotent-replayed")), (200, None), "{}", first.body);
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")), "{}", again.body);
    for name in ["x-subgrant-spend-id", "x-subgrant-price-credits", "x-subgrant-remaining-credits"] {
        assert_eq!(again.header(name), first.header(name), "{name}");
    }
    assert_eq!(stage.spent().await, 3);

    let asked = |method: &str, target: &str, token: &str| {
        let api = stage.server.api.with_token(token);
        let request = api.request(Method::GET, &format!("/authorize/{}", stage.service));
        let request =
            request.header("X-Subgrant-Service-Key", &stage.key).header("X-Subgrant-Request-Id", "n1");
        request.header("X-Forwarded-Method", method).header("X-Forwarded-Uri", target)
    };
    let token = stage.agent.token().unwrap();
    let narrowed = attenuate(token, &[b"max_per_spend = 50"]);
    for (case, request) in [
        ("another method", asked("PUT", TARGET, token)),
        ("another target", asked("POST", "/v1/other", token)),
        ("another query", asked("POST", "/v1/complete?x", token)),
        ("a copy of the token", asked("POST", TARGET, &narrowed)),
        ("another token", asked("POST", TARGET, &stage.tenant.root_token)),
    ] {
        Reply::of(request).await.assert_problem(409, "request_id_reused", case);
    }
    assert_eq!(stage.spent().await, 3);
    // The prices may have changed in between: what was paid is told.
    let routes = json!([{ "route": "/v1/*", "price_credits": 9 }]);
    let prices = json!({ "service_id": stage.service, "routes": routes });
    assert_eq!(Reply::of(stage.root.request(Method::PUT, "/route").json(&prices)).await.status, 200);
    assert_eq!(Reply::of(stage.named("n1")).await.header("x-subgrant-price-credits"), Some("3"));

    // Another service's gateway has names of its own.
    let (other, key) = service(&stage.root, "Other").await;
    let request = stage.agent.request(Method::GET, &format!("/authorize/{other}"));
    let request = request.header("X-Subgrant-Service-Key", key).header("X-Subgrant-Request-Id", "n1");
    let elsewhere = request.header("X-Forwarded-Method", "POST").header("X-Forwarded-Uri", TARGET);
    assert_eq!(Reply::of(elsewhere).await.header("idempotent-replayed"), None);
    assert_eq!(stage.spent().await, 6);
    assert_books_balance(&stage.server, &stage.tenant).await;
}

#[tokio::test]
async fn a_name_that_was_paid_is_answered_though_nothing_is_left_and_no_other_is() {
    let stage = Stage::start().await;
    assert_eq!(Reply::of(stage.named("paid")).await.status, 200);
    assert_eq!(stage.agent.spend(97).await.status, 201);
    assert_eq!(Reply::of(stage.named("paid")).await.header("idempotent-replayed"), Some("true"));
    for name in ["new", "new"] {
        Reply::of(stage.named(name)).await.assert_problem(402, "budget_exhausted", name);
    }
    assert_eq!(stage.spent().await, 100);
}

#[tokio::test]
async fn names_have_bounds() {
    let stage = Stage::start().await;
    let long = "x".repeat(256);
    for name in ["", " ", "a b", "\u{e9}", &long] {
        Reply::of(stage.named(name)).await.assert_problem(400, "invalid_request_id", name);
    }
    let two = stage.named("a").header("X-Subgrant-Request-Id", "b");
    Reply::of(two).await.assert_problem(400, "invalid_request_id", "two names");
    assert_eq!(stage.spent().await, 0);
    assert_eq!(Reply::of(stage.named(&long[..255])).await.status, 200);
}

/// At once, at two servers that know nothing of each other.
#[tokio::test]
async fn questions_with_one_name_that_race_are_one_debit() {
    let stage = Stage::start().await;
    let replica = stage.server.replica().await;
    for round in 0..5 {
        let mut asking = JoinSet::new();
        for number in 0..20 {
            let server = if number % 2 == 0 { &stage.server.api } else { &replica.api };
            let request = stage.question(server, Some(&stage.key));
            asking.spawn(Reply::of(request.header("X-Subgrant-Request-Id", format!("name-{round}"))));
        }
        let replies = asking.join_all().await;
        assert!(replies.iter().all(|reply| reply.status == 200), "{replies:?}");
        let fresh = replies.iter().filter(|reply| reply.header("idempotent-replayed").is_none());
        assert_eq!(fresh.count(), 1);
        assert_eq!(stage.spent().await, 3 * (round + 1));
    }
    assert_books_balance(&stage.server, &stage.tenant).await;
}

#[tokio::test]
async fn a_name_counts_for_ten_minutes() {
    let stage = Stage::start().await;
    for name in ["old", "new", "swept"] {
        assert_eq!(Reply::of(stage.named(name)).await.status, 200);
    }
    let body = json!({ "amount_credits": 1 });
    assert_eq!(stage.agent.post_with_key("/spend", "old", &body).await.status, 201);
    let age = async |minutes: i32, key: &str| {
        let age = format!(
            "UPDATE idempotency SET created_at = now() - interval '{minutes} minutes' WHERE key = '{key}'"
        );
        sqlx::query(sqlx::AssertSqlSafe(age))
            .execute(&stage.server.database.superuser().await)
            .await
            .unwrap();
    };
    age(11, "old").await;
    age(9, "new").await;
    assert_eq!(Reply::of(stage.named("new")).await.header("idempotent-replayed"), Some("true"));
    assert_eq!(Reply::of(stage.named("old")).await.header("idempotent-replayed"), None);
    assert_eq!(Reply::of(stage.named("old")).await.header("idempotent-replayed"), Some("true"));
    assert_eq!(stage.spent().await, 13);
    // What nobody asks for again is forgotten too, and a key of another kind is not.
    age(11, "swept").await;
    age(11, "old").await;
    let forgotten = maintenance::forget_old_idempotency_records(stage.server.app.database()).await.unwrap();
    assert_eq!(forgotten, 2, "`swept` and `old`");
    let again = stage.agent.post_with_key("/spend", "old", &body).await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
}

/// As `ext_authz` asks: with the client's method, and the client's target after the prefix.
#[tokio::test]
async fn what_follows_the_prefix_is_what_is_asked_about() {
    let stage = Stage::start().await;
    let routes = json!([
        { "route": "/", "price_credits": 1 },
        { "route": "/v1/gpt:run", "price_credits": 5 },
        { "route": "/v1/*", "method": "GET", "price_credits": 2 },
        { "route": "/v1/*", "price_credits": 3 },
    ]);
    let prices = json!({ "service_id": stage.service, "routes": routes });
    assert_eq!(Reply::of(stage.root.request(Method::PUT, "/route").json(&prices)).await.status, 200);
    let address: SocketAddr = stage.server.api.origin.strip_prefix("http://").unwrap().parse().unwrap();
    let token = stage.agent.token().unwrap();
    let ask = async |method: &str, target: &str| {
        let head = format!(
            "{method} /api/cloud/authorize/{}/forward{target} HTTP/1.1\r\nHost: models.example\r\nContent-Length: 0\r\n\
             Authorization: Bearer {token}\r\nX-Subgrant-Service-Key: {}\r\nX-Forwarded-For: 203.0.113.9, 198.51.100.7\r\n\
             X-Forwarded-Uri: /v1/free\r\nX-Forwarded-Method: BREW\r\nConnection: close\r\n\r\n",
            stage.service, stage.key
        );
        raw(address, head.as_bytes()).await
    };
    for (method, target, price) in [
        ("GET", "/", 1),
        ("GET", "/?a=/v1/x", 1),
        ("GET", "/v1/x/y/", 2),
        ("HEAD", "/v1/x", 2),
        ("POST", "/v1/x?a=b", 3),
        ("PROPFIND", "/v1/x", 3),
        ("OPTIONS", "/v1/x", 3),
        ("GET", "/v1/gpt:run", 5),
        ("GET", "/v1/gpt%3arun", 5),
    ] {
        let answer = ask(method, target).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{method} {target}: {answer}");
        assert!(answer.contains(&format!("x-subgrant-price-credits: {price}\r\n")), "{target}: {answer}");
    }
    let spent = stage.spent().await;
    for (target, status) in [
        ("/v2", "403"),
        ("/v1/../v1/x", "403"),
        ("/../../../livez", "403"),
        ("/v1/%2e%2e/x", "403"),
        ("//v1/x", "403"),
        ("/v1/a%2Fb", "403"),
        ("", "404"),
        ("er/v1/x", "404"),
    ] {
        let answer = ask("GET", target).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{target}: {answer}");
    }
    assert_eq!(stage.spent().await, spent);
    let entries = stage.agent.all("/ledger?").await;
    assert_eq!(entries.last().expect("there are some")["description"], "GET /v1/gpt:run");
    let narrowed = attenuate(token, &[b"source_ip = 198.51.100.7", b"method = DELETE", b"route = /v1/x"]);
    let api = stage.server.api.with_token(&narrowed);
    let request = api.request(Method::DELETE, &format!("/authorize/{}/forward/v1/x", stage.service));
    let request = request.header("X-Subgrant-Service-Key", &stage.key);
    let request = request.header("X-Forwarded-For", "203.0.113.9, 198.51.100.7");
    assert_eq!(Reply::of(request).await.status, 200, "judged by the client's method, path and address");
}

#[tokio::test]
async fn any_method_is_answered_and_no_body_is_waited_for() {
    let stage = Stage::start().await;
    let address: SocketAddr = stage.server.api.origin.strip_prefix("http://").unwrap().parse().unwrap();
    let token = stage.agent.token().unwrap();
    let head = |method: &str, more: &str| {
        format!(
            "{method} /api/cloud/authorize/{} HTTP/1.1\r\nHost: subgrant\r\nAuthorization: Bearer {token}\r\n\
             X-Subgrant-Service-Key: {}\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Uri: {TARGET}\r\n{more}\r\n",
            stage.service, stage.key
        )
    };
    for method in ["GET", "HEAD", "POST", "OPTIONS", "TRACE", "PROPFIND", "M-SEARCH", "x"] {
        let answer = raw(address, head(method, "Connection: close\r\n").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{method}: {answer}");
    }
    assert_eq!(stage.spent().await, 24, "the question's own method is not what is paid for");

    // A length that nothing follows: the answer comes while the connection is open.
    for more in [
        "Content-Length: 77\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Content-Length: 99\r\nExpect: 100-continue\r\n",
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head("POST", more).as_bytes()).await.unwrap();
        let mut status = [0; 13];
        // Long before the server gives up on the body, and far longer than the answer takes.
        let read = timeout(Duration::from_secs(10), stream.read_exact(&mut status)).await;
        read.expect("the answer waits for no body").unwrap();
        assert_eq!(&status, b"HTTP/1.1 200 ", "{more}");
    }
    // Bodies larger than any that the API takes.
    let request = stage.question(&stage.server.api, Some(&stage.key));
    assert_eq!(Reply::of(request.body(vec![b'x'; 3 << 20])).await.status, 200);
    assert_eq!(stage.spent().await, 36);
}

/// Sends a request as it is and reads the answer to its end.
async fn raw(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    stream.write_all(request).await.expect("the server reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("the server answers");
    String::from_utf8_lossy(&answer).into_owned()
}
