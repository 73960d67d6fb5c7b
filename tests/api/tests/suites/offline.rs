//! Children that their parent's holder made without the server.

use serde_json::json;
use subgrant_domain::DelegationId;
use subgrant_service::AppOptions;
use subgrant_tests::{Api, Tenant, TestServer, assert_books_balance, attenuate};
use uuid::Uuid;

async fn stage() -> (TestServer, Tenant, Api, Api) {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (team, _) = root.child("team", 100).await;
    (server, tenant, root, team)
}

fn fresh_id() -> String {
    DelegationId::from_uuid(Uuid::now_v7()).to_string()
}

/// What a client with the library appends: a block with an id, a nonce and a budget.
fn offline(parent: &Api, id: &str, budget: u64, more: &[&str]) -> Api {
    let opening = [format!("delegation = {id}.{:024x}", 7), format!("budget = {budget}")];
    let caveats: Vec<_> =
        opening.iter().map(String::as_str).chain(more.iter().copied()).map(str::as_bytes).collect();
    parent.with_token(&attenuate(parent.token().expect("a token"), &caveats))
}

/// What a plain macaroon library appends.
fn plain(parent: &Api, caveats: &[&str]) -> Api {
    let caveats: Vec<_> = caveats.iter().map(|text| text.as_bytes()).collect();
    parent.with_token(&attenuate(parent.token().expect("a token"), &caveats))
}

