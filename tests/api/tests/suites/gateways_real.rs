//! Real gateways, set up as the documents tell: nginx, Caddy, Envoy and Traefik, with clients that mean harm.

use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use subgrant_tests::{
    Api, Called, Gateway, GatewayKind, GatewaySetup, Lossy, Receiver, Reply, TestServer, attenuate,
};

struct Stage {
    server: TestServer,
    setup: GatewaySetup,
    upstream: Receiver,
    agent: Api,
    id: String,
}

impl Stage {
    /// A service that takes 20 for most of what it does, and an agent with a thousand.
    async fn start() -> Self {
        let server = TestServer::start().await;
        let root = server.api.with_token(&server.sign_up().await.root_token);
        let service = root.post("/service", &json!({ "name": "Models" })).await;
        let prices = json!({ "service_id": service.text("/id"), "routes": [
            { "route": "/v1/models/gpt:generate,/v1/a!b", "price_credits": 50 },
            { "route": "/v1/free", "price_credits": 0 },
            { "route": "/v1/*", "price_credits": 20 },
        ]});
        assert_eq!(Reply::of(root.request(Method::PUT, "/route").json(&prices)).await.status, 200);
        let (agent, id) = root.child("agent", 1000).await;
        let upstream = Receiver::start().await;
        let setup = GatewaySetup {
            subgrant: vec![server.api.origin.clone()],
            service: service.text("/id"),
            key: service.text("/verification_key"),
            upstream: upstream.origin.clone(),
        };
        Self { server, setup, upstream, agent, id }
    }

    fn token(&self) -> &str {
        self.agent.token().expect("it has one")
    }

    async fn spent(&self) -> u64 {
        self.agent.get("/delegation/self").await.number("/spent_credits")
    }

    /// What the service was sent for a target.
    fn served(&self, target: &str) -> Vec<Called> {
        self.upstream.came().into_iter().filter(|call| call.target == target).collect()
    }
}

/// A client of a gateway.
struct Visitor {
    http: Client,
    origin: String,
    token: String,
}

impl Visitor {
    fn new(gateway: &Gateway, token: &str) -> Self {
        Self { http: Client::new(), origin: gateway.origin.clone(), token: token.to_owned() }
    }

    fn request(&self, method: &str, target: &str) -> RequestBuilder {
        let method = method.parse::<Method>().expect("a method");
        self.http.request(method, format!("{}{target}", self.origin)).bearer_auth(&self.token)
    }

    async fn status(&self, method: &str, target: &str) -> u16 {
        sent(self.request(method, target)).await.status().as_u16()
    }
}

async fn sent(request: RequestBuilder) -> Response {
    request.send().await.expect("the gateway answers")
}

#[tokio::test]
async fn nginx_is_not_deceived() {
    assert_lets_pass_what_is_paid_and_nothing_else(GatewayKind::Nginx).await;
}

#[tokio::test]
async fn caddy_is_not_deceived() {
    assert_lets_pass_what_is_paid_and_nothing_else(GatewayKind::Caddy).await;
}

#[tokio::test]
async fn envoy_is_not_deceived() {
    assert_lets_pass_what_is_paid_and_nothing_else(GatewayKind::Envoy).await;
}

#[tokio::test]
async fn traefik_is_not_deceived() {
    assert_lets_pass_what_is_paid_and_nothing_else(GatewayKind::Traefik).await;
}

async fn assert_lets_pass_what_is_paid_and_nothing_else(kind: GatewayKind) {
    let stage = Stage::start().await;
    let gateway = Gateway::start(kind, &stage.setup).await;
    let visitor = Visitor::new(&gateway, stage.token());

    assert_service_learns_who_pays_and_no_secret(&stage, &visitor).await;
    assert_conditions_are_those_of_the_client(&stage, &gateway).await;
    assert_prices_do_not_depend_on_the_spelling(&stage, &visitor).await;
    assert_any_method_and_body_passes(&stage, &visitor).await;

    let left = 1000 - stage.spent().await;
    let paid = usize::try_from(left / 20).expect("a small number");
    assert_one_name_does_not_pay_for_many(&stage, &visitor, paid).await;
}

async fn assert_service_learns_who_pays_and_no_secret(stage: &Stage, visitor: &Visitor) {
    let request = visitor.request("GET", "/v1/reports?year=2026");
    let request = request
        .header("X-Subgrant-Delegation-Id", "dlg_of_somebody_else")
        .header("X-Subgrant-Price-Credits", "0")
        .header("X-Subgrant-Service-Key", "svk_of_the_client");
    assert_eq!(sent(request).await.status(), 204);
    let unknown = || visitor.http.get(format!("{}/v1/reports", visitor.origin));
    assert_eq!(sent(unknown()).await.status(), 401);
    assert_eq!(sent(unknown().bearer_auth("sgt_x")).await.status(), 401);
    assert_eq!(visitor.status("GET", "/v2/reports").await, 403, "nobody has priced it");

    let served = stage.served("/v1/reports?year=2026");
    assert_eq!(stage.upstream.came().len(), 1, "the others did not pass");
    let told = served[0].headers.get_all("x-subgrant-delegation-id").iter().collect::<Vec<_>>();
    assert_eq!(told, [stage.id.as_str()], "the service is told who pays, by nobody else");
    let told = served[0].headers.keys().map(reqwest::header::HeaderName::as_str);
    let told: Vec<_> =
        told.filter(|name| name.starts_with("x-subgrant-") || *name == "authorization").collect();
    assert_eq!(told, ["x-subgrant-delegation-id"]);
    let shown = format!("{:?}", served[0].headers);
    assert!(!shown.contains("svk_") && !shown.contains("sgt_"), "{shown}");
    assert_eq!(stage.spent().await, 20);
}

