//! Signing in, being somebody, signing out.

use reqwest::Method;
use serde_json::json;
use subgrant_tests::{Api, Reply, TestServer};

async fn with_session(api: &Api, method: Method, session: &str, origin: bool) -> Reply {
    let request = api.request(method, "/session").header("Cookie", format!("__Host-session={session}"));
    Reply::of(if origin { request.header("Origin", api.origin.clone()) } else { request }).await
}

fn session_of(reply: &Reply) -> String {
    let cookie = reply.header("set-cookie").expect("the answer sets a cookie");
    assert!(
        ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"].iter().all(|part| cookie.contains(part)),
        "{cookie}"
    );
    cookie.split(';').next().and_then(|pair| pair.split_once('=')).expect("a cookie has a value").1.to_owned()
}

#[tokio::test]
async fn who_knows_the_password_is_signed_in_until_signing_out() {
    let server = TestServer::start().await;
    let api = &server.api;
    let account =
        json!({ "organization": "Acme", "email": "Owner@Acme.example", "password": "correct horse" });
    let tenant = api.post("/signup", &account).await;
    assert_eq!(tenant.status, 201, "{}", tenant.body);

    let body = json!({ "email": " owner@ACME.example", "password": "correct horse" });
    let signed_in = api.post("/session", &body).await;
    assert_eq!(signed_in.status, 201, "{}", signed_in.body);
    assert_eq!(signed_in.header("cache-control"), Some("no-store"));
    assert_eq!(signed_in.text("/tenant/id"), tenant.text("/tenant/id"));
    let session = session_of(&signed_in);
    let who = with_session(api, Method::GET, &session, false).await;
    assert_eq!((who.status, who.text("/user/email")), (200, "owner@acme.example".to_owned()));

    let refused = with_session(api, Method::DELETE, &session, false).await;
    assert_eq!(refused.refusal(), (403, "cross_origin"), "another site cannot sign anybody out");
    assert_eq!(with_session(api, Method::DELETE, &session, true).await.status, 204);
    assert_eq!(with_session(api, Method::GET, &session, false).await.refusal(), (401, "expired"));
    assert_eq!(with_session(api, Method::DELETE, &session, true).await.refusal(), (401, "expired"));
}

#[tokio::test]
async fn address_and_password_that_do_not_belong_together_open_nothing() {
    let server = TestServer::start().await;
    let account =
        json!({ "organization": "Acme", "email": "owner@acme.example", "password": "correct horse" });
    assert_eq!(server.api.post("/signup", &account).await.status, 201);
    let long = "x".repeat(2_000);
    for (email, password) in [
        ("owner@acme.example", "wrong horse"),
        ("nobody@acme.example", "correct horse"),
        ("owner@acme.example\0", "correct horse"),
        ("owner@acme.example", &long),
        ("", ""),
    ] {
        let reply = server.api.post("/session", &json!({ "email": email, "password": password })).await;
        assert_eq!(reply.refusal(), (401, "invalid_credentials"), "{email:?}");
        assert_eq!(reply.header("set-cookie"), None);
    }
    for session in ["", "nonsense", &format!("{}.{}", "0".repeat(26), "0".repeat(64))] {
        assert_eq!(with_session(&server.api, Method::GET, session, false).await.status, 401, "{session}");
    }
    assert_eq!(server.api.get("/session").await.refusal(), (401, "missing"));
}
