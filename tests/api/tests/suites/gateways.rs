//! What requests at a service cost, and forward-auth: letting requests through a gateway that are paid.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use subgrant_tests::{Api, Reply, Tenant, TestServer, assert_books_balance, attenuate};

struct Stage {
    server: TestServer,
    tenant: Tenant,
    owner: Api,
    root: Api,
    service: String,
    /// The service's.
    key: String,
    agent: Api,
}

impl Stage {
    /// A service that sells some of its routes, and an agent with ten credits.
    async fn start() -> Self {
        let server = TestServer::start().await;
        let tenant = server.sign_up().await;
        let (owner, root) = (server.owner(&tenant), server.api.with_token(&tenant.root_token));
        let service = root.post("/service", &json!({ "name": "Reports" })).await;
        let (service, key) = (service.text("/id"), service.text("/verification_key"));
        let (agent, _) = root.child("agent", 10).await;
        let stage = Self { server, tenant, owner, root, service, key, agent };
        let prices = json!([
            { "route": "/v1/reports/free", "price_credits": 0 },
            { "route": "/v1/reports/*", "method": "GET,HEAD", "price_credits": 3, "price_sats": 20 },
            { "route": "/v1/*,/v2/*", "price_credits": 7 },
        ]);
        assert_eq!(stage.set_prices(&stage.root, prices).await.status, 200);
        stage
    }

    async fn set_prices(&self, api: &Api, routes: Value) -> Reply {
        let body = json!({ "service_id": self.service, "routes": routes });
        Reply::of(api.request(Method::PUT, "/route").json(&body)).await
    }

    async fn prices(&self) -> Value {
        self.owner.get(&format!("/route?service_id={}", self.service)).await.body["routes"].clone()
    }

    /// The gateway's question, before it says what it was sent.
    fn question(&self, api: &Api, method: Method) -> RequestBuilder {
        let request = api.request(method, &format!("/authorize/{}", self.service));
        request.header("X-Subgrant-Service-Key", &self.key)
    }

    fn asking(&self, api: &Api, method: &str, target: &str) -> RequestBuilder {
        let request = self.question(api, Method::GET);
        let request = request.header("X-Forwarded-Method", method).header("X-Forwarded-Uri", target);
        request.header("X-Forwarded-For", "203.0.113.7, 198.51.100.9")
    }

    async fn ask(&self, api: &Api, method: &str, target: &str) -> Reply {
        Reply::of(self.asking(api, method, target)).await
    }

    async fn spent(&self) -> u64 {
        self.root.get("/delegation/self").await.number("/spent_credits")
    }

    fn narrowed(&self, caveats: &[&[u8]]) -> Api {
        self.agent.with_token(&attenuate(self.agent.token().expect("it has one"), caveats))
    }
}

#[tokio::test]
async fn a_request_passes_once_its_price_is_debited() {
    let stage = Stage::start().await;
    let passed = stage.ask(&stage.agent, "GET", "/v1/reports/7?year=2026").await;
    assert_eq!((passed.status, passed.header("cache-control")), (200, Some("no-store")), "{}", passed.body);
    let id = stage.agent.get("/delegation/self").await.text("/id");
    let told = ["delegation-id", "price-credits", "remaining-credits"];
    let told = told.map(|name| passed.header(&format!("x-subgrant-{name}")).map(str::to_owned));
    assert_eq!(told, [Some(id), Some("3".to_owned()), Some("7".to_owned())]);
    let spend = passed.header("x-subgrant-spend-id").expect("the debit is named").to_owned();
    let entry = &stage.agent.all("/ledger?").await[0];
    assert_eq!((&entry["id"], &entry["amount_credits"]), (&json!(spend), &json!(3)));
    assert_eq!(entry["description"], "GET /v1/reports/7", "without the query, which may hold secrets");
    assert_books_balance(&stage.server, &stage.tenant).await;
}

#[tokio::test]
async fn the_first_route_that_matches_has_the_price_and_what_none_matches_is_refused() {
    let stage = Stage::start().await;
    for (method, target, price) in
        [("GET", "/v1/reports/free", "0"), ("HEAD", "/v1/reports/1", "3"), ("POST", "/v1/reports/1", "7")]
    {
        let passed = stage.ask(&stage.agent, method, target).await;
        assert_eq!(
            (passed.status, passed.header("x-subgrant-price-credits")),
            (200, Some(price)),
            "{target}"
        );
        assert_eq!(passed.header("x-subgrant-spend-id").is_none(), price == "0", "{target}");
    }
    assert_eq!(stage.spent().await, 10);
    let (rich, _) = stage.root.child("rich", 100).await;
    for target in ["/", "/v1", "/v3/x", "/V1/x"] {
        stage.ask(&rich, "GET", target).await.assert_problem(403, "no_price", target);
    }
    assert_eq!(stage.spent().await, 10);
}

