//! Another end of a delegation's life: earlier for every token at once, later by a new token and by somebody above.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use subgrant_tests::{Api, Tenant, TestServer, assert_books_balance};

async fn stage() -> (TestServer, Tenant, Api) {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    (server, tenant, root)
}

async fn mint(parent: &Api, budget: u64, expiry: Option<&str>) -> (Api, String) {
    let mut body = json!({ "label": "node", "budget_credits": budget });
    if let Some(expiry) = expiry {
        body["expiry"] = json!(expiry);
    }
    let reply = parent.post("/delegation", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    (parent.with_token(&reply.text("/token")), reply.text("/id"))
}

fn soon() -> String {
    let at = Timestamp::now() + SignedDuration::from_millis(1_500);
    Timestamp::from_microsecond(at.as_microsecond()).expect("an instant of today").to_string()
}

#[tokio::test]
async fn an_earlier_end_binds_every_token_at_once_and_returns_the_carve_without_a_job() {
    let (server, tenant, root) = stage().await;
    let (team, _) = mint(&root, 100, Some("2090-01-01T00:00:00Z")).await;
    let (agent, agent_id) = mint(&team, 60, Some("2080-01-01T00:00:00Z")).await;
    let (below, _) = mint(&agent, 20, None).await;
    assert_eq!((agent.spend(10).await.status, below.spend(1).await.status), (201, 201));
    let hold = agent.held(5).await;
    let end = soon();
    let change = json!({ "expiry": end });
    let mut preview = change.clone();
    preview["dry_run"] = json!(true);
    let previewed = team.update(&agent_id, &preview).await;
    let effects = json!({ "descendants_ending": 1, "holds_ending": 1 });
    assert_eq!((previewed.status, &previewed.body["effects"]), (200, &effects), "{}", previewed.body);
    assert_eq!((previewed.text("/expires_at"), &previewed.body["dry_run"]), (end.clone(), &json!(true)));
    let untouched = team.get(&format!("/delegation/{agent_id}")).await;
    assert_eq!(
        (untouched.text("/expires_at"), untouched.number("/version")),
        ("2080-01-01T00:00:00Z".into(), 1)
    );

    let changed = team.update(&agent_id, &change).await;
    assert_eq!((changed.status, &changed.body["effects"]), (200, &effects), "{}", changed.body);
    assert_eq!(changed.text("/expires_at"), end);
    assert!(changed.body.get("token").is_none(), "what narrows takes no new token");
    assert_eq!(below.get("/delegation/self").await.text("/expires_at"), end, "it ends with what is above");
    let held = agent.get(&format!("/hold/{hold}")).await;
    assert_eq!((held.text("/status"), held.text("/expires_at")), ("held".into(), end.clone()));
    tokio::time::sleep(Duration::from_millis(1_600)).await;
    assert_eq!(agent.spend(1).await.refusal(), (401, "expired"));
    assert_eq!(below.spend(1).await.refusal(), (401, "expired"));
    assert_eq!(team.capture(&hold, 5).await.refusal(), (410, "hold_expired"));
    let left = team.get("/delegation/self").await;
    assert_eq!((left.number("/available_credits"), left.number("/held_credits")), (89, 0));
    let expired = root.all("/delegation?status=expired&").await;
    assert_eq!(expired.len(), 2, "the one below lives no longer: {expired:?}");
    assert_eq!(root.all("/delegation?status=active&").await.len(), 2);
    team.update(&agent_id, &json!({ "expiry": "2085-01-01T00:00:00Z" }))
        .await
        .assert_problem(409, "expired", "over");
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_later_end_takes_somebody_above_and_a_new_token() {
    let (server, tenant, root) = stage().await;
    let (team, team_id) = mint(&root, 100, Some("2090-01-01T00:00:00Z")).await;
    let (agent, agent_id) = mint(&team, 60, Some("2050-01-01T00:00:00Z")).await;
    let (below, below_id) = mint(&agent, 20, None).await;
    let later = json!({ "expiry": "2060-01-01T00:00:00Z" });
    agent.update(&agent_id, &later).await.assert_problem(403, "action_not_permitted", "nobody widens itself");
    agent.update(&agent_id, &json!({ "expiry": null })).await.assert_problem(
        403,
        "action_not_permitted",
        "cleared",
    );
    team.update(&below_id, &later).await.assert_problem(422, "narrower_than_parent", "beyond its parent");
    let beyond = json!({ "expiry": "2095-01-01T00:00:00Z" });
    team.update(&agent_id, &beyond).await.assert_problem(422, "narrower_than_parent", "beyond its parent");
    let changed = team.update(&agent_id, &later).await;
    assert_eq!(
        (changed.status, changed.text("/expires_at")),
        (200, "2060-01-01T00:00:00Z".into()),
        "{}",
        changed.body
    );
    let newer = root.with_token(&changed.text("/token"));
    assert_eq!(newer.get("/delegation/self").await.text("/expires_at"), "2060-01-01T00:00:00Z");
    assert_eq!(
        agent.get("/delegation/self").await.text("/expires_at"),
        "2050-01-01T00:00:00Z",
        "the old one says so"
    );
    assert_eq!((agent.spend(1).await.status, newer.spend(1).await.status), (201, 201));
    // What is below keeps its own end, and what its own tokens say of those above binds it for good.
    assert_eq!(below.get("/delegation/self").await.text("/expires_at"), "2050-01-01T00:00:00Z");
    let refused = team.update(&below_id, &later).await;
    refused.assert_problem(422, "narrower_than_parent", "its chain says 2050 still");
    // Cleared: as long as what is above.
    let cleared = root.update(&agent_id, &json!({ "expiry": null })).await;
    assert_eq!(
        (cleared.status, cleared.text("/expires_at")),
        (200, "2090-01-01T00:00:00Z".into()),
        "{}",
        cleared.body
    );
    let newest = root.with_token(&cleared.text("/token"));
    assert_eq!(newest.get("/delegation/self").await.text("/expires_at"), "2090-01-01T00:00:00Z");
    let unlimited = root.update(&team_id, &json!({ "expiry": null })).await;
    assert_eq!((unlimited.status, &unlimited.body["expires_at"]), (200, &Value::Null), "{}", unlimited.body);
    let rotated = root.post(&format!("/delegation/{agent_id}/rotate"), &json!({})).await;
    assert_eq!(root.with_token(&rotated.text("/token")).spend(1).await.status, 201);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn what_is_no_end_is_refused_and_nothing_changes() {
    let (_, tenant, root) = stage().await;
    let (_, id) = mint(&root, 100, Some("720h")).await;
    let before = root.get(&format!("/delegation/{id}")).await.body;
    for expiry in [
        json!("soon"),
        json!("-1h"),
        json!("2020-01-01T00:00:00Z"),
        json!("0s"),
        json!(""),
        json!("9999-01-01T00:00:00Z"),
    ] {
        let refused = root.update(&id, &json!({ "expiry": expiry })).await;
        assert_eq!(refused.refusal(), (422, "validation"), "{expiry}: {}", refused.body);
    }
    root.update(&id, &json!({ "expiry": 5 })).await.assert_problem(422, "validation", "a number");
    let own = root.update(&tenant.root_id, &json!({ "expiry": "1h" })).await;
    own.assert_problem(422, "validation", "the root has no end");
    root.update(&id, &json!({ "dry_run": true })).await.assert_problem(
        422,
        "validation",
        "nothing to change",
    );
    assert_eq!(root.get(&format!("/delegation/{id}")).await.body, before);
}

#[tokio::test]
async fn a_holder_may_end_its_own_life_earlier() {
    let (_, _, root) = stage().await;
    let (agent, id) = mint(&root, 100, None).await;
    let changed = agent.update(&id, &json!({ "expiry": "1h" })).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    let end: Timestamp = changed.text("/expires_at").parse().unwrap();
    assert!(end <= Timestamp::now() + SignedDuration::from_hours(1));
    assert_eq!(agent.spend(1).await.status, 201);
    assert_eq!(agent.hold(1, "5h").await.text("/expires_at"), end.to_string(), "no hold outlives it");
}
