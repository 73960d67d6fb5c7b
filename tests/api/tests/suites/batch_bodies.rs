//! Batches as bytes: lines of JSON, sizes, and items that cannot be read.

use reqwest::Method;
use serde_json::{Value, json};
use subgrant_tests::{Api, Reply, Tenant, TestServer, assert_books_balance, ledger_totals};

async fn start() -> (TestServer, Tenant, Api) {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    (server, tenant, root)
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

/// Sends raw bytes as the body of a batch.
async fn raw(client: &Api, content_type: &str, body: impl Into<reqwest::Body>) -> Reply {
    let request = client.request(Method::POST, "/spend/batch").header("Content-Type", content_type);
    Reply::of(request.body(body)).await
}

#[tokio::test]
async fn lines_of_json_are_a_batch_too() {
    let (server, tenant, root) = start().await;
    let (leaf, _) = root.child("leaf", 100).await;
    let mut lines = b"{\"amount_credits\":1}\r\n\n  \n{not json}\n{\"amount_credits\":2}\n\"x\"\n".to_vec();
    lines.extend(
        b"{\"amount_credits\":1,\"description\":\"\xff\"}\n{\"amount_credits\":3,\"idempotency_key\":\"k\"}",
    );
    for content_type in ["application/x-ndjson", "Application/X-NDJSON; charset=utf-8"] {
        let data = data_of(&raw(&leaf, content_type, lines.clone()).await, 6);
        assert_eq!(statuses(&data), [201, 400, 201, 422, 400, 201], "{data:?}");
    }
    assert_eq!(leaf.balances().await, json!([9, 0, 0, 91]));
    let alone = leaf.post_with_key("/spend", "k", &amount(3)).await;
    assert_eq!(alone.header("idempotent-replayed"), Some("true"), "{}", alone.body);
    raw(&leaf, "application/x-ndjson", "\n\n").await.assert_invalid(&["/items"], "no line");
    let many = "{\"amount_credits\":1}\n".repeat(10_001);
    raw(&leaf, "application/x-ndjson", many).await.assert_invalid(&["/items"], "10,001 lines");
    raw(&leaf, "text/plain", "{}").await.assert_problem(415, "unsupported_media_type", "text");
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_batch_of_the_wrong_size_or_shape_is_refused_as_a_whole() {
    let (server, tenant, root) = start().await;
    for (items, case) in [(json!([]), "none"), (json!(vec![amount(1); 10_001]), "10,001")] {
        let reply = root.post("/spend/batch", &json!({ "items": items })).await;
        reply.assert_invalid(&["/items"], case);
    }
    for (body, pointer) in [
        (json!({}), "/items"),
        (json!({ "items": amount(1) }), "/items"),
        (json!({ "items": [amount(1)], "more": 1 }), "/more"),
    ] {
        root.post("/spend/batch", &body).await.assert_invalid(&[pointer], &body.to_string());
    }
    for content_type in ["application/json", "application/x-ndjson"] {
        let large = raw(&root, content_type, " ".repeat(24 * 1024 * 1024 + 1)).await;
        assert_eq!(large.status, 413, "{content_type}: {}", large.body);
    }
    assert_eq!(ledger_totals(&server, &tenant).await, (0, 0));
}

#[tokio::test]
async fn a_batch_of_ten_thousand_full_items_fits() {
    let (server, tenant, root) = start().await;
    let item = json!({ "amount_credits": 1, "metadata": { "x": "y".repeat(2_000) } }).to_string();
    let items = vec![item; 10_000];
    let whole = raw(&root, "application/json", format!(r#"{{"items":[{}]}}"#, items.join(","))).await;
    let lines = raw(&root, "application/x-ndjson", items.join("\n")).await;
    assert_eq!([whole.refusal(), lines.refusal()], [(200, ""), (200, "")], "some 20 MB each");
    for reply in [whole, lines] {
        assert_eq!(statuses(&data_of(&reply, 10_000)), vec![201; 10_000]);
    }
    assert_eq!(ledger_totals(&server, &tenant).await, (20_000, 20_000));
}

#[tokio::test]
async fn an_item_that_no_parser_keeps_harms_no_other() {
    let (_server, _, root) = start().await;
    let (leaf, _) = root.child("leaf", 1_000).await;
    let deep = format!(r#"{{"amount_credits":1,"metadata":{{"x":{}1{}}}}}"#, "[".repeat(40), "]".repeat(40));
    let mut harm = Vec::new();
    for bad in [
        r#"{"amount_credits":1e400}"#,
        r#"{"amount_credits":1,"description":"\ud800"}"#,
        r#"{"amount_credits":1,"amount_credits":90}"#,
        &deep,
    ] {
        let alone = leaf.request(Method::POST, "/spend").header("Content-Type", "application/json");
        let alone = Reply::of(alone.body(bad.to_owned())).await;
        assert!([400, 422].contains(&alone.status), "alone: {bad}");
        let good = r#"{"amount_credits":1}"#;
        for (content_type, body) in [
            ("application/json", format!(r#"{{"items":[{good},{bad},{good}]}}"#)),
            ("application/x-ndjson", format!("{good}\n{bad}\n{good}")),
        ] {
            let reply = raw(&leaf, content_type, body).await;
            let told = [0, 1, 2].map(|at| reply.body["data"][at]["status"].as_u64().unwrap_or_default());
            if told != [201, u64::from(alone.status), 201] {
                harm.push(format!("{content_type} {bad}: {} {told:?}", reply.status));
            }
        }
    }
    assert_eq!(harm, Vec::<String>::new());
}
