//! The sessions of a person: listed, ended, and renewed when the person's role changes.

use reqwest::Method;
use serde_json::json;
use subgrant_tests::{Api, PASSWORD, Reply, TestServer};

async fn own_id(api: &Api) -> String {
    api.get("/session").await.text("/user/id")
}

/// Id, and whether it is the one that asks, of every session.
async fn listed(api: &Api, user: &str) -> Vec<(String, bool)> {
    let reply = api.get(&format!("/user/{user}/session")).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let session = |session: &serde_json::Value| {
        (session["id"].as_str().expect("an id").to_owned(), session["current"].as_bool().expect("a flag"))
    };
    reply.body["data"].as_array().expect("a list").iter().map(session).collect()
}

#[tokio::test]
async fn a_person_sees_where_sessions_were_opened_and_which_one_asks() {
    let server = TestServer::start().await;
    let owner = server.owner(&server.sign_up().await);
    let (first, id) = server.join(&owner, "ann@people.example", "viewer").await;
    let body = json!({ "email": "ann@people.example", "password": PASSWORD });
    let long = "Agent/1.0 ".repeat(100);
    let request = server.api.request(Method::POST, "/session").header("User-Agent", &long).json(&body);
    let second = server.api.with_session(&Reply::of(request).await.session());
    let reply = first.get(&format!("/user/{id}/session")).await;
    let newest = &reply.body["data"][0];
    assert_eq!(
        (&newest["source_ip"], &newest["current"]),
        (&json!("127.0.0.1"), &json!(false)),
        "{}",
        reply.body
    );
    assert_eq!(newest["user_agent"], long[..256]);
    let lasts =
        |field: &str| newest[field].as_str().expect("a time").parse::<jiff::Timestamp>().expect("a time");
    assert_eq!(lasts("expires_at").duration_since(lasts("created_at")), jiff::SignedDuration::from_hours(12));
    assert_eq!(reply.body["data"][1]["current"], true);
    assert_eq!(listed(&second, &id).await[0], (newest["id"].as_str().unwrap().to_owned(), true));
    let text = reply.body.to_string();
    for api in [&first, &second] {
        assert!(
            !text.contains(api.session().unwrap().split_once('.').unwrap().1),
            "no secret is shown: {text}"
        );
    }
    let pool = server.database.superuser().await;
    let age = "UPDATE sessions SET expires_at = clock_timestamp() WHERE user_agent IS NOT NULL";
    sqlx::query(age).execute(&pool).await.expect("the owner can do anything");
    assert_eq!(listed(&first, &id).await.len(), 1, "one that has expired is no session");
}

#[tokio::test]
async fn one_or_all_others_are_ended() {
    let server = TestServer::start().await;
    let owner = server.owner(&server.sign_up().await);
    let (here, id) = server.join(&owner, "ann@people.example", "viewer").await;
    let there = server.signed_in("ann@people.example", PASSWORD).await;
    let elsewhere = server.signed_in("ann@people.example", PASSWORD).await;
    let (there_id, _) = listed(&there, &id).await.into_iter().find(|(_, current)| *current).unwrap();
    assert_eq!(here.delete(&format!("/user/{id}/session/{there_id}")).await.status, 204);
    assert_eq!(there.get("/session").await.refusal(), (401, "expired"));
    let again = here.delete(&format!("/user/{id}/session/{there_id}")).await;
    again.assert_problem(404, "not_found", "it has ended");
    assert_eq!(elsewhere.get("/session").await.status, 200, "the others go on");
    assert_eq!(here.delete(&format!("/user/{id}/session")).await.status, 204);
    assert_eq!(elsewhere.get("/session").await.refusal(), (401, "expired"));
    let left = listed(&here, &id).await;
    assert_eq!(left.len(), 1);
    assert_eq!(
        here.delete(&format!("/user/{id}/session/{}", left[0].0)).await.status,
        204,
        "the own one as well"
    );
    assert_eq!(here.get("/session").await.refusal(), (401, "expired"));
    let log = owner.all("/audit?").await;
    let ended = log.iter().filter(|entry| entry["action"] == "session.end" && entry["target"] == json!(id));
    assert_eq!(ended.count(), 3);
}

