//! The product's main job, as a new user would try it.

use serde_json::json;
use subgrant_tests::{Api, TestServer};

async fn mint(parent: &Api, label: &str, budget: u64, fields: serde_json::Value) -> (Api, String) {
    let mut body = json!({ "label": label, "budget_credits": budget });
    let extra = fields.as_object().expect("fields are an object").clone();
    body.as_object_mut().expect("the body is an object").extend(extra);
    let reply = parent.post("/delegation", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    (parent.with_token(&reply.text("/token")), reply.text("/id"))
}

#[tokio::test]
async fn spending_cascades_and_revoking_a_parent_ends_the_subtree() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (engineering, engineering_id) =
        mint(&root, "Engineering", 10_000, json!({ "cost_center": "Engineering" })).await;
    let (ml_team, _) = mint(&engineering, "ML Team", 5_000, json!({ "department": "ML Team" })).await;
    let (reviewer, _) = mint(&ml_team, "code-reviewer", 1_000, json!({ "expiry": "720h" })).await;

    let spent = reviewer.spend(100).await;
    assert_eq!(spent.status, 201, "{}", spent.body);
    assert_eq!(spent.number("/remaining_credits"), 900);
    assert_eq!(reviewer.get("/delegation/self").await.number("/remaining_credits"), 900);
    assert_eq!(ml_team.get("/delegation/self").await.number("/remaining_credits"), 4_900);
    assert_eq!(engineering.get("/delegation/self").await.number("/remaining_credits"), 9_900);
    let root_view = root.get("/delegation/self").await;
    assert_eq!(root_view.number("/spent_credits"), 100);
    assert!(root_view.body["budget_credits"].is_null());

    let entry = &root.get("/ledger").await.body["data"][0];
    assert_eq!(entry["cost_center"], "Engineering");
    assert_eq!(entry["department"], "ML Team");

    let receipt = root.post(&format!("/delegation/{engineering_id}/revoke"), &json!({})).await;
    assert_eq!(receipt.status, 200, "{}", receipt.body);
    assert_eq!((receipt.number("/descendants"), receipt.number("/credits_freed")), (2, 9_900));
    assert_eq!(reviewer.spend(1).await.refusal(), (401, "revoked"));
    assert_eq!(engineering.get("/delegation/self").await.refusal(), (401, "revoked"));
    assert_eq!(root.get("/delegation/self").await.status, 200);
}
