//! One person, one account, several organisations; and strangers who use an address that is not theirs.

use serde_json::{Value, json};
use subgrant_tests::{Api, PASSWORD, Reply, SmtpServer, TestServer};

const ANN: &str = "ann@corp.example";
const OWN: &str = "a horse of my own";

async fn sign_up(server: &TestServer, organization: &str, email: &str, password: &str) -> Api {
    let body = json!({ "organization": organization, "email": email, "password": password });
    let reply = server.api.post("/signup", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    server.api.with_session(&reply.session())
}

async fn sign_in(server: &TestServer, body: &Value) -> Reply {
    server.api.post("/session", body).await
}

/// An invitation to ann, as a viewer.
async fn invite(owner: &Api) -> String {
    let reply = owner.post("/invite", &json!({ "email": ANN, "role": "viewer" })).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    reply.text("/token")
}

async fn tenants(api: &Api) -> Vec<String> {
    let session = api.get("/session").await;
    assert_eq!(session.status, 200, "{}", session.body);
    let tenants = session.body["tenants"].as_array().expect("a list").clone();
    tenants.iter().map(|tenant| tenant["organization"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn whoever_uses_an_address_that_is_not_theirs_blocks_nobody() {
    let server = TestServer::start().await;
    let stranger = server.owner(&server.sign_up().await);
    let taken = json!({ "email": ANN, "role": "viewer", "password": PASSWORD });
    assert_eq!(stranger.post("/user", &taken).await.status, 201);
    sign_up(&server, "Evil", ANN, "a stranger's horse").await;

    let ann = sign_up(&server, "Ann's", ANN, OWN).await;
    assert_eq!(tenants(&ann).await, ["Ann's"], "nobody else's organisation becomes hers");
    for (password, organization) in [(OWN, "Ann's"), ("a stranger's horse", "Evil")] {
        let signed_in = sign_in(&server, &json!({ "email": ANN, "password": password })).await;
        assert_eq!(signed_in.text("/tenant/organization"), organization);
        assert_eq!(signed_in.body["tenants"].as_array().expect("a list").len(), 1);
    }
    let company = server.owner(&server.sign_up().await);
    let body = json!({ "token": invite(&company).await, "password": OWN });
    let accepted = server.api.post("/invite/accept", &body).await;
    assert_eq!(accepted.status, 201, "{}", accepted.body);
    assert_eq!(tenants(&server.api.with_session(&accepted.session())).await.len(), 2);
}

#[tokio::test]
async fn a_sign_up_tells_nobody_whether_an_address_has_an_account() {
    let server = TestServer::start().await;
    let ask = async |email: &str| {
        let body = json!({ "organization": "x", "email": email, "password": PASSWORD });
        let reply = server.api.post("/signup", &body).await;
        let names: Vec<_> = reply.headers.keys().map(ToString::to_string).collect();
        let fields: Vec<_> = reply.body.as_object().expect("an object").keys().cloned().collect();
        (reply.status, names, fields)
    };
    let first = ask(ANN).await;
    assert_eq!(first.0, 201);
    assert_eq!(ask(ANN).await, first, "the same again");
}

#[tokio::test]
async fn an_account_belongs_to_several_organisations_and_goes_from_one_to_another() {
    let server = TestServer::start().await;
    let company = server.owner(&server.sign_up().await);
    let ann = sign_up(&server, "Ann's", ANN, OWN).await;
    let home = ann.get("/session").await.text("/tenant/id");
    let token = invite(&company).await;
    let body = json!({ "token": token, "password": OWN });
    let accepted = server.api.post("/invite/accept", &body).await;
    assert_eq!((accepted.status, accepted.text("/user/role")), (201, "viewer".to_owned()));
    let again = server.api.post("/invite/accept", &body).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, Some("true")), "{}", again.body);
    let there = accepted.text("/tenant/id");
    let names = tenants(&ann).await;
    assert_eq!((names.len(), names[0].as_str()), (2, "Ann's"));

    let switched = ann.post("/session/switch", &json!({ "tenant_id": there })).await;
    assert_eq!((switched.status, switched.text("/tenant/id")), (200, there.clone()), "{}", switched.body);
    assert_eq!(switched.header("cache-control"), Some("no-store"));
    assert_eq!(ann.get("/session").await.refusal(), (401, "expired"), "one session goes on, not two");
    let ann = server.api.with_session(&switched.session());
    assert_eq!(ann.mint("x", 1).await.refusal(), (403, "action_not_permitted"), "a viewer there");
    let back = ann.post("/session/switch", &json!({ "tenant_id": home })).await;
    let ann = server.api.with_session(&back.session());
    assert_eq!(ann.mint("x", 1).await.status, 201, "an owner at home");

    let at = |tenant: &str| json!({ "email": ANN, "password": OWN, "tenant_id": tenant });
    assert_eq!(sign_in(&server, &at(&there)).await.text("/tenant/id"), there);
    assert_eq!(sign_in(&server, &at(&home)).await.text("/tenant/id"), home);
    let stranger = server.sign_up().await.id;
    assert_eq!(sign_in(&server, &at(&stranger)).await.refusal(), (401, "invalid_credentials"));
    sign_in(&server, &at("nonsense")).await.assert_invalid(&["/tenant_id"], "no id");
    let elsewhere = ann.post("/session/switch", &json!({ "tenant_id": stranger })).await;
    elsewhere.assert_problem(404, "not_found", "not a member");
    let pool = server.database.superuser().await;
    let lasting =
        "SELECT count(DISTINCT expires_at) FROM sessions s JOIN memberships m USING (tenant_id, user_id)
        WHERE m.tenant_id = $1 AND s.expires_at > s.created_at + interval '12 hours'";
    let home: subgrant_domain::TenantId = home.parse().expect("a tenant's id");
    let longer: i64 =
        sqlx::query_scalar(lasting).bind(home.as_uuid()).fetch_one(&pool).await.expect("a count");
    assert_eq!(longer, 0, "to switch makes no session last longer");
}

#[tokio::test]
async fn who_is_signed_in_accepts_an_invitation_without_password_if_it_is_for_the_own_address() {
    let server = TestServer::start().await;
    let company = server.owner(&server.sign_up().await);
    let token = invite(&company).await;
    let accept = async |api: &Api| api.post("/invite/accept", &json!({ "token": token })).await;
    accept(&server.api).await.assert_invalid(&["/password"], "nobody is signed in");
    let bob = sign_up(&server, "Bob's", "bob@corp.example", PASSWORD).await;
    accept(&bob).await.assert_problem(403, "other_account", "another address");
    // Whoever made this account knows its password, and would come along.
    let other = server.owner(&server.sign_up().await);
    let (managed, _) = server.join(&other, ANN, "viewer").await;
    accept(&managed).await.assert_problem(403, "managed_account", "an account of another organisation's");
    let ann = sign_up(&server, "Ann's", ANN, OWN).await;
    let cross_site = server.api.request(reqwest::Method::POST, "/invite/accept");
    let cookie = format!("__Host-session={}", ann.session().expect("a session"));
    let cross_site = cross_site
        .header("Cookie", cookie)
        .header("Origin", "https://evil.example")
        .json(&json!({ "token": token }));
    assert_eq!(Reply::of(cross_site).await.refusal(), (403, "cross_origin"));
    let accepted = accept(&ann).await;
    assert_eq!(accepted.status, 201, "{}", accepted.body);
    assert_eq!(accept(&ann).await.header("idempotent-replayed"), Some("true"));
    assert_eq!(tenants(&ann).await.len(), 2);
    assert_eq!(company.get("/user").await.body["data"].as_array().expect("a list").len(), 2);
    let ended = server.api.with_session(&format!("{}.{}", "0".repeat(26), "0".repeat(64)));
    assert_eq!(accept(&ended).await.refusal(), (401, "expired"));
}

#[tokio::test]
async fn a_new_password_ends_the_sessions_in_all_organisations() {
    let server = TestServer::start().await;
    let company = server.owner(&server.sign_up().await);
    let ann = sign_up(&server, "Ann's", ANN, OWN).await;
    let body = json!({ "token": invite(&company).await, "password": OWN });
    let accepted = server.api.post("/invite/accept", &body).await;
    let there = server.api.with_session(&accepted.session());
    let change = json!({ "current_password": OWN, "new_password": "another horse" });
    let changed = ann.post("/password", &change).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    assert_eq!(there.get("/delegation").await.refusal(), (401, "expired"));
    let id = accepted.text("/user/id");
    let sessions = company.get(&format!("/user/{id}/session")).await;
    assert_eq!(sessions.body["data"], json!([]), "none is listed either");
    let signed_in = sign_in(&server, &json!({ "email": ANN, "password": "another horse" })).await;
    assert_eq!(signed_in.body["tenants"].as_array().expect("a list").len(), 2);
}

#[tokio::test]
async fn who_leaves_one_organisation_stays_in_the_others() {
    let server = TestServer::start().await;
    let company = server.owner(&server.sign_up().await);
    let ann = sign_up(&server, "Ann's", ANN, OWN).await;
    let body = json!({ "token": invite(&company).await, "password": OWN });
    let accepted = server.api.post("/invite/accept", &body).await;
    let there = server.api.with_session(&accepted.session());
    assert_eq!(company.delete(&format!("/user/{}", accepted.text("/user/id"))).await.status, 204);
    assert_eq!(there.get("/session").await.refusal(), (401, "expired"));
    assert_eq!(tenants(&ann).await, ["Ann's"]);
    let back = ann.post("/session/switch", &json!({ "tenant_id": accepted.text("/tenant/id") })).await;
    back.assert_problem(404, "not_found", "a former member");
    assert_eq!(sign_in(&server, &json!({ "email": ANN, "password": OWN })).await.status, 201);
}

#[tokio::test]
async fn an_address_is_confirmed_by_its_mail_and_the_session_together() {
    let smtp = SmtpServer::start();
    let server = TestServer::start_mailing(&smtp).await;
    let evil = sign_up(&server, "Evil https evil", ANN, "a stranger's horse").await;
    assert!(smtp.mails().is_empty(), "a sign-up mails nobody");
    assert_eq!(evil.post("/email/confirm", &json!({})).await.status, 202);
    let mail = smtp.wait_for(1).await.remove(0);
    assert_eq!(
        (mail.to.as_slice(), mail.subject.as_str()),
        (&[ANN.to_owned()][..], "Confirm your address for Subgrant")
    );
    let link = mail.token("confirm");
    let again = evil.post("/email/confirm", &json!({})).await;
    again.assert_problem(429, "rate_limited", "an address that is not confirmed gets one mail");
    assert!(again.header("retry-after").is_some());

    // Ann opens the stranger's link where she is signed in, or hands it on to nobody she knows.
    let ann = sign_up(&server, "Ann's", ANN, OWN).await;
    let confirm =
        async |api: &Api, token: &str| api.post("/email/confirm/accept", &json!({ "token": token })).await;
    confirm(&ann, &link).await.assert_problem(403, "other_account", "a stranger's account");
    let bob = sign_up(&server, "Bob's", "bob@corp.example", PASSWORD).await;
    confirm(&bob, &link).await.assert_problem(401, "invalid_confirmation", "another address");
    let last = if link.ends_with('0') { "1" } else { "0" };
    let altered = format!("{}{last}", &link[..link.len() - 1]);
    for text in ["", "nonsense", "eml_", altered.as_str()] {
        confirm(&ann, text).await.assert_problem(401, "invalid_confirmation", text);
    }
    assert_eq!(ann.get("/session").await.body["email_confirmed"], json!(false));
    let elsewhere = server.signed_in(ANN, OWN).await;
    let ann = server.confirmed(&ann, &smtp).await;
    let session = ann.get("/session").await;
    assert_eq!(session.body["email_confirmed"], json!(true));
    assert_eq!(tenants(&ann).await, ["Ann's"], "what strangers made is not hers");
    assert_eq!(elsewhere.get("/session").await.refusal(), (401, "expired"), "who opened it before is out");
    let log = ann.all("/audit?").await;
    assert!(log.iter().any(|entry| entry["action"] == "user.confirm"));
    assert_eq!(evil.get("/session").await.body["email_confirmed"], json!(false));
}

#[tokio::test]
async fn two_accounts_of_one_mailbox_become_one_when_the_second_is_confirmed() {
    let smtp = SmtpServer::start();
    let server = TestServer::start_mailing(&smtp).await;
    let ann = server.confirmed(&sign_up(&server, "First", ANN, OWN).await, &smtp).await;
    let second = sign_up(&server, "Second", ANN, "another horse").await;
    let other = server.signed_in(ANN, "another horse").await;
    let second = server.confirmed(&second, &smtp).await;
    for api in [&ann, &second] {
        assert_eq!(tenants(api).await, ["First", "Second"]);
    }
    assert_eq!(second.get("/session").await.text("/tenant/organization"), "Second");
    assert_eq!(other.get("/session").await.refusal(), (401, "expired"));
    let refused = sign_in(&server, &json!({ "email": ANN, "password": "another horse" })).await;
    assert_eq!(refused.refusal(), (401, "invalid_credentials"), "one account has one password");
    assert_eq!(sign_in(&server, &json!({ "email": ANN, "password": OWN })).await.status, 201);
}

#[tokio::test]
async fn an_account_that_an_organisation_made_is_its_owners_once_the_mail_was_answered() {
    let smtp = SmtpServer::start();
    let server = TestServer::start_mailing(&smtp).await;
    let admin = server.owner(&server.sign_up().await);
    // The admin knows the password, and so could whoever the admin is signed in as.
    let (managed, _) = server.join(&admin, ANN, "viewer").await;
    assert_eq!(managed.post("/email/confirm", &json!({})).await.status, 202);
    let link = smtp.wait_for(1).await[0].token("reset");
    let body = json!({ "token": link, "password": OWN });
    assert_eq!(server.api.post("/password/reset/accept", &body).await.status, 204);
    let refused = sign_in(&server, &json!({ "email": ANN, "password": PASSWORD })).await;
    assert_eq!(refused.refusal(), (401, "invalid_credentials"), "the admin's password is worth nothing");
    let ann = server.signed_in(ANN, OWN).await;
    assert_eq!(ann.get("/session").await.body["email_confirmed"], json!(true));
    let company = server.owner(&server.sign_up().await);
    let accepted = ann.post("/invite/accept", &json!({ "token": invite(&company).await })).await;
    assert_eq!(accepted.status, 201, "{}", accepted.body);

    // Another organisation makes an account for her as well: it becomes hers where she is signed in.
    let third = server.owner(&server.sign_up().await);
    let (theirs, _) = server.join(&third, ANN, "viewer").await;
    assert_eq!(theirs.post("/email/confirm", &json!({})).await.status, 202);
    let link = smtp.wait_for(2).await[1].token("confirm");
    let body = json!({ "token": link });
    theirs.post("/email/confirm/accept", &body).await.assert_problem(403, "managed_account", "the admin's");
    let joined = ann.post("/email/confirm/accept", &body).await;
    assert_eq!(joined.status, 200, "{}", joined.body);
    assert_eq!(joined.body["tenants"].as_array().expect("a list").len(), 3);
    assert_eq!(theirs.get("/session").await.refusal(), (401, "expired"));
}

#[tokio::test]
async fn a_link_for_a_new_password_is_for_the_account_that_has_proved_the_address() {
    let smtp = SmtpServer::start();
    let server = TestServer::start_mailing(&smtp).await;
    sign_up(&server, "Evil", ANN, "a stranger's horse").await;
    sign_up(&server, "Ann's", ANN, OWN).await;
    let ask = json!({ "email": ANN });
    assert_eq!(server.api.post("/password/reset", &ask).await.status, 202);
    let mail = smtp.wait_for(1).await.remove(0);
    assert_eq!(mail.body.matches("/reset#token=").count(), 2, "nobody has proved the address: {}", mail.body);
    assert!(mail.body.contains("“Ann's”") && mail.body.contains("“Evil”"), "{}", mail.body);
    let hers = mail.body.split("“Ann's”").nth(1).and_then(|rest| rest.split("#token=").nth(1));
    let token = hers.and_then(|rest| rest.split_whitespace().next()).expect("a link");
    let body = json!({ "token": token, "password": "a horse from the mail" });
    assert_eq!(server.api.post("/password/reset/accept", &body).await.status, 204);
    let ann = server.signed_in(ANN, "a horse from the mail").await;
    assert_eq!(
        (tenants(&ann).await, &ann.get("/session").await.body["email_confirmed"]),
        (vec!["Ann's".to_owned()], &json!(true))
    );
    // The other link was mailed before: it opens nothing any more.
    let other = mail.body.split("“Evil”").nth(1).and_then(|rest| rest.split("#token=").nth(1));
    let token = other.and_then(|rest| rest.split_whitespace().next()).expect("a link");
    let body = json!({ "token": token, "password": PASSWORD });
    server.api.post("/password/reset/accept", &body).await.assert_problem(401, "invalid_reset", "Evil's");
    assert_eq!(server.api.post("/password/reset", &ask).await.status, 202);
    let mail = smtp.wait_for(2).await.remove(1);
    assert_eq!(mail.body.matches("/reset#token=").count(), 1, "{}", mail.body);
}

#[tokio::test]
async fn one_password_is_one_hash_whatever_strangers_sign_up_with_the_address() {
    let server = TestServer::start().await;
    for number in 0..4 {
        sign_up(&server, "x", ANN, &format!("password number {number}")).await;
    }
    let pool = server.database.superuser().await;
    let salts: i64 =
        sqlx::query_scalar("SELECT count(DISTINCT split_part(password_hash, '$', 5)) FROM accounts")
            .fetch_one(&pool)
            .await
            .expect("a count");
    assert_eq!(salts, 1);
    let hashes: i64 = sqlx::query_scalar("SELECT count(DISTINCT password_hash) FROM accounts")
        .fetch_one(&pool)
        .await
        .expect("a count");
    assert_eq!(hashes, 4);
}

#[tokio::test]
async fn a_link_for_a_new_password_ends_with_the_password_that_it_replaces() {
    let smtp = SmtpServer::start();
    let server = TestServer::start_mailing(&smtp).await;
    let company = server.owner(&server.sign_up().await);
    sign_up(&server, "Ann's", ANN, OWN).await;
    let body = json!({ "token": invite(&company).await, "password": OWN });
    let there = server.api.with_session(&server.api.post("/invite/accept", &body).await.session());
    assert_eq!(server.api.post("/password/reset", &json!({ "email": ANN })).await.status, 202);
    let token = smtp.wait_for(1).await[0].token("reset");
    // The link belongs to her own organisation, and the password is changed in the company's.
    let change = json!({ "current_password": OWN, "new_password": "another horse" });
    assert_eq!(there.post("/password", &change).await.status, 200);
    let body = json!({ "token": token, "password": "a horse from the mail" });
    server.api.post("/password/reset/accept", &body).await.assert_problem(
        401,
        "invalid_reset",
        "older than the password",
    );
}
