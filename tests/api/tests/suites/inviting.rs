//! What keeps invitations from being a way to mail strangers.

use serde_json::json;
use subgrant_tests::{Api, PASSWORD, Reply, SmtpServer, TestServer};

async fn invite(owner: &Api, email: &str) -> Reply {
    owner.post("/invite", &json!({ "email": email, "role": "viewer" })).await
}

/// Waits until nothing is left to be sent.
async fn sent_all(server: &TestServer) {
    let pool = server.database.superuser().await;
    loop {
        let left: i64 =
            sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&pool).await.expect("a count");
        if left == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn whoever_has_not_confirmed_the_own_address_mails_nobody() {
    let smtp = SmtpServer::start();
    let server = TestServer::start_mailing(&smtp).await;
    let owner = server.owner(&server.sign_up().await);
    let invited = invite(&owner, "stranger@elsewhere.example").await;
    assert_eq!((invited.status, &invited.body["mailed"]), (201, &json!(false)), "{}", invited.body);
    sent_all(&server).await;
    assert!(smtp.mails().is_empty());
    let accept = json!({ "token": invited.text("/token"), "password": PASSWORD });
    assert_eq!(server.api.post("/invite/accept", &accept).await.status, 201, "who is handed it may use it");
    let owner = server.confirmed(&owner, &smtp).await;
    assert_eq!(invite(&owner, "friend@elsewhere.example").await.body["mailed"], json!(true));
    assert_eq!(smtp.wait_for(2).await[1].to, ["friend@elsewhere.example"]);
}

#[tokio::test]
async fn one_address_is_invited_and_mailed_a_few_times_a_day() {
    let smtp = SmtpServer::start();
    let server = TestServer::start_mailing(&smtp).await;
    let (first, second) = (server.owner(&server.sign_up().await), server.owner(&server.sign_up().await));
    let (first, second) = (server.confirmed(&first, &smtp).await, server.confirmed(&second, &smtp).await);
    let mut mailed = 0;
    for owner in [&first, &second] {
        for _ in 0..10 {
            let invited = invite(owner, "ann@people.example").await;
            assert_eq!(invited.status, 201, "{}", invited.body);
            mailed += usize::from(invited.body["mailed"] == json!(true));
        }
        let refused = invite(owner, "ann@people.example").await;
        refused.assert_problem(429, "rate_limited", "one address again and again");
        assert!(refused.header("retry-after").is_some());
        assert_eq!(invite(owner, "bob@people.example").await.status, 201, "others may be invited");
    }
    assert!(mailed <= 5, "whoever asks, one address is sent few mails: {mailed}");
    sent_all(&server).await;
    let mails = smtp.mails();
    assert!(mails.iter().filter(|mail| mail.to == ["ann@people.example"]).count() <= 5);
}

#[tokio::test]
async fn a_tenant_invites_a_bounded_number_a_day() {
    let server = TestServer::start().await;
    let owner = server.owner(&server.sign_up().await);
    let mut made = 0;
    let refused = loop {
        let reply = invite(&owner, &format!("guest{made}@people.example")).await;
        if reply.status != 201 {
            break reply;
        }
        made += 1;
        assert!(made <= 400, "there is no end");
    };
    refused.assert_problem(429, "rate_limited", "too many");
    let other = server.owner(&server.sign_up().await);
    assert_eq!(invite(&other, "guest@people.example").await.status, 201, "others are not concerned");
}

#[tokio::test]
async fn open_invitations_are_listed_and_taken_back() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let owner = server.owner(&tenant);
    let (ann, bob) = (invite(&owner, "ann@people.example").await, invite(&owner, "bob@people.example").await);
    let list = owner.get("/invite").await;
    let typed: subgrant_api::InvitationList =
        serde_json::from_value(list.body.clone()).expect("as documented");
    let emails: Vec<_> = typed.data.iter().map(|invitation| invitation.email.as_str()).collect();
    assert_eq!(emails, ["bob@people.example", "ann@people.example"], "the newest first");
    assert!(!list.body.to_string().contains("inv_"), "without what opens them");
    let path = format!("/invite/{}", ann.text("/id"));
    let delete = || owner.request(reqwest::Method::DELETE, &path).header("Idempotency-Key", "k");
    assert_eq!(Reply::of(delete()).await.status, 204);
    assert_eq!(Reply::of(delete()).await.header("idempotent-replayed"), Some("true"));
    owner.delete(&path).await.assert_problem(404, "not_found", "taken back already");
    let accept = async |token: String| {
        server.api.post("/invite/accept", &json!({ "token": token, "password": PASSWORD })).await
    };
    accept(ann.text("/token")).await.assert_problem(401, "invalid_invitation", "taken back");
    assert_eq!(accept(bob.text("/token")).await.status, 201);
    assert_eq!(owner.get("/invite").await.body["data"], json!([]), "nor is one that was accepted");
    let bobs = format!("/invite/{}", bob.text("/id"));
    owner.delete(&bobs).await.assert_problem(404, "not_found", "who is a member is removed otherwise");
    let log = owner.all("/audit?").await;
    assert!(log.iter().any(|entry| entry["action"] == "user.withdraw_invitation"));
}

