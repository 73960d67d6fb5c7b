//! Every kind of write at once, by many clients at two servers: whatever came of it, the books balance.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test itself does")]

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use subgrant_tests::{Api, Reply, TestServer, assert_books_balance, assert_no_deadlocks, ledger_totals};
use tokio::task::JoinSet;

/// Nodes that somebody may use: token and id.
type Nodes = Arc<Mutex<Vec<(String, String)>>>;

/// One of a fixed sequence of actions; what it does depends on the seed alone, what comes of it on the others.
async fn act(api: &Api, nodes: &Nodes, root: &Api, seed: u64) -> (Reply, u64) {
    let roll =
        seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 16;
    let (token, id) = {
        let nodes = nodes.lock().unwrap();
        nodes[usize::try_from(roll % nodes.len() as u64).unwrap()].clone()
    };
    let client = api.with_token(&token);
    let amount = 1 + roll % 37;
    match roll / 64 % 20 {
        0 if nodes.lock().unwrap().len() > 5 => {
            (root.post(&format!("/delegation/{id}/revoke"), &json!({})).await, 0)
        }
        1 => (root.post("/root/rotate", &json!({ "grace": "1h" })).await, 0),
        2..=6 => {
            let allocation = if roll.is_multiple_of(3) { "cap" } else { "carve" };
            let body = json!({ "label": "node", "budget_credits": amount * 20, "allocation": allocation });
            let reply = client.post("/delegation", &body).await;
            if reply.status == 201 {
                nodes.lock().unwrap().push((reply.text("/token"), reply.text("/id")));
            }
            (reply, 0)
        }
        _ => {
            let reply = client.spend(amount).await;
            let spent = if reply.status == 201 { amount } else { 0 };
            (reply, spent)
        }
    }
}

/// Somebody else was faster, or nothing is left.
fn is_expected(reply: &Reply) -> bool {
    matches!(
        reply.refusal(),
        (200 | 201, _)
            | (401 | 409, "revoked" | "already_revoked")
            | (402, "budget_exhausted")
            | (403, "superseded")
            | (422, "narrower_than_parent")
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_any_mixture_of_mint_spend_revoke_and_rotate_the_books_balance() {
    let server = TestServer::start().await;
    let (replica, tenant) = (server.replica().await, server.sign_up().await);
    let root = server.api.with_token(&tenant.root_token);
    let grown = root.post("/root/rotate", &json!({ "grace": "1h" })).await;
    assert_eq!(grown.status, 200);
    let (team, team_id) = root.child("team", 5_000).await;
    let (squad, squad_id) = team.child("squad", 3_000).await;
    let token = |api: &Api| api.token().expect("a client of a node").to_owned();
    let nodes: Nodes = Arc::new(Mutex::new(vec![(token(&team), team_id), (token(&squad), squad_id)]));
    let clients: JoinSet<u64> = (0..12_u64)
        .map(|number| {
            let (mut api, mut root, nodes) = (server.api.clone(), root.clone(), Arc::clone(&nodes));
            if number % 2 == 1 {
                api.origin.clone_from(&replica.api.origin);
                root.origin.clone_from(&replica.api.origin);
            }
            async move {
                let mut spent = 0;
                for step in 0..40 {
                    let (reply, amount) = act(&api, &nodes, &root, number * 1_000 + step).await;
                    assert!(is_expected(&reply), "{}: {}", reply.status, reply.body);
                    spent += amount;
                }
                spent
            }
        })
        .collect();
    let spent: u64 = clients.join_all().await.iter().sum();
    assert!(spent > 0 && nodes.lock().unwrap().len() > 5, "the mixture did something");
    assert_eq!(ledger_totals(&server, &tenant).await.1, spent);
    assert_eq!(root.get("/delegation/self").await.body["spent_credits"], Value::from(spent));
    assert_books_balance(&server, &tenant).await;
    assert_no_deadlocks(&server).await;
}