#[tokio::test]
async fn what_cannot_be_paid_is_402_with_what_could_be() {
    let stage = Stage::start().await;
    assert_eq!(stage.ask(&stage.agent, "GET", "/v2/x").await.status, 200);
    let refused = stage.ask(&stage.agent, "GET", "/v2/x").await;
    refused.assert_problem(402, "budget_exhausted", "7 of the 3 that are left");
    assert_eq!(
        (refused.number("/requested_credits"), refused.number("/max_affordable_credits")),
        (7, 3),
        "{}",
        refused.body
    );
    assert_eq!(stage.spent().await, 7);
}

/// Judged by the request that the gateway was sent; the gateway's own is another.
#[tokio::test]
async fn the_tokens_conditions_are_those_of_the_forwarded_request() {
    let stage = Stage::start().await;
    for (caveats, passes) in [
        ([b"route = /v1/reports/*" as &[u8], b"method = GET"], true),
        ([b"source_ip = 198.51.100.0/24", b"max_per_spend = 3"], true),
        ([b"route = /v2/*", b"method = GET"], false),
        ([b"route = /v1/*", b"method = POST"], false),
        // Only the last address is the gateway's word.
        ([b"source_ip = 203.0.113.7", b"method = GET"], false),
        ([b"source_ip = 127.0.0.1", b"method = GET"], false),
    ] {
        let case = format!("{:?}", caveats.map(String::from_utf8_lossy));
        let reply = stage.ask(&stage.narrowed(&caveats), "GET", "/v1/reports/1").await;
        if passes {
            assert_eq!(reply.status, 200, "{case}: {}", reply.body);
        } else {
            reply.assert_problem(403, "caveat_not_met", &case);
        }
    }
    let audience = |service: &str| format!("audience = {service}").into_bytes();
    let other = stage.root.post("/service", &json!({ "name": "Other" })).await.text("/id");
    let refused = stage.ask(&stage.narrowed(&[&audience(&other)]), "GET", "/v1/reports/free").await;
    refused.assert_problem(403, "caveat_not_met", "for another service");
    let passed = stage.ask(&stage.narrowed(&[&audience(&stage.service)]), "GET", "/v1/reports/free").await;
    assert_eq!(passed.status, 200, "{}", passed.body);
    let reader = stage.narrowed(&[b"actions = read"]);
    stage.ask(&reader, "GET", "/v1/reports/free").await.assert_problem(403, "action_not_permitted", "read");
    assert_eq!(stage.spent().await, 6);
}

#[tokio::test]
async fn a_token_for_the_service_pays_there_and_at_no_other() {
    let stage = Stage::start().await;
    let other = stage.root.post("/service", &json!({ "name": "Other" })).await.text("/id");
    for (audience, status) in [(&stage.service, 200), (&other, 403)] {
        let body = json!({ "label": "x", "budget_credits": 10, "audience": audience });
        let token = stage.root.post("/delegation", &body).await.text("/token");
        let reply = stage.ask(&stage.root.with_token(&token), "GET", "/v1/reports/1").await;
        assert_eq!(reply.status, status, "{}", reply.body);
    }
    assert_eq!(stage.spent().await, 3);
}

/// Servers read such paths differently, so that one might be paid for and another be served.
#[tokio::test]
async fn paths_that_can_be_read_in_two_ways_do_not_pass() {
    let stage = Stage::start().await;
    for target in [
        "/v1/reports/../admin",
        "/v1/%2e%2e/admin",
        "/v1//x",
        "/v1/a%2fb",
        "/v1/x\\..",
        "v1/x",
        "*",
        "/v1/;/x",
    ] {
        let reply = stage.ask(&stage.agent, "GET", target).await;
        assert_eq!(reply.status, 403, "{target}: {}", reply.body);
    }
    assert_eq!(stage.spent().await, 0);
}

