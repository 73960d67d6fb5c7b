//! What children may still consume beyond what their parent has: shown, and never spendable.

use serde_json::{Value, json};
use subgrant_tests::{Api, Reply, TestServer, assert_books_balance};

async fn child(parent: &Api, label: &str, budget: u64, more: &Value) -> (Api, String) {
    let mut body = json!({ "label": label, "budget_credits": budget });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let reply = parent.post("/delegation", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    assert_eq!(
        (&reply.body["overcommit_ratio"], reply.number("/capped_for_children_credits")),
        (&json!(null), 0)
    );
    (parent.with_token(&reply.text("/token")), reply.text("/id"))
}

async fn shown(api: &Api) -> (u64, Value) {
    let own = api.get("/delegation/self").await;
    (own.number("/capped_for_children_credits"), own.body["overcommit_ratio"].clone())
}

#[tokio::test]
async fn every_answer_shows_the_overcommit_that_caps_cause() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (team, team_id) = child(&root, "team", 100, &json!({})).await;
    let (_, carved_id) = child(&team, "carved", 40, &json!({})).await;
    assert_eq!(shown(&team).await, (0, json!(0.4)));
    let (first, first_id) = child(&team, "first", 100, &json!({ "allocation": "cap" })).await;
    child(&team, "brief", 60, &json!({ "allocation": "cap", "expiry": "4s" })).await;
    assert_eq!(shown(&team).await, (160, json!(2.0)));

    assert_eq!(first.spend(20).await.status, 201);
    assert_eq!(shown(&team).await, (140, json!(2.25)), "180 of what 80 are left for");
    let hold = first.held(20).await;
    assert_eq!(shown(&team).await.0, 120);
    assert_eq!(first.post(&format!("/hold/{hold}/release"), &json!({})).await.status, 200);
    let refused = first.spend(41).await;
    assert_eq!(
        refused.refusal(),
        (402, "budget_exhausted"),
        "what is promised beyond what is there cannot be spent"
    );

    let by_id = root.get(&format!("/delegation/{team_id}")).await;
    let tree = root.get("/delegation/tree").await;
    let list = root.get("/delegation?q=team").await;
    for answer in [&by_id.body, &tree.body["children"][0], &list.body["data"][0]] {
        let told = (&answer["capped_for_children_credits"], &answer["overcommit_ratio"]);
        assert_eq!(told, (&json!(140), &json!(2.25)));
    }
    assert_eq!(tree.body["overcommit_ratio"], json!(null), "the root is unlimited");

    tokio::time::sleep(std::time::Duration::from_millis(4_200)).await;
    assert_eq!(shown(&team).await.0, 80, "what has expired competes no more, without any job");
    for (id, budget, expected) in [(&first_id, 50, 30), (&first_id, 90, 70), (&carved_id, 10, 70)] {
        let request = root.request(reqwest::Method::PATCH, &format!("/delegation/{id}"));
        let request = request.header("If-Match", "*").json(&json!({ "budget_credits": budget }));
        let changed = Reply::of(request).await;
        assert_eq!(changed.status, 200, "{}", changed.body);
        assert_eq!(shown(&team).await.0, expected, "a budget of {budget}");
    }
    assert_books_balance(&server, &tenant).await;
    assert_eq!(root.act(&first_id, "revoke").await.status, 200);
    assert_eq!(shown(&team).await, (0, json!(0.125)));
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_parent_may_promise_far_more_than_an_amount_can_be() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let most = 9_007_199_254_740_991_u64;
    let (whole, _) = child(&root, "whole", most, &json!({})).await;
    for number in 0..5 {
        child(&whole, &format!("cap {number}"), most, &json!({ "allocation": "cap" })).await;
    }
    assert_eq!(shown(&whole).await, (most, json!(5.0)), "no number is larger than readers of JSON carry");
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn an_answer_that_is_given_again_shows_the_same_ratio_to_the_last_digit() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    // Fractions whose shortest decimals are read as their neighbours, unless they are read exactly.
    for (budget, promised) in [(11_u32, 1_u32), (13, 2), (210, 11)] {
        let (team, id) = child(&root, "team", budget.into(), &json!({})).await;
        child(&team, "agent", promised.into(), &json!({})).await;
        let path = format!("/delegation/{id}/freeze");
        let first = root.post_with_key(&path, &id, &json!({})).await;
        let again = root.post_with_key(&path, &id, &json!({})).await;
        assert_eq!(again.body, first.body);
        assert_eq!(again.body["overcommit_ratio"], json!(f64::from(promised) / f64::from(budget)));
    }
}
