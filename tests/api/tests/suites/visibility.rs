//! A token sees its own node and what is below it, nothing else.

use serde_json::json;
use subgrant_tests::TestServer;

#[tokio::test]
async fn a_token_sees_its_own_node_and_below_and_nothing_else() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (engineering, engineering_id) = root.child("Engineering", 1_000).await;
    let (ml_team, ml_id) = engineering.child("ML Team", 500).await;
    let (reviewer, reviewer_id) = ml_team.child("reviewer", 100).await;
    let (platform, platform_id) = engineering.child("Platform Team", 300).await;
    let (_, bot_id) = platform.child("deploy-bot", 50).await;
    let own_spend = reviewer.spend(3).await.text("/id");
    let platform_spend = platform.spend(3).await.text("/id");
    let before = root.snapshot().await;

    let listed: Vec<_> = ml_team.all("/delegation?").await.iter().map(|node| node["id"].clone()).collect();
    assert_eq!(listed, [json!(ml_id), json!(reviewer_id)]);
    assert_eq!(ml_team.get(&format!("/delegation/{ml_id}")).await.status, 200);
    assert_eq!(ml_team.get(&format!("/delegation/{reviewer_id}")).await.text("/parent_id"), ml_id);
    assert_eq!(ml_team.get(&format!("/spend/{own_spend}")).await.status, 200);
    assert_eq!(ml_team.all("/ledger?").await.len(), 1);
    for hidden in [&tenant.root_id, &engineering_id, &platform_id, &bot_id] {
        let mint = json!({ "label": "x", "budget_credits": 1, "parent_id": hidden });
        for reply in [
            ml_team.get(&format!("/delegation/{hidden}")).await,
            ml_team.get(&format!("/delegation?parent_id={hidden}")).await,
            ml_team.get(&format!("/ledger?delegation_id={hidden}")).await,
            ml_team.post("/delegation", &mint).await,
            ml_team.post(&format!("/delegation/{hidden}/revoke"), &json!({})).await,
            ml_team.post(&format!("/delegation/{hidden}/revoke"), &json!({ "dry_run": true })).await,
        ] {
            reply.assert_problem(404, "not_found", hidden);
        }
    }
    ml_team.get(&format!("/spend/{platform_spend}")).await.assert_problem(
        404,
        "not_found",
        "a sibling's spend",
    );
    ml_team.post("/root/rotate", &json!({})).await.assert_problem(404, "not_found", "the root of a leaf");
    assert_eq!(root.snapshot().await, before);
}

#[tokio::test]
async fn what_blocks_from_above_is_called_ancestor_and_what_is_below_has_a_name() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let (team, team_id) = root.child("team", 100).await;
    let cap = |label: &str| json!({ "label": label, "budget_credits": 100, "allocation": "cap" });
    let (one, two) =
        (team.post("/delegation", &cap("one")).await, team.post("/delegation", &cap("two")).await);
    let (one_api, one_id) = (root.with_token(&one.text("/token")), one.text("/id"));
    let (two_api, two_id) = (root.with_token(&two.text("/token")), two.text("/id"));
    assert_eq!(two_api.spend(100).await.status, 201, "the sibling takes all there is");

    let denied = one_api.spend(1).await;
    denied.assert_problem(402, "budget_exhausted", "a sibling was faster");
    assert_eq!(
        (denied.text("/delegation_id"), denied.number("/max_affordable_credits")),
        ("ancestor".to_owned(), 0)
    );
    let told = denied.body.to_string();
    assert!(!told.contains(&team_id) && !told.contains(&two_id), "{told}");
    assert_eq!(two_api.spend(1).await.text("/delegation_id"), two_id, "its own budget is spent, too");
    assert_eq!(team.spend(1).await.text("/delegation_id"), team_id);

    let view = one_api.get("/delegation/self").await;
    assert_eq!((view.text("/status"), view.text("/deactivated_by")), ("exhausted".into(), "ancestor".into()));
    let path = format!("/delegation/{one_id}");
    assert_eq!(team.get(&path).await.text("/deactivated_by"), team_id);
    assert_eq!(root.post(&format!("/delegation/{team_id}/revoke"), &json!({})).await.status, 200);
    let revoked = root.get(&path).await;
    assert_eq!(
        (revoked.text("/status"), revoked.text("/deactivated_by")),
        ("revoked".into(), team_id.clone())
    );
    assert!(root.get(&format!("/delegation/{team_id}")).await.body["deactivated_by"].is_null());
}

#[tokio::test]
async fn a_limit_from_above_is_the_ancestors_though_the_token_repeats_it() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let team = json!({ "label": "team", "budget_credits": 100, "max_per_spend": 50 });
    let team = root.post("/delegation", &team).await;
    let (team, team_id) = (root.with_token(&team.text("/token")), team.text("/id"));
    let (agent, agent_id) = team.child("agent", 60).await;
    let blocked_at = async |api: &subgrant_tests::Api, amount: u64| {
        let refused = api.spend(amount).await;
        assert_eq!(refused.refusal(), (402, "max_per_spend_exceeded"), "{}", refused.body);
        refused.text("/delegation_id")
    };
    assert_eq!(blocked_at(&agent, 51).await, "ancestor");
    assert_eq!(blocked_at(&team, 51).await, team_id);
    let narrow = json!({ "caveats": ["max_per_spend = 10"] });
    let narrow = agent.post(&format!("/delegation/{agent_id}/restrict"), &narrow).await;
    let narrow = agent.with_token(&narrow.text("/token"));
    assert_eq!(blocked_at(&narrow, 51).await, agent_id, "its own token says less");
}
