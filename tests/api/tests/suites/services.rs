//! Resource servers: who registers them, and that their key is shown once.

use serde_json::json;
use subgrant_tests::{Reply, TestServer};
use subgrant_token::VerificationKey;

#[tokio::test]
async fn a_registered_service_is_shown_its_key_once() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    for api in [server.owner(&tenant), server.api.with_token(&tenant.root_token)] {
        let made = api.post("/service", &json!({ "name": "Reports" })).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let (id, key) = (made.text("/id"), made.text("/verification_key"));
        assert_eq!(made.header("location"), Some(&*format!("/api/cloud/service/{id}")));
        assert_eq!(made.header("cache-control"), Some("no-store"));
        let key = VerificationKey::parse(&key).expect("the key is of the documented form");
        assert_eq!((key.service().to_string(), key.tenant().to_string()), (id.clone(), tenant.id.clone()));

        let one = api.get(&format!("/service/{id}")).await;
        assert_eq!((one.status, one.text("/name")), (200, "Reports".to_owned()));
        assert!(one.body.get("verification_key").is_none(), "{}", one.body);
        let mut shown = made.body.clone();
        shown.as_object_mut().expect("an object").remove("verification_key");
        assert_eq!(one.body, shown);
        let list = api.get("/service").await;
        assert_eq!(list.body["data"].as_array().and_then(|all| all.last()), Some(&one.body));
        assert!(!list.body.to_string().contains("svk_"), "{}", list.body);
    }
    let entries = server.owner(&tenant).get("/audit?action=service.create").await;
    assert_eq!(entries.body["data"].as_array().map(Vec::len), Some(2), "{}", entries.body);
    assert!(!entries.body.to_string().contains("svk_"), "{}", entries.body);
}

#[tokio::test]
async fn a_repeated_registration_is_answered_with_the_same_key() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let body = json!({ "name": "Reports" });
    let first = root.post_with_key("/service", "k", &body).await;
    let again = root.post_with_key("/service", "k", &body).await;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.body, again.body);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let other = root.post_with_key("/service", "k", &json!({ "name": "Other" })).await;
    other.assert_problem(422, "idempotency_mismatch", "another body");
    assert_eq!(root.get("/service").await.body["data"].as_array().map(Vec::len), Some(1));
    let next = root.post("/service", &body).await;
    assert_ne!(next.text("/verification_key"), first.text("/verification_key"));
}

#[tokio::test]
async fn a_deleted_service_is_gone_and_its_place_is_free() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let id = root.post("/service", &json!({ "name": "Reports" })).await.text("/id");
    let path = format!("/service/{id}");
    let delete = || root.request(reqwest::Method::DELETE, &path).header("Idempotency-Key", "k");
    for replayed in [None, Some("true")] {
        let gone = Reply::of(delete()).await;
        assert_eq!((gone.status, gone.header("idempotent-replayed")), (204, replayed));
    }
    root.delete(&path).await.assert_problem(404, "not_found", "deleted before");
    root.get(&path).await.assert_problem(404, "not_found", "deleted before");
    assert_eq!(root.get("/service").await.body["data"], json!([]));
}

#[tokio::test]
async fn only_who_acts_for_the_whole_tenant_knows_of_services() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let id = root.post("/service", &json!({ "name": "Reports" })).await.text("/id");
    let (team, _) = root.child("team", 10).await;
    let forbidden = [team.get("/service").await, team.post("/service", &json!({ "name": "x" })).await];
    for reply in forbidden {
        reply.assert_problem(403, "action_not_permitted", "a delegation");
    }
    for reply in [team.get(&format!("/service/{id}")).await, team.delete(&format!("/service/{id}")).await] {
        reply.assert_problem(404, "not_found", "a delegation");
    }
    assert_eq!(root.get(&format!("/service/{id}")).await.status, 200);
}

#[tokio::test]
async fn names_are_checked_and_there_are_at_most_a_hundred_services() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    for name in [json!(""), json!("x".repeat(257)), json!("a\u{202e}b"), json!(7), json!(null)] {
        let reply = root.post("/service", &json!({ "name": name })).await;
        assert_eq!(reply.status, 422, "{name}: {}", reply.body);
    }
    root.post("/service", &json!({})).await.assert_problem(422, "validation", "no name");
    let unknown = root.post("/service", &json!({ "name": "x", "verification_key": "svk_" })).await;
    assert_eq!(unknown.status, 422, "{}", unknown.body);
    for number in 0..100 {
        let made = root.post("/service", &json!({ "name": format!("service {number}") })).await;
        assert_eq!(made.status, 201, "{}", made.body);
    }
    let many = root.post("/service", &json!({ "name": "one more" })).await;
    many.assert_problem(422, "too_many_services", "the 101st");
}
