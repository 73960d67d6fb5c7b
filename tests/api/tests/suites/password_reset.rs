//! A new password for somebody who has forgotten the old one, over a real mail server.

use std::time::Duration;

use serde_json::json;
use subgrant_server::{
    delivery::{self, Caller, Mailer, Senders, WebhookTargets},
    http::HttpOptions,
};
use subgrant_service::{AppOptions, AttemptLimits, MailRoute, OutboxLane};
use subgrant_tests::{
    Api, PASSWORD, Program, Receiver, Reply, Scratch, SmtpServer, TestDatabase, TestServer,
};
use uuid::Uuid;

async fn ask(api: &Api, email: &str) -> Reply {
    api.post("/password/reset", &json!({ "email": email })).await
}

async fn accept(api: &Api, token: &str, password: &str) -> Reply {
    api.post("/password/reset/accept", &json!({ "token": token, "password": password })).await
}

async fn sign_in(api: &Api, email: &str, password: &str) -> Reply {
    api.post("/session", &json!({ "email": email, "password": password })).await
}

/// Waits until nothing is left to be sent.
async fn sent_all(server: &TestServer) {
    let pool = server.database.superuser().await;
    for _ in 0..1_000 {
        let left: i64 =
            sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&pool).await.expect("a count");
        if left == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the outbox is never empty");
}

#[tokio::test]
async fn a_mailed_link_sets_a_password_once_and_ends_every_session() {
    let smtp = SmtpServer::start();
    let server = TestServer::start_mailing(&smtp).await;
    let owner = server.owner(&server.sign_up().await);
    let (ann, id) = server.join(&owner, "ann@people.example", "viewer").await;
    let asked = ask(&server.api, " Ann@people.example ").await;
    assert_eq!((asked.status, &asked.body), (202, &json!({})));
    let mail = smtp.wait_for(1).await.remove(0);
    assert_eq!(mail.to, ["ann@people.example"]);
    assert_eq!(mail.from, "subgrant@server.example");
    assert!(mail.body.contains("http://localhost:8402/reset#token=rst_"), "{mail:?}");
    let token = mail.token("reset");
    let secret = token.split_once('.').expect("a token names its tenant").1;
    let pool = server.database.superuser().await;
    let stored = "SELECT count(*) FROM (SELECT row_to_json(r)::text AS row FROM password_resets r
        UNION ALL SELECT row_to_json(o)::text FROM outbox o) rows WHERE row LIKE '%' || $1 || '%'";
    let found: i64 = sqlx::query_scalar(stored).bind(secret).fetch_one(&pool).await.expect("a count");
    assert_eq!(found, 0, "the secret is stored nowhere");

    accept(&server.api, &token, "short").await.assert_invalid(&["/password"], "a short password");
    assert_eq!(ann.get("/session").await.status, 200, "what was refused ended nothing");
    assert_eq!(accept(&server.api, &token, "a new horse").await.status, 204);
    assert_eq!(ann.get("/session").await.refusal(), (401, "expired"));
    assert_eq!(
        sign_in(&server.api, "ann@people.example", PASSWORD).await.refusal(),
        (401, "invalid_credentials")
    );
    let renewed = server.signed_in("ann@people.example", "a new horse").await;
    assert_eq!(owner.get("/session").await.status, 200, "other people's sessions go on");
    // The answer may have been lost: the same request is answered again, and does nothing more.
    assert_eq!(accept(&server.api, &token, "a new horse").await.status, 204);
    assert_eq!(renewed.get("/session").await.status, 200);
    accept(&server.api, &token, "another horse").await.assert_problem(401, "invalid_reset", "used");
    let log = owner.all("/audit?").await;
    let entries: Vec<_> = log.iter().filter(|entry| entry["action"] == "user.reset_password").collect();
    assert_eq!(entries.len(), 1);
    assert_eq!((&entries[0]["actor"], &entries[0]["source_ip"]), (&json!(id), &json!("127.0.0.1")));
}

