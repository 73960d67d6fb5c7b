//! `GET /hold`: what is held, and what has become of what was.

use reqwest::Method;
use serde_json::{Value, json};
use subgrant_tests::{Api, Reply, TestServer};

async fn listed(api: &Api, query: &str) -> Vec<(String, String)> {
    let reply = api.get(&format!("/hold{query}")).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let text = |hold: &Value, field: &str| hold[field].as_str().expect("as documented").to_owned();
    reply.body["data"]
        .as_array()
        .expect("as documented")
        .iter()
        .map(|hold| (text(hold, "id"), text(hold, "status")))
        .collect()
}

#[tokio::test]
async fn every_hold_is_listed_with_what_has_become_of_it_newest_first() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let (agent, agent_id) = root.child("agent", 1_000).await;
    let (frozen, frozen_id) = root.child("frozen", 1_000).await;
    let (revoked, revoked_id) = root.child("revoked", 1_000).await;
    let captured = agent.held(10).await;
    assert_eq!(agent.capture(&captured, 7).await.status, 201);
    let released = agent.held(20).await;
    assert_eq!(agent.post(&format!("/hold/{released}/release"), &json!({})).await.status, 200);
    let expired = agent.hold(30, "1s").await.text("/id");
    let (stopped, voided) = (frozen.held(40).await, revoked.held(50).await);
    let open = agent.held(60).await;
    assert_eq!(root.act(&frozen_id, "freeze").await.status, 200);
    assert_eq!(root.act(&revoked_id, "revoke").await.status, 200);
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;

    let all = [
        (&open, "held"),
        (&voided, "voided"),
        (&stopped, "voided"),
        (&expired, "expired"),
        (&released, "released"),
        (&captured, "captured"),
    ];
    let expected = |wanted: &dyn Fn(&str) -> bool| -> Vec<(String, String)> {
        let wanted = all.iter().filter(|(_, status)| wanted(status));
        wanted.map(|(id, status)| ((*id).clone(), (*status).to_owned())).collect()
    };
    assert_eq!(listed(&root, "").await, expected(&|_| true));
    for status in ["held", "captured", "released", "expired", "voided"] {
        let query = format!("?status={status}");
        assert_eq!(listed(&root, &query).await, expected(&|other| other == status), "{status}");
    }
    assert_eq!(listed(&root, &format!("?delegation_id={frozen_id}")).await.len(), 1);
    let first = root.get("/hold?limit=1").await;
    let shown = &first.body["data"][0];
    assert_eq!((&shown["delegation_id"], &shown["delegation_label"]), (&json!(agent_id), &json!("agent")));
    assert_eq!((&shown["amount_credits"], &shown["closed_at"]), (&json!(60), &Value::Null));
    assert!(shown["created_at"].as_str().unwrap() < shown["expires_at"].as_str().unwrap());
}

#[tokio::test]
async fn pages_of_holds_come_to_an_end_and_leave_none_out() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let (agent, _) = root.child("agent", 1_000).await;
    let mut held = Vec::new();
    for _ in 0..7 {
        held.push(agent.held(1).await);
    }
    held.reverse();
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = agent.get(&format!("/hold?limit=3{cursor}")).await;
        assert_eq!(page.status, 200, "{}", page.body);
        found.extend(
            page.body["data"].as_array().unwrap().iter().map(|hold| hold["id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page.body["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, held);
}

#[tokio::test]
async fn holds_of_siblings_parents_and_other_tenants_are_not_listed() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let other = server.api.with_token(&server.sign_up().await.root_token);
    let (team, team_id) = root.child("team", 1_000).await;
    let (sibling, _) = root.child("sibling", 1_000).await;
    let (agent, _) = team.child("agent", 100).await;
    for holder in [&root, &sibling, &other] {
        holder.held(5).await;
    }
    let (own, below) = (team.held(5).await, agent.held(5).await);
    assert_eq!(listed(&agent, "").await, [(below.clone(), "held".to_owned())]);
    assert_eq!(listed(&team, "").await.len(), 2);
    assert_eq!(listed(&other, "").await.len(), 1);
    assert_eq!(listed(&root, "").await.len(), 4);
    assert!(listed(&team, "").await.iter().all(|(id, _)| *id == own || *id == below));
    let foreign = Reply::of(other.request(Method::GET, &format!("/hold?delegation_id={team_id}"))).await;
    foreign.assert_problem(404, "not_found", "another tenant's");
}