#[tokio::test]
async fn no_text_of_the_inviters_stands_where_it_misleads() {
    let smtp = SmtpServer::start();
    let server = TestServer::start_mailing(&smtp).await;
    let owner = server.confirmed(&server.owner(&server.sign_up().await), &smtp).await;
    for name in ["Pay at https://evil.example/pay", "a\nb", "a\r\nBcc: x@y.example"] {
        let renamed = owner.patch("/tenant", &json!({ "organization": name })).await;
        renamed.assert_invalid(&["/organization"], name);
    }
    // A name from before this was checked.
    let pool = server.database.superuser().await;
    sqlx::query("UPDATE tenants SET name = 'Urgent: your payroll is blocked, confirm at https://evil.example/pay NOW'")
        .execute(&pool)
        .await
        .expect("the owner can do anything");
    assert_eq!(invite(&owner, "ann@people.example").await.body["mailed"], json!(true));
    let mail = smtp.wait_for(2).await.remove(1);
    assert_eq!(mail.subject, "You are invited to Subgrant");
    assert!(!mail.body.contains("evil.example") && !mail.body.contains("https://evil"), "{}", mail.body);
    assert_eq!(mail.body.matches("://").count(), 1, "one link, our own: {}", mail.body);
}

/// Anybody can make an address a member's and choose what a delegation is called; the mails about it must not be worth it.
#[tokio::test]
async fn alerts_mail_who_has_not_confirmed_an_address_little_and_without_text_of_others() {
    let smtp = SmtpServer::start();
    let server = TestServer::start_mailing(&smtp).await;
    let tenant = server.sign_up().await;
    let (owner, root) = (server.owner(&tenant), server.api.with_token(&tenant.root_token));
    let (_, victim) = server.join(&owner, "victim@elsewhere.example", "viewer").await;
    let label = "Pay at https://evil.example/pay NOW";
    let (child, id) = root.child(label, 1_000).await;
    for credits in 1..=6 {
        let alert =
            json!({ "kind": "spend", "credits": credits, "delegation_id": id, "recipients": [victim] });
        assert_eq!(owner.post("/alert", &alert).await.status, 201);
    }
    assert_eq!(child.spend(10).await.status, 201);
    let id = tenant.id.parse().expect("a tenant's id");
    assert_eq!(server.app.check_alerts(id).await.expect("alerts can be looked at"), 6);
    sent_all(&server).await;
    let mails = smtp.mails();
    assert_eq!(mails.len(), 3, "the rest is not sent");
    for mail in mails {
        assert!(mail.subject.starts_with("Subgrant: ") && !mail.body.contains("evil.example"), "{mail:?}");
    }
}