#[tokio::test]
async fn nobody_learns_whether_an_address_has_an_account() {
    let smtp = SmtpServer::start();
    let server = TestServer::start_mailing(&smtp).await;
    server.sign_up().await;
    let known = "SELECT email FROM users LIMIT 1";
    let pool = server.database.superuser().await;
    let email: String = sqlx::query_scalar(known).fetch_one(&pool).await.expect("an owner");
    let unknown = ask(&server.api, "nobody@people.example").await;
    let known = ask(&server.api, &email).await;
    assert_eq!((known.status, &known.body), (unknown.status, &unknown.body));
    let names = |reply: &Reply| reply.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&known), names(&unknown));
    sent_all(&server).await;
    let mails = smtp.wait_for(1).await;
    assert_eq!(mails.iter().map(|mail| mail.to[0].as_str()).collect::<Vec<_>>(), [email]);
    for text in ["", "x", "a@b", "a b@c.example", "a@b.example\r\nBcc: c@d.example", "a\0@b.example"] {
        ask(&server.api, text).await.assert_invalid(&["/email"], text);
    }
}

#[tokio::test]
async fn forged_replaced_expired_and_withdrawn_links_set_nothing() {
    let smtp = SmtpServer::start();
    let server = TestServer::start_mailing(&smtp).await;
    let (owner, other) = (server.owner(&server.sign_up().await), server.sign_up().await);
    let (ann, ann_id) = server.join(&owner, "ann@people.example", "viewer").await;
    let mut mailed = 0;
    let mut token = async || {
        assert_eq!(ask(&server.api, "ann@people.example").await.status, 202);
        mailed += 1;
        smtp.wait_for(mailed).await.pop().expect("a mail").token("reset")
    };
    let refused = async |token: &str, case: &str| {
        let reply = accept(&server.api, token, "a new horse").await;
        reply.assert_problem(401, "invalid_reset", case);
        assert_eq!(reply.header("set-cookie"), None);
    };
    let old = token().await;
    let newest = token().await;
    refused(&old, "replaced").await;
    let (place, secret) = newest.split_once('.').expect("a token names its tenant");
    let elsewhere = format!("rst_{}.{secret}", other.id.strip_prefix("ten_").expect("a tenant's id"));
    let zeros = format!("{place}.{}", "00".repeat(32));
    let invitation = newest.replace("rst_", "inv_");
    for text in [
        "",
        "nonsense",
        "rst_",
        place,
        secret,
        &elsewhere,
        &zeros,
        &invitation,
        &other.root_token,
        "rst_\0.00",
    ] {
        refused(text, text).await;
    }
    let pool = server.database.superuser().await;
    let age = "UPDATE password_resets SET expires_at = clock_timestamp() - interval '1 second'";
    sqlx::query(age).execute(&pool).await.expect("the owner can do anything");
    accept(&server.api, &newest, "a new horse").await.assert_problem(410, "reset_expired", "too old");
    // Whoever knows the old password after all needs no link, and nobody else may use it.
    let before = token().await;
    let body = json!({ "current_password": PASSWORD, "new_password": "a horse of my own" });
    assert_eq!(ann.post("/password", &body).await.status, 200);
    refused(&before, "withdrawn by a change").await;
    let last = token().await;
    assert_eq!(owner.delete(&format!("/user/{ann_id}")).await.status, 204);
    refused(&last, "of somebody who was removed").await;
    assert_eq!(ask(&server.api, "ann@people.example").await.status, 202);
    sent_all(&server).await;
    assert_eq!(smtp.mails().len(), 4, "who was removed is sent nothing");
}

#[tokio::test]
async fn mail_that_is_not_taken_is_sent_later_and_outlives_whoever_was_to_send_it() {
    let smtp = SmtpServer::start();
    smtp.fail(1);
    let server = TestServer::start_mailing(&smtp).await;
    let owner = server.owner(&server.sign_up().await);
    server.join(&owner, "ann@people.example", "viewer").await;
    assert_eq!(ask(&server.api, "ann@people.example").await.status, 202);
    let mails = smtp.wait_for(1).await;
    assert_eq!((mails.len(), smtp.attempts()), (1, 2), "refused once, taken then");
    assert_eq!(accept(&server.api, &mails[0].token("reset"), "a new horse").await.status, 204);
    sent_all(&server).await;

    // Somebody claims what is to be sent, and dies. When the claim is over, somebody else sends it.
    let dying = server.replica_with(AppOptions { mail: MailRoute::Smtp, ..AppOptions::default() }).await;
    let pool = server.database.superuser().await;
    let claimed = async {
        loop {
            let claim = dying.app.claim_outbox(OutboxLane::Reset, Uuid::nil(), &[], 1);
            if let Some(item) = claim.await.expect("the outbox can be read").pop() {
                return item;
            }
        }
    };
    let insert = "INSERT INTO outbox (id, kind, subject_id, recipient, next_attempt_at)
        SELECT id, 'reset', id, 'ann@people.example', clock_timestamp() FROM gen_random_uuid() id";
    let (item, _) = tokio::join!(claimed, sqlx::query(insert).execute(&pool));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(smtp.mails().len().min(2), smtp.mails().len(), "it is sent once, if somebody else was faster");
    if smtp.mails().len() == 1 {
        let over = "UPDATE outbox SET next_attempt_at = clock_timestamp() WHERE id = $1";
        sqlx::query(over).bind(item.id).execute(&pool).await.expect("the owner can do anything");
    }
    assert_eq!(smtp.wait_for(2).await.len(), 2);
    sent_all(&server).await;
}

