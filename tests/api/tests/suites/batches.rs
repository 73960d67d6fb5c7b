//! Many debits in one request: in order, each all or nothing, and none harmed by another.

use serde_json::{Value, json};
use subgrant_tests::{Api, Reply, Tenant, TestServer, assert_books_balance, ledger_totals};

async fn start() -> (TestServer, Tenant, Api) {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    (server, tenant, root)
}

/// Sends a batch that must be answered item by item, and returns the outcomes.
async fn outcomes(client: &Api, items: &[Value]) -> Vec<Value> {
    let reply = client.post("/spend/batch", &json!({ "items": items })).await;
    data_of(&reply, items.len())
}

fn data_of(reply: &Reply, expected: usize) -> Vec<Value> {
    assert_eq!(reply.status, 200, "{}", reply.body);
    let data = reply.body["data"].as_array().expect("outcomes").clone();
    assert_eq!(data.len(), expected, "one outcome per item");
    data
}

fn statuses(outcomes: &[Value]) -> Vec<u64> {
    outcomes.iter().map(|outcome| outcome["status"].as_u64().expect("a status")).collect()
}

fn amount(credits: u64) -> Value {
    json!({ "amount_credits": credits })
}

fn keyed(credits: u64, key: &str) -> Value {
    json!({ "amount_credits": credits, "idempotency_key": key })
}

