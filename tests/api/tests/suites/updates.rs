//! Changing a delegation: what narrows binds at once, what widens takes a new token and somebody above.

use serde_json::{Value, json};
use subgrant_domain::DelegationId;
use subgrant_tests::{Api, Reply, Tenant, TestServer, assert_books_balance, attenuate};
use uuid::Uuid;

async fn start() -> (TestServer, Tenant, Api) {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    (server, tenant, root)
}

/// Root › team (1,000) › agent (300), each with its id.
async fn branch(root: &Api) -> ((Api, String), (Api, String)) {
    let team = root.child("team", 1_000).await;
    let agent = team.0.child("agent", 300).await;
    (team, agent)
}

async fn updated(client: &Api, id: &str, body: &Value) -> Reply {
    let reply = client.update(id, body).await;
    assert_eq!(reply.status, 200, "{body}: {}", reply.body);
    reply
}

/// A change that must widen, and a client with the token that it was answered with.
async fn widened(client: &Api, id: &str, body: &Value) -> Api {
    let reply = updated(client, id, body).await;
    client.with_token(&reply.text("/token"))
}

#[tokio::test]
async fn a_raised_budget_comes_with_a_new_token_while_the_old_one_keeps_its_ceiling() {
    let (server, tenant, root) = start().await;
    let ((team, _), (old, id)) = branch(&root).await;
    let reply = updated(&team, &id, &json!({ "budget_credits": 500 })).await;
    let shown =
        ["/budget_credits", "/remaining_credits", "/available_credits", "/effective_remaining_credits"];
    assert_eq!(shown.map(|field| reply.number(field)), [500; 4], "{}", reply.body);
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(team.balances().await, json!([0, 0, 500, 500]), "the raise was carved out of the team");
    let new = team.with_token(&reply.text("/token"));

    assert_eq!(old.spend(200).await.status, 201);
    let left = [&old, &new].map(|client| client.get("/delegation/self"));
    let [of_old, of_new] = left;
    assert_eq!(of_old.await.number("/effective_remaining_credits"), 100);
    assert_eq!(of_new.await.number("/effective_remaining_credits"), 300);
    let refused = old.spend(101).await;
    assert_eq!(
        (refused.refusal(), refused.number("/max_affordable_credits")),
        ((402, "budget_exhausted"), 100)
    );
    assert_eq!(old.hold(101, "5m").await.refusal(), (402, "budget_exhausted"));
    assert_eq!(old.mint("child", 101).await.refusal(), (402, "budget_exhausted"));
    assert_eq!(old.mint("child", 301).await.refusal(), (422, "narrower_than_parent"));
    assert_eq!(new.spend(250).await.status, 201, "both tokens share one counter");
    assert_eq!(old.spend(1).await.refusal(), (402, "budget_exhausted"), "its ceiling is passed");
    let verified = team.post("/verify", &json!({ "token": old.token() })).await;
    assert_eq!((verified.number("/effective_remaining_credits"), &verified.body["valid"]), (0, &json!(true)));
    assert_eq!(new.spend(50).await.number("/remaining_credits"), 0);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn what_was_carved_below_is_not_starved_by_an_old_ceiling_above() {
    let (server, tenant, root) = start().await;
    let (team, team_id) = root.child("team", 100).await;
    let (early, _) = team.child("early", 60).await;
    let team = widened(&root, &team_id, &json!({ "budget_credits": 1_000 })).await;
    let (late, _) = team.child("late", 900).await;
    assert_eq!(late.spend(900).await.status, 201);
    assert_eq!(early.spend(60).await.status, 201, "its own chain says that the team has 100");
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_raise_needs_what_the_parent_has_available() {
    let (server, tenant, root) = start().await;
    let ((team, team_id), (_, id)) = branch(&root).await;
    assert_eq!(team.spend(600).await.status, 201);
    let refused = team.update(&id, &json!({ "budget_credits": 401 })).await;
    let facts =
        (refused.refusal(), refused.number("/max_affordable_credits"), refused.text("/delegation_id"));
    assert_eq!(facts, ((402, "budget_exhausted"), 400, team_id.clone()), "{}", refused.body);
    let refused = team.update(&id, &json!({ "budget_credits": 1_001 })).await;
    refused.assert_problem(422, "narrower_than_parent", "more than the parent's whole budget");
    assert_eq!(team.balances().await, json!([600, 0, 300, 100]), "nothing was changed");
    updated(&team, &id, &json!({ "budget_credits": 400 })).await;
    assert_eq!(team.balances().await, json!([600, 0, 400, 0]));
    let unlimited = root.update(&team_id, &json!({ "budget_credits": 9_007_199_254_740_991_u64 })).await;
    assert_eq!(unlimited.status, 200, "the root is unlimited: {}", unlimited.body);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_ceiling_of_a_cap_child_is_raised_without_setting_anything_aside() {
    let (server, tenant, root) = start().await;
    let (team, _) = root.child("team", 1_000).await;
    let cap = json!({ "label": "cap", "budget_credits": 100, "allocation": "cap" });
    let id = team.post("/delegation", &cap).await.text("/id");
    assert_eq!(team.spend(500).await.status, 201);
    let new = widened(&team, &id, &json!({ "budget_credits": 1_000 })).await;
    assert_eq!(team.balances().await, json!([500, 0, 0, 500]));
    assert_eq!(new.spend(501).await.refusal(), (402, "budget_exhausted"));
    assert_eq!(new.spend(500).await.status, 201);
    let above = team.update(&id, &json!({ "budget_credits": 1_001 })).await;
    assert_eq!(above.refusal(), (422, "narrower_than_parent"));
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_lowered_budget_binds_every_token_and_frees_the_parents_credits() {
    let (server, tenant, root) = start().await;
    let ((team, _), (agent, id)) = branch(&root).await;
    let (_, child_id) = agent.child("child", 30).await;
    assert_eq!(agent.spend(50).await.status, 201);
    agent.held(20).await;
    for least in [99, 1] {
        let refused = team.update(&id, &json!({ "budget_credits": least })).await;
        refused.assert_problem(422, "below_committed", "less than is spent, held and carved");
        assert!(refused.body.to_string().contains("at least 100"), "{}", refused.body);
    }
    let lowered = updated(&team, &id, &json!({ "budget_credits": 120 })).await;
    assert_eq!((&lowered.body["token"], lowered.number("/available_credits")), (&Value::Null, 20));
    assert_eq!(team.balances().await, json!([50, 20, 50, 880]));
    assert_eq!(agent.spend(21).await.refusal(), (402, "budget_exhausted"), "the token says 300");
    assert_eq!(agent.spend(20).await.status, 201);
    updated(&team, &id, &json!({ "budget_credits": 120 })).await;
    assert_eq!(agent.act(&child_id, "revoke").await.status, 200);
    assert_eq!(updated(&team, &id, &json!({ "budget_credits": 90 })).await.number("/available_credits"), 0);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn limits_are_tightened_at_once_and_lifted_with_a_new_token() {
    let (server, tenant, root) = start().await;
    let (team, _) = root.child("team", 1_000).await;
    let child = json!({
        "label": "agent", "budget_credits": 300, "max_per_spend": 50, "limits": [{ "per": "day", "credits": 80 }],
        "caveats": ["route = /v1/*"]
    });
    let minted = team.post("/delegation", &child).await;
    let (old, id) = (team.with_token(&minted.text("/token")), minted.text("/id"));
    let tightened = json!({ "max_per_spend": 10, "limits": [
        { "per": "day", "credits": 80 }, { "per": "hour", "credits": 15 }
    ]});
    assert_eq!(updated(&team, &id, &tightened).await.body["token"], Value::Null);
    assert_eq!(old.spend(11).await.refusal(), (402, "max_per_spend_exceeded"));
    assert_eq!(old.spend(10).await.status, 201);
    assert_eq!(old.spend(6).await.refusal(), (402, "limit_exceeded"));

    let reply = updated(&team, &id, &json!({ "max_per_spend": null, "limits": [] })).await;
    assert_eq!((&reply.body["max_per_spend"], &reply.body["limits"]), (&Value::Null, &json!([])));
    let new = team.with_token(&reply.text("/token"));
    assert_eq!(old.spend(51).await.refusal(), (402, "max_per_spend_exceeded"), "as the old token says");
    assert_eq!(new.spend(60).await.status, 201);
    assert_eq!(old.spend(11).await.refusal(), (402, "limit_exceeded"), "80 a day, of which 10 are left");
    let caveats = new.get("/delegation/self").await.body["caveats"].to_string();
    assert!(!caveats.contains("limit") && !caveats.contains("max_per_spend"), "{caveats}");
    assert!(caveats.contains("route = /v1/*"), "what it says of routes stays: {caveats}");
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn an_old_token_stays_usable_and_whoever_holds_it_mints_as_before() {
    let (server, tenant, root) = start().await;
    let child = json!({ "label": "team", "budget_credits": 100, "max_per_spend": 50,
        "limits": [{ "per": "day", "credits": 80 }] });
    let minted = root.post("/delegation", &child).await;
    let (old, id) = (root.with_token(&minted.text("/token")), minted.text("/id"));
    let narrow = json!({ "caveats": ["max_per_spend = 7"] });
    let restricted = old.post(&format!("/delegation/{id}/restrict"), &narrow).await;
    let restricted = root.with_token(&restricted.text("/token"));
    let new =
        widened(&root, &id, &json!({ "max_per_spend": null, "limits": [], "budget_credits": 200 })).await;
    // The tokens have different numbers of caveats: what the holder appended is told apart in each.
    let (below_restricted, _) = restricted.child("below", 20).await;
    assert_eq!(below_restricted.spend(8).await.refusal(), (402, "max_per_spend_exceeded"));
    let (below_old, _) = old.child("below", 60).await;
    assert_eq!(below_old.spend(51).await.refusal(), (402, "max_per_spend_exceeded"), "the chain says 50");
    let (below_new, _) = new.child("below", 60).await;
    assert_eq!(below_new.spend(51).await.status, 201);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn whoever_was_restricted_gets_restricted_tokens_of_what_is_below() {
    let (_server, _, root) = start().await;
    let ((team, team_id), (_, id)) = branch(&root).await;
    let body = json!({ "caveats": ["max_per_spend = 7"] });
    let restricted = team.post(&format!("/delegation/{team_id}/restrict"), &body).await;
    let restricted = team.with_token(&restricted.text("/token"));
    let raised = widened(&restricted, &id, &json!({ "budget_credits": 400 })).await;
    assert_eq!(raised.spend(8).await.refusal(), (402, "max_per_spend_exceeded"));
    let rotated = restricted.post(&format!("/delegation/{id}/rotate"), &json!({ "grace": "1h" })).await;
    let rotated = team.with_token(&rotated.text("/token"));
    assert_eq!(rotated.spend(8).await.refusal(), (402, "max_per_spend_exceeded"));

    let root_id = root.get("/delegation/self").await.text("/id");
    let narrow_root = root.post(&format!("/delegation/{root_id}/restrict"), &body).await;
    let narrow_root = root.with_token(&narrow_root.text("/token"));
    let rotated = narrow_root.post("/root/rotate", &json!({ "grace": "1h" })).await;
    let rotated = root.with_token(&rotated.text("/root_token"));
    assert_eq!(rotated.spend(8).await.refusal(), (402, "max_per_spend_exceeded"));
    assert_eq!(rotated.spend(7).await.status, 201);
}

#[tokio::test]
async fn a_token_with_a_newer_one_beside_it_writes_no_tokens_but_its_own_children() {
    let (server, tenant, root) = start().await;
    let (old, id) = root.child("team", 100).await;
    let new = widened(&root, &id, &json!({ "budget_credits": 1_000 })).await;
    let (_, agent) = new.child("agent", 50).await;
    let grandchild = json!({ "label": "x", "budget_credits": 5, "parent_id": agent });
    let rotate = json!({ "grace": "1h" });
    for (path, body) in [
        (format!("/delegation/{id}/rotate"), &rotate),
        (format!("/delegation/{agent}/rotate"), &rotate),
        ("/delegation".to_owned(), &grandchild),
    ] {
        old.post(&path, body).await.assert_problem(403, "superseded", &path);
    }
    let raise = json!({ "budget_credits": 900 });
    old.update(&agent, &raise).await.assert_problem(403, "superseded", "its ceiling is 100");
    updated(&old, &agent, &json!({ "budget_credits": 40 })).await;
    assert_eq!(old.mint("own child", 60).await.status, 201);
    assert_eq!(new.post("/delegation", &grandchild).await.status, 201);

    let rotated = new.post(&format!("/delegation/{id}/rotate"), &rotate).await;
    let newest = root.with_token(&rotated.text("/token"));
    let again = new.post(&format!("/delegation/{id}/rotate"), &rotate).await;
    again.assert_problem(403, "superseded", "whoever found it would take the newest one's place");
    assert_eq!(new.post("/delegation", &grandchild).await.status, 201, "within its grace it says the same");
    assert_eq!(newest.act(&id, "rotate").await.status, 200);
    let second = root.post("/root/rotate", &rotate).await;
    root.post("/root/rotate", &rotate).await.assert_problem(403, "superseded", "the old root token");
    assert_eq!(root.with_token(&second.text("/root_token")).post("/root/rotate", &rotate).await.status, 200);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn an_appended_limit_is_not_multiplied_by_tokens_further_down() {
    let (_server, _, root) = start().await;
    let ((team, team_id), (_, agent)) = branch(&root).await;
    let body = json!({ "caveats": ["limit = 10/day"] });
    let limited = team.post(&format!("/delegation/{team_id}/restrict"), &body).await;
    let limited = team.with_token(&limited.text("/token"));
    let below = json!({ "label": "x", "budget_credits": 5, "parent_id": agent });
    assert_eq!(limited.post("/delegation", &below).await.refusal(), (403, "caveat_not_met"));
    assert_eq!(limited.act(&agent, "rotate").await.refusal(), (403, "caveat_not_met"));
    assert_eq!(limited.update(&agent, &json!({ "budget_credits": 301 })).await.refusal().0, 403);
    let (children, spent) = (limited.child("a", 50).await.0, limited.child("b", 50).await.0);
    assert_eq!(children.spend(6).await.status, 201);
    assert_eq!(spent.spend(5).await.refusal(), (402, "limit_exceeded"), "one counter for all of them");
}

#[tokio::test]
async fn a_token_that_would_grow_too_long_is_refused() {
    let (_server, _, root) = start().await;
    let routes: Vec<_> = (0..58).map(|number| format!("route = /v{number}/*")).collect();
    let child = json!({ "label": "long", "budget_credits": 10, "caveats": routes });
    let minted = root.post("/delegation", &child).await;
    let id = minted.text("/id");
    let limits: Vec<_> = (1..=8).map(|credits| json!({ "per": "day", "credits": credits })).collect();
    updated(&root, &id, &json!({ "limits": limits })).await;
    let raise = root.update(&id, &json!({ "budget_credits": 20 })).await;
    raise.assert_problem(422, "token_too_long", "a raise");
    let rotated = root.act(&id, "rotate").await;
    rotated.assert_problem(422, "token_too_long", "a rotation");
    updated(&root, &id, &json!({ "limits": [], "budget_credits": 20 })).await;
}

#[tokio::test]
async fn nobody_widens_itself_but_everybody_may_narrow_itself() {
    let (_server, _, root) = start().await;
    let ((team, team_id), (agent, id)) = branch(&root).await;
    for wider in [json!({ "budget_credits": 301 }), json!({ "budget_credits": 301, "label": "x" })] {
        agent.update(&id, &wider).await.assert_problem(403, "action_not_permitted", "its own budget");
    }
    updated(&agent, &id, &json!({ "limits": [{ "per": "day", "credits": 5 }], "max_per_spend": 5 })).await;
    for wider in [
        json!({ "limits": [] }),
        json!({ "max_per_spend": null }),
        json!({ "max_per_spend": 6 }),
        json!({ "limits": [{ "per": "day", "credits": 6 }] }),
        json!({ "limits": [{ "per": "week", "credits": 5 }] }),
    ] {
        agent.update(&id, &wider).await.assert_problem(403, "action_not_permitted", &wider.to_string());
    }
    updated(&agent, &id, &json!({ "budget_credits": 10 })).await;
    agent.update(&team_id, &json!({ "label": "x" })).await.assert_problem(404, "not_found", "its parent");
    let spender = json!({ "label": "spender", "budget_credits": 5, "actions": ["spend", "read"] });
    let minted = team.post("/delegation", &spender).await;
    let (spender, spender_id) = (team.with_token(&minted.text("/token")), minted.text("/id"));
    let refused = spender.update(&spender_id, &json!({ "label": "x" })).await;
    refused.assert_problem(403, "action_not_permitted", "it may not delegate");
    let root_id = root.get("/delegation/self").await.text("/id");
    root.update(&root_id, &json!({ "budget_credits": 5 }))
        .await
        .assert_invalid(&["/budget_credits"], "the root");
    updated(&root, &root_id, &json!({ "label": "Acme", "max_per_spend": 100 })).await;
    assert_eq!(root.spend(101).await.refusal(), (402, "max_per_spend_exceeded"));
}

#[tokio::test]
async fn a_change_is_made_on_the_version_that_was_looked_at() {
    let (_server, _, root) = start().await;
    let (team, id) = root.child("team", 100).await;
    let body = json!({ "label": "renamed" });
    let etag = team.get("/delegation/self").await.header("etag").expect("an ETag").to_owned();
    assert_eq!(team.spend(10).await.status, 201);
    let after_spend = root.get(&format!("/delegation/{id}")).await;
    assert_eq!(after_spend.header("etag"), Some(etag.as_str()), "spending does not change the settings");

    let path = format!("/delegation/{id}");
    let without = Reply::of(root.request(reqwest::Method::PATCH, &path).json(&body)).await;
    without.assert_problem(428, "precondition_required", "no If-Match");
    for stale in ["\"999\"", "W/\"1\"", "\"\"", "\"x\"", "nonsense", "\"-1\", \"0\""] {
        root.update_if(&id, stale, &body).await.assert_problem(412, "stale_version", stale);
    }
    let renamed = root.update_if(&id, &format!("\"77\", {etag}"), &body).await;
    assert_eq!((renamed.status, renamed.text("/label")), (200, "renamed".to_owned()), "{}", renamed.body);
    assert_ne!(renamed.header("etag"), Some(etag.as_str()));
    assert_eq!(root.get(&path).await.header("etag"), renamed.header("etag"));
    root.update_if(&id, &etag, &body).await.assert_problem(412, "stale_version", "the first ETag");
}

#[tokio::test]
async fn of_changes_on_the_same_version_one_is_made() {
    let (server, tenant, root) = start().await;
    let replica = server.replica().await;
    let (_, id) = root.child("team", 1_000).await;
    let etag = root.get(&format!("/delegation/{id}")).await.header("etag").expect("an ETag").to_owned();
    let clients = [&root, &replica.api.with_token(&tenant.root_token)];
    let changes = (0..12).map(|number| {
        let (client, id, etag) = (clients[number % 2].clone(), id.clone(), etag.clone());
        let body = json!({ "budget_credits": 2_000 + number });
        tokio::spawn(async move { client.update_if(&id, &etag, &body).await.status })
    });
    let mut statuses = Vec::new();
    for change in changes.collect::<Vec<_>>() {
        statuses.push(change.await.expect("the change is answered"));
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [&[200][..], &[412; 11]].concat());
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_repeated_change_is_answered_with_the_identical_token_whatever_happened_since() {
    let (server, tenant, root) = start().await;
    let (_, id) = root.child("team", 100).await;
    let mint = json!({ "label": "sub", "budget_credits": 10 });
    let minted = root.post_with_key("/delegation", "mint", &mint).await;
    let sub = minted.text("/id");
    let change = async |key: &str, budget: u64, if_match: &str| {
        let request = root.request(reqwest::Method::PATCH, &format!("/delegation/{id}"));
        let request = request.header("If-Match", if_match).header("Idempotency-Key", key);
        Reply::of(request.json(&json!({ "budget_credits": budget }))).await
    };
    let first = change("raise", 200, "\"1\"").await;
    assert_eq!(first.status, 200, "{}", first.body);
    assert_eq!(change("again", 300, "*").await.status, 200);
    assert_eq!(root.act(&id, "rotate").await.status, 200);
    let replayed = change("raise", 200, "\"1\"").await;
    assert_eq!((replayed.status, replayed.header("idempotent-replayed")), (200, Some("true")));
    assert_eq!(replayed.body, first.body);
    let other = change("raise", 201, "\"1\"").await;
    other.assert_problem(422, "idempotency_mismatch", "another body");

    updated(&root, &sub, &json!({ "budget_credits": 20 })).await;
    assert_eq!(root.act(&sub, "rotate").await.status, 200);
    let replayed = root.post_with_key("/delegation", "mint", &mint).await;
    assert_eq!(replayed.text("/token"), minted.text("/token"), "of a mint as well");
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_child_that_was_made_offline_is_raised_by_those_above() {
    let (server, tenant, root) = start().await;
    let (team, _) = root.child("team", 1_000).await;
    let id = DelegationId::from_uuid(Uuid::now_v7()).to_string();
    let opening = format!("delegation = {id}.{:024x}", 7);
    let caveats = [opening.as_bytes(), b"budget = 50", b"max_per_spend = 40"];
    let child = team.with_token(&attenuate(team.token().expect("a token"), &caveats));
    assert_eq!(child.spend(40).await.status, 201);
    let raised = widened(&team, &id, &json!({ "budget_credits": 200 })).await;
    assert_eq!(child.spend(11).await.refusal(), (402, "budget_exhausted"));
    assert_eq!(
        raised.spend(41).await.refusal(),
        (402, "max_per_spend_exceeded"),
        "what its maker wrote stays"
    );
    assert_eq!(raised.spend(40).await.number("/remaining_credits"), 120);
    assert_eq!(root.all("/delegation?").await.len(), 3);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn what_is_over_cannot_be_changed_and_what_is_frozen_stays_frozen() {
    let (server, tenant, root) = start().await;
    let ((team, team_id), (agent, id)) = branch(&root).await;
    assert_eq!(team.act(&id, "freeze").await.status, 200);
    let raised = widened(&team, &id, &json!({ "budget_credits": 350 })).await;
    assert_eq!(raised.spend(1).await.refusal(), (403, "frozen"));
    assert_eq!(team.act(&id, "unfreeze").await.status, 200);
    assert_eq!(raised.spend(350).await.status, 201);
    assert_eq!(team.act(&id, "revoke").await.status, 200);
    let body = json!({ "label": "x" });
    team.update(&id, &body).await.assert_problem(409, "already_revoked", "revoked");
    agent.update(&id, &body).await.assert_problem(401, "revoked", "its own token");
    let brief = json!({ "label": "brief", "budget_credits": 10, "expiry": "1s" });
    let brief = team.post("/delegation", &brief).await.text("/id");
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    team.update(&brief, &body).await.assert_problem(409, "expired", "expired");
    assert_eq!(root.act(&team_id, "revoke").await.status, 200);
    root.update(&id, &body).await.assert_problem(409, "already_revoked", "below what is revoked");
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_bad_change_is_refused_with_every_reason_and_changes_nothing() {
    let (_server, _, root) = start().await;
    let (_, id) = root.child("team", 100).await;
    let before = root.get(&format!("/delegation/{id}")).await.body;
    for (body, pointers) in [
        (json!({ "budget_credits": 0 }), vec!["/budget_credits"]),
        (json!({ "budget_credits": 9_007_199_254_740_992_u64 }), vec!["/budget_credits"]),
        (json!({ "label": "", "max_per_spend": 0 }), vec!["/label", "/max_per_spend"]),
        (json!({ "label": "a\u{202e}b" }), vec!["/label"]),
        (json!({ "limits": [{ "per": "day", "credits": 0 }] }), vec!["/limits/0/credits"]),
        (json!({}), vec![""]),
    ] {
        root.update(&id, &body).await.assert_invalid(&pointers, &body.to_string());
    }
    for body in [
        json!({ "label": null }),
        json!({ "budget_credits": null }),
        json!({ "budget_credits": "5" }),
        json!({ "budget_credits": -5 }),
        json!({ "budget_credits": 1.5 }),
        json!({ "limits": null }),
        json!({ "limits": [["day", 5]] }),
        json!({ "expiry": 1 }),
        json!({ "expires_at": "2090-01-01T00:00:00Z" }),
        json!(["x"]),
        json!("x"),
        json!(null),
    ] {
        let refused = root.update(&id, &body).await;
        assert!([400, 422].contains(&refused.status), "{body}: {}", refused.body);
    }
    assert_eq!(root.get(&format!("/delegation/{id}")).await.body, before);
    let limits: Vec<_> = (1..=8).map(|credits| json!({ "per": "day", "credits": credits })).collect();
    updated(&root, &id, &json!({ "limits": limits })).await;
}

#[tokio::test]
async fn a_change_is_in_the_audit_log_with_what_was_before() {
    let (_server, _, root) = start().await;
    let (_, id) = root.child("team", 100).await;
    updated(&root, &id, &json!({ "budget_credits": 150, "label": "crew" })).await;
    let audit = root.get("/audit").await;
    let entries = audit.body["data"].as_array().expect("a list");
    let entry = entries.iter().find(|entry| entry["action"] == "delegation.update").expect("an entry");
    assert_eq!(entry["target"], json!(id));
    let told = ["before", "after"].map(|when| {
        let settings = &entry["details"][when];
        (settings["label"].clone(), settings["budget_credits"].clone())
    });
    assert_eq!(told, [(json!("team"), json!(100)), (json!("crew"), json!(150))]);
}
