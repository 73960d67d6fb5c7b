//! Lists: complete, without duplicates, filtered by what they say.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use subgrant_tests::{Api, TestServer};

async fn root() -> Api {
    let server = TestServer::start().await;
    server.api.with_token(&server.sign_up().await.root_token)
}

async fn labels(api: &Api, query: &str) -> BTreeSet<String> {
    let nodes = api.all(&format!("/delegation?{query}&")).await;
    let labels: Vec<_> =
        nodes.iter().map(|node| node["label"].as_str().expect("a label").to_owned()).collect();
    let set: BTreeSet<_> = labels.iter().cloned().collect();
    assert_eq!(set.len(), labels.len(), "{query} lists something twice: {labels:?}");
    set
}

fn set(labels: &[&str]) -> BTreeSet<String> {
    labels.iter().map(|label| (*label).to_owned()).collect()
}

#[tokio::test]
async fn pages_are_complete_and_disjoint_while_nodes_are_inserted() {
    let root = root().await;
    let mut expected = vec![root.get("/delegation/self").await.text("/id")];
    let mut parent = root.clone();
    for index in 0..23 {
        let (child, id) = parent.child(&format!("n{index}"), 1_000 - index).await;
        expected.push(id);
        parent = if index % 3 == 0 { child } else { root.clone() };
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    let listed = root.get("/delegation?limit=100").await;
    let before: Vec<_> = listed.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(before.iter().cloned().collect::<BTreeSet<_>>(), expected.into_iter().collect());
    loop {
        let page = root.get(&format!("/delegation?limit=5{cursor}")).await;
        let data = page.body["data"].as_array().unwrap();
        assert!((1..=5).contains(&data.len()), "{}", page.body);
        seen.extend(data.iter().map(|node| node["id"].as_str().unwrap().to_owned()));
        let Some(next) = page.body["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
        if seen.len() < 20 {
            root.child("meanwhile", 1).await;
        }
    }
    let distinct: BTreeSet<_> = seen.iter().collect();
    assert_eq!(distinct.len(), seen.len(), "nothing comes twice");
    let old: Vec<_> = seen.iter().filter(|id| before.contains(id)).cloned().collect();
    assert_eq!(old, before, "what was there comes in its order, and nothing is left out");
    assert_eq!(root.get("/delegation?limit=100").await.body["data"].as_array().unwrap().len(), seen.len());
}

#[tokio::test]
async fn the_last_page_says_so_and_the_default_is_50() {
    let root = root().await;
    for index in 0..50 {
        root.child(&format!("n{index}"), 1).await;
    }
    let default = root.get("/delegation").await;
    assert_eq!(default.body["data"].as_array().unwrap().len(), 50);
    let rest = root.get(&format!("/delegation?cursor={}", default.text("/next_cursor"))).await;
    assert_eq!((rest.body["data"].as_array().unwrap().len(), &rest.body["next_cursor"]), (1, &Value::Null));
    let exact = root.get("/delegation?limit=51").await;
    assert!(exact.body["next_cursor"].is_null(), "a page that holds the last item is the last");
}

fn amounts(entries: &[Value]) -> Vec<u64> {
    entries.iter().map(|entry| entry["amount_credits"].as_u64().expect("an amount")).collect()
}

#[tokio::test]
async fn the_ledger_is_paged_in_order_and_filtered_by_node_and_time() {
    let root = root().await;
    let (team, team_id) = root.child("team", 100).await;
    let (agent, _) = team.child("agent", 50).await;
    for amount in 1..=7 {
        let api = if amount % 2 == 0 { &agent } else { &root };
        assert_eq!(api.spend(amount).await.status, 201);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = root.get(&format!("/ledger?limit=3{cursor}")).await;
        seen.extend(page.body["data"].as_array().unwrap().clone());
        assert_eq!(root.spend(100).await.status, 201);
        match page.body["next_cursor"].as_str() {
            Some(next) if seen.len() < 7 => cursor = format!("&cursor={next}"),
            _ => break,
        }
    }
    assert_eq!(amounts(&seen)[..7], [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(amounts(&team.all("/ledger?").await), [2, 4, 6]);
    assert_eq!(amounts(&root.all(&format!("/ledger?delegation_id={team_id}&")).await), [2, 4, 6]);
    let third = seen[2]["recorded_at"].as_str().unwrap();
    assert_eq!(amounts(&root.all(&format!("/ledger?to={third}&")).await), [1, 2], "the end is not included");
    assert_eq!(amounts(&root.all(&format!("/ledger?from={third}&delegation_id={team_id}&")).await), [4, 6]);
}

#[tokio::test]
async fn the_ledger_is_paged_newest_first_as_well_and_what_comes_later_is_on_no_further_page() {
    let root = root().await;
    let (team, team_id) = root.child("team", 100).await;
    for amount in 1..=7 {
        let api = if amount % 2 == 0 { &team } else { &root };
        assert_eq!(api.spend(amount).await.status, 201);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = root.get(&format!("/ledger?order=newest&limit=3{cursor}")).await;
        seen.extend(page.body["data"].as_array().unwrap().clone());
        assert_eq!(root.spend(100).await.status, 201);
        let Some(next) = page.body["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(amounts(&seen), [7, 6, 5, 4, 3, 2, 1]);
    let third = seen[4]["recorded_at"].as_str().unwrap();
    for (query, expected) in [
        (format!("order=newest&delegation_id={team_id}"), vec![6, 4, 2]),
        (format!("order=newest&to={third}"), vec![2, 1]),
        (format!("order=newest&delegation_id={team_id}&from={third}"), vec![6, 4]),
        (format!("order=oldest&delegation_id={team_id}"), vec![2, 4, 6]),
        ("order=newest&cursor=1".to_owned(), vec![]),
        ("order=newest&cursor=0".to_owned(), vec![]),
    ] {
        assert_eq!(amounts(&root.all(&format!("/ledger?{query}&")).await), expected, "{query}");
    }
    assert_eq!(amounts(&team.all("/ledger?order=newest&").await), [6, 4, 2]);
}

#[tokio::test]
async fn every_node_is_listed_under_its_status_and_no_other() {
    let root = root().await;
    let brief = json!({ "label": "expired", "budget_credits": 5, "expiry": "1s" });
    let expired = root.with_token(&root.post("/delegation", &brief).await.text("/token"));
    expired.child("below expired", 1).await;
    let (exhausted, _) = root.child("exhausted", 5).await;
    assert_eq!(exhausted.spend(5).await.status, 201);
    let (starved, _) = root.child("all taken below", 5).await;
    let cap = |label: &str| json!({ "label": label, "budget_credits": 5, "allocation": "cap" });
    let taker = root.with_token(&starved.post("/delegation", &cap("taker")).await.text("/token"));
    assert_eq!(starved.post("/delegation", &cap("starved")).await.status, 201);
    assert_eq!(taker.spend(5).await.status, 201);
    let (revoked, revoked_id) = root.child("revoked", 5).await;
    revoked.child("below revoked", 1).await;
    assert_eq!(root.post(&format!("/delegation/{revoked_id}/revoke"), &json!({})).await.status, 200);
    let (carver, _) = root.child("carved away", 5).await;
    carver.child("active", 5).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;

    let mut listed = BTreeSet::new();
    for (status, expected) in [
        ("active", set(&["Root Key", "active", "carved away"])),
        ("exhausted", set(&["exhausted", "all taken below", "taker", "starved"])),
        ("revoked", set(&["revoked", "below revoked"])),
        ("expired", set(&["expired", "below expired"])),
        ("frozen", set(&[])),
    ] {
        let nodes = root.all(&format!("/delegation?status={status}&")).await;
        assert!(nodes.iter().all(|node| node["status"] == status), "{status}: {nodes:?}");
        let found = labels(&root, &format!("status={status}")).await;
        assert_eq!(found, expected, "{status}");
        listed.extend(found);
    }
    assert_eq!(listed, labels(&root, "").await, "every node has one status");
}

#[tokio::test]
async fn filters_take_text_literally_and_narrow_together() {
    let root = root().await;
    for (label, center, department) in [
        ("100% sure", "Engineering", "ML Team"),
        ("100 sure", "Engineering", "Platform"),
        ("snake_case", "Finance", "ML Team"),
        ("snakeXcase", "Finance", "Tax"),
        (r"back\slash", "engineering", "Tax"),
    ] {
        let body =
            json!({ "label": label, "budget_credits": 1, "cost_center": center, "department": department });
        assert_eq!(root.post("/delegation", &body).await.status, 201);
    }
    for (query, expected) in [
        ("q=%25", set(&["100% sure"])),
        ("q=_", set(&["snake_case"])),
        ("q=%5C", set(&[r"back\slash"])),
        ("q=SURE", set(&["100% sure", "100 sure"])),
        ("q=e%25s", set(&[])),
        ("q=%27", set(&[])),
        ("cost_center=Engineering", set(&["100% sure", "100 sure"])),
        ("cost_center=Engineer%25", set(&[])),
        ("department=ML%20Team", set(&["100% sure", "snake_case"])),
        ("department=ML+Team&cost_center=Finance", set(&["snake_case"])),
        ("department=Tax&q=snake&status=active", set(&["snakeXcase"])),
        ("department=Tax&q=snake&status=revoked", set(&[])),
    ] {
        assert_eq!(labels(&root, query).await, expected, "{query}");
    }
}