/// A server that takes connections and says nothing must not keep others from being served.
#[tokio::test]
async fn a_mail_server_that_says_nothing_does_not_stop_anything_else() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("a bound socket has an address");
    let mailer = Mailer::smtp(&format!("smtp://{address}"), "a@b.example").expect("a good URL");
    let options = AppOptions { mail: MailRoute::Smtp, ..AppOptions::default() };
    let http = HttpOptions { webhook_targets: WebhookTargets::Any, ..HttpOptions::default() };
    let server = TestServer::start_with(http, options).await;
    let caller = Caller::new(WebhookTargets::Any).expect("the machine trusts somebody");
    tokio::spawn(delivery::run(server.app.clone(), Senders { mailer, caller: Some(caller) }));
    let owner = server.owner(&server.sign_up().await);
    server.join(&owner, "ann@people.example", "viewer").await;
    assert_eq!(ask(&server.api, "ann@people.example").await.status, 202);
    let _connection = listener.accept().await.expect("the mail server is called");
    let receiver = Receiver::start().await;
    let hook = owner.post("/webhook", &json!({ "url": receiver.origin })).await.text("/id");
    assert_eq!(owner.post(&format!("/webhook/{hook}/test"), &json!({})).await.status, 202);
    receiver.wait_for(1).await;
}

#[tokio::test]
async fn one_address_is_sent_few_mails_and_nobody_is_told() {
    let smtp = SmtpServer::start();
    let attempts = AttemptLimits { resets_per_day: 2, ..AttemptLimits::default() };
    let options = AppOptions { attempts, mail: MailRoute::Smtp, ..AppOptions::default() };
    let server = TestServer::start_with(HttpOptions::default(), options).await;
    let owner = server.owner(&server.sign_up().await);
    server.join(&owner, "ann@people.example", "viewer").await;
    let pool = server.database.superuser().await;
    for email in ["ann@people.example", "nobody@people.example"] {
        for _ in 0..5 {
            let asked = ask(&server.api, email).await;
            assert_eq!((asked.status, &asked.body), (202, &json!({})), "{email}");
        }
        let rows = sqlx::query_scalar("SELECT count(*) FROM outbox WHERE recipient = $1").bind(email);
        let rows: i64 = rows.fetch_one(&pool).await.expect("a count");
        assert_eq!(rows, 2, "{email}");
    }
    assert_eq!(
        sign_in(&server.api, "ann@people.example", PASSWORD).await.status,
        201,
        "signing in is another matter"
    );
    assert!(smtp.mails().is_empty(), "this server has nobody who sends");
}

/// A thousand requests for mail used to keep everybody behind the same proxy from signing in.
#[tokio::test]
async fn asking_for_mails_keeps_nobody_from_signing_in_or_asking() {
    let attempts = AttemptLimits {
        per_account: 2,
        per_network: 3,
        slowed_by: Duration::from_millis(1),
        ..AttemptLimits::default()
    };
    let options = AppOptions { attempts, mail: MailRoute::Smtp, ..AppOptions::default() };
    let server = TestServer::start_with(HttpOptions::default(), options).await;
    let owner = server.owner(&server.sign_up().await);
    server.join(&owner, "ann@people.example", "viewer").await;
    for number in 0..10 {
        assert_eq!(ask(&server.api, &format!("nobody{number}@people.example")).await.status, 202);
    }
    assert_eq!(sign_in(&server.api, "ann@people.example", PASSWORD).await.status, 201);
    assert_eq!(ask(&server.api, "ann@people.example").await.status, 202);
    let pool = server.database.superuser().await;
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox WHERE recipient = 'ann@people.example'")
        .fetch_one(&pool)
        .await
        .expect("a count");
    assert_eq!(rows, 1, "her mail is sent");
}

