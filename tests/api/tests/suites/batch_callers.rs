//! Who may send a batch, and what each item's caller may do in it.

use serde_json::{Value, json};
use subgrant_tests::{
    Api, Tenant, TestServer, assert_books_balance, assert_no_deadlocks, attenuate, ledger_totals,
};

async fn start() -> (TestServer, Tenant, Api) {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    (server, tenant, root)
}

#[tokio::test]
async fn a_dead_or_frozen_credential_sends_no_batch_not_even_with_others_tokens() {
    let (server, tenant, root) = start().await;
    let (revoked, revoked_id) = root.child("revoked", 100).await;
    let (frozen, frozen_id) = root.child("frozen", 100).await;
    let (live, _) = root.child("live", 100).await;
    assert_eq!(root.act(&revoked_id, "revoke").await.status, 200);
    assert_eq!(root.act(&frozen_id, "freeze").await.status, 200);
    let items = json!({ "items": [{ "amount_credits": 1 }, { "amount_credits": 1, "token": live.token() }] });
    for (client, status, code) in [(&revoked, 401, "revoked"), (&frozen, 403, "frozen")] {
        client.post("/spend/batch", &items).await.assert_problem(status, code, "a batch of a dead caller");
    }
    assert_eq!(ledger_totals(&server, &tenant).await, (0, 0));
}

#[tokio::test]
async fn an_item_is_bound_by_its_own_tokens_caveats() {
    let (server, tenant, root) = start().await;
    let (leaf, _) = root.child("leaf", 100).await;
    let token = leaf.token().expect("a token");
    let item = |caveat: &[u8]| json!({ "amount_credits": 5, "token": attenuate(token, &[caveat]) });
    let items = [
        item(b"max_per_spend = 4"),
        item(b"actions = read"),
        item(b"max_per_spend = 5"),
        item(b"limit = 7/day"),
    ];
    let reply = leaf.post("/spend/batch", &json!({ "items": items })).await;
    let told: Vec<_> = [0, 1, 2, 3]
        .map(|at| json!([reply.body["data"][at]["status"], reply.body["data"][at]["code"]]))
        .into();
    let expected = [
        json!([402, "max_per_spend_exceeded"]),
        json!([403, "action_not_permitted"]),
        json!([201, null]),
        json!([402, "limit_exceeded"]),
    ];
    assert_eq!(told, expected, "{}", reply.body);
    assert_eq!(leaf.balances().await, json!([5, 0, 0, 95]));
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn batches_that_race_over_two_servers_spend_a_budget_exactly() {
    let (server, tenant, root) = start().await;
    let replica = server.replica().await;
    let (leaf, _) = root.child("leaf", 1_000).await;
    let clients = [leaf.clone(), replica.api.with_token(leaf.token().expect("a token"))];
    let items: Vec<Value> = (0..300).map(|_| json!({ "amount_credits": 3 })).collect();
    let sent = (0..4).map(|number| {
        let (client, body) = (clients[number % 2].clone(), json!({ "items": items }));
        tokio::spawn(async move { client.post("/spend/batch", &body).await })
    });
    let mut spent = 0;
    for task in sent.collect::<Vec<_>>() {
        let reply = task.await.expect("the batch was sent");
        for outcome in reply.body["data"].as_array().expect("outcomes") {
            match outcome["status"].as_u64() {
                Some(201) => spent += 1,
                _ => assert_eq!(outcome["code"], "budget_exhausted", "{outcome}"),
            }
        }
    }
    assert_eq!(spent, 333, "999 of 1,000 credits, in threes");
    assert_eq!(ledger_totals(&server, &tenant).await, (333, 999));
    assert_eq!(leaf.balances().await, json!([999, 0, 0, 1]));
    assert_books_balance(&server, &tenant).await;
    assert_no_deadlocks(&server).await;
}
