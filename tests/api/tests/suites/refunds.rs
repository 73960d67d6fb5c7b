//! Giving spends back: to whom, how much, by whom, and what the books say then.

use serde_json::{Value, json};
use subgrant_tests::{Api, Reply, Tenant, TestServer, assert_books_balance, ledger_totals};

async fn start() -> (TestServer, Tenant, Api) {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    (server, tenant, root)
}

/// Mints a child that must succeed.
async fn mint(parent: &Api, body: Value) -> Api {
    let reply = parent.post("/delegation", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    parent.with_token(&reply.text("/token"))
}

/// Spends and returns the entry's id.
async fn spent(client: &Api, amount: u64) -> String {
    let reply = client.spend(amount).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    reply.text("/id")
}

#[tokio::test]
async fn a_refund_gives_back_at_every_level() {
    let (server, tenant, root) = start().await;
    let (team, _) = root.child("team", 1_000).await;
    let (leaf, leaf_id) = team.child("leaf", 300).await;
    let spend = spent(&leaf, 100).await;
    let part = team.refund(&spend, Some(40)).await;
    assert_eq!((part.status, part.number("/amount_credits")), (201, 40), "{}", part.body);
    assert_eq!((part.text("/reverses"), part.text("/delegation_id")), (spend.clone(), leaf_id.clone()));
    assert_eq!(part.number("/remaining_credits"), 240);
    assert_eq!(part.header("location"), Some(format!("/api/cloud/spend/{}", part.text("/id")).as_str()));
    assert_eq!(leaf.balances().await, json!([60, 0, 0, 240]));
    assert_eq!(team.balances().await, json!([60, 0, 240, 700]));
    assert_eq!(root.balances().await, json!([60, 0, 940, null]));
    let entry = leaf.get(&format!("/spend/{}", part.text("/id"))).await;
    assert_eq!((entry.text("/kind"), entry.text("/reverses")), ("refund".to_owned(), spend.clone()));
    assert_eq!((entry.number("/amount_credits"), entry.text("/description")), (40, "test".to_owned()));
    assert_eq!(entry.text("/delegation_id"), leaf_id);
    let rest = root.refund(&spend, None).await;
    assert_eq!((rest.status, rest.number("/amount_credits")), (201, 60), "all that is left: {}", rest.body);
    assert_eq!(leaf.balances().await, json!([0, 0, 0, 300]));
    assert_eq!(root.balances().await, json!([0, 0, 1_000, null]));
    assert_eq!(leaf.spend(300).await.status, 201, "what was given back can be spent");
    assert_eq!(ledger_totals(&server, &tenant).await, (4, 300));
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn never_more_is_given_back_than_was_spent() {
    let (server, tenant, root) = start().await;
    let (leaf, _) = root.child("leaf", 300).await;
    let (spend, _) = (spent(&leaf, 100).await, spent(&leaf, 100).await);
    let refuse = async |amount: Option<u64>, left: u64| {
        let refused = root.refund(&spend, amount).await;
        refused.assert_problem(409, "refund_exceeds_spend", &format!("{amount:?} of {left}"));
        assert_eq!(refused.number("/max_affordable_credits"), left);
        if let Some(amount) = amount {
            assert_eq!(refused.number("/requested_credits"), amount);
        }
    };
    refuse(Some(101), 100).await;
    assert_eq!(root.refund(&spend, Some(70)).await.status, 201);
    refuse(Some(31), 30).await;
    assert_eq!(root.refund(&spend, Some(30)).await.status, 201);
    refuse(Some(1), 0).await;
    refuse(None, 0).await;
    assert_eq!(leaf.balances().await, json!([100, 0, 0, 200]));
    for wrong in [json!(0), json!("1"), json!(-1), json!(0.5), json!(9_007_199_254_740_992_u64)] {
        let body = json!({ "amount_credits": wrong, "reason": "x" });
        let reply = root.post(&format!("/spend/{spend}/refund"), &body).await;
        reply.assert_invalid(&["/amount_credits"], &wrong.to_string());
    }
    let without_reason = root.post(&format!("/spend/{spend}/refund"), &json!({})).await;
    without_reason.assert_invalid(&["/reason"], "no reason");
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn racing_refunds_give_back_no_more_than_was_spent() {
    let (server, tenant, root) = start().await;
    let replica = server.replica().await;
    let (leaf, _) = root.child("leaf", 100).await;
    let spend = spent(&leaf, 100).await;
    let clients = [root.clone(), replica.api.with_token(&tenant.root_token)];
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let (client, spend) = (clients[number % 2].clone(), spend.clone());
            tokio::spawn(async move { client.refund(&spend, Some(30)).await })
        })
        .collect();
    let mut given_back = 0;
    for task in tasks {
        let reply = task.await.expect("the request was sent");
        match reply.status {
            201 => given_back += 1,
            _ => assert_eq!(reply.refusal(), (409, "refund_exceeds_spend"), "{}", reply.body),
        }
    }
    assert_eq!(given_back, 3);
    assert_eq!(leaf.balances().await, json!([10, 0, 0, 90]));
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_refund_is_attributed_to_what_it_gives_back() {
    let (server, tenant, root) = start().await;
    let body = json!({ "label": "eng", "budget_credits": 500, "cost_center": "Engineering" });
    let engineering = mint(&root, body).await;
    let body = json!({ "label": "ml", "budget_credits": 200, "department": "ML Team" });
    let ml = mint(&engineering, body).await;
    let refund = root.refund(&spent(&ml, 50).await, Some(20)).await;
    let entry = root.get(&format!("/spend/{}", refund.text("/id"))).await;
    let attribution = (entry.text("/cost_center"), entry.text("/department"));
    assert_eq!(attribution, ("Engineering".to_owned(), "ML Team".to_owned()), "not the refunder's");
    assert_eq!(ledger_totals(&server, &tenant).await, (2, 30));
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn only_those_above_the_spender_may_refund_and_the_root_its_own() {
    let (server, tenant, root) = start().await;
    let (team, _) = root.child("team", 1_000).await;
    let (leaf, _) = team.child("leaf", 300).await;
    let (sibling, _) = team.child("sibling", 300).await;
    let spend = spent(&leaf, 10).await;
    leaf.refund(&spend, None).await.assert_problem(403, "own_refund", "one's own spend");
    sibling.refund(&spend, None).await.assert_problem(404, "not_found", "a sibling's spend");
    leaf.refund(&spent(&team, 5).await, None).await.assert_problem(404, "not_found", "an ancestor's spend");
    let body = json!({ "label": "spender", "budget_credits": 100, "actions": ["spend", "read"] });
    let spender = mint(&team, body).await;
    spender.refund(&spend, None).await.assert_problem(403, "action_not_permitted", "no delegate action");
    let stranger = server.api.with_token(&server.sign_up().await.root_token);
    stranger.refund(&spend, None).await.assert_problem(404, "not_found", "another tenant's");
    for unknown in ["spd_01jd0000000000000000000001", "spd_x", "hold_01jd0000000000000000000001"] {
        root.refund(unknown, None).await.assert_problem(404, "not_found", unknown);
    }
    let refund = team.refund(&spend, Some(4)).await;
    assert_eq!(refund.status, 201, "{}", refund.body);
    root.refund(&refund.text("/id"), None).await.assert_problem(404, "not_found", "a refund's own id");
    let by_root = spent(&root, 9).await;
    team.refund(&by_root, None).await.assert_problem(404, "not_found", "the root's spend");
    assert_eq!(root.refund(&by_root, None).await.status, 201);
    let by_root = spent(&root, 3).await;
    let session = root.request_at(reqwest::Method::POST, &format!("/api/cloud/spend/{by_root}/refund"));
    let cookie = format!("__Host-session={}", tenant.session);
    let session = session.header("Cookie", cookie).header("Origin", &root.origin);
    assert_eq!(Reply::of(session.json(&json!({ "reason": "by the owner" }))).await.status, 201);
    assert_eq!(root.balances().await, json!([11, 0, 989, null]));
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_refund_below_a_revoked_node_corrects_the_books_and_revives_nothing() {
    let (server, tenant, root) = start().await;
    let (team, _) = root.child("team", 1_000).await;
    let (middle, middle_id) = team.child("middle", 500).await;
    let (leaf, leaf_id) = middle.child("leaf", 300).await;
    let spends = [spent(&leaf, 100).await, spent(&middle, 50).await];
    assert_eq!(root.act(&middle_id, "revoke").await.number("/credits_freed"), 350);
    assert_eq!(team.balances().await, json!([150, 0, 0, 850]));
    assert_eq!(middle.refund(&spends[0], None).await.refusal(), (401, "revoked"));
    for spend in &spends {
        assert_eq!(team.refund(spend, None).await.status, 201);
    }
    assert_eq!(team.balances().await, json!([0, 0, 0, 1_000]));
    assert_eq!(root.balances().await, json!([0, 0, 1_000, null]));
    for client in [&leaf, &middle] {
        assert_eq!(client.spend(1).await.refusal(), (401, "revoked"));
    }
    let seen = root.get(&format!("/delegation/{leaf_id}")).await;
    assert_eq!((seen.text("/status"), seen.number("/spent_credits")), ("revoked".to_owned(), 0));
    assert_eq!(team.spend(1_000).await.status, 201);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn refunds_below_expired_frozen_and_capped_nodes_reach_who_can_use_them() {
    let (server, tenant, root) = start().await;
    let (team, _) = root.child("team", 1_000).await;
    let brief = mint(&team, json!({ "label": "brief", "budget_credits": 200, "expiry": "1s" })).await;
    let capped = json!({ "label": "capped", "budget_credits": 400, "allocation": "cap" });
    let capped = mint(&team, capped).await;
    let (frozen, frozen_id) = team.child("frozen", 100).await;
    let spends = [spent(&brief, 150).await, spent(&capped, 300).await, spent(&frozen, 60).await];
    assert_eq!(root.act(&frozen_id, "freeze").await.status, 200);
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert_eq!(team.balances().await, json!([510, 0, 40, 450]));
    for (spend, after) in
        spends.iter().zip([json!([360, 0, 40, 600]), json!([60, 0, 40, 900]), json!([0, 0, 100, 900])])
    {
        assert_eq!(team.refund(spend, None).await.status, 201);
        assert_eq!(team.balances().await, after);
    }
    assert_eq!(frozen.spend(1).await.refusal(), (403, "frozen"));
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_window_limit_does_not_get_a_refund_back() {
    let (server, tenant, root) = start().await;
    let body =
        json!({ "label": "leaf", "budget_credits": 500, "limits": [{ "per": "month", "credits": 100 }] });
    let leaf = mint(&root, body).await;
    assert_eq!(root.refund(&spent(&leaf, 90).await, None).await.status, 201);
    let refused = leaf.spend(11).await;
    assert_eq!((refused.refusal(), refused.number("/max_affordable_credits")), ((402, "limit_exceeded"), 10));
    // Summed up from the ledger, where no counter exists yet.
    let appended = subgrant_tests::attenuate(leaf.token().expect("a token"), &[b"limit = 95/week"]);
    let refused = leaf.with_token(&appended).spend(6).await;
    assert_eq!((refused.refusal(), refused.number("/max_affordable_credits")), ((402, "limit_exceeded"), 5));
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_refund_sent_again_is_answered_again_and_given_once() {
    let (server, tenant, root) = start().await;
    let (leaf, _) = root.child("leaf", 100).await;
    let path = format!("/spend/{}/refund", spent(&leaf, 100).await);
    let body = json!({ "amount_credits": 20, "reason": "slow" });
    let first = root.post_with_key(&path, "k", &body).await;
    let again = root.post_with_key(&path, "k", &body).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, Some("true")));
    assert_eq!(again.body, first.body);
    let other = root.post_with_key(&path, "k", &json!({ "amount_credits": 21, "reason": "slow" })).await;
    assert_eq!(other.refusal(), (422, "idempotency_mismatch"));
    assert_eq!(leaf.balances().await, json!([80, 0, 0, 20]));
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_refund_below_a_revoked_node_is_answered_with_what_a_look_shows() {
    let (_server, _, root) = start().await;
    let (team, team_id) = root.child("team", 1_000).await;
    let (leaf, leaf_id) = team.child("leaf", 300).await;
    let spend = spent(&leaf, 60).await;
    leaf.held(100).await;
    assert_eq!(team.spend(650).await.status, 201);
    assert_eq!(root.act(&team_id, "revoke").await.status, 200);
    let refunded = root.refund(&spend, Some(10)).await;
    assert_eq!(refunded.status, 201, "{}", refunded.body);
    let seen = root.get(&format!("/delegation/{leaf_id}")).await;
    for field in ["/remaining_credits", "/effective_remaining_credits"] {
        assert_eq!((refunded.number(field), seen.number(field)), (250, 250), "{field}");
    }
}
