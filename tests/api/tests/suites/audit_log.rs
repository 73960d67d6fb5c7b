//! The audit log: who, what, target, details, address, request and time.

use serde_json::json;
use subgrant_tests::{Reply, TestServer};

#[tokio::test]
async fn every_change_leaves_an_entry_with_its_author_target_and_request() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (team, team_id) = root.child("team", 100).await;
    let (_, agent_id) = team.child("agent", 10).await;
    let revoke = format!("/delegation/{agent_id}/revoke");
    let receipt = team.post(&revoke, &json!({ "reason": "done" })).await;
    assert_eq!(receipt.status, 200);

    let log = root.get("/audit").await;
    let entries = log.body["data"].as_array().expect("a list").clone();
    let actions: Vec<_> = entries.iter().map(|entry| entry["action"].as_str().unwrap_or_default()).collect();
    assert_eq!(actions, ["tenant.create", "delegation.create", "delegation.create", "delegation.revoke"]);
    assert_eq!(entries[0]["target"], json!(tenant.id));
    assert_eq!((&entries[2]["actor"], &entries[2]["target"]), (&json!(team_id), &json!(agent_id)));
    let last = &entries[3];
    assert_eq!((&last["actor"], &last["source_ip"]), (&json!(team_id), &json!("127.0.0.1")));
    assert_eq!(last["request_id"].as_str(), receipt.header("x-request-id"));
    assert_eq!(last["details"]["reason"], "done");
    assert_eq!(last["details"]["receipt"]["credits_freed"], 10);

    let first = root.get("/audit?limit=3").await;
    let cursor = first.text("/next_cursor");
    let second = root.get(&format!("/audit?limit=3&cursor={cursor}")).await;
    assert_eq!(second.body["data"], json!([entries[3]]));
    assert_eq!(second.body["next_cursor"], json!(null));
}

#[tokio::test]
async fn the_log_is_for_the_root_and_its_parameters_are_checked() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let (team, _) = root.child("team", 100).await;
    assert_eq!(team.get("/audit").await.refusal(), (403, "action_not_permitted"));
    for query in ["limit=0", "limit=101", "cursor=nonsense", "surprise=1"] {
        assert_eq!(root.get(&format!("/audit?{query}")).await.refusal(), (422, "validation"), "{query}");
    }
}

#[tokio::test]
async fn the_log_is_listed_from_either_end_and_by_who_did_what_to_what() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let owner = server.api.with_session(&tenant.session);
    let (_, first) = root.child("first", 10).await;
    let (_, second) = root.child("second", 10).await;
    assert_eq!(owner.act(&first, "freeze").await.status, 200);
    assert_eq!(owner.act(&first, "revoke").await.status, 200);
    let actions = |reply: Reply| -> Vec<String> {
        assert_eq!(reply.status, 200, "{}", reply.body);
        let entries = reply.body["data"].as_array().unwrap().clone();
        entries.iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
    };
    let all =
        ["tenant.create", "delegation.create", "delegation.create", "delegation.freeze", "delegation.revoke"];
    let newest: Vec<_> = all.iter().rev().copied().collect();
    assert_eq!(actions(root.get("/audit").await), all);
    assert_eq!(actions(root.get("/audit?order=newest").await), newest);
    assert_eq!(actions(root.get("/audit?action=delegation").await), all[1..]);
    assert_eq!(actions(root.get("/audit?action=delegation.revoke").await), ["delegation.revoke"]);
    assert!(actions(root.get("/audit?action=delegatio").await).is_empty());
    let path = format!("/audit?order=newest&target={first}&actor={}", tenant.root_id);
    assert_eq!(actions(root.get(&path).await), ["delegation.create"]);
    assert_eq!(actions(root.get(&format!("/audit?target={second}")).await), ["delegation.create"]);
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = root.get(&format!("/audit?order=newest&limit=2{cursor}")).await;
        let next = page.body["next_cursor"].as_str().map(|next| format!("&cursor={next}"));
        found.extend(actions(page));
        let Some(next) = next else { break };
        cursor = next;
    }
    assert_eq!(found, newest);
}
