//! What the dashboard shows of a delegation besides its balances: its tokens, when it was last used, what is above it.

use serde_json::{Value, json};
use subgrant_server::http::HttpOptions;
use subgrant_service::AppOptions;
use subgrant_tests::{Reply, TestServer};

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|item| item["id"].as_str().expect("an id")).collect()
}

fn validity(reply: &Reply) -> Vec<bool> {
    reply.body["data"].as_array().expect("a list").iter().map(|token| token["is_valid"] == true).collect()
}

#[tokio::test]
async fn tokens_of_a_delegation_are_told_of_and_never_shown() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let (agent, id) = root.child("agent", 1_000).await;
    let tokens = || async { root.get(&format!("/delegation/{id}/token")).await };
    assert_eq!(validity(&tokens().await), [true]);
    assert_eq!(root.post(&format!("/delegation/{id}/rotate"), &json!({ "grace": "1h" })).await.status, 200);
    let graced = tokens().await;
    assert_eq!(validity(&graced), [true, true]);
    assert_eq!(graced.body["data"][0]["valid_until"], Value::Null);
    assert!(graced.body["data"][1]["valid_until"].is_string());
    assert_eq!(root.post(&format!("/delegation/{id}/rotate"), &json!({ "grace": "0s" })).await.status, 200);
    let replaced = tokens().await;
    assert_eq!(validity(&replaced), [true, false, false]);
    assert!(!replaced.body.to_string().contains("sgt_"), "{}", replaced.body);
    assert_eq!(agent.spend(1).await.refusal().0, 401, "what is said to be replaced is refused");
}

#[tokio::test]
async fn a_list_tells_what_is_above_its_nodes_and_when_they_were_last_used() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (team, team_id) = root.child("team", 1_000).await;
    let (agent, agent_id) = team.child("agent x", 100).await;
    let (_, other_id) = team.child("agent y", 100).await;
    let spent = agent.spend(3).await;

    let plain = root.get("/delegation?q=agent").await;
    assert!(plain.body.get("ancestors").is_none() && plain.body.get("last_used").is_none());
    let found = root.get("/delegation?q=agent&with=ancestors,last_used").await;
    assert_eq!(ids(&found.body["data"]), [&*agent_id, &*other_id]);
    assert_eq!(ids(&found.body["ancestors"]), [&*tenant.root_id, &*team_id], "parents first");
    assert_eq!(found.body["last_used"], json!({ &*agent_id: spent.text("/recorded_at") }));

    let whole = root.get("/delegation?with=ancestors").await;
    assert_eq!(whole.body["ancestors"], json!([]), "what is on the page is not told twice");
    let seen = team.get("/delegation?q=agent&with=ancestors").await;
    assert_eq!(ids(&seen.body["ancestors"]), [&*team_id], "a token does not see above its own");
    let own = |api: Value| (api["spent_credits"].clone(), api["own_spent_credits"].clone());
    assert_eq!(own(team.get("/delegation/self").await.body), (json!(3), json!(0)));
    assert_eq!(own(agent.get("/delegation/self").await.body), (json!(3), json!(3)));
}

#[tokio::test]
async fn who_has_not_signed_in_is_told_whether_anybody_may_sign_up() {
    let open = TestServer::start().await;
    assert_eq!(open.api.get("/config").await.body["open_signup"], true);
    let options = HttpOptions { open_signup: false, ..HttpOptions::default() };
    let closed = TestServer::start_with(options, AppOptions::default()).await;
    assert_eq!(closed.api.get("/config").await.body["open_signup"], false);
}
