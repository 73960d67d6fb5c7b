//! Window limits: counted by the calendar, at every level, whoever asks and at whichever server.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test itself does")]

use serde_json::{Value, json};
use subgrant_tests::{Api, Reply, Tenant, TestServer, assert_books_balance};
use subgrant_token::{Caveat, Macaroon};

/// A server with a tenant, at an instant from which the hour still lasts long enough for a test.
async fn server() -> (TestServer, Tenant, Api) {
    let server = TestServer::start().await;
    let pool = server.database.superuser().await;
    let left = "SELECT extract(epoch FROM date_trunc('hour', now()) + interval '1 hour' - now())::float8";
    let left: f64 = sqlx::query_scalar(left).fetch_one(&pool).await.unwrap();
    if left < 40.0 {
        tokio::time::sleep(std::time::Duration::from_secs_f64(left + 0.5)).await;
    }
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    (server, tenant, root)
}

/// Mints a child with limits, as pairs of period and credits.
async fn limited(parent: &Api, label: &str, budget: u64, limits: &[(&str, u64)]) -> Api {
    let limits: Vec<Value> =
        limits.iter().map(|(per, credits)| json!({ "per": per, "credits": credits })).collect();
    let body = json!({ "label": label, "budget_credits": budget, "limits": limits });
    let reply = parent.post("/delegation", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    let shown = reply.body["limits"].as_array().unwrap().iter();
    let shown: Vec<_> =
        shown.map(|limit| json!({ "per": limit["per"], "credits": limit["credits"] })).collect();
    assert_eq!(shown, limits, "{}", reply.body);
    parent.with_token(&reply.text("/token"))
}

/// The same token with caveats that its holder appended offline.
fn appended(client: &Api, caveats: &[&str]) -> Api {
    let caveats: Vec<Caveat> = caveats.iter().map(|text| text.parse().unwrap()).collect();
    let macaroon = Macaroon::parse(client.token().unwrap()).unwrap();
    client.with_token(&macaroon.attenuate(&caveats).unwrap().to_text())
}

async fn spend_must_pass(client: &Api, amount: u64) {
    let reply = client.spend(amount).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
}

/// A refused spend, with what would pass.
async fn refused(client: &Api, amount: u64) -> (Reply, u64) {
    let reply = client.spend(amount).await;
    assert_eq!(reply.refusal(), (402, "limit_exceeded"), "{}", reply.body);
    assert_eq!(reply.number("/requested_credits"), amount);
    let affordable = reply.number("/max_affordable_credits");
    (reply, affordable)
}

/// When the current window of PostgreSQL's clock ends, in UTC.
async fn end_of(server: &TestServer, period: &str) -> String {
    let statement = "SELECT to_char(date_trunc($1, now() AT TIME ZONE 'UTC') + ('1 ' || $1)::interval,
        'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";
    let pool = server.database.superuser().await;
    sqlx::query_scalar(statement).bind(period).fetch_one(&pool).await.unwrap()
}

#[tokio::test]
async fn a_limit_refuses_what_exceeds_the_window_and_says_when_the_next_begins() {
    let (server, tenant, root) = server().await;
    for period in ["hour", "day", "week", "month"] {
        let leaf = limited(&root, period, 10_000, &[(period, 100)]).await;
        spend_must_pass(&leaf, 70).await;
        let (reply, affordable) = refused(&leaf, 31).await;
        assert_eq!(affordable, 30);
        assert_eq!(reply.text("/delegation_id"), leaf.get("/delegation/self").await.text("/id"));
        assert_eq!(reply.text("/retry_at"), end_of(&server, period).await, "{period}");
        spend_must_pass(&leaf, affordable).await;
        assert_eq!(refused(&leaf, 1).await.1, 0);
    }
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn waiting_is_not_offered_where_it_would_not_help() {
    let (_server, _, root) = server().await;
    let leaf = limited(&root, "leaf", 10_000, &[("hour", 100)]).await;
    let (reply, affordable) = refused(&leaf, 101).await;
    assert_eq!((affordable, reply.body.get("retry_at")), (100, None));
}

#[tokio::test]
async fn every_level_has_its_own_limit_and_counts_its_whole_subtree() {
    let (server, tenant, root) = server().await;
    let team = limited(&root, "team", 10_000, &[("day", 150)]).await;
    let first = limited(&team, "first", 2_000, &[("hour", 100), ("month", 120)]).await;
    let (second, _) = team.child("second", 2_000).await;
    spend_must_pass(&first, 90).await;
    // The nearest refusing level is named, and what every level can afford.
    let (reply, affordable) = refused(&first, 20).await;
    assert_eq!(affordable, 10);
    assert_eq!(reply.text("/retry_at"), end_of(&server, "hour").await);
    spend_must_pass(&second, 55).await;
    let (reply, affordable) = refused(&second, 6).await;
    assert_eq!((affordable, reply.text("/delegation_id")), (5, "ancestor".to_owned()));
    assert_eq!(reply.text("/retry_at"), end_of(&server, "day").await);
    assert_eq!(refused(&first, 6).await.1, 5);
    spend_must_pass(&first, 5).await;
    assert_eq!(refused(&team, 1).await.1, 0);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn refused_and_tried_spends_do_not_count() {
    let (_server, _, root) = server().await;
    let leaf = limited(&root, "leaf", 10_000, &[("day", 100)]).await;
    refused(&leaf, 101).await;
    let tried = leaf.post("/spend", &json!({ "amount_credits": 100, "dry_run": true })).await;
    assert_eq!(tried.status, 200, "{}", tried.body);
    let tried = leaf.post("/spend", &json!({ "amount_credits": 101, "dry_run": true })).await;
    assert_eq!(tried.refusal(), (402, "limit_exceeded"));
    spend_must_pass(&leaf, 100).await;
}

#[tokio::test]
async fn revoking_a_child_does_not_give_its_parent_the_window_back() {
    let (_server, _, root) = server().await;
    let team = limited(&root, "team", 10_000, &[("day", 100)]).await;
    let (leaf, leaf_id) = team.child("leaf", 1_000).await;
    spend_must_pass(&leaf, 60).await;
    assert_eq!(team.post(&format!("/delegation/{leaf_id}/revoke"), &json!({})).await.status, 200);
    assert_eq!(refused(&team, 41).await.1, 40);
}

#[tokio::test]
async fn a_limit_appended_offline_counts_what_was_spent_before_it_was_appended() {
    let (server, tenant, root) = server().await;
    let (team, _) = root.child("team", 10_000).await;
    let (below, _) = team.child("below", 1_000).await;
    spend_must_pass(&team, 40).await;
    spend_must_pass(&below, 20).await;
    let narrowed = appended(&team, &["limit = 100/day"]);
    let (reply, affordable) = refused(&narrowed, 41).await;
    assert_eq!((affordable, reply.text("/retry_at")), (40, end_of(&server, "day").await));
    spend_must_pass(&narrowed, 30).await;
    // The limit binds the token that carries it; the node's other tokens move the same counter.
    spend_must_pass(&team, 500).await;
    assert_eq!(refused(&narrowed, 1).await.1, 0);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_limit_on_a_subtree_that_is_set_later_counts_what_is_summarised_and_what_is_not() {
    let (server, tenant, root) = server().await;
    let (team, team_id) = root.child("team", 10_000).await;
    let (agents, _) = team.child("agents", 5_000).await;
    let (first, _) = agents.child("first", 1_000).await;
    let pool = server.database.superuser().await;
    // Where the day is about to end, everything happens on the next.
    let tomorrow =
        "UPDATE ledger_heads SET newest_at = now() + interval '20 minutes', revision = revision + 1
        WHERE (now() AT TIME ZONE 'UTC' + interval '20 minutes')::date <> (now() AT TIME ZONE 'UTC')::date";
    sqlx::query(tomorrow).execute(&pool).await.unwrap();
    spend_must_pass(&team, 3).await;
    spend_must_pass(&first, 70).await;
    // Summaries are made of what was spent before the current quarter of an hour.
    let later =
        "UPDATE ledger_heads SET newest_at = newest_at + interval '15 minutes', revision = revision + 1";
    sqlx::query(later).execute(&pool).await.unwrap();
    spend_must_pass(&first, 5).await;
    let id = tenant.id.parse().unwrap();
    server.app.summarise_spend(id).await.unwrap();
    let summarised: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM spend_summaries s JOIN delegations d ON d.id = s.delegation_id
         WHERE s.level = 'day' AND d.label = 'team' AND s.gross = 73",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(summarised, 1, "the newest spend is not");
    for (period, before) in [("day", 78), ("month", 79), ("week", 80)] {
        let limits = json!({ "limits": [{ "per": period, "credits": before + 10 }] });
        assert_eq!(root.update(&team_id, &limits).await.status, 200);
        assert_eq!(refused(&first, 11).await.1, 10, "{period}");
        spend_must_pass(&first, 1).await;
    }
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn of_several_appended_limits_all_apply() {
    let (_server, _, root) = server().await;
    let leaf = limited(&root, "leaf", 10_000, &[("day", 90)]).await;
    let narrowed = appended(&leaf, &["limit = 200/day", "limit = 80/month", "limit = 50/hour"]);
    spend_must_pass(&narrowed, 50).await;
    assert_eq!(refused(&narrowed, 1).await.1, 0);
    spend_must_pass(&leaf, 40).await;
    assert_eq!(refused(&leaf, 1).await.1, 0);
}

#[tokio::test]
async fn what_is_minted_with_a_narrowed_token_is_bound_by_its_limit() {
    let (_server, _, root) = server().await;
    let (team, _) = root.child("team", 10_000).await;
    let narrowed = appended(&team, &["limit = 100/day"]);
    let (child, _) = narrowed.child("child", 1_000).await;
    let (grandchild, _) = child.child("grandchild", 500).await;
    spend_must_pass(&grandchild, 60).await;
    spend_must_pass(&team, 30).await;
    let (reply, affordable) = refused(&grandchild, 11).await;
    assert_eq!((affordable, reply.text("/delegation_id")), (10, "ancestor".to_owned()));
    spend_must_pass(&child, 10).await;
    assert_eq!(refused(&grandchild, 1).await.1, 0);
}

#[tokio::test]
async fn counters_survive_the_server_that_counted() {
    let (server, tenant, root) = server().await;
    let leaf = limited(&root, "leaf", 10_000, &[("hour", 100)]).await;
    spend_must_pass(&leaf, 60).await;
    let successor = server.replica().await;
    let later = successor.api.with_token(leaf.token().unwrap());
    assert_eq!(refused(&later, 41).await.1, 40);
    assert_eq!(refused(&appended(&later, &["limit = 70/day"]), 11).await.1, 10);
    spend_must_pass(&later, 25).await;
    assert_eq!(refused(&leaf, 16).await.1, 15);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_together_spend_exactly_the_limit() {
    let (server, tenant, root) = server().await;
    let replica = server.replica().await;
    let leaf = limited(&root, "leaf", 10_000, &[("day", 100)]).await;
    let there = replica.api.with_token(leaf.token().unwrap());
    let clients: tokio::task::JoinSet<Vec<u16>> = (0..16)
        .map(|number| {
            let client = if number % 2 == 0 { leaf.clone() } else { there.clone() };
            async move {
                let mut statuses = Vec::new();
                for _ in 0..10 {
                    statuses.push(client.spend(1).await.status);
                }
                statuses
            }
        })
        .collect();
    let statuses = clients.join_all().await.concat();
    let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!((count(201), count(402)), (100, 60));
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_window_in_which_more_was_spent_than_an_amount_can_be_is_full_and_not_a_failure() {
    let (server, tenant, root) = server().await;
    let most = (1_u64 << 53) - 1;
    let spend = root.spend(most).await;
    let refund = root.refund(&spend.text("/id"), Some(50)).await;
    assert_eq!(refund.status, 201, "{}", refund.body);
    spend_must_pass(&root, 20).await;
    assert_eq!(refused(&appended(&root, &["limit = 89/day"]), 1).await.1, 0);
    spend_must_pass(&root, 20).await;
    assert_eq!(refused(&appended(&root, &["limit = 89/day"]), 1).await.1, 0);
    assert_books_balance(&server, &tenant).await;
}
