//! Everything that moves or stops money, at once, from two servers: some serial order must explain the books.

use serde_json::{Value, json};
use subgrant_tests::{
    Api, Reply, Tenant, TestServer, assert_books_balance, assert_no_deadlocks, ledger_totals,
};

async fn start() -> (TestServer, Tenant, Api) {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    (server, tenant, root)
}

/// One step of a worker. Which one follows from the number, so that every run does the same.
async fn step(number: usize, root: &Api, leaf: &Api, middle_id: &str) -> Option<Reply> {
    Some(match number % 8 {
        0 => leaf.spend(3).await,
        1 => {
            let held = leaf.hold(5, "1h").await;
            let hold = held.body["id"].as_str()?.to_owned();
            leaf.capture(&hold, 2).await
        }
        2 => leaf.hold(4, "5ms").await,
        3 => {
            let spent = leaf.spend(6).await;
            root.refund(spent.body["id"].as_str()?, Some(1)).await
        }
        4 => root.act(middle_id, "freeze").await,
        5 => root.act(middle_id, "unfreeze").await,
        6 => {
            let items: Vec<_> = (1..9).map(|credits| json!({ "amount_credits": credits })).collect();
            leaf.post("/spend/batch", &json!({ "items": items })).await
        }
        _ => {
            let held = leaf.hold(7, "1h").await;
            leaf.post(&format!("/hold/{}/release", held.body["id"].as_str()?), &json!({})).await
        }
    })
}

#[tokio::test]
async fn whatever_races_the_books_balance() {
    let (server, tenant, root) = start().await;
    let replica = server.replica().await;
    let (team, team_id) = root.child("team", 2_000).await;
    let (middle, middle_id) = team.child("middle", 1_000).await;
    let (leaf, _) = middle.child("leaf", 600).await;
    let workers = (0..6).map(|worker| {
        let api = if worker % 2 == 0 { server.api.clone() } else { replica.api.clone() };
        let own = |client: &Api| api.with_token(client.token().expect("a token"));
        let (root, leaf, middle_id) = (own(&root), own(&leaf), middle_id.clone());
        tokio::spawn(async move {
            let mut answers = Vec::new();
            for number in 0..40 {
                answers.extend(step(worker * 3 + number, &root, &leaf, &middle_id).await);
            }
            answers
        })
    });
    let mut done = 0;
    for worker in workers.collect::<Vec<_>>() {
        for reply in worker.await.expect("no worker fails") {
            assert!([200, 201, 402, 403, 409].contains(&reply.status), "{}", reply.body);
            done += usize::from(reply.status < 300);
        }
    }
    assert!(done >= 40, "only {done} steps were done");
    assert_books_balance(&server, &tenant).await;
    // Frozen or not, the end is the same: everything unspent is the root's again.
    let spent = ledger_totals(&server, &tenant).await.1;
    let receipt = root.act(&team_id, "revoke").await;
    assert_eq!(receipt.number("/credits_freed"), 2_000 - spent, "{}", receipt.body);
    assert_eq!(root.balances().await, json!([spent, 0, 0, null]));
    assert_books_balance(&server, &tenant).await;
    assert_no_deadlocks(&server).await;
}