#[tokio::test]
async fn what_the_gateway_leaves_out_or_says_twice_is_named() {
    let stage = Stage::start().await;
    let request = || stage.question(&stage.agent, Method::GET);
    let uri = ("X-Forwarded-Uri", "/v1/reports/free");
    for (case, request) in [
        ("nothing", request()),
        ("no method", request().header(uri.0, uri.1)),
        ("no target", request().header("X-Forwarded-Method", "GET")),
        ("two targets", stage.asking(&stage.agent, "GET", "/a").header(uri.0, uri.1)),
        ("no method's name", request().header("X-Forwarded-Method", "G T").header(uri.0, uri.1)),
        (
            "no address",
            request()
                .header("X-Forwarded-Method", "GET")
                .header(uri.0, uri.1)
                .header("X-Forwarded-For", "me"),
        ),
    ] {
        Reply::of(request).await.assert_problem(400, "invalid_forwarded_header", case);
    }
    let unnamed = request().header("X-Forwarded-Method", "GET").header(uri.0, uri.1);
    assert_eq!(Reply::of(unnamed).await.status, 200, "no caveat asks for the address");
    let elsewhere = stage.narrowed(&[b"source_ip = 198.51.100.9"]);
    let unnamed = stage.question(&elsewhere, Method::GET);
    let unnamed = unnamed.header("X-Forwarded-Method", "GET").header(uri.0, uri.1);
    Reply::of(unnamed).await.assert_problem(403, "caveat_not_met", "a caveat asks for the address");
}

#[tokio::test]
async fn prices_are_replaced_as_a_whole_and_checked() {
    let stage = Stage::start().await;
    assert_eq!(stage.prices().await.as_array().map(Vec::len), Some(3));
    let one = json!([{ "route": "/x", "price_credits": 1 }]);
    assert_eq!(stage.set_prices(&stage.owner, one.clone()).await.status, 200);
    assert_eq!(stage.prices().await, one);
    for (route, pointer) in [
        (json!({ "route": "x", "price_credits": 1 }), "/routes/0/route"),
        (json!({ "route": "", "price_credits": 1 }), "/routes/0/route"),
        (json!({ "route": "/a/../b", "price_credits": 1 }), "/routes/0/route"),
        (json!({ "route": "/x", "method": "get it", "price_credits": 1 }), "/routes/0/method"),
        (json!({ "route": "/x", "price_credits": 9_007_199_254_740_992_u64 }), "/routes/0/price_credits"),
        (json!({ "route": "/x", "price_credits": 1, "price_sats": 0 }), "/routes/0/price_sats"),
        (
            json!({ "route": "/x", "price_credits": 1, "price_sats": 2_100_000_000_000_001_u64 }),
            "/routes/0/price_sats",
        ),
    ] {
        let refused = stage.set_prices(&stage.owner, json!([route])).await;
        refused.assert_problem(422, "validation", &route.to_string());
        assert_eq!(refused.text("/errors/0/pointer"), pointer, "{route}: {}", refused.body);
    }
    for route in [
        json!({ "route": "/x" }),
        json!({ "route": "/x", "price_credits": -1 }),
        json!({ "route": "/x", "price_credits": 1, "free": true }),
    ] {
        assert_eq!(stage.set_prices(&stage.owner, json!([route])).await.status, 422, "{route}");
    }
    let many: Vec<_> =
        (0..201).map(|number| json!({ "route": format!("/{number}"), "price_credits": 1 })).collect();
    stage.set_prices(&stage.owner, json!(many)).await.assert_problem(422, "validation", "201");
    assert_eq!(stage.set_prices(&stage.owner, json!(many[..200])).await.status, 200);
    let log = stage.owner.all("/audit?action=service.price&").await;
    assert_eq!((log.len(), &log[1]["details"]["after"][0]["price_credits"]), (3, &json!(1)));
}

