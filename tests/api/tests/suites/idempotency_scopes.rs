//! Whose a recorded answer is: a node's or a person's, never a bare id's; a secret is for the token that asked, for ten minutes;
//! and a credential that was shut out learns that before any record is looked at.

use reqwest::Method;
use serde_json::{Value, json};
use subgrant_domain::{DelegationId, UserId};
use subgrant_tests::{Api, Reply, Tenant, TestServer, attenuate, operations};

async fn stage() -> (TestServer, Tenant, Api) {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    (server, tenant, root)
}

fn is_replayed(reply: &Reply) -> bool {
    reply.header("idempotent-replayed") == Some("true")
}

fn copy_of(api: &Api, caveat: &str) -> Api {
    api.with_token(&attenuate(api.token().expect("a token"), &[caveat.as_bytes()]))
}

/// Lets everything that was recorded be older than the ten minutes for which secrets are shown again.
async fn let_ten_minutes_pass(server: &TestServer) {
    let age = "UPDATE idempotency SET created_at = created_at - interval '10 minutes 1 second'";
    sqlx::query(age).execute(&server.database.superuser().await).await.expect("records age");
}

#[tokio::test]
async fn a_token_that_a_rotation_has_shut_out_is_not_exchanged_for_the_newest_one() {
    let (server, _, root) = stage().await;
    let (holder, id) = root.child("holder", 100).await;
    let path = format!("/delegation/{id}/rotate");
    let thief = copy_of(&holder, "max_per_spend = 99");
    let rotated = holder.post_with_key(&path, "rotate-1", &json!({})).await;
    assert_eq!(rotated.status, 200, "{}", rotated.body);
    thief.post_with_key(&path, "rotate-1", &json!({})).await.assert_problem(
        401,
        "revoked",
        "a copy of the old token did not ask",
    );
    holder.post_with_key(&path, "rotate-1", &json!({ "grace": "1h" })).await.assert_problem(
        401,
        "revoked",
        "another request",
    );
    holder.post_with_key(&path, "rotate-2", &json!({})).await.assert_problem(401, "revoked", "another key");
    // Whoever asked, and lost the answer, has it again, and no further token is written.
    let again = holder.post_with_key(&path, "rotate-1", &json!({})).await;
    assert!(is_replayed(&again), "{}", again.body);
    assert_eq!(again.body, rotated.body);
    let newest = root.with_token(&again.text("/token"));
    assert_eq!(newest.spend(1).await.status, 201);
    let_ten_minutes_pass(&server).await;
    holder.post_with_key(&path, "rotate-1", &json!({})).await.assert_problem(401, "revoked", "too late");
}

#[tokio::test]
async fn an_older_token_within_its_grace_is_not_exchanged_for_the_newest_one_by_whoever_finds_it() {
    let (_, _, root) = stage().await;
    let (holder, id) = root.child("holder", 100).await;
    let (path, grace) = (format!("/delegation/{id}/rotate"), json!({ "grace": "1h" }));
    let found = copy_of(&holder, "max_per_spend = 99");
    let rotated = holder.post_with_key(&path, "rotate-1", &grace).await;
    assert_eq!(found.spend(1).await.status, 201, "it is good within its grace");
    found.post_with_key(&path, "rotate-1", &grace).await.assert_problem(409, "secret_shown_once", "a copy");
    assert_eq!(holder.post_with_key(&path, "rotate-1", &grace).await.body, rotated.body);
}

#[tokio::test]
async fn what_another_request_has_ended_does_not_get_its_own_rotations_answer() {
    let (_, _, root) = stage().await;
    for end in ["revoke", "freeze"] {
        let (holder, id) = root.child("holder", 100).await;
        let path = format!("/delegation/{id}/rotate");
        assert_eq!(holder.post_with_key(&path, "k", &json!({})).await.status, 200);
        assert_eq!(root.act(&id, end).await.status, 200);
        let refused = holder.post_with_key(&path, "k", &json!({})).await;
        refused.assert_problem(401, "revoked", end);
    }
    // A grace that somebody else has cut short.
    let (holder, id) = root.child("holder", 100).await;
    let path = format!("/delegation/{id}/rotate");
    assert_eq!(holder.post_with_key(&path, "k", &json!({ "grace": "1h" })).await.status, 200);
    assert_eq!(root.post(&path, &json!({})).await.status, 200);
    let refused = holder.post_with_key(&path, "k", &json!({ "grace": "1h" })).await;
    refused.assert_problem(401, "revoked", "the grace is over");
}

