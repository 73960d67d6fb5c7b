//! A real gateway: nginx, which asks Subgrant whether a request may pass, as the documents tell to set it up.

use reqwest::{Client, Method, Response};
use serde_json::json;
use subgrant_tests::{Nginx, Reply, TestServer, attenuate};

#[tokio::test]
async fn nginx_lets_requests_pass_that_are_paid_and_no_others() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let service = root.post("/service", &json!({ "name": "Reports" })).await.text("/id");
    let prices = json!({ "service_id": service, "routes": [{ "route": "/v1/*", "price_credits": 4 }] });
    assert_eq!(Reply::of(root.request(Method::PUT, "/route").json(&prices)).await.status, 200);
    let (agent, id) = root.child("agent", 10).await;
    let token = agent.token().expect("it has one").to_owned();
    let nginx = Nginx::start(&server.api.origin, &service).await;
    let client = Client::new();
    let get = async |path: &str, token: Option<&str>| -> Response {
        let request = client.get(format!("{}{path}", nginx.origin));
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.expect("nginx answers")
    };
    let passed = get("/v1/reports?year=2026", Some(&token)).await;
    assert_eq!(passed.status(), 200);
    let served = passed.text().await.expect("a text");
    assert_eq!(
        served,
        format!("GET /v1/reports?year=2026 is paid by {id}\n"),
        "the service is told who pays"
    );
    assert_eq!(get("/v1/reports", None).await.status(), 401);
    assert_eq!(get("/v1/reports", Some("sgt_x")).await.status(), 401);
    assert_eq!(get("/v2/reports", Some(&token)).await.status(), 403, "nobody has priced it");
    let writer = attenuate(&token, &[b"method = POST"]);
    assert_eq!(get("/v1/reports", Some(&writer)).await.status(), 403, "the method is the client's");
    let here = attenuate(&token, &[b"source_ip = 127.0.0.1"]);
    assert_eq!(get("/v1/reports", Some(&here)).await.status(), 200, "so is the address");
    let (spent, nothing) = (get("/v1/reports", Some(&token)).await, get("/v1/reports", Some(&token)).await);
    assert_eq!((spent.status(), nothing.status()), (402.try_into().unwrap(), 402.try_into().unwrap()));
    assert_eq!(agent.get("/delegation/self").await.number("/spent_credits"), 8, "twice four of ten");
}
