//! Every operation that takes a credential refuses who shows none, or a bad one. Which ones take none is said by the
//! document alone, and what those refuse by `refusals.rs`: there is no list of exceptions.

use serde_json::json;
use subgrant_tests::{Reply, TestServer, operations};

#[tokio::test]
async fn every_operation_that_takes_a_credential_is_401_missing_without_one() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let before = root.snapshot().await;
    let all = operations(&server.api).await;
    for operation in all.iter().filter(|operation| operation.takes_credential) {
        let path = operation.on(&tenant.root_id);
        let request = || server.api.request_at(operation.verb(), &path);
        let garbled = || request().header("Content-Type", "text/plain").body("{{{");
        for (case, request) in [
            ("nothing else", request()),
            ("an empty object", request().json(&json!({}))),
            ("a body that is no JSON", garbled()),
            ("a cookie that is none of ours", request().header("Cookie", "__Host-session=x; a=b")),
            ("a cookie of another name", request().header("Cookie", format!("session={}", tenant.session))),
            (
                "the token in the query",
                server
                    .api
                    .request_at(operation.verb(), &format!("{path}?access_token={}", tenant.root_token)),
            ),
        ] {
            let case = format!("{} with {case}", operation.name());
            let reply = Reply::of(request).await;
            reply.assert_problem(401, "missing", &case);
        }
    }
    assert_eq!(root.snapshot().await, before);
}

#[tokio::test]
async fn every_operation_is_401_with_a_session_that_does_not_exist() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let (owner, _) = tenant.session.split_once('.').unwrap();
    let cookie = format!("__Host-session={owner}.{}", "00".repeat(32));
    for operation in operations(&server.api).await.iter().filter(|operation| operation.takes_credential) {
        let path = operation.on(&tenant.root_id);
        let request = server.api.request_at(operation.verb(), &path).header("Cookie", &cookie);
        let reply = Reply::of(request.header("Origin", &server.api.origin).json(&json!({}))).await;
        reply.assert_problem(401, "expired", &operation.name());
    }
}

#[tokio::test]
async fn a_bad_token_is_not_forgiven_because_of_a_good_session() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    for operation in operations(&server.api).await.iter().filter(|operation| operation.takes_credential) {
        let path = operation.on(&tenant.root_id);
        let request = server.api.request_at(operation.verb(), &path).header("Authorization", "Bearer x");
        let request = request.header("Cookie", format!("__Host-session={}", tenant.session));
        let reply = Reply::of(request.header("Origin", &server.api.origin).json(&json!({}))).await;
        reply.assert_problem(401, "malformed", &operation.name());
    }
}
