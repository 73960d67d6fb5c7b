//! Nobody takes the organisation's root away for good, and an owner brings back one that was.

use serde_json::json;
use subgrant_tests::{Api, Tenant, TestServer, assert_books_balance};
use uuid::Uuid;

async fn stage() -> (TestServer, Tenant, Api, Api) {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let owner = server.api.with_session(&tenant.session);
    (server, tenant, root, owner)
}

/// As a server of an earlier version did it.
async fn revoke_root(server: &TestServer, tenant: &Tenant) {
    let superuser = server.database.superuser().await;
    let id: subgrant_domain::TenantId = tenant.id.parse().expect("a tenant's id");
    let id: Uuid = id.as_uuid();
    for statement in [
        "UPDATE delegations SET revoked_at = clock_timestamp(), version = version + 1 WHERE tenant_id = $1 AND depth = 0",
        "UPDATE balances b SET held = 0 FROM delegations d
         WHERE b.tenant_id = $1 AND d.tenant_id = $1 AND d.depth = 0 AND b.delegation_id = d.id",
        "UPDATE ledger_heads SET revision = revision + 1 WHERE tenant_id = $1",
    ] {
        sqlx::query(statement).bind(id).execute(&superuser).await.expect("the root is revoked");
    }
}

#[tokio::test]
async fn the_root_is_not_revoked_whoever_asks_and_nothing_changes() {
    let (server, tenant, root, owner) = stage().await;
    let (team, _) = root.child("team", 100).await;
    let path = format!("/delegation/{}/revoke", tenant.root_id);
    for (api, who) in [(&root, "the root token"), (&owner, "the owner")] {
        for body in [json!({}), json!({ "dry_run": true })] {
            let refused = api.post(&path, &body).await;
            refused.assert_problem(409, "is_root", who);
            assert!(refused.text("/detail").contains("/root/rotate"), "{}", refused.body);
        }
    }
    team.post(&path, &json!({})).await.assert_problem(404, "not_found", "not its business");
    assert_eq!(team.spend(1).await.status, 201);
    let rotated = root.post("/root/rotate", &json!({})).await;
    assert_eq!(root.with_token(&rotated.text("/root_token")).spend(1).await.status, 201);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn an_owner_brings_a_revoked_root_back_and_nothing_below_it() {
    let (server, tenant, root, owner) = stage().await;
    let (team, team_id) = root.child("team", 100).await;
    let (agent, _) = team.child("agent", 50).await;
    let (capped, _) = {
        let body = json!({ "label": "capped", "budget_credits": 70, "allocation": "cap" });
        let reply = root.post("/delegation", &body).await;
        (root.with_token(&reply.text("/token")), reply.text("/id"))
    };
    assert_eq!((agent.spend(20).await.status, capped.spend(5).await.status), (201, 201));
    let hold = agent.held(10).await;
    assert_eq!(agent.hold(3, "1s").await.status, 201);
    revoke_root(&server, &tenant).await;
    assert_eq!(agent.spend(1).await.refusal(), (401, "revoked"));
    root.post("/root/rotate", &json!({})).await.assert_problem(401, "revoked", "the root token itself");
    let admin = json!({ "email": "admin@people.example", "role": "admin", "password": "long enough for it" });
    assert_eq!(owner.post("/user", &admin).await.status, 201);
    let login = json!({ "email": "admin@people.example", "password": "long enough for it" });
    let admin = server.api.with_session(&server.api.post("/session", &login).await.session());
    admin.post("/root/rotate", &json!({})).await.assert_problem(409, "already_revoked", "no owner");

    let rotated = owner.post("/root/rotate", &json!({})).await;
    assert_eq!(rotated.status, 200, "{}", rotated.body);
    let newest = root.with_token(&rotated.text("/root_token"));
    let shown = newest.get("/delegation/self").await;
    assert_eq!((shown.text("/status").as_str(), shown.number("/spent_credits")), ("active", 25));
    let left = ["held_credits", "reserved_for_children_credits", "capped_for_children_credits"];
    assert_eq!(left.map(|field| shown.number(&format!("/{field}"))), [0, 0, 0]);
    for dead in [&team, &agent, &capped] {
        assert_eq!(dead.spend(1).await.refusal(), (401, "revoked"), "what was revoked stays so");
    }
    assert_eq!(newest.get(&format!("/delegation/{team_id}")).await.text("/status"), "revoked");
    assert_eq!(newest.get(&format!("/hold/{hold}")).await.text("/status"), "voided");
    let (fresh, _) = newest.child("fresh", 100).await;
    assert_eq!(fresh.spend(1).await.status, 201);
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert_eq!(fresh.spend(1).await.status, 201, "holds that end below what is dead move nothing");
    assert_books_balance(&server, &tenant).await;
    assert_eq!(owner.get("/ledger/proof").await.body["intact"], true);
}