#[tokio::test]
async fn a_dead_root_token_is_not_exchanged_for_the_tenants_new_one() {
    let (server, tenant, root) = stage().await;
    let path = "/root/rotate";
    let rotated = root.post_with_key(path, "k", &json!({})).await;
    let copy = copy_of(&root, "actions = spend,delegate,read");
    copy.post_with_key(path, "k", &json!({})).await.assert_problem(401, "revoked", "a copy");
    let again = root.post_with_key(path, "k", &json!({})).await;
    assert_eq!((again.status, &again.body), (200, &rotated.body), "the one that asked");
    let newest = root.with_token(&again.text("/root_token"));
    newest.post_with_key(path, "k", &json!({})).await.assert_problem(
        409,
        "secret_shown_once",
        "another token of the root",
    );
    // Shut out by somebody else as well.
    let owner = server.api.with_session(&tenant.session);
    let cut = json!({ "revoke_issued_before": jiff::Timestamp::now().to_string() });
    assert_eq!(owner.post(path, &cut).await.status, 200);
    root.post_with_key(path, "k", &json!({})).await.assert_problem(401, "revoked", "cut off");
}

#[tokio::test]
async fn a_root_token_that_cuts_itself_off_finds_its_answer() {
    let (_, _, root) = stage().await;
    let cut = json!({ "revoke_issued_before": jiff::Timestamp::now().to_string(), "grace": "1h" });
    let rotated = root.post_with_key("/root/rotate", "k", &cut).await;
    assert_eq!(rotated.status, 200, "{}", rotated.body);
    assert_eq!(root.spend(1).await.refusal(), (401, "revoked"));
    let again = root.post_with_key("/root/rotate", "k", &cut).await;
    assert_eq!((again.status, &again.body), (200, &rotated.body));
    assert_eq!(root.with_token(&again.text("/root_token")).spend(1).await.status, 201);
}

#[tokio::test]
async fn a_secret_is_shown_again_to_the_token_that_asked_and_for_ten_minutes() {
    let (server, tenant, root) = stage().await;
    let owner = server.api.with_session(&tenant.session);
    let (team, team_id) = root.child("team", 100).await;
    let (_, agent_id) = team.child("agent", 10).await;
    let rotate = format!("/delegation/{agent_id}/rotate");
    assert_eq!(team.post_with_key(&rotate, "k", &json!({})).await.status, 200);
    let raised = root.update(&team_id, &json!({ "budget_credits": 200 })).await;
    let newer = root.with_token(&raised.text("/token"));
    let body = json!({ "label": "x", "budget_credits": 1 });
    let minted = team.post_with_key("/delegation", "k", &body).await;
    assert_eq!(minted.status, 201, "{}", minted.body);
    let refused = newer.post_with_key("/delegation", "k", &body).await;
    refused.assert_problem(409, "secret_shown_once", "another token of the same delegation");
    assert!(!refused.body.to_string().contains("sgt_"), "{}", refused.body);
    let narrowed = copy_of(&team, "expires = 2090-01-01T00:00:00Z");
    let again = narrowed.post_with_key("/delegation", "k", &body).await;
    assert_eq!((again.status, again.text("/id")), (201, minted.text("/id")), "a client narrows each copy");

    let registered = json!({ "name": "service" });
    assert_eq!(root.post_with_key("/service", "k", &registered).await.status, 201);
    let invited = json!({ "email": "new@people.example", "role": "viewer" });
    assert_eq!(owner.post_with_key("/invite", "k", &invited).await.status, 201);
    let made_up = json!({ "email": "other@people.example", "role": "viewer" });
    assert_eq!(owner.post_with_key("/user", "k", &made_up).await.status, 201);
    let webhook = json!({ "url": "https://hooks.example/x" });
    assert_eq!(owner.post_with_key("/webhook", "k", &webhook).await.status, 201);
    let before = root.all("/delegation?").await.len();
    let_ten_minutes_pass(&server).await;
    for (api, path, body) in [
        (&team, "/delegation", &body),
        (&team, rotate.as_str(), &json!({})),
        (&root, "/service", &registered),
        (&owner, "/invite", &invited),
        (&owner, "/user", &made_up),
        (&owner, "/webhook", &webhook),
    ] {
        let late = api.post_with_key(path, "k", body).await;
        late.assert_problem(409, "secret_shown_once", path);
    }
    assert_eq!(root.all("/delegation?").await.len(), before, "nothing was minted a second time");
    // What holds no secret is answered for two days.
    let spent = team.post_with_key("/spend", "s", &json!({ "amount_credits": 1 })).await;
    let_ten_minutes_pass(&server).await;
    let again = team.post_with_key("/spend", "s", &json!({ "amount_credits": 1 })).await;
    assert_eq!((is_replayed(&again), again.text("/id")), (true, spent.text("/id")));
}

