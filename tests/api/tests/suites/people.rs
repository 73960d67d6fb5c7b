//! Members, their roles, and who may do what to whom.

use serde_json::{Value, json};
use subgrant_tests::{Api, PASSWORD, Reply, TestServer};

const ROLES: [&str; 4] = ["owner", "admin", "finance", "viewer"];

/// One attempt per role, operation, and role concerned. `true`: it is permitted.
fn may(by: &str, operation: &str, on: &str) -> bool {
    match (by, operation) {
        (_, "list" | "look") | ("owner", _) => true,
        ("admin", _) => on != "owner",
        _ => false,
    }
}

async fn attempt(
    server: &TestServer,
    owner: &Api,
    by: &Api,
    operation: &str,
    on: &str,
    number: usize,
) -> Reply {
    let email = format!("target{number}@people.example");
    let new = json!({ "email": email, "role": on });
    match operation {
        "list" => by.get("/user").await,
        "create" => by.post("/user", &json!({ "email": email, "role": on, "password": PASSWORD })).await,
        "invite" => by.post("/invite", &new).await,
        // To the role.
        "promote" => {
            let (_, id) = server.join(owner, &email, "viewer").await;
            by.patch(&format!("/user/{id}"), &json!({ "role": on })).await
        }
        _ => {
            let (_, id) = server.join(owner, &email, on).await;
            let path = format!("/user/{id}");
            match operation {
                "look" => by.get(&path).await,
                // From the role.
                "demote" => by.patch(&path, &json!({ "role": "viewer" })).await,
                "remove" => by.delete(&path).await,
                other => panic!("unknown operation {other}"),
            }
        }
    }
}

#[tokio::test]
async fn every_role_may_do_what_the_table_says_and_nothing_else() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let owner = server.owner(&tenant);
    let mut number = 0;
    for by in ROLES {
        let (api, _) = server.join(&owner, &format!("{by}@people.example"), by).await;
        for operation in ["list", "look", "create", "invite", "promote", "demote", "remove"] {
            for on in ROLES {
                number += 1;
                let reply = attempt(&server, &owner, &api, operation, on, number).await;
                let case = format!("{by}: {operation} {on}");
                if may(by, operation, on) {
                    assert!((200..300).contains(&reply.status), "{case}: {} {}", reply.status, reply.body);
                } else {
                    reply.assert_problem(403, "action_not_permitted", &case);
                }
            }
        }
    }
}

#[tokio::test]
async fn no_token_manages_people_not_even_the_roots() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (leaf, _) = root.child("leaf", 10).await;
    let owner_id = server.owner(&tenant).get("/session").await.text("/user/id");
    let path = format!("/user/{owner_id}");
    let new = json!({ "email": "x@people.example", "role": "owner" });
    let passwords = json!({ "current_password": PASSWORD, "new_password": "another horse" });
    for api in [&root, &leaf] {
        for reply in [
            api.get("/user").await,
            api.get(&path).await,
            api.post("/user", &new).await,
            api.patch(&path, &json!({ "role": "viewer" })).await,
            api.delete(&path).await,
            api.post("/invite", &new).await,
            api.post("/password", &passwords).await,
        ] {
            reply.assert_problem(403, "action_not_permitted", "a token");
        }
    }
}

#[tokio::test]
async fn members_are_created_listed_and_can_sign_in() {
    let server = TestServer::start().await;
    let owner = server.owner(&server.sign_up().await);
    let body = json!({ "email": " Ann@People.example ", "role": "finance" });
    let created = owner.post_with_key("/user", "ann", &body).await;
    assert_eq!(created.status, 201, "{}", created.body);
    assert_eq!(
        (created.text("/email"), created.text("/role")),
        ("ann@people.example".into(), "finance".into())
    );
    assert_eq!(created.header("cache-control"), Some("no-store"));
    let location = created.header("location").unwrap().strip_prefix("/api/cloud").unwrap().to_owned();
    let found = owner.get(&location).await;
    assert_eq!((found.status, found.text("/id")), (200, created.text("/id")));
    assert!(found.body.get("password").is_none(), "a made-up password is shown once");
    let again = owner.post_with_key("/user", "ann", &body).await;
    assert_eq!((again.header("idempotent-replayed"), &again.body), (Some("true"), &created.body));
    let other = json!({ "email": "ann@people.example", "role": "viewer" });
    assert_eq!(owner.post_with_key("/user", "ann", &other).await.refusal(), (422, "idempotency_mismatch"));

    let ann = server.signed_in("ann@people.example", &created.text("/password")).await;
    assert_eq!(ann.get("/session").await.text("/user/role"), "finance");
    assert_eq!(ann.get("/delegation").await.status, 200);
    assert_eq!(ann.mint("x", 1).await.refusal(), (403, "action_not_permitted"));

    for number in 0..4 {
        server.join(&owner, &format!("m{number}@people.example"), "viewer").await;
    }
    let whole = owner.get("/user").await;
    let first = owner.get("/user?limit=4").await;
    let second = owner.get(&format!("/user?limit=4&cursor={}", first.text("/next_cursor"))).await;
    let joined: Vec<Value> =
        [&first, &second].iter().flat_map(|page| page.body["data"].as_array().unwrap().clone()).collect();
    assert_eq!(json!(joined), whole.body["data"]);
    assert_eq!((joined.len(), &second.body["next_cursor"]), (6, &Value::Null));
    assert!(!whole.body.to_string().contains("password") && !whole.body.to_string().contains("argon2"));
}