#[tokio::test]
async fn an_offline_child_is_entered_when_it_first_spends_and_its_copies_share_one_counter() {
    let (server, tenant, root, team) = stage().await;
    let id = fresh_id();
    let child = offline(&team, &id, 30, &["label = helper"]);
    let shown = child.get("/delegation/self").await;
    assert_eq!((shown.status, shown.text("/id"), shown.number("/remaining_credits")), (200, id.clone(), 30));
    assert_eq!(team.get(&format!("/delegation/{id}")).await.status, 404, "looking does not enter it");

    let spent = child.spend(10).await;
    assert_eq!(
        (spent.status, spent.text("/delegation_id"), spent.number("/remaining_credits")),
        (201, id.clone(), 20)
    );
    let entered = team.get(&format!("/delegation/{id}")).await;
    assert_eq!((entered.text("/label"), entered.text("/allocation")), ("helper".into(), "cap".into()));
    assert_eq!(team.get("/delegation/self").await.number("/spent_credits"), 10);
    let copy = plain(&child, &["max_per_spend = 15"]);
    assert_eq!(copy.spend(16).await.refusal(), (402, "max_per_spend_exceeded"));
    assert_eq!(copy.spend(15).await.number("/remaining_credits"), 5);
    assert_eq!(child.spend(6).await.refusal(), (402, "budget_exhausted"));
    assert_eq!(root.get("/delegation/self").await.number("/spent_credits"), 25);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn an_offline_child_is_restricted_by_its_holder_before_its_first_use_too() {
    let (_server, _, _, team) = stage().await;
    let id = fresh_id();
    let child = offline(&team, &id, 30, &[]);
    let narrow = json!({ "caveats": ["max_per_spend = 1"] });
    let narrower = child.post(&format!("/delegation/{id}/restrict"), &narrow).await;
    assert_eq!(narrower.status, 200, "{}", narrower.body);
    let narrower = child.with_token(&narrower.text("/token"));
    assert_eq!(narrower.spend(2).await.refusal(), (402, "max_per_spend_exceeded"));
    assert_eq!(narrower.spend(1).await.text("/delegation_id"), id);
}

#[tokio::test]
async fn a_refused_or_tried_first_use_leaves_nothing_behind() {
    let (server, tenant, root, team) = stage().await;
    let id = fresh_id();
    let child = offline(&team, &id, 30, &[]);
    assert_eq!(child.spend(31).await.refusal(), (402, "budget_exhausted"));
    assert_eq!(child.post("/spend", &json!({ "amount_credits": 1, "dry_run": true })).await.status, 200);
    assert_eq!(child.mint("too much", 31).await.status, 422);
    assert_eq!(root.all("/delegation?").await.len(), 2);
    assert_eq!(root.get("/delegation/self").await.number("/descendants"), 1);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn nested_children_and_those_of_plain_libraries_are_entered_with_their_ancestors() {
    let (server, tenant, root, team) = stage().await;
    let child = offline(&team, &fresh_id(), 50, &["cost_center = Research"]);
    let grandchild = plain(&child, &["budget = 20", "max_per_spend = 10"]);
    assert_eq!(grandchild.spend(11).await.refusal(), (402, "max_per_spend_exceeded"));
    assert_eq!(grandchild.spend(10).await.number("/remaining_credits"), 10);
    assert_eq!(grandchild.spend(10).await.number("/remaining_credits"), 0);
    assert_eq!(child.get("/delegation/self").await.number("/remaining_credits"), 30);
    assert_eq!(root.get("/delegation/self").await.number("/descendants"), 3);
    let entries = root.all("/ledger?").await;
    assert!(entries.iter().all(|entry| entry["cost_center"] == "Research"), "{entries:?}");
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn whoever_uses_a_narrowed_copy_first_does_not_narrow_the_others() {
    let (_, _, _, team) = stage().await;
    let child = offline(&team, &fresh_id(), 50, &[]);
    let narrow = plain(&child, &["max_per_spend = 1", "actions = spend", "limit = 2/day", "max_depth = 0"]);
    assert_eq!(narrow.spend(1).await.status, 201);
    assert_eq!(child.spend(20).await.status, 201);
    assert_eq!(child.mint("grandchild", 5).await.status, 201);
    assert_eq!(narrow.spend(1).await.refusal(), (402, "limit_exceeded"), "the counter is the node's");
}

#[tokio::test]
async fn a_parent_that_may_not_delegate_has_no_offline_children() {
    let (_, _, root, _) = stage().await;
    let minted = [json!({ "actions": ["spend"] }), json!({ "max_depth": 0 })];
    for extra in minted {
        let mut body = json!({ "label": "narrow", "budget_credits": 10 });
        body.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        let parent = root.post("/delegation", &body).await;
        let parent = root.with_token(&parent.text("/token"));
        assert_eq!(
            offline(&parent, &fresh_id(), 5, &[]).spend(1).await.refusal(),
            (403, "caveat_not_met"),
            "{extra}"
        );
    }
    let (open, _) = root.child("open", 10).await;
    let narrowed = plain(&open, &["actions = spend"]);
    assert_eq!(offline(&narrowed, &fresh_id(), 5, &[]).spend(1).await.refusal(), (403, "caveat_not_met"));
    assert_eq!(plain(&open, &["budget = 0"]).spend(1).await.refusal(), (403, "caveat_not_met"));
}

#[tokio::test]
async fn an_id_that_belongs_to_another_token_is_a_forgery() {
    let (server, tenant, root, team) = stage().await;
    let (_, sibling_id) = root.child("sibling", 10).await;
    let own_id = team.get("/delegation/self").await.text("/id");
    let before = root.snapshot().await;
    for id in [&sibling_id, &own_id, &tenant.root_id] {
        let forged = offline(&team, id, 5, &[]);
        assert_eq!(forged.spend(1).await.refusal(), (401, "forged"), "{id}");
        assert_eq!(forged.mint("x", 1).await.refusal(), (401, "forged"), "{id}");
        assert_eq!(forged.get("/delegation/self").await.refusal(), (401, "forged"), "{id}");
    }
    assert_eq!(root.snapshot().await, before);
    let id = fresh_id();
    assert_eq!(offline(&team, &id, 5, &[]).spend(1).await.status, 201);
    assert_eq!(offline(&team, &id, 6, &[]).spend(1).await.refusal(), (401, "forged"), "another budget");
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn what_ends_the_parent_ends_the_child_before_and_after_its_first_use() {
    let (_, _, root, team) = stage().await;
    let team_id = team.get("/delegation/self").await.text("/id");
    let (used, unused) = (offline(&team, &fresh_id(), 5, &[]), offline(&team, &fresh_id(), 5, &[]));
    assert_eq!(used.spend(1).await.status, 201);
    assert_eq!(root.post(&format!("/delegation/{team_id}/freeze"), &json!({})).await.status, 200);
    for child in [&used, &unused] {
        assert_eq!(child.spend(1).await.refusal(), (403, "frozen"));
    }
    assert_eq!(root.post(&format!("/delegation/{team_id}/revoke"), &json!({})).await.status, 200);
    for child in [&used, &unused] {
        assert_eq!(child.spend(1).await.refusal(), (401, "revoked"));
        assert_eq!(child.get("/delegation/self").await.refusal(), (401, "revoked"));
    }
    let other = root.child("other", 10).await.0;
    assert_eq!(
        offline(&other, &fresh_id(), 5, &["expires = 2020-01-01T00:00:00Z"]).spend(1).await.refusal(),
        (401, "expired")
    );
}

#[tokio::test]
async fn two_processes_that_adopt_at_once_make_one_node() {
    let (server, tenant, root, team) = stage().await;
    let replica = server.replica().await;
    let child = offline(&team, &fresh_id(), 40, &[]);
    let there = replica.api.with_token(child.token().expect("a token"));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..60 {
        let api = if number % 2 == 0 { child.clone() } else { there.clone() };
        tasks.spawn(async move { api.spend(1).await.status });
    }
    let statuses = tasks.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 40);
    assert!(statuses.iter().all(|status| [201, 402].contains(status)), "{statuses:?}");
    assert_eq!(root.get("/delegation/self").await.number("/descendants"), 2);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn an_offline_child_delegates_further_and_only_its_own_token_can() {
    let (server, tenant, root, team) = stage().await;
    let id = fresh_id();
    let child = offline(&team, &id, 50, &[]);
    let body = json!({ "label": "grandchild", "budget_credits": 20 });
    let minted = child.post_with_key("/delegation", "k", &body).await;
    assert_eq!(minted.status, 201, "{}", minted.body);
    let again = child.post_with_key("/delegation", "k", &body).await;
    assert_eq!((again.status, &again.body), (201, &minted.body), "the identical token");
    assert_eq!(child.with_token(&minted.text("/token")).spend(5).await.status, 201);
    let below = json!({ "label": "x", "budget_credits": 1, "parent_id": id });
    assert_eq!(root.post("/delegation", &below).await.refusal(), (409, "made_offline"));
    let hold = child.post("/hold", &json!({ "amount_credits": 5, "expires_in": "1m" })).await;
    assert_eq!(hold.status, 201, "{}", hold.body);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_rotation_makes_an_offline_child_one_whose_token_can_be_written() {
    let (server, tenant, root, team) = stage().await;
    for child in [offline(&team, &fresh_id(), 20, &["max_per_spend = 9"]), plain(&team, &["budget = 20"])] {
        assert_eq!(child.spend(1).await.status, 201);
        let id = child.get("/delegation/self").await.text("/id");
        let rotated = root.post(&format!("/delegation/{id}/rotate"), &json!({})).await;
        assert_eq!(rotated.status, 200, "{}", rotated.body);
        assert_eq!(child.spend(1).await.refusal(), (401, "revoked"));
        let new = child.with_token(&rotated.text("/token"));
        assert_eq!(new.spend(1).await.number("/remaining_credits"), 18);
        let below = json!({ "label": "x", "budget_credits": 1, "parent_id": id });
        assert_eq!(root.post("/delegation", &below).await.status, 201);
    }
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn how_many_one_parent_may_have_is_limited() {
    let options = AppOptions { max_offline_children: 2, ..AppOptions::default() };
    let server = TestServer::start_with(subgrant_server::http::HttpOptions::default(), options).await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let (team, _) = root.child("team", 100).await;
    let children: Vec<_> = (0..3).map(|_| offline(&team, &fresh_id(), 5, &[])).collect();
    assert_eq!(children[0].spend(1).await.status, 201);
    assert_eq!(children[1].spend(1).await.status, 201);
    assert_eq!(children[2].spend(1).await.refusal(), (403, "caveat_not_met"));
    assert_eq!(children[0].spend(1).await.status, 201);
}

#[tokio::test]
async fn a_child_made_offline_below_a_rotated_delegation_can_be_rotated_too() {
    let (server, tenant, root, team) = stage().await;
    let team_id = team.get("/delegation/self").await.text("/id");
    let rotated = root.post(&format!("/delegation/{team_id}/rotate"), &json!({})).await;
    let child = offline(&root.with_token(&rotated.text("/token")), &fresh_id(), 20, &[]);
    let id = child.spend(1).await.text("/delegation_id");
    let again = root.post(&format!("/delegation/{id}/rotate"), &json!({})).await;
    assert_eq!(again.status, 200, "{}", again.body);
    assert_eq!(root.with_token(&again.text("/token")).spend(1).await.number("/remaining_credits"), 18);
    assert_books_balance(&server, &tenant).await;
}

/// Finding M7: a rotation wrote a token that said the budget alone.
#[tokio::test]
async fn what_the_maker_of_an_offline_child_wrote_stays_whoever_writes_its_next_token() {
    let (server, tenant, root, team) = stage().await;
    let written = [
        "label = helper",
        "max_per_spend = 1",
        "actions = spend,read",
        "limit = 3/day",
        "expires = 2100-01-01T00:00:00Z",
        "route = /v1/*",
        "max_depth = 0",
    ];
    for number in 0..3 {
        let id = fresh_id();
        let child = offline(&team, &id, 50, &written);
        assert_eq!(child.spend(1).await.status, 201);
        let listed = team.get(&format!("/delegation/{id}")).await;
        for caveat in written {
            assert!(
                listed.body["caveats"].as_array().is_some_and(|all| all.contains(&json!(caveat))),
                "{caveat}"
            );
        }
        let next = match number {
            0 => team.post(&format!("/delegation/{id}/rotate"), &json!({})).await,
            1 => root.update(&id, &json!({ "budget_credits": 60, "max_per_spend": 30 })).await,
            _ => child.post(&format!("/delegation/{id}/rotate"), &json!({})).await,
        };
        if number == 2 {
            // It is narrowed for requests elsewhere.
            next.assert_problem(403, "caveat_not_met", "its own rotation");
            continue;
        }
        assert_eq!(next.status, 200, "{}", next.body);
        let next = child.with_token(&next.text("/token"));
        assert_eq!(next.spend(2).await.refusal(), (402, "max_per_spend_exceeded"), "{number}");
        assert_eq!(next.spend(1).await.status, 201);
        assert_eq!(next.spend(1).await.status, 201);
        assert_eq!(next.spend(1).await.refusal(), (402, "limit_exceeded"));
        next.mint("x", 1).await.assert_problem(403, "action_not_permitted", "it may spend and read");
        assert_eq!(offline(&next, &fresh_id(), 1, &[]).spend(1).await.refusal(), (403, "caveat_not_met"));
        let twice = team.post(&format!("/delegation/{id}/rotate"), &json!({})).await;
        let twice = child.with_token(&twice.text("/token"));
        assert_eq!(twice.spend(2).await.refusal(), (402, "max_per_spend_exceeded"), "after two rotations");
    }
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn an_offline_child_that_rotates_itself_says_everything_once() {
    let (_, _, _, team) = stage().await;
    let id = fresh_id();
    let child = offline(&team, &id, 50, &["max_per_spend = 9", "limit = 20/day", "label = helper"]);
    assert_eq!(child.spend(1).await.status, 201);
    let narrow = plain(&child, &["max_per_spend = 2"]);
    let rotated = narrow.post(&format!("/delegation/{id}/rotate"), &json!({})).await;
    assert_eq!(rotated.status, 200, "{}", rotated.body);
    let token = rotated.text("/token");
    let said: Vec<_> =
        subgrant_token::Macaroon::parse(&token).expect("a token").unverified_caveats().collect();
    for (caveat, times) in [("limit = 20/day", 1), ("max_per_spend = 9", 1), ("max_per_spend = 2", 1)] {
        assert_eq!(said.iter().filter(|text| *text == caveat).count(), times, "{caveat} in {said:?}");
    }
    let rotated = team.with_token(&token);
    assert_eq!(rotated.spend(3).await.refusal(), (402, "max_per_spend_exceeded"), "as narrow as it was");
    // Whoever stands above has the child as its maker made it.
    let by_parent = team.post(&format!("/delegation/{id}/rotate"), &json!({})).await;
    let by_parent = team.with_token(&by_parent.text("/token"));
    assert_eq!(by_parent.spend(3).await.status, 201);
    assert_eq!(by_parent.spend(10).await.refusal(), (402, "max_per_spend_exceeded"));
}

/// Finding F2: one node, spent for by two names.
#[tokio::test]
async fn children_of_a_plain_library_that_contradict_each_other_are_not_one_node() {
    let (server, tenant, root, team) = stage().await;
    let first = plain(&team, &["budget = 30", "department = Search", "label = agent-1"]);
    let others: Vec<_> = [
        vec!["budget = 30", "department = Ads", "label = agent-2"],
        vec!["budget = 30", "department = Search", "label = agent-2"],
        vec!["budget = 30", "department = Ads"],
        vec!["budget = 30", "label = agent-2", "max_per_spend = 5"],
    ]
    .iter()
    .map(|caveats| plain(&team, caveats))
    .collect();
    assert_eq!(first.spend(1).await.status, 201);
    let before = root.snapshot().await;
    let replica = server.replica().await;
    for other in &others {
        for other in [other, &replica.api.with_token(other.token().expect("a token"))] {
            other.spend(1).await.assert_problem(403, "caveat_not_met", "spend");
            other.hold(1, "1m").await.assert_problem(403, "caveat_not_met", "hold");
            other.get("/delegation/self").await.assert_problem(403, "caveat_not_met", "self");
            other.mint("x", 1).await.assert_problem(403, "caveat_not_met", "mint");
        }
    }
    assert_eq!(root.snapshot().await, before);
    // In one batch, before the ledger knows either.
    let items = ["agent-3", "agent-4", "agent-3"].map(|label| {
        let token = plain(&team, &["budget = 20", &format!("label = {label}")]);
        json!({ "amount_credits": 1, "token": token.token() })
    });
    let batch = root.post("/spend/batch", &json!({ "items": items })).await;
    let statuses =
        ["/data/0/status", "/data/1/status", "/data/2/status"].map(|pointer| batch.number(pointer));
    assert_eq!(statuses, [201, 403, 201], "{}", batch.body);
    // What says less contradicts nothing, and another budget is another node.
    assert_eq!(plain(&team, &["budget = 30", "max_per_spend = 1"]).spend(1).await.status, 201);
    let other = plain(&team, &["budget = 29", "department = Ads", "label = agent-2"]);
    assert_eq!(other.spend(1).await.status, 201);
    assert_books_balance(&server, &tenant).await;
}