async fn assert_conditions_are_those_of_the_client(stage: &Stage, gateway: &Gateway) {
    let before = stage.spent().await;
    let narrowed = |caveat: &[u8]| Visitor::new(gateway, &attenuate(stage.token(), &[caveat]));
    let here = format!("source_ip = {}", address_seen(stage));
    assert_eq!(narrowed(here.as_bytes()).status("GET", "/v1/reports").await, 204);
    let elsewhere = narrowed(b"source_ip = 10.0.0.0/8").request("GET", "/v1/reports");
    let elsewhere = elsewhere.header("X-Forwarded-For", "10.1.1.1").header("X-Real-Ip", "10.1.1.1");
    assert_eq!(sent(elsewhere).await.status(), 403, "the address is the one that the gateway sees");
    let reader = narrowed(b"method = GET").request("POST", "/v1/reports").header("X-Forwarded-Method", "GET");
    assert_eq!(sent(reader).await.status(), 403, "the method is the one that the gateway sees");
    let free = narrowed(b"route = /v1/free").request("GET", "/v1/reports");
    let free = free.header("X-Forwarded-Uri", "/v1/free").header("X-Original-Url", "/v1/free");
    assert_eq!(sent(free).await.status(), 403, "the path is the one that the gateway sees");
    assert_eq!(stage.spent().await - before, 20);
}

/// The client's address as the gateway sees it: Envoy puts its machine's in the place of the loopback's.
fn address_seen(stage: &Stage) -> String {
    let headers = stage.upstream.came()[0].headers.clone();
    let told = headers.get("x-forwarded-for").map(|value| value.to_str().expect("ASCII").to_owned());
    let last = told.as_deref().and_then(|told| told.rsplit(',').next()).unwrap_or("127.0.0.1");
    last.trim().to_owned()
}

async fn assert_prices_do_not_depend_on_the_spelling(stage: &Stage, visitor: &Visitor) {
    for (target, price) in [
        ("/v1/models/gpt:generate", 50),
        ("/v1/models/gpt%3Agenerate", 50),
        ("/v1/models/gpt%3agenerate", 50),
        ("/v1/a%21b", 50),
    ] {
        let before = stage.spent().await;
        assert_eq!(visitor.status("POST", target).await, 204, "{target}");
        assert_eq!(stage.spent().await - before, price, "{target}");
    }
    let before = stage.spent().await;
    for target in ["/v1/reports%20", "/v1/models%2Fgpt:generate", "/v1/models//gpt:generate", "/v1/x%253A"] {
        // A gateway may refuse it by itself, or merge the slashes before it asks and before it passes it on.
        let is_merged = target.contains("//") && visitor.status("GET", target).await == 204;
        assert!(is_merged || [400, 403, 404].contains(&visitor.status("GET", target).await), "{target}");
        if is_merged {
            assert_eq!(stage.spent().await - before, 50, "{target}");
            return;
        }
    }
    assert_eq!(stage.spent().await, before);
}

async fn assert_any_method_and_body_passes(stage: &Stage, visitor: &Visitor) {
    for method in ["OPTIONS", "PROPFIND", "PURGE", "HEAD"] {
        let before = stage.spent().await;
        assert_eq!(visitor.status(method, "/v1/methods").await, 204, "{method}");
        assert_eq!(stage.spent().await - before, 20, "{method}");
    }
    // Larger than any that the API takes.
    let body = "x".repeat(3 << 19);
    assert_eq!(sent(visitor.request("POST", "/v1/upload").body(body.clone())).await.status(), 204);
    assert!(stage.served("/v1/upload")[0].body == body, "the service is sent all of it");
}

/// The main path of a service whose requests differ in their bodies alone.
async fn assert_one_name_does_not_pay_for_many(stage: &Stage, visitor: &Visitor, paid: usize) {
    let prompt = async |number: usize| {
        let request = visitor.request("POST", "/v1/complete").body(format!("prompt {number}"));
        let request =
            request.header("Idempotency-Key", "one-key").header("X-Subgrant-Request-Id", "one-name");
        sent(request.header("X-Request-Id", "6f1f3c1e-2a52-4a0a-9b1e-0f7d5a8d1c11")).await.status().as_u16()
    };
    for number in 0..paid {
        assert_eq!(prompt(number).await, 204, "{number} of {paid}");
    }
    assert_eq!(stage.spent().await, 1000 - (1000 - stage.spent().await) % 20);
    assert!(1000 - stage.spent().await < 20);
    for number in 0..10 {
        assert_eq!(prompt(number).await, 402, "the budget is used up");
    }
    let mut bodies: Vec<_> = stage.served("/v1/complete").into_iter().map(|call| call.body).collect();
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), paid);
}

/// An answer that is lost on its way makes nginx ask the other server; so would any gateway that tries again.
#[tokio::test]
async fn a_question_that_is_asked_again_is_paid_once_whichever_server_answers() {
    let mut stage = Stage::start().await;
    let replica = stage.server.replica().await;
    let lossy = Lossy::before(&stage.server.api.origin).await;
    stage.setup.subgrant = vec![lossy.origin.clone(), replica.api.origin.clone()];
    let gateway = Gateway::start(GatewayKind::Nginx, &stage.setup).await;
    let visitor = Visitor::new(&gateway, stage.token());
    for number in 0..10 {
        assert_eq!(visitor.status("GET", &format!("/v1/{number}")).await, 204);
    }
    assert!(lossy.lost() >= 3, "only {} answers were lost", lossy.lost());
    assert_eq!(stage.spent().await, 200);
    let entries = stage.agent.all("/ledger?").await;
    assert_eq!(entries.len(), 10, "{}", Value::from(entries.clone()));
}
