//! What a server knows from the spend before counts only as long as nobody else has written.

use serde_json::{Value, json};
use subgrant_tests::{Api, Tenant, TestServer, assert_books_balance, ledger_totals};

/// Two servers of one database, and how a leaf of 100 credits talks to either.
struct Twins {
    here: TestServer,
    _there: TestServer,
    tenant: Tenant,
    root_there: Api,
    leaf_here: Api,
    leaf_there: Api,
    leaf_id: String,
}

async fn twins(further: &Value) -> Twins {
    let here = TestServer::start().await;
    let there = here.replica().await;
    let tenant = here.sign_up().await;
    let root = here.api.with_token(&tenant.root_token);
    let (team, _) = root.child("team", 1_000).await;
    let mut body = json!({ "label": "leaf", "budget_credits": 100 });
    body.as_object_mut().expect("an object").extend(further.as_object().expect("an object").clone());
    let minted = team.post("/delegation", &body).await;
    assert_eq!(minted.status, 201, "{}", minted.body);
    let token = minted.body["token"].as_str().expect("a token");
    let leaf_id = minted.body["id"].as_str().expect("an id").to_owned();
    let root_there = there.api.with_token(&tenant.root_token);
    let (leaf_here, leaf_there) = (here.api.with_token(token), there.api.with_token(token));
    Twins { here, _there: there, tenant, root_there, leaf_here, leaf_there, leaf_id }
}

#[tokio::test]
async fn what_another_server_writes_counts_at_once() {
    let Twins { here, tenant, root_there, leaf_here, leaf_there, leaf_id, .. } = twins(&json!({})).await;
    for round in 0..5 {
        assert_eq!(leaf_here.spend(1).await.status, 201, "round {round}");
        assert_eq!(leaf_there.spend(1).await.status, 201, "round {round}");
        assert_eq!(root_there.act(&leaf_id, "freeze").await.status, 200);
        assert_eq!(leaf_here.spend(1).await.status, 403, "round {round}: frozen elsewhere");
        assert_eq!(root_there.act(&leaf_id, "unfreeze").await.status, 200);
        let left = 100 - 2 * (round + 1);
        let refused = leaf_here.spend(left + 1).await;
        assert_eq!((refused.status, &refused.body["max_affordable_credits"]), (402, &json!(left)));
    }
    assert_eq!(leaf_there.spend(90).await.status, 201);
    assert_eq!(leaf_here.spend(1).await.status, 402, "spent elsewhere");
    assert_eq!(root_there.act(&leaf_id, "revoke").await.status, 200);
    assert_eq!(leaf_here.spend(1).await.body["code"], "revoked");
    assert_eq!(ledger_totals(&here, &tenant).await, (11, 100));
    assert_books_balance(&here, &tenant).await;
}

#[tokio::test]
async fn a_key_that_was_used_elsewhere_gets_its_answer_also_where_nothing_is_left() {
    let Twins { here, tenant, leaf_here, leaf_there, .. } = twins(&json!({})).await;
    let (first, rest) = (json!({ "amount_credits": 60 }), json!({ "amount_credits": 40 }));
    assert_eq!(leaf_here.spend(1).await.status, 201);
    let answered = leaf_there.post_with_key("/spend", "first", &first).await;
    assert_eq!(answered.status, 201, "{}", answered.body);
    let again = leaf_here.post_with_key("/spend", "first", &first).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, Some("true")));
    assert_eq!(again.body, answered.body);
    assert_eq!(leaf_here.spend(39).await.status, 201);
    // It could not be spent any more, and need not be.
    let again = leaf_here.post_with_key("/spend", "first", &first).await;
    assert_eq!((again.status, &again.body), (201, &answered.body));
    let other = leaf_here.post_with_key("/spend", "first", &rest).await;
    assert_eq!(other.status, 422, "{}", other.body);
    assert_eq!(ledger_totals(&here, &tenant).await, (3, 100));
    assert_books_balance(&here, &tenant).await;
}

#[tokio::test]
async fn a_window_limit_counts_what_was_spent_through_every_server() {
    let Twins { here, tenant, leaf_here, leaf_there, .. } =
        twins(&json!({ "limits": [{ "per": "month", "credits": 10 }] })).await;
    for _ in 0..5 {
        assert_eq!(leaf_here.spend(1).await.status, 201);
        assert_eq!(leaf_there.spend(1).await.status, 201);
    }
    assert_eq!(leaf_here.spend(1).await.status, 402);
    assert_eq!(leaf_there.spend(1).await.status, 402);
    assert_eq!(ledger_totals(&here, &tenant).await, (10, 10));
    assert_books_balance(&here, &tenant).await;
}

#[tokio::test]
async fn a_crowd_at_two_servers_spends_exactly_what_there_is() {
    let Twins { here, tenant, leaf_here, leaf_there, .. } = twins(&json!({})).await;
    let spenders = (0..60).map(|number| {
        let leaf = if number % 2 == 0 { leaf_here.clone() } else { leaf_there.clone() };
        tokio::spawn(async move {
            let mut spent = 0;
            for _ in 0..5 {
                let answer = leaf.spend(1).await;
                assert!([201, 402].contains(&answer.status), "{}", answer.body);
                spent += u64::from(answer.status == 201);
            }
            spent
        })
    });
    let mut spent = 0;
    for spender in spenders.collect::<Vec<_>>() {
        spent += spender.await.expect("a spender ends");
    }
    assert_eq!(spent, 100);
    assert_eq!(ledger_totals(&here, &tenant).await, (100, 100));
    assert_books_balance(&here, &tenant).await;
}