#[tokio::test]
async fn an_address_is_one_members_in_a_tenant_whatever_accounts_it_has_elsewhere() {
    let server = TestServer::start().await;
    let (first, second) = (server.sign_up().await, server.sign_up().await);
    let (ours, theirs) = (server.owner(&first), server.owner(&second));
    server.join(&ours, "ann@people.example", "viewer").await;
    let taken = json!({ "email": "ann@people.example", "role": "viewer", "password": PASSWORD });
    let here = ours.post("/user", &taken).await;
    let there = theirs.post("/user", &taken).await;
    here.assert_problem(409, "email_taken", "in the own tenant");
    assert_eq!(there.status, 201, "nobody learns of a member of another tenant: {}", there.body);
    assert_eq!(theirs.get("/user").await.body["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn another_role_holds_at_once_and_ends_the_members_sessions() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let owner = server.owner(&tenant);
    let (ann, id) = server.join(&owner, "ann@people.example", "admin").await;
    assert_eq!(ann.mint("by an admin", 10).await.status, 201);
    let path = format!("/user/{id}");
    let request = owner.request(reqwest::Method::PATCH, &path).header("Idempotency-Key", "k");
    let changed = Reply::of(request.json(&json!({ "role": "viewer" }))).await;
    assert_eq!((changed.status, changed.text("/role")), (200, "viewer".to_owned()), "{}", changed.body);
    assert_eq!(ann.mint("x", 1).await.refusal(), (401, "expired"));
    let ann = server.signed_in("ann@people.example", PASSWORD).await;
    assert_eq!(ann.mint("x", 1).await.refusal(), (403, "action_not_permitted"));
    let request = owner.request(reqwest::Method::PATCH, &path).header("Idempotency-Key", "k");
    let again = Reply::of(request.json(&json!({ "role": "viewer" }))).await;
    assert_eq!((again.header("idempotent-replayed"), &again.body), (Some("true"), &changed.body));
    assert_eq!(ann.get("/session").await.status, 200, "a repetition changes nothing");
    // Who steps down by itself stays signed in, with less.
    let (bob, bob_id) = server.join(&owner, "bob@people.example", "admin").await;
    let stepped_down = bob.patch(&format!("/user/{bob_id}"), &json!({ "role": "viewer" })).await;
    let bob = server.api.with_session(&stepped_down.session());
    assert_eq!(bob.get("/session").await.text("/user/role"), "viewer");
    assert_eq!(bob.mint("x", 1).await.refusal(), (403, "action_not_permitted"));
}

#[tokio::test]
async fn who_is_removed_is_out_at_once_and_stays_in_the_audit_log() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let owner = server.owner(&tenant);
    let (ann, id) = server.join(&owner, "ann@people.example", "admin").await;
    assert_eq!(ann.mint("by Ann", 10).await.status, 201);
    let path = format!("/user/{id}");
    assert_eq!(owner.delete(&path).await.status, 204);
    assert_eq!(ann.get("/delegation").await.refusal(), (401, "expired"));
    let body = json!({ "email": "ann@people.example", "password": PASSWORD });
    assert_eq!(server.api.post("/session", &body).await.refusal(), (401, "invalid_credentials"));
    for reply in [
        owner.get(&path).await,
        owner.delete(&path).await,
        owner.patch(&path, &json!({ "role": "viewer" })).await,
    ] {
        reply.assert_problem(404, "not_found", "a former member");
    }
    let log = owner.all("/audit?").await;
    let made = log.iter().find(|entry| entry["action"] == "delegation.create").expect("Ann's delegation");
    assert_eq!((&made["actor"], &made["actor_email"]), (&json!(id), &json!("ann@people.example")));
    let removed = log.iter().find(|entry| entry["action"] == "user.remove").expect("the removal");
    assert_eq!(removed["details"]["before"], json!({ "email": "ann@people.example", "role": "admin" }));
    assert_eq!(removed["target"], json!(id));
    // The address is free again, here and elsewhere; it is another person then.
    let other = server.owner(&server.sign_up().await);
    let (_, new_id) = server.join(&other, "ann@people.example", "viewer").await;
    assert_ne!(new_id, id);
}

#[tokio::test]
async fn everybody_may_leave_but_the_last_owner() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let owner = server.owner(&tenant);
    let own = format!("/user/{}", owner.get("/session").await.text("/user/id"));
    for role in ["admin", "finance", "viewer"] {
        let (api, id) = server.join(&owner, &format!("{role}@people.example"), role).await;
        assert_eq!(api.delete(&format!("/user/{id}")).await.status, 204, "{role} leaves");
        assert_eq!(api.get("/user").await.status, 401);
    }
    owner.delete(&own).await.assert_problem(409, "last_owner", "the last owner leaves");
    owner.patch(&own, &json!({ "role": "admin" })).await.assert_problem(409, "last_owner", "steps down");
    assert_eq!(owner.patch(&own, &json!({ "role": "owner" })).await.status, 200, "staying one is no loss");
    let (second, _) = server.join(&owner, "second@people.example", "owner").await;
    assert_eq!(owner.delete(&own).await.status, 204, "with another owner the first may leave");
    assert_eq!(second.get("/user").await.body["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn of_two_owners_who_go_at_the_same_time_one_stays() {
    for round in 0..6 {
        let server = TestServer::start().await;
        let replica = server.replica().await;
        let first = server.owner(&server.sign_up().await);
        let first_id = first.get("/session").await.text("/user/id");
        let (second, second_id) = server.join(&first, "second@people.example", "owner").await;
        let second = Api::new(replica.api.origin.clone()).with_session(second.session().unwrap());
        // Both leave; each removes the other; both step down.
        let (path_a, path_b) = match round % 3 {
            1 => (format!("/user/{second_id}"), format!("/user/{first_id}")),
            _ => (format!("/user/{first_id}"), format!("/user/{second_id}")),
        };
        let down = json!({ "role": "viewer" });
        let (a, b) = if round % 3 == 2 {
            tokio::join!(first.patch(&path_a, &down), second.patch(&path_b, &down))
        } else {
            tokio::join!(first.delete(&path_a), second.delete(&path_b))
        };
        let gone = [&a, &b].iter().filter(|reply| reply.status < 300).count();
        assert_eq!(gone, 1, "{} {}, {} {}", a.status, a.body, b.status, b.body);
        for reply in [&a, &b].iter().filter(|reply| reply.status >= 300) {
            assert!([401, 409].contains(&reply.status), "{} {}", reply.status, reply.body);
        }
        let pool = server.database.superuser().await;
        let count = "SELECT count(*) FROM users WHERE role = 'owner' AND removed_at IS NULL";
        let owners: i64 = sqlx::query_scalar(count).fetch_one(&pool).await.unwrap();
        assert_eq!(owners, 1);
    }
}

#[tokio::test]
async fn what_is_wrong_about_people_is_named() {
    let server = TestServer::start().await;
    let owner = server.owner(&server.sign_up().await);
    let create =
        owner.post("/user", &json!({ "email": "nobody", "role": "viewer", "password": "short" })).await;
    create.assert_invalid(&["/email", "/password"], "a wrong address and a short password");
    let role = owner.post("/user", &json!({ "email": "a@people.example", "role": "king" })).await;
    role.assert_invalid(&["/role"], "an unknown role");
    owner
        .post("/invite", &json!({ "email": "x y@z.w", "role": "viewer" }))
        .await
        .assert_invalid(&["/email"], "spaces");
    owner.post("/invite", &json!({ "email": "x@z.w" })).await.assert_invalid(&["/role"], "no role");
    owner.get("/user?limit=0").await.assert_invalid(&["?limit"], "no members");
    owner.get("/user?cursor=x").await.assert_invalid(&["?cursor"], "no cursor");
    for path in ["/user/usr_01jd0000000000000000000001", "/user/nobody"] {
        owner.get(path).await.assert_problem(404, "not_found", path);
        owner.delete(path).await.assert_problem(404, "not_found", path);
        owner.patch(path, &json!({ "role": "viewer" })).await.assert_problem(404, "not_found", path);
    }
    let other = server.owner(&server.sign_up().await);
    let theirs = format!("/user/{}", other.get("/session").await.text("/user/id"));
    owner.get(&theirs).await.assert_problem(404, "not_found", "another tenant's");
    owner.delete(&theirs).await.assert_problem(404, "not_found", "another tenant's");
    assert_eq!(other.get(&theirs).await.status, 200);
}

#[tokio::test]
async fn changes_of_people_are_told_to_people_and_to_no_token() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let owner = server.owner(&tenant);
    let root = server.api.with_token(&tenant.root_token);
    let (mut people, _) = owner.watch(None).await;
    let (mut token, _) = root.watch(None).await;
    let (ann, id) = server.join(&owner, "ann@people.example", "viewer").await;
    let (mut anns, _) = ann.watch(None).await;
    assert_eq!(owner.patch(&format!("/user/{id}"), &json!({ "role": "finance" })).await.status, 200);
    let ended = anns.to_end().await.pop().expect("the end is told");
    assert_eq!(ended.event, "stream.closed", "another role ends the stream with the session");
    assert_eq!(owner.delete(&format!("/user/{id}")).await.status, 204);
    let spent = root.spend(1).await.text("/id");
    for (kind, role) in [("user.created", "viewer"), ("user.changed", "finance"), ("user.removed", "finance")]
    {
        let event = people.next().await;
        assert_eq!((event.event.as_str(), event.text("/data/role").as_str()), (kind, role));
        let typed: subgrant_api::Event = serde_json::from_value(event.data.clone()).expect("as documented");
        assert_eq!(typed.delegation_id, None);
    }
    let first = token.next().await;
    assert_eq!((first.event.as_str(), first.text("/data/id")), ("spend.recorded", spent));
}
