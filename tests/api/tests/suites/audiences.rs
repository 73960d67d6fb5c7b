//! Delegations for one service: their tokens have a second signature, by which it verifies them without calling home.

use jiff::Timestamp;
use serde_json::{Value, json};
use subgrant_domain::DelegationId;
use subgrant_tests::{Api, Reply, Tenant, TestServer, assert_books_balance, attenuate};
use subgrant_token::{CaveatFailure, Refusal, RequestContext, VerificationKey, VerifiedToken, verify};
use uuid::Uuid;

struct Stage {
    server: TestServer,
    tenant: Tenant,
    root: Api,
    service: String,
    key: VerificationKey,
}

async fn stage() -> Stage {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (service, key) = registered(&root).await;
    Stage { server, tenant, root, service, key }
}

async fn registered(root: &Api) -> (String, VerificationKey) {
    let made = root.post("/service", &json!({ "name": "Reports" })).await;
    let key = VerificationKey::parse(&made.text("/verification_key")).expect("a key");
    (made.text("/id"), key)
}

async fn minted(api: &Api, service: &str, fields: Value) -> Reply {
    let mut body = json!({ "label": "agent", "budget_credits": 50, "audience": service });
    body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    let reply = api.post("/delegation", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    reply
}

/// What the service finds that knows its key and its clock alone.
fn at_service(token: &str, key: &VerificationKey) -> Result<VerifiedToken, Refusal> {
    let request = RequestContext { path: Some("/v1/a"), ..RequestContext::at(Timestamp::now()) };
    verify(token, key, &request)
}

fn ids(verified: &VerifiedToken) -> Vec<String> {
    verified.delegations().map(|id| id.to_string()).collect()
}

#[tokio::test]
async fn the_service_verifies_the_whole_chain_with_its_key_alone() {
    let Stage { server, tenant, root, service, key } = stage().await;
    let body = json!({
        "label": "team", "budget_credits": 100, "cost_center": "Engineering", "expiry": "720h",
        "limits": [{ "per": "day", "credits": 40 }], "actions": ["spend", "delegate", "read"], "max_depth": 3
    });
    let team_reply = root.post("/delegation", &body).await;
    let team = root.with_token(&team_reply.text("/token"));
    let fields = json!({ "max_per_spend": 5, "department": "Lab", "caveats": ["route = /v1/*"] });
    let reply = minted(&team, &service, fields).await;
    let (token, id) = (reply.text("/token"), reply.text("/id"));

    let verified = at_service(&token, &key).expect("the token is for this service");
    let scope = verified.scope();
    assert_eq!(ids(&verified), [team_reply.text("/id"), id.clone()]);
    assert_eq!(scope.audience.map(|id| id.to_string()), Some(service.clone()));
    assert_eq!(scope.budget.map(subgrant_domain::Credits::get), Some(50));
    assert_eq!(scope.max_per_spend.map(subgrant_domain::Credits::get), Some(5));
    assert_eq!(scope.cost_center.as_ref().map(subgrant_domain::AttributeText::as_str), Some("Engineering"));
    assert_eq!(scope.department.as_ref().map(subgrant_domain::AttributeText::as_str), Some("Lab"));
    assert_eq!(scope.limits.len(), 1);
    assert_eq!(scope.remaining_depth, Some(2));
    assert_eq!(scope.expires().map(|at| at.to_string()), Some(team_reply.text("/expires_at")));
    let elsewhere = RequestContext { path: Some("/v2/a"), ..RequestContext::at(Timestamp::now()) };
    assert_eq!(verify(&token, &key, &elsewhere).unwrap_err(), CaveatFailure::Route.into());
    let told: Vec<String> = verified.caveats().iter().map(ToString::to_string).collect();
    assert_eq!(reply.body["caveats"], json!(told), "the answer shows what the service will read");

    // Subgrant keeps the books.
    let agent = root.with_token(&token);
    let own = agent.get("/delegation/self").await;
    assert_eq!((own.status, own.text("/id")), (200, id.clone()));
    assert_eq!(agent.spend(5).await.number("/remaining_credits"), 45);
    assert_eq!(agent.spend(6).await.refusal(), (402, "max_per_spend_exceeded"));
    let hold = agent.held(5).await;
    assert_eq!(agent.capture(&hold, 3).await.status, 201);
    let items = json!({ "items": [{ "amount_credits": 2, "token": token }] });
    assert_eq!(team.post("/spend/batch", &items).await.number("/data/0/status"), 201);
    assert_eq!(root.get(&format!("/delegation/{id}")).await.number("/spent_credits"), 10);
    assert_eq!(root.get("/delegation/self").await.number("/spent_credits"), 10);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn verifying_online_needs_to_know_at_which_service() {
    let Stage { root, service, .. } = stage().await;
    let (other, _) = registered(&root).await;
    let token = minted(&root, &service, json!({})).await.text("/token");
    let (_, plain_id) = root.child("plain", 10).await;
    let plain = root.post(&format!("/delegation/{plain_id}/rotate"), &json!({})).await.text("/token");
    let appended = attenuate(&plain, &[format!("audience = {service}").as_bytes()]);
    for (token, what) in [(&token, "signed for it"), (&appended, "appended by the holder")] {
        for (request, expected) in [
            (json!({ "service": service }), json!(null)),
            (json!({ "service": other }), json!("caveat_not_met")),
            (json!({}), json!("caveat_not_met")),
        ] {
            let verdict = root.post("/verify", &json!({ "token": token, "request": request })).await;
            assert_eq!(
                (verdict.status, &verdict.body["valid"], &verdict.body["code"]),
                (200, &json!(expected.is_null()), &expected),
                "{what} {request}: {}",
                verdict.body
            );
        }
    }
    let own = root.with_token(&token).post("/verify", &json!({ "token": token })).await;
    assert_eq!((own.status, own.code()), (200, "caveat_not_met"));
    let malformed = json!({ "token": token, "request": { "service": "dlg_x" } });
    root.post("/verify", &malformed).await.assert_invalid(&["/request/service"], "no id of a service");
    // The books of an audience that only the holder speaks of are kept at that service, by asking online.
    root.with_token(&appended).spend(1).await.assert_problem(403, "caveat_not_met", "appended");
}

#[tokio::test]
async fn only_a_registered_service_of_the_tenant_can_be_an_audience() {
    let Stage { server, root, service, .. } = stage().await;
    let foreign = server.api.with_token(&server.sign_up().await.root_token);
    let (theirs, _) = registered(&foreign).await;
    assert_eq!(root.delete(&format!("/service/{service}")).await.status, 204);
    let before = root.snapshot().await;
    for audience in
        ["svc_01jd0000000000000000000001", &theirs, &service, "", "svc_", "dlg_01jd0000000000000000000001"]
    {
        let body = json!({ "label": "x", "budget_credits": 1, "audience": audience });
        root.post("/delegation", &body).await.assert_invalid(&["/audience"], audience);
    }
    assert_eq!(root.snapshot().await, before);
}

#[tokio::test]
async fn whatever_is_made_below_stays_at_the_service() {
    let Stage { server, tenant, root, service, key } = stage().await;
    let (other, other_key) = registered(&root).await;
    let reply = minted(&root, &service, json!({})).await;
    let (agent, id) = (root.with_token(&reply.text("/token")), reply.text("/id"));
    for audience in [None, Some(&service)] {
        let body = json!({ "label": "sub", "budget_credits": 5, "parent_id": id, "audience": audience });
        let child = root.post("/delegation", &body).await;
        assert_eq!(child.status, 201, "{}", child.body);
        let verified = at_service(&child.text("/token"), &key).expect("it is for the service");
        assert_eq!(ids(&verified), [id.clone(), child.text("/id")]);
        assert!(at_service(&child.text("/token"), &other_key).is_err());
        assert_eq!(root.with_token(&child.text("/token")).spend(1).await.status, 201);
        let refused = agent.post("/delegation", &json!({ "label": "sub", "budget_credits": 5 })).await;
        refused.assert_problem(403, "caveat_not_met", "delegating is not for the service");
    }
    let body = json!({ "label": "sub", "budget_credits": 5, "parent_id": id, "audience": other });
    let wider = root.post("/delegation", &body).await;
    wider.assert_problem(422, "narrower_than_parent", "another audience");
    assert_eq!(wider.text("/errors/0/pointer"), "/audience");
    // A session mints there too.
    let session = server.owner(&tenant);
    let body = json!({ "label": "sub", "budget_credits": 5, "parent_id": id });
    let child = session.post("/delegation", &body).await;
    assert!(at_service(&child.text("/token"), &key).is_ok());
    // Offline, and entered when it is first used.
    let own = DelegationId::from_uuid(Uuid::now_v7()).to_string();
    let block = [format!("delegation = {own}.{:024x}", 7), "budget = 4".to_owned()];
    let block: Vec<_> = block.iter().map(String::as_bytes).collect();
    let offline = attenuate(agent.token().expect("a token"), &block);
    assert_eq!(ids(&at_service(&offline, &key).expect("it is for the service")), [id.clone(), own.clone()]);
    let helper = root.with_token(&offline);
    assert_eq!(helper.spend(3).await.text("/delegation_id"), own);
    assert_eq!(helper.spend(2).await.refusal(), (402, "budget_exhausted"));
    // A plain library names nothing: both find the same name by the digest in the service's chain.
    let grandchild = attenuate(&offline, &[b"budget = 1"]);
    let named = ids(&at_service(&grandchild, &key).expect("it is for the service"));
    let spent = root.with_token(&grandchild).spend(1).await;
    assert_eq!((spent.status, named.len()), (201, 3));
    assert_eq!(named[2], spent.text("/delegation_id"));
    let rotated = root.post(&format!("/delegation/{own}/rotate"), &json!({})).await;
    assert!(
        at_service(&rotated.text("/token"), &key).is_ok(),
        "an adopted one is written again for the service"
    );
    // An appended caveat binds online and offline.
    let narrow = attenuate(agent.token().expect("a token"), &[b"max_per_spend = 1"]);
    assert_eq!(root.with_token(&narrow).spend(2).await.refusal(), (402, "max_per_spend_exceeded"));
    let to_other = attenuate(agent.token().expect("a token"), &[format!("audience = {other}").as_bytes()]);
    root.with_token(&to_other).spend(1).await.assert_problem(403, "caveat_not_met", "another audience");
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn what_is_written_again_is_signed_for_the_service_again() {
    let Stage { root, service, key, .. } = stage().await;
    let (team, team_id) = root.child("team", 1_000).await;
    let body = json!({ "label": "agent", "budget_credits": 50, "audience": service, "max_per_spend": 9 });
    let first = team.post_with_key("/delegation", "k", &body).await;
    let again = team.post_with_key("/delegation", "k", &body).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, Some("true")));
    assert_eq!(first.body, again.body, "the identical token");
    let id = first.text("/id");
    let agent = team.with_token(&first.text("/token"));

    let raised = team.update(&id, &json!({ "budget_credits": 80 })).await;
    let verified = at_service(&raised.text("/token"), &key).expect("the raised token");
    assert_eq!(verified.scope().budget.map(subgrant_domain::Credits::get), Some(80));
    assert_eq!(ids(&verified), [team_id.clone(), id.clone()]);
    let raised = team.with_token(&raised.text("/token"));
    assert_eq!(raised.get("/delegation/self").await.number("/effective_remaining_credits"), 80);

    let rotate = || team.request(reqwest::Method::POST, &format!("/delegation/{id}/rotate"));
    let rotated = Reply::of(rotate().header("Idempotency-Key", "r").json(&json!({}))).await;
    let replayed = Reply::of(rotate().header("Idempotency-Key", "r").json(&json!({}))).await;
    assert_eq!((rotated.status, replayed.status), (200, 200), "{}", replayed.body);
    assert_eq!(rotated.text("/token"), replayed.text("/token"));
    assert!(at_service(&rotated.text("/token"), &key).is_ok());
    agent.spend(1).await.assert_problem(401, "revoked", "the token before the rotation");
    let rotated = team.with_token(&rotated.text("/token"));
    assert_eq!(rotated.spend(1).await.status, 201);
    let body_below = json!({ "label": "below", "budget_credits": 5, "parent_id": id });
    let child = team.post("/delegation", &body_below).await;
    assert!(at_service(&child.text("/token"), &key).is_ok());
    let narrower = json!({ "caveats": ["max_per_spend = 2"] });
    let restricted = rotated.post(&format!("/delegation/{id}/restrict"), &narrower).await;
    assert!(at_service(&restricted.text("/token"), &key).is_ok(), "{}", restricted.body);

    let late = team.post_with_key("/delegation", "k", &body).await;
    assert_eq!(late.body, first.body, "whatever became of it since");
}

#[tokio::test]
async fn the_parent_may_have_been_made_offline_and_its_holder_have_narrowed_it() {
    let Stage { root, service, key, .. } = stage().await;
    let (team, team_id) = root.child("team", 100).await;
    let body = json!({ "label": "agent", "budget_credits": 10, "audience": service });
    // The service would know a node that nobody named by another id than the ledger, and miss its revocation.
    let nameless = team.with_token(&attenuate(team.token().expect("a token"), &[b"budget=40"]));
    let refused = nameless.post("/delegation", &body).await;
    refused.assert_problem(409, "made_offline", "below a node without a name");
    let own = DelegationId::from_uuid(Uuid::now_v7()).to_string();
    let block =
        [format!("delegation = {own}.{:024x}", 7), "budget=40".to_owned(), "max_per_spend=7".to_owned()];
    let block: Vec<_> = block.iter().map(String::as_bytes).collect();
    let helper = team.with_token(&attenuate(team.token().expect("a token"), &block));
    let first = helper.post_with_key("/delegation", "k", &body).await;
    assert_eq!(first.status, 201, "{}", first.body);
    let verified = at_service(&first.text("/token"), &key).expect("the token is for this service");
    assert_eq!(ids(&verified), [team_id, own, first.text("/id")]);
    assert_eq!(verified.scope().max_per_spend.map(subgrant_domain::Credits::get), Some(7));
    let again = helper.post_with_key("/delegation", "k", &body).await;
    assert_eq!((again.header("idempotent-replayed"), &again.body), (Some("true"), &first.body));
    let agent = root.with_token(&first.text("/token"));
    assert_eq!(agent.spend(8).await.refusal(), (402, "max_per_spend_exceeded"));
    assert_eq!(agent.spend(7).await.status, 201);
}

#[tokio::test]
async fn a_deleted_service_takes_every_token_of_it_with_it() {
    let Stage { server, tenant, root, service, .. } = stage().await;
    let (keeps, _) = registered(&root).await;
    let staying = root.with_token(&minted(&root, &keeps, json!({})).await.text("/token"));
    let body = json!({ "label": "agent", "budget_credits": 50, "audience": service });
    let first = root.post_with_key("/delegation", "k", &body).await;
    let (agent, id) = (root.with_token(&first.text("/token")), first.text("/id"));
    let below = json!({ "label": "child", "budget_credits": 10, "parent_id": id });
    let minted = root.post("/delegation", &below).await;
    let (child, child_id) = (root.with_token(&minted.text("/token")), minted.text("/id"));
    let used = root.with_token(&attenuate(agent.token().expect("a token"), &[b"budget = 3"]));
    let unused = root.with_token(&attenuate(agent.token().expect("a token"), &[b"budget = 4"]));
    for api in [&agent, &child, &used] {
        assert_eq!(api.spend(1).await.status, 201);
    }
    let replica = server.replica().await;
    let elsewhere = replica.api.with_token(agent.token().expect("a token"));
    assert_eq!(elsewhere.spend(1).await.status, 201);

    assert_eq!(root.delete(&format!("/service/{service}")).await.status, 204);
    for (api, what) in
        [(&agent, "agent"), (&child, "child"), (&used, "used"), (&unused, "unused"), (&elsewhere, "replica")]
    {
        api.spend(1).await.assert_problem(401, "revoked", what);
        api.get("/delegation/self").await.assert_problem(401, "revoked", what);
        api.hold(1, "1m").await.assert_problem(401, "revoked", what);
    }
    let request = json!({ "token": child.token(), "request": { "service": service } });
    assert_eq!(root.post("/verify", &request).await.code(), "revoked");
    assert_eq!(staying.spend(1).await.status, 201, "another service's goes on");

    let below = json!({ "label": "x", "budget_credits": 1, "parent_id": id });
    root.post("/delegation", &below).await.assert_problem(409, "audience_deleted", "below it");
    let rotate = root.post(&format!("/delegation/{child_id}/rotate"), &json!({})).await;
    rotate.assert_problem(409, "audience_deleted", "rotated");
    let raise = root.update(&id, &json!({ "budget_credits": 60 })).await;
    raise.assert_problem(409, "audience_deleted", "raised");
    let again = root.post_with_key("/delegation", "k", &body).await;
    assert_eq!(again.body, first.body, "a repeated request has its answer");
    // What was set aside comes back as with any other.
    assert_eq!(root.act(&id, "revoke").await.number("/credits_freed"), 46);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn root_rotation_and_revocation_end_tokens_for_a_service_too() {
    let Stage { server, tenant, root, service, key } = stage().await;
    let reply = minted(&root, &service, json!({})).await;
    let agent = root.with_token(&reply.text("/token"));
    let rotated = root.post("/root/rotate", &json!({ "grace": "1h" })).await;
    let next = root.with_token(&rotated.text("/root_token"));
    assert_eq!(agent.spend(1).await.status, 201, "tokens of delegations go on");
    let newer = next.with_token(&minted(&next, &service, json!({})).await.text("/token"));
    assert!(at_service(newer.token().expect("a token"), &key).is_ok());
    assert_eq!(newer.spend(1).await.status, 201);
    assert_eq!(next.act(&reply.text("/id"), "freeze").await.status, 200);
    agent.spend(1).await.assert_problem(403, "frozen", "frozen");
    assert_eq!(next.act(&reply.text("/id"), "unfreeze").await.status, 200);
    assert_eq!(agent.spend(1).await.status, 201);
    assert_eq!(next.act(&reply.text("/id"), "revoke").await.status, 200);
    agent.spend(1).await.assert_problem(401, "revoked", "revoked");
    let now = Timestamp::now().to_string();
    let cut = server.owner(&tenant).post("/root/rotate", &json!({ "revoke_issued_before": now })).await;
    assert_eq!(cut.status, 200, "{}", cut.body);
    newer.spend(1).await.assert_problem(401, "revoked", "issued before");
}