#[tokio::test]
async fn a_change_that_widens_is_answered_with_its_token_for_ten_minutes_and_one_that_does_not_for_longer() {
    let (server, _, root) = stage().await;
    let (_, id) = root.child("team", 100).await;
    let change = async |key: &str, body: Value| {
        let request = root.request(Method::PATCH, &format!("/delegation/{id}"));
        Reply::of(request.header("If-Match", "*").header("Idempotency-Key", key).json(&body)).await
    };
    let (raise, rename) = (json!({ "budget_credits": 200 }), json!({ "label": "renamed" }));
    let raised = change("raise", raise.clone()).await;
    assert_eq!(change("raise", raise.clone()).await.body, raised.body);
    let renamed = change("rename", rename.clone()).await;
    let_ten_minutes_pass(&server).await;
    change("raise", raise).await.assert_problem(409, "secret_shown_once", "a token");
    assert_eq!(change("rename", rename).await.body, renamed.body);
}

#[tokio::test]
async fn a_sign_up_is_not_repeated_for_ever() {
    let server = TestServer::start().await;
    let body =
        json!({ "organization": "New", "email": "new@new.example", "password": "correct horse battery" });
    let first = server.api.post_with_key("/signup", "k", &body).await;
    assert_eq!(first.status, 201, "{}", first.body);
    let age = "UPDATE tenants SET created_at = created_at - interval '10 minutes 1 second'";
    sqlx::query(age).execute(&server.database.superuser().await).await.unwrap();
    let late = server.api.post_with_key("/signup", "k", &body).await;
    late.assert_problem(409, "secret_shown_once", "its answer holds the root token");
}

#[tokio::test]
async fn an_offline_child_that_takes_a_users_id_is_not_given_the_users_answers() {
    let (server, tenant, root) = stage().await;
    let owner = server.api.with_session(&tenant.session);
    let user: UserId = owner.get("/session").await.text("/user/id").parse().unwrap();
    let body = json!({ "label": "owner's", "budget_credits": 777 });
    let minted = owner.post_with_key("/delegation", "mint-1", &body).await;
    assert_eq!(minted.status, 201, "{}", minted.body);
    let (leaf, _) = root.child("leaf", 1_000).await;
    let claimed = DelegationId::from_uuid(user.as_uuid());
    let opening = [format!("delegation = {claimed}.{:024x}", 7), "budget = 1000".to_owned()];
    let thief = attenuate(leaf.token().unwrap(), &opening.each_ref().map(String::as_bytes));
    let taken = root.with_token(&thief).post_with_key("/delegation", "mint-1", &body).await;
    assert!(!is_replayed(&taken), "{}", taken.body);
    assert_ne!(taken.body["token"], minted.body["token"]);
    assert_ne!(taken.body["id"], minted.body["id"]);
}

