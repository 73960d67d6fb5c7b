//! Invitations: a secret that makes one person a member, once.

use serde_json::json;
use subgrant_tests::{PASSWORD, Reply, TestServer};

async fn accept(server: &TestServer, token: &str, password: &str) -> Reply {
    server.api.post("/invite/accept", &json!({ "token": token, "password": password })).await
}

#[tokio::test]
async fn who_is_invited_chooses_a_password_and_is_signed_in() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let owner = server.owner(&tenant);
    let body = json!({ "email": "Ann@people.example", "role": "admin" });
    let invited = owner.post_with_key("/invite", "k", &body).await;
    assert_eq!(
        (invited.status, invited.text("/email")),
        (201, "ann@people.example".to_owned()),
        "{}",
        invited.body
    );
    assert_eq!(invited.header("cache-control"), Some("no-store"));
    let again = owner.post_with_key("/invite", "k", &body).await;
    assert_eq!((again.header("idempotent-replayed"), &again.body), (Some("true"), &invited.body));
    assert_eq!(owner.get("/user").await.body["data"].as_array().unwrap().len(), 1, "not a member yet");

    let token = invited.text("/token");
    let accepted = accept(&server, &token, "a horse of my own").await;
    assert_eq!(accepted.status, 201, "{}", accepted.body);
    assert_eq!(
        (accepted.text("/user/id"), accepted.text("/user/role")),
        (invited.text("/id"), "admin".into())
    );
    assert_eq!(accepted.text("/tenant/id"), tenant.id);
    let ann = server.api.with_session(&accepted.session());
    assert_eq!(ann.mint("by Ann", 1).await.status, 201);
    server.signed_in("ann@people.example", "a horse of my own").await;
    // The answer may have been lost; whoever has secret and password gets it again, and nobody else.
    let repeated = accept(&server, &token, "a horse of my own").await;
    assert_eq!((repeated.status, repeated.header("idempotent-replayed")), (201, Some("true")));
    accept(&server, &token, "another's horse").await.assert_problem(410, "invitation_used", "used");
    owner.post("/invite", &body).await.assert_problem(409, "email_taken", "a member");

    let stored = "SELECT count(*) FROM (SELECT row_to_json(i)::text AS row FROM invitations i
        UNION ALL SELECT row_to_json(i)::text FROM idempotency i UNION ALL SELECT row_to_json(e)::text FROM events e
        UNION ALL SELECT row_to_json(a)::text FROM audit a) all_rows WHERE row LIKE '%' || $1 || '%'";
    let secret = token.split_once('.').unwrap().1;
    let pool = server.database.superuser().await;
    let found: i64 = sqlx::query_scalar(stored).bind(secret).fetch_one(&pool).await.unwrap();
    assert_eq!(found, 0, "the secret is stored nowhere");
    let log = owner.all("/audit?").await;
    let actions: Vec<_> = log.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["tenant.create", "user.invite", "user.accept", "delegation.create"]);
}

#[tokio::test]
async fn a_newer_invitation_replaces_the_one_before() {
    let server = TestServer::start().await;
    let owner = server.owner(&server.sign_up().await);
    let invite = async |role: &str| {
        let reply = owner.post("/invite", &json!({ "email": "ann@people.example", "role": role })).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        reply.text("/token")
    };
    let (old, new) = (invite("owner").await, invite("viewer").await);
    accept(&server, &old, PASSWORD).await.assert_problem(401, "invalid_invitation", "replaced");
    assert_eq!(accept(&server, &new, PASSWORD).await.text("/user/role"), "viewer");
}

#[tokio::test]
async fn forged_altered_and_old_invitations_open_nothing() {
    let server = TestServer::start().await;
    let (tenant, other) = (server.sign_up().await, server.sign_up().await);
    let owner = server.owner(&tenant);
    let invited = owner.post("/invite", &json!({ "email": "ann@people.example", "role": "owner" })).await;
    let token = invited.text("/token");
    let (place, secret) = token.split_once('.').unwrap();
    let elsewhere = format!("inv_{}.{secret}", other.id.strip_prefix("ten_").unwrap());
    let altered = format!("{place}.{}{}", if secret.starts_with('0') { "1" } else { "0" }, &secret[1..]);
    let zeros = format!("{place}.{}", "00".repeat(32));
    for text in ["", "nonsense", "inv_", place, secret, &elsewhere, &altered, &zeros, &tenant.root_token] {
        let reply = accept(&server, text, PASSWORD).await;
        reply.assert_problem(401, "invalid_invitation", text);
        assert_eq!(reply.header("set-cookie"), None);
    }
    accept(&server, &token, "short").await.assert_invalid(&["/password"], "a short password");
    let pool = server.database.superuser().await;
    let age = "UPDATE invitations SET expires_at = clock_timestamp() - interval '1 second'";
    sqlx::query(age).execute(&pool).await.unwrap();
    accept(&server, &token, PASSWORD).await.assert_problem(410, "invitation_expired", "too old");
    assert_eq!(owner.get("/user").await.body["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn inviting_does_not_tell_whether_an_address_has_an_account_elsewhere() {
    let server = TestServer::start().await;
    let (ours, theirs) = (server.sign_up().await, server.sign_up().await);
    let (ours, theirs) = (server.owner(&ours), server.owner(&theirs));
    server.join(&theirs, "ann@people.example", "viewer").await;
    let known = ours.post("/invite", &json!({ "email": "ann@people.example", "role": "viewer" })).await;
    let unknown = ours.post("/invite", &json!({ "email": "bob@people.example", "role": "viewer" })).await;
    assert_eq!((known.status, unknown.status), (201, 201), "both alike");
    assert_eq!(accept(&server, &known.text("/token"), PASSWORD).await.status, 201);
    assert_eq!(accept(&server, &unknown.text("/token"), PASSWORD).await.status, 201);
}

#[tokio::test]
async fn one_invitation_makes_one_member_however_often_it_is_accepted_at_once() {
    let server = TestServer::start().await;
    let owner = server.owner(&server.sign_up().await);
    let invited = owner.post("/invite", &json!({ "email": "ann@people.example", "role": "viewer" })).await;
    let token = invited.text("/token");
    let passwords = ["password number 1", "password number 2", "password number 3", "password number 4"];
    let (a, b, c, d) = tokio::join!(
        accept(&server, &token, passwords[0]),
        accept(&server, &token, passwords[1]),
        accept(&server, &token, passwords[2]),
        accept(&server, &token, passwords[3])
    );
    let replies = [a, b, c, d];
    let made = replies.iter().filter(|reply| reply.status == 201).count();
    let used = replies.iter().filter(|reply| reply.refusal() == (410, "invitation_used")).count();
    assert_eq!((made, used), (1, 3), "{:?}", replies.map(|reply| reply.status));
    assert_eq!(owner.get("/user").await.body["data"].as_array().unwrap().len(), 2);
}
