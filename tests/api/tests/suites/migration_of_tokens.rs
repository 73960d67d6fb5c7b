//! What becomes of tokens and of children that were made offline before tokens for a service had two signatures.

use serde_json::json;
use sqlx::Executor;
use subgrant_tests::{TestServer, assert_books_balance, attenuate};
use subgrant_token::{RequestContext, VerificationKey, verify};

const BEFORE: &str = "
    ALTER TABLE tokens DROP COLUMN service_digest;
    ALTER TABLE tokens DROP COLUMN first_label;
    ALTER TABLE delegations DROP COLUMN first_block_unknown;
    UPDATE delegations SET caveats = caveats[1:array_length(caveats, 1) - 1] WHERE made_offline";

#[tokio::test]
async fn delegations_for_a_service_get_tokens_of_the_new_form_and_what_is_not_known_is_not_written() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let service = root.post("/service", &json!({ "name": "Reports" })).await;
    let key = VerificationKey::parse(&service.text("/verification_key")).expect("a key");
    let body = json!({ "label": "agent", "budget_credits": 50, "audience": service.text("/id") });
    let agent = root.post("/delegation", &body).await;
    let (team, team_id) = root.child("team", 100).await;
    let offline = attenuate(team.token().expect("a token"), &[b"budget = 20", b"max_per_spend = 5"]);
    let spent = server.api.with_token(&offline).spend(1).await;
    assert_eq!(spent.status, 201, "{}", spent.body);
    let pool = server.database.superuser().await;
    for script in [
        BEFORE,
        include_str!("../../../../migrations/0034_tokens_of_services.sql"),
        include_str!("../../../../migrations/0035_first_blocks.sql"),
    ] {
        pool.execute(sqlx::raw_sql(script)).await.unwrap_or_else(|error| panic!("{error}: {script:.80}"));
    }
    let counts = "SELECT count(*) FILTER (WHERE service_digest = digest AND valid_until <= now())
        || ' of ' || count(*) FROM tokens";
    let counts: String = sqlx::query_scalar(counts).fetch_one(&pool).await.unwrap();
    assert_eq!(counts, "1 of 3", "the token for a service is over, and no other");

    let server_after = server.replica().await;
    let root = server_after.api.with_token(&tenant.root_token);
    let rotated = root.post(&format!("/delegation/{}/rotate", agent.text("/id")), &json!({})).await;
    let token = rotated.text("/token");
    assert!(verify(&token, &key, &RequestContext::at(jiff::Timestamp::now())).is_ok());
    assert_eq!(root.with_token(&token).spend(1).await.number("/remaining_credits"), 49);
    assert_eq!(root.with_token(team.token().expect("a token")).spend(1).await.status, 201);
    assert_eq!(root.post(&format!("/delegation/{team_id}/rotate"), &json!({})).await.status, 200);
    // The child goes on, and nobody writes a token of it that might be wider than its maker's.
    let child = root.with_token(&offline);
    assert_eq!(child.spend(6).await.refusal(), (402, "max_per_spend_exceeded"));
    let id = spent.text("/delegation_id");
    let rotate = root.post(&format!("/delegation/{id}/rotate"), &json!({})).await;
    rotate.assert_problem(409, "made_offline", "rotated");
    let raise = root.update(&id, &json!({ "budget_credits": 30 })).await;
    raise.assert_problem(409, "made_offline", "raised");
    let lower = root.update(&id, &json!({ "budget_credits": 10 })).await;
    assert_eq!(lower.status, 200, "{}", lower.body);
    assert_books_balance(&server, &tenant).await;
}