#[tokio::test]
async fn ten_thousand_items_are_decided_in_order() {
    let (server, tenant, root) = start().await;
    let (leaf, leaf_id) = root.child("leaf", 60_000_000).await;
    let items: Vec<_> = (1..=10_000).map(amount).collect();
    let (mut left, mut ids) = (60_000_000, std::collections::HashSet::new());
    for (credits, outcome) in (1_u64..).zip(outcomes(&leaf, &items).await) {
        left -= credits;
        let told = [&outcome["status"], &outcome["delegation_id"], &outcome["remaining_credits"]];
        assert_eq!(told, [&json!(201), &json!(leaf_id), &json!(left)], "item {credits}");
        assert!(outcome["id"].as_str().is_some_and(|id| ids.insert(id.to_owned())), "{outcome}");
    }
    assert_eq!(ledger_totals(&server, &tenant).await, (10_000, 50_005_000));
    let page = leaf.get("/ledger?limit=100").await;
    let in_order = page.body["data"].as_array().expect("entries").iter().zip(1_u64..);
    assert!(in_order.into_iter().all(|(entry, credits)| entry["amount_credits"] == credits));
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_batch_exhausts_a_budget_to_the_credit_and_tells_what_would_fit() {
    let (server, tenant, root) = start().await;
    let (leaf, leaf_id) = root.child("leaf", 100).await;
    let items = [50, 60, 30, 21, 20, 1].map(amount);
    let data = outcomes(&leaf, &items).await;
    assert_eq!(statuses(&data), [201, 402, 201, 402, 201, 402]);
    for (position, requested, affordable) in [(1, 60, 50), (3, 21, 20), (5, 1, 0)] {
        let refused = &data[position];
        assert_eq!(refused["code"], "budget_exhausted", "{refused}");
        assert_eq!(refused["max_affordable_credits"], affordable, "{refused}");
        assert_eq!(refused["requested_credits"], requested, "{refused}");
        assert_eq!(refused["delegation_id"], json!(leaf_id), "{refused}");
        assert!(refused["id"].is_null() && refused["detail"].is_string(), "{refused}");
    }
    assert_eq!(data[4]["remaining_credits"], 0);
    assert_eq!(leaf.balances().await, json!([100, 0, 0, 0]));
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_bad_item_harms_no_other() {
    let (server, tenant, root) = start().await;
    let (leaf, leaf_id) = root.child("leaf", 100).await;
    let (sibling, sibling_id) = root.child("sibling", 100).await;
    let (revoked, revoked_id) = root.child("revoked", 100).await;
    assert_eq!(root.act(&revoked_id, "revoke").await.status, 200);
    let theirs = server.api.with_token(&server.sign_up().await.root_token);
    let with_token = |client: &Api| json!({ "amount_credits": 1, "token": client.token() });
    let cases = [
        (json!({ "amount_credits": "1" }), 422, "validation"),
        (amount(0), 422, "validation"),
        (json!({ "amount_credits": -1 }), 422, "validation"),
        (json!({ "amount_credits": 1.5 }), 422, "validation"),
        (amount(9_007_199_254_740_992), 422, "validation"),
        (json!({}), 422, "validation"),
        (json!({ "amount_credits": 1, "surprise": true }), 422, "validation"),
        (json!({ "amount_credits": 1, "dry_run": true }), 422, "validation"),
        (json!({ "amount_credits": 1, "metadata": [] }), 422, "validation"),
        (json!({ "amount_credits": 1, "metadata": { "x": "y".repeat(2_048) } }), 422, "validation"),
        (json!({ "amount_credits": 1, "description": "d".repeat(1_025) }), 422, "validation"),
        (keyed(1, ""), 422, "validation"),
        (keyed(1, "white space"), 422, "validation"),
        (keyed(1, &"k".repeat(256)), 422, "validation"),
        (json!("1"), 422, "validation"),
        (json!([1]), 422, "validation"),
        (Value::Null, 422, "validation"),
        (json!({ "amount_credits": 1, "token": "sgt_x" }), 401, "malformed"),
        (json!({ "amount_credits": 1, "token": "" }), 401, "malformed"),
        (with_token(&revoked), 401, "revoked"),
        (with_token(&theirs), 404, "not_found"),
    ];
    // A good one stands before, between and after all of them.
    let mut items = vec![amount(1)];
    items.extend(cases.iter().flat_map(|(item, ..)| [item.clone(), amount(1)]));
    items.push(with_token(&sibling));
    let data = outcomes(&leaf, &items).await;
    for (position, (item, status, code)) in cases.iter().enumerate() {
        let (bad, good) = (&data[2 * position + 1], &data[2 * position + 2]);
        assert_eq!((&bad["status"], &bad["code"]), (&json!(status), &json!(code)), "{item}: {bad}");
        assert!(bad["detail"].is_string() && bad["id"].is_null(), "{bad}");
        assert_eq!((&good["status"], &good["delegation_id"]), (&json!(201), &json!(leaf_id)), "{good}");
    }
    let last = data.last().expect("the sibling's");
    assert_eq!((&last["status"], &last["delegation_id"]), (&json!(201), &json!(sibling_id)));
    let good = cases.len() as u64 + 1;
    assert_eq!(leaf.balances().await, json!([good, 0, 0, 100 - good]));
    assert_eq!(
        (sibling.balances().await, theirs.balances().await[0].clone()),
        (json!([1, 0, 0, 99]), json!(0))
    );
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn duplicates_inside_a_batch_are_told_apart_by_key_and_body() {
    let (server, tenant, root) = start().await;
    let (leaf, _) = root.child("leaf", 100).await;
    let (sibling, _) = root.child("sibling", 100).await;
    let other = json!({ "amount_credits": 10, "idempotency_key": "a", "token": sibling.token() });
    let items =
        [keyed(10, "a"), keyed(10, "a"), keyed(11, "a"), keyed(10, "b"), amount(10), amount(10), other];
    let data = outcomes(&leaf, &items).await;
    assert_eq!(statuses(&data), [201, 201, 422, 201, 201, 201, 201]);
    assert_eq!((&data[1]["id"], &data[1]["replayed"]), (&data[0]["id"], &json!(true)));
    assert!(data[0]["replayed"].is_null() && data[6]["replayed"].is_null(), "a key is its delegation's own");
    assert_eq!(data[2]["code"], "idempotency_mismatch");
    assert_eq!(leaf.balances().await, json!([40, 0, 0, 60]));
    let alone = leaf.post_with_key("/spend", "a", &amount(10)).await;
    assert_eq!((alone.status, alone.header("idempotent-replayed")), (201, Some("true")), "{}", alone.body);
    assert_eq!(json!(alone.text("/id")), data[0]["id"]);
    let mismatched = leaf.post_with_key("/spend", "a", &amount(11)).await;
    assert_eq!(mismatched.refusal(), (422, "idempotency_mismatch"));
    assert_eq!(leaf.post_with_key("/spend", "c", &amount(5)).await.status, 201);
    assert_eq!(outcomes(&leaf, &[keyed(5, "c")]).await[0]["replayed"], true, "and the other way round");
    assert_eq!(ledger_totals(&server, &tenant).await, (6, 55));
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_batch_with_a_key_can_be_sent_again_as_a_whole() {
    let (server, tenant, root) = start().await;
    let (leaf, _) = root.child("leaf", 100).await;
    let body = json!({ "items": [amount(10), amount(10), keyed(5, "own"), amount(0)] });
    let first = data_of(&leaf.post_with_key("/spend/batch", "night", &body).await, 4);
    let again = data_of(&leaf.post_with_key("/spend/batch", "night", &body).await, 4);
    assert_eq!(statuses(&first), [201, 201, 201, 422]);
    assert_eq!(statuses(&again), statuses(&first));
    for (before, after) in first.iter().zip(&again).take(3) {
        assert_eq!((&after["id"], &after["replayed"]), (&before["id"], &json!(true)));
    }
    assert_ne!(first[0]["id"], first[1]["id"], "equal items are two debits");
    let changed = json!({ "items": [amount(10), amount(11)] });
    let changed = data_of(&leaf.post_with_key("/spend/batch", "night", &changed).await, 2);
    assert_eq!(statuses(&changed), [201, 422]);
    assert_eq!(changed[1]["code"], "idempotency_mismatch");
    let malformed = leaf.post_with_key("/spend/batch", "white space", &body).await;
    malformed.assert_problem(400, "invalid_idempotency_key", "white space");
    assert_eq!(leaf.balances().await, json!([25, 0, 0, 75]));
    assert_books_balance(&server, &tenant).await;
}