/// Servers read both spellings alike.
#[tokio::test]
async fn a_price_does_not_depend_on_how_delimiters_are_written() {
    let stage = Stage::start().await;
    let (rich, _) = stage.root.child("rich", 1000).await;
    for (priced, other) in [("/v1/gpt:run", "/v1/gpt%3Arun"), ("/v1/gpt%3Arun", "/v1/gpt:run")] {
        let routes = json!([
            { "route": format!("{priced},/v1/a!b,/v1/c%2Cd"), "price_credits": 50 },
            { "route": "/v1/*", "price_credits": 50 },
            { "route": "/*", "price_credits": 1 },
        ]);
        let answer = stage.set_prices(&stage.root, routes.clone()).await;
        assert_eq!((answer.status, &answer.body["routes"]), (200, &routes), "as it was written");
        for target in [priced, other, "/v1/gpt%3arun", "/v1/a%21b", "/v1/a!b", "/v1/c,d", "/v1/c%2cd"] {
            let passed = stage.ask(&rich, "POST", target).await;
            assert_eq!(passed.header("x-subgrant-price-credits"), Some("50"), "{target}: {}", passed.body);
        }
        for target in ["/v1/gpt:run%20", "/v1/gpt%253Arun", "/v1/gpt:run/.", "/v1/%20/x"] {
            stage.ask(&rich, "POST", target).await.assert_problem(403, "caveat_not_met", target);
        }
    }
    let narrowed = |caveat: &[u8]| rich.with_token(&attenuate(rich.token().expect("it has one"), &[caveat]));
    for caveat in [b"route = /v1/gpt:run" as &[u8], b"route = /v1/gpt%3Arun"] {
        assert_eq!(stage.ask(&narrowed(caveat), "POST", "/v1/gpt%3arun").await.status, 200);
        stage.ask(&narrowed(caveat), "POST", "/v1/gpt").await.assert_problem(
            403,
            "caveat_not_met",
            "another",
        );
    }
}

#[tokio::test]
async fn head_costs_what_get_costs_unless_it_is_named() {
    let stage = Stage::start().await;
    let routes = json!([
        { "route": "/named", "method": "HEAD", "price_credits": 1 },
        { "route": "/named,/v1/*", "method": "GET", "price_credits": 3 },
        { "route": "/*", "price_credits": 2 },
    ]);
    assert_eq!(stage.set_prices(&stage.root, routes).await.status, 200);
    for (method, target, price) in
        [("HEAD", "/v1/x", "3"), ("GET", "/v1/x", "3"), ("POST", "/v1/x", "2"), ("HEAD", "/named", "1")]
    {
        let passed = stage.ask(&stage.agent, method, target).await;
        assert_eq!(
            passed.header("x-subgrant-price-credits"),
            Some(price),
            "{method} {target}: {}",
            passed.body
        );
    }
}

#[tokio::test]
async fn a_catch_all_that_is_cheaper_than_what_it_takes_in_is_warned_of() {
    let stage = Stage::start().await;
    let warned = async |routes: &[(&str, Option<&str>, u64)]| {
        let routes = routes.iter().map(
            |(route, method, price)| json!({ "route": route, "method": method, "price_credits": price }),
        );
        let answer = stage.set_prices(&stage.root, routes.collect()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let warnings = answer.body["warnings"].as_array().cloned().unwrap_or_default();
        for warning in &warnings {
            assert_eq!(warning["code"], "cheaper_catch_all", "{warning}");
        }
        let text = |warning: &Value, field: &str| warning[field].as_str().unwrap_or_default().to_owned();
        let told = warnings.iter().map(|warning| (text(warning, "pointer"), text(warning, "detail")));
        told.collect::<Vec<_>>()
    };
    for quiet in [
        vec![("/v1/health", None, 0), ("/v1/reports/*", Some("GET,HEAD"), 5), ("/v1/*", None, 20)],
        vec![("/v1/*", Some("POST"), 50), ("/v1/*", None, 1)],
        vec![("/v1/x", Some("POST"), 50), ("/v1/*", Some("GET"), 1)],
        vec![("/v1/x", None, 5), ("/v2/*", None, 1), ("/v1/*", None, 5)],
        vec![],
    ] {
        assert_eq!(warned(&quiet).await, [], "{quiet:?}");
    }
    let one = warned(&[("/v1/gpt%3Arun", None, 50), ("/v1/a", None, 60), ("/v1/*,/v3", None, 1)]).await;
    assert_eq!(one.len(), 1);
    assert!(one[0].0 == "/routes/2" && one[0].1.contains("/routes/1"), "the dearest is named: {one:?}");
    let hidden = warned(&[("/*", None, 1), ("/v1/*", Some("GET"), 2)]).await;
    assert!(hidden[0].0 == "/routes/0" && hidden[0].1.contains("tried first"), "{hidden:?}");
    assert_eq!(stage.prices().await.as_array().map(Vec::len), Some(2), "they count all the same");
}

#[tokio::test]
async fn nothing_is_sold_at_a_service_that_was_deleted() {
    let stage = Stage::start().await;
    assert_eq!(stage.root.delete(&format!("/service/{}", stage.service)).await.status, 204);
    stage.ask(&stage.agent, "GET", "/v1/reports/1").await.assert_problem(401, "revoked", "deleted");
    stage.set_prices(&stage.root, json!([])).await.assert_problem(404, "not_found", "deleted");
    assert_eq!(stage.spent().await, 0);
}
