//! How holds end without their holder: by time, by a revocation, by a freeze; and once only, whoever asks.

use std::time::Duration;

use serde_json::{Value, json};
use subgrant_tests::{Api, Tenant, TestServer, assert_books_balance, assert_no_deadlocks, ledger_totals};

async fn start() -> (TestServer, Tenant, Api) {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    (server, tenant, root)
}

/// Waits for a hold of a second to expire.
async fn outlast() {
    tokio::time::sleep(Duration::from_millis(1_100)).await;
}

/// Fails unless every delegation of the caller's subtree shows `remaining = budget − spent − held`.
async fn assert_views_add_up(client: &Api) {
    for view in client.all("/delegation?").await {
        let number = |field: &str| view[field].as_u64().unwrap_or_default();
        if view["budget_credits"].is_u64() {
            let left = number("budget_credits") - number("spent_credits") - number("held_credits");
            assert_eq!(view["remaining_credits"], left, "{view}");
            let free = left - number("reserved_for_children_credits");
            assert_eq!(view["available_credits"], free, "{view}");
        }
    }
}

#[tokio::test]
async fn an_expired_hold_stops_counting_at_that_instant() {
    let (server, tenant, root) = start().await;
    let (team, _) = root.child("team", 1_000).await;
    let (leaf, _) = team.child("leaf", 100).await;
    let hold = leaf.hold(100, "1s").await.text("/id");
    let also = team.hold(900, "1s").await;
    assert_eq!(also.status, 201, "{}", also.body);
    assert_eq!(leaf.spend(1).await.refusal(), (402, "budget_exhausted"));
    outlast().await;
    // The first look after that instant, without anything in between.
    assert_eq!(leaf.spend(100).await.status, 201);
    assert_eq!(team.balances().await, json!([100, 0, 0, 900]));
    for verb in ["capture", "extend", "release"] {
        let body = match verb {
            "capture" => json!({ "amount_credits": 1 }),
            "extend" => json!({ "expires_in": "1h" }),
            _ => json!({}),
        };
        let reply = leaf.post(&format!("/hold/{hold}/{verb}"), &body).await;
        reply.assert_problem(410, "hold_expired", verb);
    }
    assert_eq!(team.spend(900).await.status, 201);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_look_at_balances_after_the_expiry_shows_nothing_held() {
    let (server, tenant, root) = start().await;
    let (team, _) = root.child("team", 1_000).await;
    let (leaf, leaf_id) = team.child("leaf", 100).await;
    let hold = leaf.hold(70, "1s").await.text("/id");
    outlast().await;
    let seen = root.get(&format!("/delegation/{leaf_id}")).await;
    assert_eq!((seen.number("/held_credits"), seen.number("/available_credits")), (0, 100));
    assert_eq!(root.balances().await, json!([0, 0, 1_000, null]));
    assert_eq!(leaf.capture(&hold, 1).await.refusal(), (410, "hold_expired"));
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_shortened_hold_expires_at_its_new_time_and_a_lengthened_one_does_not_at_its_old() {
    let (server, tenant, root) = start().await;
    let (leaf, _) = root.child("leaf", 100).await;
    let (short, long) = (leaf.held(10).await, leaf.hold(20, "1s").await.text("/id"));
    for (hold, expires_in) in [(&short, "1s"), (&long, "1h")] {
        let reply = leaf.post(&format!("/hold/{hold}/extend"), &json!({ "expires_in": expires_in })).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
    outlast().await;
    assert_eq!(leaf.balances().await, json!([0, 20, 0, 80]));
    assert_eq!(leaf.capture(&short, 1).await.refusal(), (410, "hold_expired"));
    assert_eq!(leaf.capture(&long, 20).await.status, 201);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_hold_ends_with_its_delegation_and_the_parent_has_the_credits() {
    let (server, tenant, root) = start().await;
    let (team, _) = root.child("team", 100).await;
    let body = json!({ "label": "brief", "budget_credits": 100, "expiry": "1s" });
    let brief = team.with_token(&team.post("/delegation", &body).await.text("/token"));
    let hold = brief.held(60).await;
    outlast().await;
    assert_eq!(team.spend(100).await.status, 201);
    assert_eq!(team.capture(&hold, 1).await.refusal(), (410, "hold_expired"));
    assert_eq!(brief.capture(&hold, 1).await.refusal(), (401, "expired"));
    assert_eq!(team.balances().await, json!([100, 0, 0, 0]));
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn revoking_an_ancestor_voids_the_holds_and_frees_their_credits() {
    let (server, tenant, root) = start().await;
    let (team, team_id) = root.child("team", 1_000).await;
    let (middle, middle_id) = team.child("middle", 500).await;
    let (leaf, _) = middle.child("leaf", 300).await;
    let holds = [leaf.held(100).await, leaf.held(50).await, middle.held(7).await];
    let kept = team.held(11).await;
    let path = format!("/delegation/{middle_id}/revoke");
    let preview = team.post(&path, &json!({ "dry_run": true })).await;
    let receipt = team.post(&path, &json!({})).await;
    for told in [&preview, &receipt] {
        let facts = ["descendants", "holds_voided", "credits_freed"].map(|fact| told.body[fact].as_u64());
        assert_eq!(facts, [Some(1), Some(3), Some(500)], "{}", told.body);
    }
    assert_eq!(team.balances().await, json!([0, 11, 0, 989]));
    for hold in &holds {
        assert_eq!(team.capture(hold, 1).await.refusal(), (409, "hold_closed"));
        assert_eq!(root.post(&format!("/hold/{hold}/release"), &json!({})).await.refusal().1, "hold_closed");
        assert_eq!(leaf.capture(hold, 1).await.refusal(), (401, "revoked"));
    }
    assert_eq!(team.capture(&kept, 11).await.status, 201, "what is above goes on");
    let last = root.act(&team_id, "revoke").await;
    assert_eq!(last.number("/credits_freed"), 989);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_hold_that_one_revocation_voided_is_not_counted_by_the_next() {
    let (_server, _, root) = start().await;
    let (team, team_id) = root.child("team", 1_000).await;
    let (leaf, leaf_id) = team.child("leaf", 300).await;
    leaf.held(100).await;
    team.held(10).await;
    assert_eq!(root.act(&leaf_id, "revoke").await.number("/holds_voided"), 1);
    let receipt = root.act(&team_id, "revoke").await;
    assert_eq!(receipt.number("/holds_voided"), 1, "{}", receipt.body);
}

#[tokio::test]
async fn what_a_revoked_subtree_shows_still_adds_up() {
    let (_server, _, root) = start().await;
    let (team, team_id) = root.child("team", 1_000).await;
    let (leaf, _) = team.child("leaf", 300).await;
    leaf.held(100).await;
    assert_eq!(leaf.spend(20).await.status, 201);
    assert_views_add_up(&root).await;
    assert_eq!(root.act(&team_id, "revoke").await.status, 200);
    assert_views_add_up(&root).await;
}

#[tokio::test]
async fn freezing_an_ancestor_voids_the_holds_for_good() {
    let (server, tenant, root) = start().await;
    let (team, team_id) = root.child("team", 1_000).await;
    let (middle, middle_id) = team.child("middle", 500).await;
    let (leaf, _) = middle.child("leaf", 300).await;
    let holds = [leaf.held(100).await, middle.held(7).await];
    let kept = team.held(11).await;
    let frozen = team.act(&middle_id, "freeze").await;
    assert_eq!((frozen.status, frozen.number("/held_credits")), (200, 0), "{}", frozen.body);
    assert_eq!(team.balances().await, json!([0, 11, 500, 489]));
    for hold in &holds {
        assert_eq!(leaf.capture(hold, 1).await.refusal(), (403, "frozen"));
        assert_eq!(team.capture(hold, 1).await.refusal(), (409, "hold_closed"));
    }
    assert_eq!(team.act(&middle_id, "unfreeze").await.status, 200);
    for hold in &holds {
        assert_eq!(middle.capture(hold, 1).await.refusal(), (409, "hold_closed"));
        let extended = team.post(&format!("/hold/{hold}/extend"), &json!({ "expires_in": "1h" })).await;
        assert_eq!(extended.refusal(), (409, "hold_closed"));
    }
    assert_eq!(leaf.balances().await, json!([0, 0, 0, 300]));
    assert_eq!(middle.balances().await, json!([0, 0, 300, 200]));
    assert_eq!(team.balances().await, json!([0, 11, 500, 489]));
    assert_eq!(team.capture(&kept, 11).await.status, 201);
    assert_eq!(root.act(&team_id, "revoke").await.number("/holds_voided"), 0);
    assert_books_balance(&server, &tenant).await;
}

/// Sends the same capture many times over both servers at once, and returns how each was answered.
async fn capture_at_once(clients: &[Api; 2], hold: &str, key_of: impl Fn(usize) -> String) -> Vec<Value> {
    let path = format!("/hold/{hold}/capture");
    let sent = (0..16).map(|number| {
        let (client, path, key) = (clients[number % 2].clone(), path.clone(), key_of(number));
        tokio::spawn(async move {
            let reply = client.post_with_key(&path, &key, &json!({ "amount_credits": 30 })).await;
            json!([reply.status, reply.code(), reply.header("idempotent-replayed"), reply.body["id"]])
        })
    });
    let mut answers = Vec::new();
    for task in sent.collect::<Vec<_>>() {
        answers.push(task.await.expect("the request was sent"));
    }
    answers
}

#[tokio::test]
async fn a_hold_is_captured_once_however_often_and_wherever_it_is_sent() {
    let (server, tenant, root) = start().await;
    let replica = server.replica().await;
    let (leaf, _) = root.child("leaf", 100).await;
    let clients = [leaf.clone(), replica.api.with_token(leaf.token().expect("a token"))];
    let hold = leaf.held(40).await;
    let answers = capture_at_once(&clients, &hold, |number| format!("key-{number}")).await;
    let captured: Vec<_> = answers.iter().filter(|answer| answer[0] == 201).collect();
    assert_eq!(captured.len(), 1, "{answers:?}");
    assert!(captured[0][2].is_null(), "{captured:?}");
    for refused in answers.iter().filter(|answer| answer[0] != 201) {
        assert_eq!(refused, &json!([409, "hold_closed", null, null]));
    }
    let hold = leaf.held(40).await;
    let answers = capture_at_once(&clients, &hold, |_| "same".to_owned()).await;
    assert!(answers.iter().all(|answer| answer[0] == 201 && answer[3] == answers[0][3]), "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| answer[2].is_null()).count(), 1, "{answers:?}");
    assert_eq!(leaf.balances().await, json!([60, 0, 0, 40]));
    assert_eq!(ledger_totals(&server, &tenant).await, (2, 60));
    assert_books_balance(&server, &tenant).await;
    assert_no_deadlocks(&server).await;
}