#[tokio::test]
async fn who_was_locked_out_by_guesses_gets_in_again() {
    let smtp = SmtpServer::start();
    let server = TestServer::start_mailing(&smtp).await;
    let owner = server.owner(&server.sign_up().await);
    server.join(&owner, "ann@people.example", "viewer").await;
    for _ in 0..20 {
        assert_eq!(sign_in(&server.api, "ann@people.example", "wrong horse").await.status, 401);
    }
    assert_eq!(sign_in(&server.api, "ann@people.example", PASSWORD).await.status, 429);
    assert_eq!(ask(&server.api, "ann@people.example").await.status, 202);
    let token = smtp.wait_for(1).await[0].token("reset");
    assert_eq!(accept(&server.api, &token, "a new horse").await.status, 204);
    assert_eq!(sign_in(&server.api, "ann@people.example", "a new horse").await.status, 201);
}

#[tokio::test]
async fn without_a_mail_server_nothing_is_written() {
    let server = TestServer::start().await;
    server.sign_up().await;
    assert_eq!(ask(&server.api, "owner0@tenant.example").await.status, 202, "the answer is the same");
    sent_all(&server).await;
}

fn serve(args: &[&str]) -> Program {
    let binary = env!("CARGO_BIN_EXE_subgrant-under-test");
    Program::new(binary, ["serve", "--listen", "127.0.0.1:0"]).args(args.iter().copied())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_laptop_the_mail_is_shown_on_the_screen() {
    let scratch = Scratch::new();
    let server = serve(&["--data-dir", &scratch.path("data")]).start();
    let api = Api::new(server.origin.clone());
    let body = json!({ "organization": "x", "email": "x@x.example", "password": PASSWORD });
    assert_eq!(api.post("/signup", &body).await.status, 201);
    assert_eq!(ask(&api, "x@x.example").await.status, 202);
    let token = async {
        loop {
            let printed = server.printed();
            if let Some(rest) = printed.split("/reset#token=").nth(1) {
                assert!(
                    printed.contains(&server.origin) && printed.contains("Mail to x@x.example"),
                    "{printed}"
                );
                return rest.split_whitespace().next().expect("a token").to_owned();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let token = tokio::time::timeout(Duration::from_mins(1), token).await.expect("a mail on the screen");
    assert_eq!(accept(&api, &token, "a new horse").await.status, 204);
    assert_eq!(sign_in(&api, "x@x.example", "a new horse").await.status, 201);
    assert!(server.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_production_mail_goes_where_the_configuration_says() {
    let (database, smtp) = (TestDatabase::create().await, SmtpServer::start());
    let key = "00".repeat(32);
    let secrets = [("SUBGRANT_DATABASE_URL", database.url.as_str()), ("SUBGRANT_MASTER_KEY", &key)];
    let without_sender = serve(&["--smtp-url", &smtp.url]).envs(&secrets).run();
    assert!(
        !without_sender.status.success() && without_sender.stderr.contains("--mail-from"),
        "{without_sender:?}"
    );
    let nonsense = serve(&["--smtp-url", "http://x", "--mail-from", "a@b.example"]).envs(&secrets).run();
    assert!(!nonsense.status.success() && nonsense.stderr.contains("SMTP URL"), "{nonsense:?}");
    let mail = [
        ("SUBGRANT_SMTP_URL", smtp.url.as_str()),
        ("SUBGRANT_MAIL_FROM", "Subgrant <billing@acme.example>"),
        ("SUBGRANT_PUBLIC_URL", "https://credits.acme.example/"),
    ];
    let server = serve(&[]).envs(&secrets).envs(&mail).start();
    let api = Api::new(server.origin.clone());
    let body = json!({ "organization": "x", "email": "x@x.example", "password": PASSWORD });
    assert_eq!(api.post("/signup", &body).await.status, 201);
    assert_eq!(ask(&api, "x@x.example").await.status, 202);
    let mail = smtp.wait_for(1).await.remove(0);
    assert_eq!(
        (mail.from.as_str(), mail.to.as_slice()),
        ("billing@acme.example", &["x@x.example".to_owned()][..])
    );
    assert!(mail.body.contains("https://credits.acme.example/reset#token=rst_"), "{mail:?}");
    assert!(!server.printed().contains("rst_"), "no secret is printed");
    assert!(server.stop().success());
}
