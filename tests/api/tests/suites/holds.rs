//! Two-phase spending: what a hold sets aside, and how it is captured, released and extended.

use reqwest::Method;
use serde_json::{Value, json};
use subgrant_tests::{Api, Reply, Tenant, TestServer, assert_books_balance, attenuate, ledger_totals};

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

fn extend_to(expires_in: &str) -> Value {
    json!({ "expires_in": expires_in })
}

#[tokio::test]
async fn a_hold_counts_at_every_level_at_once() {
    let (server, tenant, root) = start().await;
    let (team, _) = root.child("team", 1_000).await;
    let (leaf, leaf_id) = team.child("leaf", 300).await;
    let held = leaf.hold(100, "5m").await;
    assert_eq!(held.status, 201, "{}", held.body);
    assert_eq!(held.header("location"), Some(format!("/api/cloud/hold/{}", held.text("/id")).as_str()));
    assert_eq!((held.text("/delegation_id"), held.text("/status")), (leaf_id, "held".to_owned()));
    let facts = ["amount_credits", "remaining_credits", "effective_remaining_credits"];
    assert_eq!(facts.map(|fact| held.body[fact].as_u64()), [Some(100), Some(200), Some(200)]);
    assert_eq!(leaf.balances().await, json!([0, 100, 0, 200]));
    assert_eq!(team.balances().await, json!([0, 100, 200, 700]));
    assert_eq!(root.balances().await, json!([0, 100, 900, null]));
    let own = leaf.get("/delegation/self").await;
    assert_eq!(own.number("/effective_remaining_credits"), 200);
    assert_eq!(ledger_totals(&server, &tenant).await, (0, 0), "a hold is no debit");
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_capture_spends_what_it_says_and_returns_the_rest() {
    let (server, tenant, root) = start().await;
    let (team, _) = root.child("team", 1_000).await;
    let (leaf, leaf_id) = team.child("leaf", 300).await;
    let hold = leaf.held(100).await;
    let spent = leaf.capture(&hold, 60).await;
    assert_eq!((spent.status, spent.number("/amount_credits")), (201, 60), "{}", spent.body);
    assert_eq!((spent.text("/delegation_id"), spent.number("/remaining_credits")), (leaf_id, 240));
    assert_eq!(spent.header("location"), Some(format!("/api/cloud/spend/{}", spent.text("/id")).as_str()));
    assert_eq!(leaf.balances().await, json!([60, 0, 0, 240]));
    assert_eq!(team.balances().await, json!([60, 0, 240, 700]));
    let entry = root.get(&format!("/spend/{}", spent.text("/id"))).await;
    assert_eq!((entry.text("/kind"), entry.number("/amount_credits")), ("spend".to_owned(), 60));
    assert_eq!(leaf.capture(&hold, 1).await.refusal(), (409, "hold_closed"));
    let whole = leaf.held(240).await;
    assert_eq!(leaf.capture(&whole, 240).await.status, 201);
    assert_eq!(leaf.balances().await, json!([300, 0, 0, 0]));
    assert_eq!(ledger_totals(&server, &tenant).await, (2, 300));
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn more_than_is_held_cannot_be_captured() {
    let (server, tenant, root) = start().await;
    let (leaf, _) = root.child("leaf", 300).await;
    let hold = leaf.held(100).await;
    let refused = leaf.capture(&hold, 101).await;
    refused.assert_problem(402, "capture_exceeds_hold", "one more than is held");
    assert_eq!(refused.number("/requested_credits"), 101);
    assert_eq!(refused.number("/max_affordable_credits"), 100);
    for amount in [json!(0), json!("5"), json!(-1), json!(1.5), json!(9_007_199_254_740_992_u64)] {
        let reply = leaf.post(&format!("/hold/{hold}/capture"), &json!({ "amount_credits": amount })).await;
        reply.assert_invalid(&["/amount_credits"], &amount.to_string());
    }
    assert_eq!(leaf.balances().await, json!([0, 100, 0, 200]), "the hold is still there");
    assert_eq!(leaf.capture(&hold, 100).await.status, 201);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_released_hold_returns_all_and_is_closed_for_good() {
    let (server, tenant, root) = start().await;
    let (leaf, _) = root.child("leaf", 300).await;
    let hold = leaf.held(300).await;
    assert_eq!(leaf.get("/delegation/self").await.text("/status"), "exhausted");
    let path = format!("/hold/{hold}/release");
    let released = leaf.post_with_key(&path, "once", &json!({})).await;
    assert_eq!((released.status, released.text("/status")), (200, "released".to_owned()));
    assert_eq!(released.number("/remaining_credits"), 300);
    assert_eq!(leaf.balances().await, json!([0, 0, 0, 300]));
    let again = leaf.post_with_key(&path, "once", &json!({})).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")));
    assert_eq!(again.body, released.body);
    let empty = Reply::of(leaf.request(Method::POST, &path)).await;
    assert_eq!(empty.refusal(), (409, "hold_closed"), "a release needs no body");
    assert_eq!(leaf.capture(&hold, 1).await.refusal(), (409, "hold_closed"));
    let extended = leaf.post(&format!("/hold/{hold}/extend"), &extend_to("1h")).await;
    assert_eq!(extended.refusal(), (409, "hold_closed"));
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn an_extension_lengthens_or_shortens_but_never_outlives_the_delegation_or_the_token() {
    let (server, tenant, root) = start().await;
    let leaf = mint(&root, json!({ "label": "leaf", "budget_credits": 100, "expiry": "10h" })).await;
    let ends = leaf.get("/delegation/self").await.text("/expires_at");
    let first = leaf.hold(10, "1h").await;
    let path = format!("/hold/{}/extend", first.text("/id"));
    let ends_at = |reply: &Reply| reply.text("/expires_at").parse::<jiff::Timestamp>().expect("a time");
    let longer = leaf.post(&path, &extend_to("2h")).await;
    assert_eq!((longer.status, longer.text("/status")), (200, "held".to_owned()), "{}", longer.body);
    assert!(ends_at(&longer) > ends_at(&first));
    let shorter = leaf.post(&path, &extend_to("30m")).await;
    assert!(ends_at(&shorter) < ends_at(&first), "{}", shorter.body);
    assert_eq!(leaf.post(&path, &extend_to("20h")).await.text("/expires_at"), ends);
    assert_eq!(leaf.hold(10, "744h").await.text("/expires_at"), ends);
    let until = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(3)).round(jiff::Unit::Second);
    let until = until.expect("a second is a round time").to_string();
    let short_token = attenuate(leaf.token().expect("a token"), &[format!("expires = {until}").as_bytes()]);
    let short = leaf.with_token(&short_token);
    assert_eq!(short.hold(10, "5h").await.text("/expires_at"), until);
    assert_eq!(short.post(&path, &extend_to("5h")).await.text("/expires_at"), until);
    assert_eq!(leaf.balances().await, json!([0, 30, 0, 70]), "an extension holds no more");
    for wrong in ["soon", "-1h", "0s", "745h", "P32D", ""] {
        leaf.post(&path, &extend_to(wrong)).await.assert_invalid(&["/expires_in"], wrong);
        leaf.hold(1, wrong).await.assert_invalid(&["/expires_in"], wrong);
    }
    assert_eq!(leaf.post("/hold", &json!({ "amount_credits": 1 })).await.status, 422);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn what_is_held_cannot_be_spent_held_or_carved_again() {
    let (server, tenant, root) = start().await;
    let (team, team_id) = root.child("team", 1_000).await;
    team.held(600).await;
    for refused in [team.hold(401, "5m").await, team.spend(401).await, team.mint("x", 401).await] {
        assert_eq!(refused.refusal(), (402, "budget_exhausted"), "{}", refused.body);
        assert_eq!(refused.text("/delegation_id"), team_id);
        assert_eq!(refused.number("/requested_credits"), 401);
        assert_eq!(refused.number("/max_affordable_credits"), 400);
    }
    team.held(400).await;
    assert_eq!(team.spend(1).await.number("/max_affordable_credits"), 0);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_hold_of_a_cap_child_draws_on_what_its_parent_has_available() {
    let (server, tenant, root) = start().await;
    let (team, _) = root.child("team", 1_000).await;
    let capped = json!({ "label": "first", "budget_credits": 800, "allocation": "cap" });
    let (first, second) = (mint(&team, capped.clone()).await, mint(&team, capped).await);
    let hold = first.held(700).await;
    assert_eq!(team.balances().await, json!([0, 700, 0, 300]));
    let refused = second.hold(301, "5m").await;
    assert_eq!(refused.refusal(), (402, "budget_exhausted"));
    assert_eq!(refused.text("/delegation_id"), "ancestor");
    assert_eq!(refused.number("/max_affordable_credits"), 300);
    assert_eq!(first.capture(&hold, 500).await.status, 201);
    assert_eq!(second.hold(500, "5m").await.status, 201);
    assert_eq!(team.balances().await, json!([500, 500, 0, 0]));
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn holds_count_against_window_limits_and_the_largest_spend() {
    let (server, tenant, root) = start().await;
    let body = json!({ "label": "leaf", "budget_credits": 1_000, "max_per_spend": 60,
                       "limits": [{ "per": "month", "credits": 100 }] });
    let leaf = mint(&root, body).await;
    assert_eq!(leaf.hold(61, "5m").await.refusal(), (402, "max_per_spend_exceeded"));
    let hold = leaf.held(60).await;
    for refused in [leaf.spend(41).await, leaf.hold(41, "5m").await] {
        assert_eq!(refused.refusal(), (402, "limit_exceeded"), "{}", refused.body);
        assert_eq!(refused.number("/max_affordable_credits"), 40);
    }
    assert_eq!(leaf.spend(40).await.status, 201);
    assert_eq!(leaf.capture(&hold, 50).await.status, 201, "what is held was checked before");
    assert_eq!(leaf.spend(11).await.number("/max_affordable_credits"), 10);
    assert_eq!(leaf.spend(10).await.status, 201);
    assert_eq!(leaf.hold(1, "5m").await.refusal(), (402, "limit_exceeded"));
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn those_above_may_close_a_hold_and_those_beside_or_below_do_not_see_it() {
    let (server, tenant, root) = start().await;
    let (team, _) = root.child("team", 1_000).await;
    let (leaf, leaf_id) = team.child("leaf", 300).await;
    let (below, _) = leaf.child("below", 50).await;
    let (sibling, _) = team.child("sibling", 300).await;
    let holds = [leaf.held(10).await, leaf.held(20).await];
    for stranger in [&below, &sibling] {
        for verb in ["capture", "extend", "release"] {
            let body = match verb {
                "capture" => json!({ "amount_credits": 1 }),
                "extend" => extend_to("1h"),
                _ => json!({}),
            };
            let reply = stranger.post(&format!("/hold/{}/{verb}", holds[0]), &body).await;
            reply.assert_problem(404, "not_found", verb);
            let malformed = stranger.post(&format!("/hold/hold_x/{verb}"), &body).await;
            malformed.assert_problem(404, "not_found", verb);
        }
    }
    let captured = team.capture(&holds[0], 10).await;
    assert_eq!((captured.status, captured.text("/delegation_id")), (201, leaf_id));
    assert_eq!(root.post(&format!("/hold/{}/release", holds[1]), &json!({})).await.status, 200);
    assert_eq!(leaf.balances().await, json!([10, 0, 50, 240]));
    let reader = mint(&root, json!({ "label": "r", "budget_credits": 9, "actions": ["read"] })).await;
    assert_eq!(reader.hold(1, "5m").await.refusal(), (403, "action_not_permitted"));
    let reading = leaf.with_token(&attenuate(leaf.token().expect("a token"), &[b"actions = read"]));
    let hold = leaf.held(5).await;
    assert_eq!(reading.capture(&hold, 1).await.refusal(), (403, "action_not_permitted"));
    assert_books_balance(&server, &tenant).await;
}
