//! What a hold is for, and looking at one hold.

use serde_json::{Value, json};
use subgrant_tests::{Api, TestServer};

async fn stage() -> (TestServer, Api, Api) {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let (agent, _) = root.child("agent", 1_000).await;
    (server, root, agent)
}

fn noted(amount: u64) -> Value {
    json!({ "amount_credits": amount, "expires_in": "1h", "description": "review of #42", "metadata": { "model": "small" } })
}

#[tokio::test]
async fn what_a_hold_is_for_is_what_its_spend_is_for() {
    let (_, root, agent) = stage().await;
    let held = agent.post("/hold", &noted(100)).await;
    assert_eq!(held.status, 201, "{}", held.body);
    assert_eq!(
        (held.text("/description"), &held.body["metadata"]),
        ("review of #42".into(), &json!({ "model": "small" }))
    );
    let location = held.header("location").unwrap().strip_prefix("/api/cloud").unwrap().to_owned();
    for api in [&agent, &root] {
        let shown = api.get(&location).await;
        assert_eq!((shown.status, shown.text("/id")), (200, held.text("/id")), "{}", shown.body);
        assert_eq!(
            (shown.text("/status"), shown.text("/description")),
            ("held".into(), "review of #42".into())
        );
        assert_eq!(shown.body["metadata"], json!({ "model": "small" }));
        assert_eq!((shown.number("/amount_credits"), shown.text("/delegation_label")), (100, "agent".into()));
    }
    let spent = agent.capture(&held.text("/id"), 60).await.text("/id");
    let entry = root.get(&format!("/spend/{spent}")).await;
    assert_eq!(
        (entry.text("/description"), &entry.body["metadata"]),
        ("review of #42".into(), &json!({ "model": "small" }))
    );
    let closed = agent.get(&location).await;
    assert_eq!(closed.text("/status"), "captured");
    assert!(!closed.text("/closed_at").is_empty());
    let listed = root.all("/hold?").await;
    assert_eq!(listed[0]["description"], "review of #42");
}

#[tokio::test]
async fn a_capture_says_its_own_where_it_says_anything() {
    let (_, root, agent) = stage().await;
    let entry = async |body: Value| {
        let hold = agent.post("/hold", &noted(10)).await.text("/id");
        let spent = agent.post(&format!("/hold/{hold}/capture"), &body).await;
        assert_eq!(spent.status, 201, "{}", spent.body);
        root.get(&format!("/spend/{}", spent.text("/id"))).await
    };
    let other = entry(json!({ "amount_credits": 5, "description": "done" })).await;
    assert_eq!(
        (other.text("/description"), &other.body["metadata"]),
        ("done".into(), &json!({ "model": "small" }))
    );
    let both =
        entry(json!({ "amount_credits": 5, "description": "done", "metadata": { "tokens": 7 } })).await;
    assert_eq!((both.text("/description"), &both.body["metadata"]), ("done".into(), &json!({ "tokens": 7 })));
    let plain = agent.held(10).await;
    let bare = root.get(&format!("/spend/{}", agent.capture(&plain, 1).await.text("/id"))).await;
    assert!(bare.body["description"].is_null() && bare.body["metadata"].is_null(), "{}", bare.body);
}

#[tokio::test]
async fn a_key_is_of_one_description() {
    let (_, _, agent) = stage().await;
    let first = agent.post_with_key("/hold", "k", &noted(10)).await;
    let again = agent.post_with_key("/hold", "k", &noted(10)).await;
    assert_eq!((again.status, &again.body), (201, &first.body));
    let mut other = noted(10);
    other["description"] = json!("something else");
    agent.post_with_key("/hold", "k", &other).await.assert_problem(
        422,
        "idempotency_mismatch",
        "another one",
    );
}

#[tokio::test]
async fn what_is_too_long_is_refused_and_strangers_see_nothing() {
    let (server, root, agent) = stage().await;
    let mut long = noted(10);
    long["description"] = json!("x".repeat(1_025));
    agent.post("/hold", &long).await.assert_invalid(&["/description"], "description");
    let mut large = noted(10);
    large["metadata"] = json!({ "x": "y".repeat(2_048) });
    agent.post("/hold", &large).await.assert_invalid(&["/metadata"], "metadata");
    let hold = agent.post("/hold", &noted(10)).await.text("/id");
    let capture = json!({ "amount_credits": 1, "description": "x".repeat(1_025) });
    agent.post(&format!("/hold/{hold}/capture"), &capture).await.assert_invalid(&["/description"], "capture");
    let (sibling, _) = root.child("sibling", 10).await;
    let stranger = server.api.with_token(&server.sign_up().await.root_token);
    for api in [&sibling, &stranger] {
        api.get(&format!("/hold/{hold}")).await.assert_problem(404, "not_found", "not theirs");
    }
    agent.get("/hold/hold_01jd0000000000000000000001").await.assert_problem(404, "not_found", "unknown");
}