#[tokio::test]
async fn who_has_a_new_token_does_not_spend_twice_with_the_same_key() {
    let (_, _, root) = stage().await;
    let (holder, id) = root.child("holder", 100).await;
    let body = json!({ "amount_credits": 10 });
    let spent = holder.post_with_key("/spend", "k", &body).await;
    let rotated = holder.post(&format!("/delegation/{id}/rotate"), &json!({ "grace": "1h" })).await;
    let newer = root.with_token(&rotated.text("/token"));
    let narrowed = copy_of(&newer, "expires = 2090-01-01T00:00:00Z");
    for (api, case) in [(&newer, "a new token"), (&narrowed, "a copy narrowed for the request")] {
        let again = api.post_with_key("/spend", "k", &body).await;
        assert_eq!((is_replayed(&again), again.text("/id")), (true, spent.text("/id")), "{case}");
    }
    assert_eq!(newer.get("/delegation/self").await.number("/spent_credits"), 10);
}

/// A request that succeeds, for every operation that takes an idempotency key and a token.
async fn requests(root: &Api) -> Vec<(&'static str, Method, String, Value)> {
    let (team, team_id) = root.child("team", 1_000).await;
    let (agent, agent_id) = team.child("agent", 100).await;
    let (_, doomed_id) = team.child("doomed", 10).await;
    let (_, cold_id) = team.child("cold", 10).await;
    let spend = agent.spend(10).await.text("/id");
    let hold = async || format!("/hold/{}", agent.held(1).await);
    let service = root.post("/service", &json!({ "name": "service" })).await.text("/id");
    let other = root.post("/service", &json!({ "name": "other" })).await.text("/id");
    let amount = json!({ "amount_credits": 1 });
    let (none, post) = (json!({}), Method::POST);
    let routes = json!({ "service_id": service, "routes": [{ "route": "/v1/*", "price_credits": 1 }] });
    vec![
        ("post_delegation", post.clone(), "/delegation".into(), json!({ "label": "x", "budget_credits": 1 })),
        ("patch_delegation_id", Method::PATCH, format!("/delegation/{team_id}"), json!({ "label": "y" })),
        ("post_delegation_id_freeze", post.clone(), format!("/delegation/{cold_id}/freeze"), none.clone()),
        (
            "post_delegation_id_unfreeze",
            post.clone(),
            format!("/delegation/{cold_id}/unfreeze"),
            none.clone(),
        ),
        ("post_delegation_id_rotate", post.clone(), format!("/delegation/{agent_id}/rotate"), none.clone()),
        ("post_delegation_id_revoke", post.clone(), format!("/delegation/{doomed_id}/revoke"), none.clone()),
        ("post_spend", post.clone(), "/spend".into(), amount.clone()),
        ("post_spend_batch", post.clone(), "/spend/batch".into(), json!({ "items": [amount] })),
        ("post_spend_id_refund", post.clone(), format!("/spend/{spend}/refund"), json!({ "reason": "x" })),
        ("post_hold", post.clone(), "/hold".into(), json!({ "amount_credits": 1, "expires_in": "1h" })),
        (
            "post_hold_id_extend",
            post.clone(),
            format!("{}/extend", hold().await),
            json!({ "expires_in": "2h" }),
        ),
        ("post_hold_id_capture", post.clone(), format!("{}/capture", hold().await), amount.clone()),
        ("post_hold_id_release", post.clone(), format!("{}/release", hold().await), none.clone()),
        ("post_service", post.clone(), "/service".into(), json!({ "name": "third" })),
        ("delete_service_id", Method::DELETE, format!("/service/{other}"), none.clone()),
        ("put_route", Method::PUT, "/route".into(), routes),
        // Its own end, which the same request has made, is tried above; here somebody else has made it.
        ("post_root_rotate", post.clone(), "/root/rotate".into(), json!({ "grace": "1h" })),
        ("post_period_month_close", post.clone(), "/period/2020-01/close".into(), none.clone()),
        ("post_period_month_reopen", post, "/period/2020-01/reopen".into(), none),
    ]
}

