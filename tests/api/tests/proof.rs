//! The ledger's proof: intact where it is, and the fault named where somebody has rewritten it.

use serde_json::json;
use sqlx::{AssertSqlSafe, Executor};
use subgrant_tests::{Api, TestServer};

async fn books() -> (TestServer, Api, Api) {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let (team, _) = root.child("team", 1_000).await;
    let (agent, _) = team.child("agent", 500).await;
    for amount in [10, 20, 30] {
        assert_eq!(agent.spend(amount).await.status, 201);
    }
    assert_eq!(team.spend(5).await.status, 201);
    (server, root, agent)
}

/// Rewrites the ledger as only the database's owner can, and returns what the proof then says.
async fn after(sql: &str) -> serde_json::Value {
    let (server, root, _) = books().await;
    let superuser = server.database.superuser().await;
    superuser.execute(AssertSqlSafe(sql.to_owned())).await.expect("the owner can do anything");
    let proof = root.get("/ledger/proof").await;
    assert_eq!((proof.status, &proof.body["intact"]), (200, &json!(false)), "{sql}: {}", proof.body);
    proof.body["first_fault"].clone()
}

#[tokio::test]
async fn untouched_books_are_intact_and_the_proof_says_how_far_it_looked() {
    let (_, root, agent) = books().await;
    let proof = root.get("/ledger/proof").await;
    assert_eq!(proof.status, 200, "{}", proof.body);
    assert_eq!((&proof.body["intact"], &proof.body["first_fault"]), (&json!(true), &json!(null)));
    assert_eq!(proof.number("/entries"), 4);
    assert_eq!(proof.text("/head_hash").len(), 64);
    let last = root.get("/ledger").await.body["data"][3]["recorded_at"].clone();
    assert_eq!(proof.body["through"], last);
    assert_eq!(agent.get("/ledger/proof").await.refusal(), (403, "action_not_permitted"));
}

#[tokio::test]
async fn empty_books_are_intact() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let proof = root.get("/ledger/proof").await;
    assert_eq!((proof.number("/entries"), &proof.body["intact"]), (0, &json!(true)));
    assert_eq!(proof.body["through"], json!(null));
}

#[tokio::test]
async fn a_tampered_row_is_found_and_named() {
    for change in ["amount = 2", "description = 'other'", "cost_center = 'Other'", "metadata = '{\"a\":1}'"] {
        let fault = after(&format!("UPDATE ledger SET {change} WHERE seq = 2")).await;
        assert_eq!((&fault["kind"], &fault["seq"]), (&json!("hash_mismatch"), &json!(2)), "{change}");
    }
}

#[tokio::test]
async fn a_deleted_row_is_found_and_named() {
    let fault = after("DELETE FROM ledger WHERE seq = 2").await;
    assert_eq!((&fault["kind"], &fault["seq"]), (&json!("gap"), &json!(3)));
    let fault = after("DELETE FROM ledger WHERE seq = 4").await;
    assert_eq!((&fault["kind"], &fault["seq"]), (&json!("truncated"), &json!(4)));
}

#[tokio::test]
async fn a_swapped_pair_is_found_and_named() {
    let swap = "UPDATE ledger SET seq = CASE seq WHEN 2 THEN 3 ELSE 2 END WHERE seq IN (2, 3)";
    let fault = after(&format!("ALTER TABLE ledger DROP CONSTRAINT ledger_pkey; {swap}")).await;
    assert_eq!((&fault["kind"], &fault["seq"]), (&json!("hash_mismatch"), &json!(2)));
}

#[tokio::test]
async fn balances_that_the_ledger_does_not_explain_are_found() {
    let fault = after("UPDATE delegations SET spent = spent + 1 WHERE label = 'agent'").await;
    assert_eq!(fault["kind"], "node_unequal_children");
    let fault = after("UPDATE delegations SET spent = spent + 1 WHERE depth = 0").await;
    assert_eq!(fault["kind"], "ledger_unequal_root");
}