#[tokio::test]
async fn nothing_is_captured_after_a_revocation_or_a_freeze_was_acknowledged() {
    for verb in ["revoke", "freeze"] {
        let (server, tenant, root) = start().await;
        let replica = server.replica().await;
        let (team, team_id) = root.child("team", 1_000).await;
        let (leaf, _) = team.child("leaf", 500).await;
        let mut captures = Vec::new();
        for number in 0..12 {
            let hold = leaf.held(10).await;
            let api = if number % 2 == 0 { &server.api } else { &replica.api };
            let client = api.with_token(&tenant.root_token);
            captures.push(tokio::spawn(async move { client.capture(&hold, 10).await }));
        }
        let ended = root.act(&team_id, verb).await;
        assert_eq!(ended.status, 200, "{verb}: {}", ended.body);
        let acknowledged = ledger_totals(&server, &tenant).await;
        let mut captured = 0;
        for capture in captures {
            let reply = capture.await.expect("the capture was sent");
            match reply.status {
                201 => captured += 1,
                _ => assert_eq!(reply.refusal(), (409, "hold_closed"), "{}", reply.body),
            }
        }
        assert_eq!(
            ledger_totals(&server, &tenant).await,
            acknowledged,
            "{verb} was the last to change anything"
        );
        assert_eq!(acknowledged, (captured, captured * 10), "every capture is acknowledged or refused");
        assert_eq!(root.balances().await[1], json!(0), "nothing is held any more");
        assert_books_balance(&server, &tenant).await;
    }
}

#[tokio::test]
async fn more_holds_than_one_round_settles_expire_together() {
    let (server, tenant, root) = start().await;
    let (leaf, _) = root.child("leaf", 1_500).await;
    let holders = (0..15).map(|_| {
        let leaf = leaf.clone();
        tokio::spawn(async move {
            for _ in 0..100 {
                assert_eq!(leaf.hold(1, "1h").await.status, 201);
            }
        })
    });
    for holder in holders.collect::<Vec<_>>() {
        holder.await.expect("every hold fits");
    }
    assert_eq!(leaf.balances().await, json!([0, 1_500, 0, 0]));
    // Time passes for all of them at once.
    let pool = server.database.superuser().await;
    let statement = "UPDATE holds SET expires_at = clock_timestamp()";
    let ended = sqlx::query(statement).execute(&pool).await.expect("a superuser may").rows_affected();
    assert_eq!(ended, 1_500);
    // Whoever changes rows by hand counts the revision up, so that nobody relies on what was there before.
    let statement = "UPDATE ledger_heads SET revision = revision + 1";
    sqlx::query(statement).execute(&pool).await.expect("a superuser may");
    assert_eq!(leaf.spend(1_500).await.status, 201, "all of it is available at once");
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn every_step_of_a_hold_can_be_sent_again() {
    let (server, tenant, root) = start().await;
    let (leaf, _) = root.child("leaf", 100).await;
    let again = async |path: &str, body: &Value| {
        let first = leaf.post_with_key(path, "k", body).await;
        let second = leaf.post_with_key(path, "k", body).await;
        assert!([200, 201].contains(&first.status), "{path}: {}", first.body);
        assert_eq!(first.header("idempotent-replayed"), None, "{path}");
        assert_eq!(
            (second.status, second.header("idempotent-replayed")),
            (first.status, Some("true")),
            "{path}"
        );
        assert_eq!(
            (second.body, second.headers.get("location")),
            (first.body.clone(), first.headers.get("location"))
        );
        first.body
    };
    let held = again("/hold", &json!({ "amount_credits": 10, "expires_in": "1h" })).await;
    let path = format!("/hold/{}", held["id"].as_str().expect("an id"));
    again(&format!("{path}/extend"), &json!({ "expires_in": "2h" })).await;
    again(&format!("{path}/capture"), &json!({ "amount_credits": 4 })).await;
    let other = leaf.post_with_key(&format!("{path}/capture"), "k", &json!({ "amount_credits": 5 })).await;
    assert_eq!(other.refusal(), (422, "idempotency_mismatch"));
    let elsewhere = format!("/hold/{}/capture", leaf.held(9).await);
    let elsewhere = leaf.post_with_key(&elsewhere, "k", &json!({ "amount_credits": 4 })).await;
    assert_eq!(elsewhere.refusal(), (422, "idempotency_mismatch"), "the same key for another hold");
    assert_eq!(leaf.balances().await, json!([4, 9, 0, 87]));
    assert_eq!(ledger_totals(&server, &tenant).await, (1, 4));
    assert_books_balance(&server, &tenant).await;
}