/// What only people do: sessions that have ended are refused by `unauthorized_coverage`. And what gateways ask for, whose keys
/// are no one's here.
const NOT_OF_TOKENS: &[&str] = &[
    "_user",
    "_invite",
    "_password",
    "_session",
    "_signup",
    "_alert",
    "_webhook",
    "patch_tenant",
    "_authorize_",
];

#[tokio::test]
async fn a_dead_credential_with_a_known_key_is_401_for_every_operation_that_takes_a_key() {
    let (server, tenant, root) = stage().await;
    // Holds are captured and released by who holds a token above them, too.
    let requests = requests(&root).await;
    let send = async |method: &Method, path: &str, body: &Value, token: &str| {
        let request = root.with_token(token).request(method.clone(), path);
        let request = request.header("Idempotency-Key", "known").header("If-Match", "*");
        Reply::of(request.json(body)).await
    };
    let mut answered = 0;
    for (id, method, path, body) in &requests {
        let first = send(method, path, body, &tenant.root_token).await;
        answered += usize::from(first.status < 300);
        // Months before the tenant began may be refused; everything else is done, and can be repeated.
        assert!(first.status < 300 || id.contains("_period_"), "{id}: {}", first.body);
    }
    assert!(answered + 2 >= requests.len());
    let owner = server.api.with_session(&tenant.session);
    assert_eq!(owner.post("/root/rotate", &json!({})).await.status, 200);
    for (id, method, path, body) in &requests {
        let refused = send(method, path, body, &tenant.root_token).await;
        refused.assert_problem(401, "revoked", id);
    }
    let keyed = operations(&server.api).await.into_iter().filter(|operation| operation.takes_key);
    let missing: Vec<_> = keyed
        .map(|operation| operation.id)
        .filter(|id| !NOT_OF_TOKENS.iter().any(|people| id.contains(people)))
        .filter(|id| !requests.iter().any(|(listed, ..)| listed == id))
        .collect();
    assert!(missing.is_empty(), "no dead credential was tried at {missing:?}");
}

#[tokio::test]
async fn what_was_recorded_under_a_bare_id_is_found_after_the_migration() {
    let (server, tenant, root) = stage().await;
    let owner = server.api.with_session(&tenant.session);
    let (agent, agent_id) = root.child("agent", 100).await;
    let spent = agent.post_with_key("/spend", "k", &json!({ "amount_credits": 1 })).await;
    let rename = json!({ "organization": "Renamed" });
    let change = async || {
        let request = owner.request(Method::PATCH, "/tenant").header("Idempotency-Key", "k");
        Reply::of(request.json(&rename)).await
    };
    assert_eq!(change().await.status, 200);
    let superuser = server.database.superuser().await;
    let user: UserId = owner.get("/session").await.text("/user/id").parse().unwrap();
    let agent_id: DelegationId = agent_id.parse().unwrap();
    for (route, id) in [("POST /spend", agent_id.as_uuid()), ("PATCH /tenant", user.as_uuid())] {
        let bare =
            sqlx::query("UPDATE idempotency SET principal_id = $1 WHERE route = $2").bind(id).bind(route);
        assert_eq!(bare.execute(&superuser).await.unwrap().rows_affected(), 1, "{route}");
    }
    let fresh = agent.post_with_key("/spend", "k2", &json!({ "amount_credits": 1 })).await;
    assert!(!is_replayed(&fresh));
    sqlx::query("DELETE FROM idempotency WHERE key = 'k2'").execute(&superuser).await.unwrap();
    let migration = include_str!("../../../../migrations/0046_idempotency_scopes.sql");
    sqlx::raw_sql(migration).execute(&superuser).await.unwrap();
    let again = agent.post_with_key("/spend", "k", &json!({ "amount_credits": 1 })).await;
    assert_eq!((is_replayed(&again), again.text("/id")), (true, spent.text("/id")));
    assert!(is_replayed(&change().await));
}
