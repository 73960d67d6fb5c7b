//! Webhooks: who is told, how it is signed, when it is tried again, and where it never leads.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use subgrant_tests::{Api, Called, Receiver, Reply, SmtpServer, TestServer};

/// A server whose webhooks may lead to this machine.
async fn stage() -> (TestServer, Api, Receiver) {
    let server = TestServer::start_mailing(&SmtpServer::start()).await;
    let owner = server.owner(&server.sign_up().await);
    (server, owner, Receiver::start().await)
}

async fn created(owner: &Api, receiver: &Receiver) -> (String, String) {
    let body = json!({ "url": format!("{}/hook?key=1", receiver.origin), "description": "pager" });
    let reply = owner.post("/webhook", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    (reply.text("/id"), reply.text("/secret"))
}

/// Checks the signature with the reference implementation of Standard Webhooks.
fn assert_signed(call: &Called, secret: &str) {
    let verifier = standardwebhooks::Webhook::new(secret).expect("a secret of the standard's form");
    verifier.verify(call.body.as_bytes(), &call.headers).expect("the signature is right");
    let tampered = call.body.replace("webhook", "webhoox");
    assert!(verifier.verify(tampered.as_bytes(), &call.headers).is_err(), "it covers the body");
    let other = standardwebhooks::Webhook::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
    assert!(other.verify(call.body.as_bytes(), &call.headers).is_err(), "it takes the secret");
}

/// Waits until the newest delivery has a status, and returns it.
async fn delivery(owner: &Api, id: &str, status: &str) -> Value {
    for _ in 0..3_000 {
        let page = owner.get(&format!("/webhook/{id}/delivery")).await;
        assert_eq!(page.status, 200, "{}", page.body);
        if page.body["data"][0]["status"] == status {
            return page.body["data"][0].clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the delivery is never {status}: {}", owner.get(&format!("/webhook/{id}/delivery")).await.body);
}

#[tokio::test]
async fn a_test_arrives_signed_and_is_seen_to_have_arrived() {
    let (_server, owner, receiver) = stage().await;
    let (id, secret) = created(&owner, &receiver).await;
    let tested = owner.post_with_key(&format!("/webhook/{id}/test"), "k", &json!({})).await;
    assert_eq!((tested.status, tested.text("/event")), (202, "webhook.test".to_owned()), "{}", tested.body);
    let again = owner.post_with_key(&format!("/webhook/{id}/test"), "k", &json!({})).await;
    assert_eq!((again.header("idempotent-replayed"), again.text("/id")), (Some("true"), tested.text("/id")));
    let call = receiver.wait_for(1).await.remove(0);
    assert_signed(&call, &secret);
    assert_eq!((call.target.as_str(), call.header("content-type")), ("/hook?key=1", "application/json"));
    assert_eq!(call.header("webhook-id"), tested.text("/id"));
    assert_eq!(
        (&call.json()["type"], &call.json()["data"]["webhook_id"]),
        (&json!("webhook.test"), &json!(id))
    );
    let seen = delivery(&owner, &id, "delivered").await;
    assert_eq!(
        (&seen["attempts"], &seen["response_status"], &seen["error"]),
        (&json!(1), &json!(204), &Value::Null)
    );
    assert_eq!((&seen["payload"], &seen["next_attempt_at"]), (&call.json(), &Value::Null));
    let listed = owner.get("/webhook").await;
    assert_eq!(listed.body["data"][0]["last_delivery"]["status"], "delivered");
    assert!(!listed.body.to_string().contains("whsec_"), "the secret is shown once");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(receiver.came().len(), 1, "what was taken is not sent again");
}

#[tokio::test]
async fn what_is_not_taken_is_tried_again_with_the_same_id_until_it_is_or_is_given_up() {
    let (server, owner, receiver) = stage().await;
    let (id, secret) = created(&owner, &receiver).await;
    receiver.answer(&[500, 302, 204]);
    assert_eq!(owner.post(&format!("/webhook/{id}/test"), &json!({})).await.status, 202);
    receiver.wait_for(1).await;
    let pool = server.database.superuser().await;
    let hasten = async || {
        let now = "UPDATE outbox SET next_attempt_at = clock_timestamp() WHERE kind = 'webhook'";
        sqlx::query(now).execute(&pool).await.expect("the owner can do anything");
    };
    for (answered, error) in [(500, "the answer was 500"), (302, "redirects are not followed")] {
        let mut pending = Value::Null;
        for _ in 0..1_000 {
            pending = delivery(&owner, &id, "pending").await;
            if pending["response_status"] == answered {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!((&pending["response_status"], &pending["error"]), (&json!(answered), &json!(error)));
        assert!(pending["next_attempt_at"].is_string(), "{pending}");
        hasten().await;
    }
    let calls = receiver.wait_for(3).await;
    assert_eq!(delivery(&owner, &id, "delivered").await["attempts"], 3);
    assert!(calls.iter().all(|call| call.target == "/hook?key=1"), "no redirect was followed");
    for call in &calls {
        assert_signed(call, &secret);
        assert_eq!(call.header("webhook-id"), calls[0].header("webhook-id"));
    }

    receiver.answer(&[410]);
    assert_eq!(owner.post(&format!("/webhook/{id}/test"), &json!({})).await.status, 202);
    assert_eq!(delivery(&owner, &id, "dead").await["attempts"], 1, "gone is gone");
    receiver.answer(&[503]);
    assert_eq!(owner.post(&format!("/webhook/{id}/test"), &json!({})).await.status, 202);
    receiver.wait_for(5).await;
    let tired = "UPDATE outbox SET attempts = 21 WHERE kind = 'webhook'";
    for _ in 0..100 {
        sqlx::query(tired).execute(&pool).await.expect("the owner can do anything");
        receiver.answer(&[503]);
        hasten().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        if owner.get(&format!("/webhook/{id}/delivery")).await.body["data"][0]["status"] == "dead" {
            break;
        }
    }
    let dead = delivery(&owner, &id, "dead").await;
    assert_eq!((&dead["attempts"], &dead["response_status"]), (&json!(22), &json!(503)), "{dead}");
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&pool).await.expect("a count");
    assert_eq!(left, 0, "nothing is left to be sent");
}

#[tokio::test]
async fn nobody_who_listens_and_nobody_who_is_there_are_told_apart_from_success() {
    let (server, owner, receiver) = stage().await;
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = taken.local_addr().expect("a bound socket has an address");
    drop(taken);
    let body = json!({ "url": format!("http://{address}/") });
    let id = owner.post("/webhook", &body).await.text("/id");
    assert_eq!(owner.post(&format!("/webhook/{id}/test"), &json!({})).await.status, 202);
    for _ in 0..1_000 {
        if delivery(&owner, &id, "pending").await["error"] == "no connection could be made" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let seen = delivery(&owner, &id, "pending").await;
    assert_eq!(
        (&seen["error"], &seen["response_status"]),
        (&json!("no connection could be made"), &Value::Null)
    );
    // A webhook that was deleted is told nothing more.
    assert_eq!(owner.delete(&format!("/webhook/{id}")).await.status, 204);
    let pool = server.database.superuser().await;
    sqlx::query("UPDATE outbox SET next_attempt_at = clock_timestamp()")
        .execute(&pool)
        .await
        .expect("an update");
    for _ in 0..1_000 {
        let left: i64 =
            sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(&pool).await.expect("a count");
        if left == 0 {
            assert!(receiver.came().is_empty());
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the outbox is never empty");
}

#[tokio::test]
async fn addresses_of_this_machine_and_its_networks_are_refused_unless_the_operator_permits_them() {
    let server = TestServer::start().await;
    let owner = server.owner(&server.sign_up().await);
    for url in [
        "http://hooks.acme.example/",
        "https://user:secret@hooks.acme.example/",
        "ftp://hooks.acme.example/",
        "file:///etc/passwd",
        "https://hooks.acme.example/#x",
        "https://hooks.acme.example:0/",
        "hooks.acme.example",
        "/hook",
        "",
        "https://hooks.acme.example/\r\nX-Evil: 1",
    ] {
        let reply = owner.post("/webhook", &json!({ "url": url })).await;
        reply.assert_invalid(&["/url"], url);
        assert_eq!(reply.text("/errors/0/code"), "invalid_url", "{url}");
    }
    for url in [
        "https://127.0.0.1/",
        "https://localhost/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://metadata.google.internal/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://[fd00:ec2::254]/",
        "https://intranet/",
    ] {
        let reply = owner.post("/webhook", &json!({ "url": url })).await;
        reply.assert_invalid(&["/url"], url);
        assert_eq!(reply.text("/errors/0/code"), "address_not_allowed", "{url}");
    }
    for (body, pointer) in [
        (json!({ "url": "https://a.example/", "events": [] }), "/events"),
        (json!({ "url": "https://a.example/", "events": ["all"] }), "/events/0"),
        (json!({ "url": "https://a.example/", "events": "alert.fired" }), "/events"),
        (json!({ "url": "https://a.example/", "description": "a\nb" }), "/description"),
        (json!({ "url": "https://a.example/", "secret": "mine" }), "/secret"),
        (json!({ "events": ["alert.fired"] }), "/url"),
    ] {
        owner.post("/webhook", &body).await.assert_invalid(&[pointer], &body.to_string());
    }
    assert_eq!(owner.get("/webhook").await.body, json!({ "data": [] }));
}

#[tokio::test]
async fn a_webhook_is_made_once_deleted_once_and_there_are_not_too_many() {
    let server = TestServer::start().await;
    let owner = server.owner(&server.sign_up().await);
    let body = json!({ "url": "https://hooks.acme.example/x" });
    let first = owner.post_with_key("/webhook", "k", &body).await;
    let again = owner.post_with_key("/webhook", "k", &body).await;
    assert_eq!((again.header("idempotent-replayed"), &again.body), (Some("true"), &first.body));
    assert_eq!(
        (first.header("cache-control"), first.text("/secret").starts_with("whsec_")),
        (Some("no-store"), true)
    );
    for number in 1..20 {
        let reply =
            owner.post("/webhook", &json!({ "url": format!("https://hooks.acme.example/{number}") })).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
    }
    owner.post("/webhook", &body).await.assert_problem(422, "too_many_webhooks", "the 21st");
    let path = format!("/webhook/{}", first.text("/id"));
    let delete = || Reply::of(owner.request(Method::DELETE, &path).header("Idempotency-Key", "d"));
    assert_eq!(delete().await.status, 204);
    assert_eq!(delete().await.header("idempotent-replayed"), Some("true"));
    owner.delete(&path).await.assert_problem(404, "not_found", "deleted");
    owner.get(&format!("{path}/delivery")).await.assert_problem(404, "not_found", "deleted");
    let log = json!(owner.all("/audit?").await).to_string();
    assert!(log.contains("webhook.create") && log.contains("webhook.delete"));
    assert!(
        !log.contains("whsec_") && !log.contains("acme.example/x"),
        "what may be secret is not logged: {log}"
    );
}
