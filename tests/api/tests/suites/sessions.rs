//! The dashboard's session cookie: what it looks like, what it may do, and from where.

use reqwest::{Method, RequestBuilder};
use serde_json::json;
use subgrant_tests::{Reply, Tenant, TestServer};

fn with_cookie(server: &TestServer, tenant: &Tenant, method: Method, path: &str) -> RequestBuilder {
    server.api.request(method, path).header("Cookie", format!("a=b; __Host-session={}; c=d", tenant.session))
}

#[tokio::test]
async fn the_cookie_is_out_of_reach_of_scripts_and_other_sites() {
    let server = TestServer::start().await;
    let body = json!({ "organization": "x", "email": "x@x.example", "password": "correct horse battery" });
    let reply = server.api.post("/signup", &body).await;
    let cookie = reply.header("set-cookie").expect("a session is opened");
    let attributes: Vec<_> = cookie.split(';').map(str::trim).collect();
    assert!(attributes[0].starts_with("__Host-session=") && attributes[0].len() > 60, "{cookie}");
    for attribute in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
        assert!(attributes.contains(&attribute), "{attribute} is missing in {cookie}");
    }
    assert!(!cookie.to_lowercase().contains("domain="), "{cookie}");
    let value = attributes[0].split_once('=').unwrap().1;
    assert!(!reply.body.to_string().contains(value), "the secret is in the cookie only");
}

#[tokio::test]
async fn a_session_acts_on_the_whole_tree() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let own = Reply::of(with_cookie(&server, &tenant, Method::GET, "/delegation/self")).await;
    assert_eq!((own.status, own.text("/id")), (200, tenant.root_id.clone()));
    let post = |path: &str, body| {
        let request = with_cookie(&server, &tenant, Method::POST, path);
        Reply::of(request.header("Origin", &server.api.origin).json(&body))
    };
    let minted = post("/delegation", json!({ "label": "team", "budget_credits": 100 })).await;
    assert_eq!((minted.status, minted.text("/parent_id")), (201, tenant.root_id.clone()), "{}", minted.body);
    let team = server.api.with_token(&minted.text("/token"));
    assert_eq!(team.spend(1).await.status, 201, "the token that a session mints is good");
    let body = json!({ "label": "agent", "budget_credits": 10, "parent_id": minted.text("/id") });
    let below = post("/delegation", body).await;
    assert_eq!((below.status, below.text("/parent_id")), (201, minted.text("/id")), "{}", below.body);
    assert_eq!(server.api.with_token(&below.text("/token")).spend(10).await.status, 201);
    assert_eq!(post("/spend", json!({ "amount_credits": 1 })).await.text("/delegation_id"), tenant.root_id);
    assert_eq!(post(&format!("/delegation/{}/revoke", minted.text("/id")), json!({})).await.status, 200);
    assert_eq!(team.spend(1).await.refusal(), (401, "revoked"));
}

#[tokio::test]
async fn unsafe_methods_need_an_origin_that_is_the_server() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let before = root.snapshot().await;
    let (host, port) = server.api.origin.rsplit_once(':').unwrap();
    let origins = [
        "https://evil.example".to_owned(),
        "null".to_owned(),
        String::new(),
        format!("{host}.evil.example:{port}"),
        format!("{host}:1"),
        host.to_owned(),
        format!("{}.evil.example", server.api.origin),
        format!("https://evil.example/{}", server.api.origin),
        format!("{},https://evil.example", server.api.origin),
    ];
    let calls = [
        ("/delegation", json!({ "label": "x", "budget_credits": 1 })),
        ("/spend", json!({ "amount_credits": 1 })),
        ("/root/rotate", json!({})),
        ("/verify", json!({ "token": "x" })),
    ];
    for (path, body) in &calls {
        let request = || with_cookie(&server, &tenant, Method::POST, path).json(body);
        Reply::of(request()).await.assert_problem(403, "cross_origin", &format!("{path} without Origin"));
        for origin in &origins {
            let reply = Reply::of(request().header("Origin", origin)).await;
            reply.assert_problem(403, "cross_origin", &format!("{path} from {origin:?}"));
        }
        let referred = Reply::of(request().header("Referer", format!("{}/docs", server.api.origin))).await;
        referred.assert_problem(403, "cross_origin", "a Referer is no Origin");
    }
    let revoke =
        with_cookie(&server, &tenant, Method::POST, &format!("/delegation/{}/revoke", tenant.root_id));
    let reply = Reply::of(revoke.header("Origin", "https://evil.example").json(&json!({}))).await;
    reply.assert_problem(403, "cross_origin", "revoke");
    assert_eq!(root.snapshot().await, before);
    let read =
        with_cookie(&server, &tenant, Method::GET, "/delegation").header("Origin", "https://evil.example");
    let reply = Reply::of(read).await;
    assert_eq!(reply.status, 200, "reading needs no Origin");
    assert_eq!(reply.header("access-control-allow-origin"), None, "and no other site gets to see it");
    let token = root.request(Method::POST, "/spend").header("Origin", "https://evil.example");
    assert_eq!(
        Reply::of(token.json(&json!({ "amount_credits": 1 }))).await.status,
        201,
        "a token is no cookie"
    );
}