#[tokio::test]
async fn who_manages_people_ends_their_sessions_and_nobody_else_does() {
    let server = TestServer::start().await;
    let owner = server.owner(&server.sign_up().await);
    let owner_id = own_id(&owner).await;
    let mut members = Vec::new();
    for role in ["admin", "finance", "viewer"] {
        let (api, id) = server.join(&owner, &format!("{role}@people.example"), role).await;
        members.push((role, api, id));
    }
    for (role, api, id) in &members {
        for (other, _, other_id) in &members {
            let permitted = id == other_id || *role == "admin";
            let path = format!("/user/{other_id}/session");
            let status = if permitted { 200 } else { 403 };
            assert_eq!(api.get(&path).await.status, status, "{role} looks at {other}");
            if !permitted {
                let case = format!("{role} ends {other}");
                api.delete(&path).await.assert_problem(403, "action_not_permitted", &case);
                let one = format!("{path}/ses_01jd0000000000000000000001");
                api.delete(&one).await.assert_problem(403, "action_not_permitted", &case);
            }
        }
        let path = format!("/user/{owner_id}/session");
        api.get(&path).await.assert_problem(403, "action_not_permitted", "nobody looks at an owner");
        api.delete(&path).await.assert_problem(403, "action_not_permitted", "nor ends an owner's");
    }
    let (_, admin, _) = &members[0];
    let (_, viewer, viewer_id) = &members[2];
    // Of somebody else all end: the one that asks is not among them.
    assert_eq!(admin.delete(&format!("/user/{viewer_id}/session")).await.status, 204);
    assert_eq!(viewer.get("/session").await.refusal(), (401, "expired"));
    assert_eq!(admin.get("/session").await.status, 200);
    let theirs = listed(&owner, &members[1].2).await;
    let wrong = format!("/user/{owner_id}/session/{}", theirs[0].0);
    owner.delete(&wrong).await.assert_problem(404, "not_found", "a session of somebody else");
    for id in ["x", "ses_", "usr_01jd0000000000000000000001", "%00"] {
        let path = format!("/user/{owner_id}/session/{id}");
        owner.delete(&path).await.assert_problem(404, "not_found", id);
    }
}

#[tokio::test]
async fn a_new_role_ends_the_members_sessions_and_renews_the_one_that_asks() {
    let server = TestServer::start().await;
    let owner = server.owner(&server.sign_up().await);
    let (ann, id) = server.join(&owner, "ann@people.example", "owner").await;
    let other = server.signed_in("ann@people.example", PASSWORD).await;
    let session = listed(&ann, &id).await.into_iter().find(|(_, current)| *current).unwrap().0;
    let changed = ann.patch(&format!("/user/{id}"), &json!({ "role": "admin" })).await;
    assert_eq!((changed.status, changed.text("/role")), (200, "admin".to_owned()), "{}", changed.body);
    assert_eq!(ann.get("/session").await.refusal(), (401, "expired"), "the old cookie is worth nothing");
    assert_eq!(other.get("/session").await.refusal(), (401, "expired"), "nor is one in another browser");
    let renewed = server.api.with_session(&changed.session());
    assert_eq!(renewed.get("/session").await.text("/user/role"), "admin");
    assert_eq!(listed(&renewed, &id).await, [(session, true)], "it is the same session");
    let demoted = owner.patch(&format!("/user/{id}"), &json!({ "role": "viewer" })).await;
    assert_eq!((demoted.status, demoted.header("set-cookie")), (200, None));
    assert_eq!(renewed.get("/session").await.refusal(), (401, "expired"));
}

#[tokio::test]
async fn a_repeated_end_is_replayed() {
    let server = TestServer::start().await;
    let owner = server.owner(&server.sign_up().await);
    let id = own_id(&owner).await;
    let end = || {
        let request = owner.request(Method::DELETE, &format!("/user/{id}/session"));
        Reply::of(request.header("Idempotency-Key", "k"))
    };
    assert_eq!(end().await.status, 204);
    let again = end().await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (204, Some("true")));
}
