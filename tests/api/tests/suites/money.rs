//! What a budget means: carve and cap, refusals that say what would pass, previews, and revocation.

use serde_json::{Value, json};
use subgrant_tests::{Api, Reply, Tenant, TestServer, assert_books_balance, ledger_totals};

const MOST: u64 = 9_007_199_254_740_991;

async fn start() -> (TestServer, Tenant, Api) {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    (server, tenant, root)
}

/// Mints a child that must succeed.
async fn mint(parent: &Api, body: Value) -> (Api, String) {
    let reply = parent.post("/delegation", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    (parent.with_token(&reply.text("/token")), reply.text("/id"))
}

async fn cap(parent: &Api, label: &str, budget: u64) -> (Api, String) {
    mint(parent, json!({ "label": label, "budget_credits": budget, "allocation": "cap" })).await
}

async fn own(client: &Api) -> Reply {
    client.get("/delegation/self").await
}

/// Exactly what a refusal calls affordable passes, and one more does not.
async fn assert_affordable_is_exact(client: &Api, requested: u64, code: &str) -> u64 {
    let refused = client.spend(requested).await;
    assert_eq!(refused.refusal(), (402, code), "{}", refused.body);
    assert_eq!(refused.number("/requested_credits"), requested);
    let most = refused.number("/max_affordable_credits");
    assert_eq!(client.spend(most + 1).await.status, 402, "one more than {most}");
    if most > 0 {
        let spent = client.spend(most).await;
        assert_eq!(spent.status, 201, "{most} were said to be affordable: {}", spent.body);
    }
    most
}

#[tokio::test]
async fn a_carve_cannot_be_starved_by_its_siblings() {
    let (server, tenant, root) = start().await;
    let (parent, parent_id) = root.child("parent", 1_000).await;
    let (carved, _) = parent.child("carved", 600).await;
    let (capped, _) = cap(&parent, "capped", 1_000).await;
    let view = own(&capped).await;
    assert_eq!(view.number("/remaining_credits"), 1_000);
    assert_eq!(view.number("/effective_remaining_credits"), 400);
    assert_eq!(assert_affordable_is_exact(&capped, 1_000, "budget_exhausted").await, 400);
    assert_eq!(assert_affordable_is_exact(&parent, 1, "budget_exhausted").await, 0);
    let refused = capped.spend(1).await;
    assert_eq!(refused.text("/delegation_id"), "ancestor", "who is above the caller is not named");
    let refused = parent.spend(1).await;
    assert_eq!(refused.text("/delegation_id"), parent_id);
    assert_eq!(carved.spend(600).await.status, 201);
    assert_eq!(own(&carved).await.text("/status"), "exhausted");
    assert_eq!(own(&capped).await.text("/status"), "exhausted");
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn caps_may_promise_more_than_there_is_but_never_spend_it() {
    let (server, tenant, root) = start().await;
    let (parent, _) = root.child("parent", 1_000).await;
    let (first, _) = cap(&parent, "first", 800).await;
    let (second, _) = cap(&parent, "second", 800).await;
    let too_wide = json!({ "label": "wide", "budget_credits": 1_001, "allocation": "cap" });
    assert_eq!(parent.post("/delegation", &too_wide).await.refusal(), (422, "narrower_than_parent"));
    assert_eq!(own(&parent).await.number("/available_credits"), 1_000, "a cap sets nothing aside");
    assert_eq!(first.spend(700).await.status, 201);
    assert_eq!(own(&second).await.number("/effective_remaining_credits"), 300);
    assert_eq!(assert_affordable_is_exact(&second, 301, "budget_exhausted").await, 300);
    assert_eq!(assert_affordable_is_exact(&first, 100, "budget_exhausted").await, 0);
    assert_eq!(parent.mint("late", 1).await.refusal(), (402, "budget_exhausted"));
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_carve_below_a_cap_still_competes_above_it() {
    let (server, tenant, root) = start().await;
    let (top, _) = root.child("top", 1_000).await;
    let (middle, _) = cap(&top, "middle", 900).await;
    let (leaf, _) = middle.child("leaf", 500).await;
    assert_eq!(own(&leaf).await.number("/effective_remaining_credits"), 500);
    assert_eq!(top.spend(700).await.status, 201);
    assert_eq!(own(&leaf).await.number("/effective_remaining_credits"), 300);
    assert_eq!(assert_affordable_is_exact(&leaf, 400, "budget_exhausted").await, 300);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn an_unlimited_root_carves_the_largest_budget_again_and_again() {
    let (server, tenant, root) = start().await;
    let (first, _) = root.child("first", MOST).await;
    let (second, _) = root.child("second", MOST).await;
    let (third, _) = cap(&root, "third", MOST).await;
    let (below, _) = first.child("below", MOST).await;
    assert_eq!(root.mint("wider", MOST + 1).await.status, 422);
    assert_eq!(first.spend(1).await.refusal(), (402, "budget_exhausted"));
    assert_eq!(own(&root).await.body["available_credits"], Value::Null);
    // What a tenant has spent is an amount like any other, so that all of them together reach the largest one.
    assert_eq!(below.spend(MOST - 10).await.status, 201);
    assert_eq!(second.spend(4).await.status, 201);
    assert_eq!(assert_affordable_is_exact(&third, MOST, "budget_exhausted").await, 6);
    assert_eq!(assert_affordable_is_exact(&second, 1, "budget_exhausted").await, 0);
    assert_eq!(own(&root).await.number("/spent_credits"), MOST);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn the_least_max_per_spend_of_the_path_binds() {
    let (_server, _, root) = start().await;
    let body = json!({ "label": "team", "budget_credits": 1_000, "max_per_spend": 50 });
    let (team, _) = mint(&root, body).await;
    let body = json!({ "label": "wide", "budget_credits": 200, "max_per_spend": 80 });
    let (wide, _) = mint(&team, body).await;
    let body = json!({ "label": "narrow", "budget_credits": 60, "max_per_spend": 20 });
    let (narrow, _) = mint(&wide, body).await;
    for (client, most) in [(&team, 50), (&wide, 50), (&narrow, 20)] {
        assert_eq!(assert_affordable_is_exact(client, most + 1, "max_per_spend_exceeded").await, most);
    }
    assert_eq!(assert_affordable_is_exact(&narrow, 100, "max_per_spend_exceeded").await, 20);
    assert_eq!(narrow.spend(19).await.status, 201);
    assert_eq!(assert_affordable_is_exact(&narrow, 2, "budget_exhausted").await, 1);
}

#[tokio::test]
async fn what_is_used_up_is_exhausted_and_listed_as_such() {
    let (_server, _, root) = start().await;
    let (leaf, leaf_id) = root.child("leaf", 10).await;
    assert_eq!(leaf.spend(10).await.status, 201);
    let view = own(&leaf).await;
    assert_eq!((view.text("/status"), view.number("/remaining_credits")), ("exhausted".to_owned(), 0));
    let listed = root.get("/delegation?status=exhausted").await;
    assert_eq!(listed.text("/data/0/id"), leaf_id);
    assert!(listed.body.pointer("/data/1").is_none());
}

#[tokio::test]
async fn a_dry_run_of_a_spend_foretells_it_and_changes_nothing() {
    let (server, tenant, root) = start().await;
    let (leaf, _) = root.child("leaf", 100).await;
    let before = own(&leaf).await.body;
    let tried = leaf.post("/spend", &json!({ "amount_credits": 40, "dry_run": true })).await;
    assert_eq!(tried.status, 200, "{}", tried.body);
    assert_eq!((tried.body.get("id"), tried.body["dry_run"].as_bool()), (None, Some(true)));
    assert_eq!(own(&leaf).await.body, before);
    assert_eq!(ledger_totals(&server, &tenant).await, (0, 0));
    let too_much = leaf.post("/spend", &json!({ "amount_credits": 101, "dry_run": true })).await;
    assert_eq!(too_much.refusal(), (402, "budget_exhausted"));
    let spent = leaf.spend(40).await;
    for field in ["/remaining_credits", "/effective_remaining_credits"] {
        assert_eq!(tried.number(field), spent.number(field), "{field}");
    }
}

#[tokio::test]
async fn a_preview_of_a_revocation_says_what_the_receipt_will() {
    let (server, tenant, root) = start().await;
    let (team, team_id) = root.child("team", 1_000).await;
    let (leaf, _) = team.child("leaf", 300).await;
    cap(&team, "capped", 500).await;
    assert_eq!(leaf.spend(50).await.status, 201);
    assert_eq!(team.spend(20).await.status, 201);
    let path = format!("/delegation/{team_id}/revoke");
    let preview = root.post(&path, &json!({ "dry_run": true })).await;
    assert_eq!(preview.status, 200, "{}", preview.body);
    let facts = ["descendants", "credits_freed", "active_last_hour", "holds_voided"];
    assert_eq!(facts.map(|fact| preview.body[fact].as_u64()), [Some(2), Some(930), Some(2), Some(0)]);
    assert_eq!(leaf.spend(1).await.status, 201, "a preview revokes nothing");
    let version = preview.body["version"].as_i64().unwrap();
    let stale = root.post(&path, &json!({ "if_version": version + 1 })).await;
    assert_eq!(stale.refusal(), (409, "stale_version"));
    assert_eq!(root.post(&path, &json!({ "if_version": version + 1, "dry_run": true })).await.status, 409);
    let receipt = root.post(&path, &json!({ "if_version": version, "reason": "done" })).await;
    assert_eq!(receipt.status, 200, "{}", receipt.body);
    assert_eq!(facts.map(|fact| receipt.body[fact].as_u64()), [Some(2), Some(929), Some(2), Some(0)]);
    assert_eq!(root.post(&path, &json!({})).await.refusal(), (409, "already_revoked"));
    assert_eq!(own(&root).await.number("/reserved_for_children_credits"), 0);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_holder_may_revoke_itself_and_nobody_above() {
    let (_server, _, root) = start().await;
    let (team, team_id) = root.child("team", 1_000).await;
    let body = json!({ "label": "leaf", "budget_credits": 400, "actions": ["spend"] });
    let (leaf, leaf_id) = mint(&team, body).await;
    let above = leaf.post(&format!("/delegation/{team_id}/revoke"), &json!({})).await;
    assert_eq!(above.refusal(), (404, "not_found"));
    let receipt = leaf.post(&format!("/delegation/{leaf_id}/revoke"), &json!({})).await;
    assert_eq!((receipt.status, receipt.number("/credits_freed")), (200, 400), "{}", receipt.body);
    assert_eq!(leaf.spend(1).await.refusal(), (401, "revoked"));
    assert_eq!(own(&team).await.number("/available_credits"), 1_000);
    let seen = team.get(&format!("/delegation/{leaf_id}")).await;
    assert_eq!(seen.text("/status"), "revoked");
}

#[tokio::test]
async fn unspent_carve_of_a_revoked_child_is_the_parents_again_at_once() {
    let (server, tenant, root) = start().await;
    let (parent, _) = root.child("parent", 1_000).await;
    let (child, child_id) = parent.child("child", 1_000).await;
    let (below, _) = child.child("below", 800).await;
    assert_eq!(below.spend(300).await.status, 201);
    assert_eq!(parent.mint("early", 1).await.refusal(), (402, "budget_exhausted"));
    assert_eq!(parent.post(&format!("/delegation/{child_id}/revoke"), &json!({})).await.status, 200);
    assert_eq!(parent.mint("too much", 701).await.number("/max_affordable_credits"), 700);
    parent.child("heir", 700).await;
    assert_books_balance(&server, &tenant).await;
}
