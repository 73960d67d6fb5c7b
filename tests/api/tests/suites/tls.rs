//! TLS to mail servers and to whoever is called: whom the machine trusts is trusted, and nobody else.

use std::{fs, time::Duration};

use serde_json::{Value, json};
use subgrant_tests::{
    Api, Authority, PASSWORD, Program, Receiver, Running, Scratch, SmtpServer, TestDatabase,
};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// The program, as somebody runs it whose machine trusts one authority.
struct Stage {
    owner: Api,
    database: TestDatabase,
    _server: Running,
    _scratch: Scratch,
}

impl Stage {
    async fn set(trusted: &Authority, smtp: &SmtpServer) -> Self {
        let (database, scratch) = (TestDatabase::create().await, Scratch::new());
        let certificates = scratch.path("trusted.pem");
        fs::write(&certificates, &trusted.pem).expect("the directory is writable");
        let server =
            Program::new(env!("CARGO_BIN_EXE_subgrant-under-test"), ["serve", "--webhook-allow-private"])
                .args(["--listen", "127.0.0.1:0", "--mail-from", "Subgrant <subgrant@server.example>"])
                .envs(&[("SUBGRANT_DATABASE_URL", &database.url), ("SUBGRANT_MASTER_KEY", KEY)])
                .envs(&[("SUBGRANT_SMTP_URL", &smtp.url), ("SSL_CERT_FILE", &certificates)])
                .start();
        let api = Api::new(server.origin.clone());
        let body = json!({ "organization": "A", "email": "owner@a.example", "password": PASSWORD });
        let signed_up = api.post("/signup", &body).await;
        assert_eq!(signed_up.status, 201, "{}", signed_up.body);
        let owner = api.with_session(&signed_up.session());
        Self { owner, database, _server: server, _scratch: scratch }
    }

    async fn ask_for_mail(&self) {
        let asked = self.owner.post("/password/reset", &json!({ "email": "owner@a.example" })).await;
        assert_eq!(asked.status, 202, "{}", asked.body);
    }

    /// Waits until something could not be sent, and is put off.
    async fn put_off(&self) {
        let pool = self.database.superuser().await;
        // Who attempts it has it for two minutes; after a failure it is put off for less.
        let failed = "SELECT EXISTS (SELECT FROM outbox WHERE attempts > 0
            AND next_attempt_at < clock_timestamp() + interval '100 seconds')";
        for _ in 0..3_000 {
            if sqlx::query_scalar(failed).fetch_one(&pool).await.expect("the database answers") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("nothing is put off");
    }

    /// What became of a test of a webhook at that address, once there was an attempt.
    async fn told(&self, origin: &str) -> Value {
        let id = self.owner.post("/webhook", &json!({ "url": format!("{origin}/hook") })).await.text("/id");
        assert_eq!(self.owner.post(&format!("/webhook/{id}/test"), &json!({})).await.status, 202);
        for _ in 0..3_000 {
            let page = self.owner.get(&format!("/webhook/{id}/delivery")).await;
            if page.number("/data/0/attempts") > 0 {
                return page.body["data"][0].clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("there is no attempt");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_goes_over_tls_to_a_server_whose_certificate_is_trusted() {
    let trusted = Authority::new();
    for smtp in [SmtpServer::start_tls(&trusted), SmtpServer::start_starttls(&trusted)] {
        let stage = Stage::set(&trusted, &smtp).await;
        stage.ask_for_mail().await;
        let mail = smtp.wait_for(1).await.remove(0);
        assert!(mail.is_encrypted, "{}", smtp.url);
        assert_eq!(mail.to, ["owner@a.example"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_mail_goes_to_a_server_that_somebody_else_vouches_for_or_that_speaks_no_tls() {
    let (trusted, other) = (Authority::new(), Authority::new());
    for smtp in [
        SmtpServer::start_tls(&other),
        SmtpServer::start_starttls(&other),
        SmtpServer::start_without_starttls(),
    ] {
        let stage = Stage::set(&trusted, &smtp).await;
        stage.ask_for_mail().await;
        stage.put_off().await;
        assert_eq!(smtp.attempts(), 0, "{}", smtp.url);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_are_told_over_tls_where_the_certificate_is_trusted_and_nowhere_else() {
    let (trusted, other) = (Authority::new(), Authority::new());
    let stage = Stage::set(&trusted, &SmtpServer::start()).await;
    let receiver = Receiver::start_tls(&trusted).await;
    let told = stage.told(&receiver.origin).await;
    assert_eq!((&told["status"], &told["response_status"]), (&json!("delivered"), &json!(204)), "{told}");
    assert_eq!(receiver.came()[0].json()["type"], "webhook.test");

    let stranger = Receiver::start_tls(&other).await;
    let plain = Receiver::start().await.origin.replace("http://127.0.0.1", "https://localhost");
    // The certificate names localhost, and not the address.
    let misnamed = receiver.origin.replace("localhost", "127.0.0.1");
    for origin in [&stranger.origin, &plain, &misnamed] {
        let told = stage.told(origin).await;
        let why = json!("the receiver's certificate is not trusted, or it does not speak TLS");
        assert_eq!((&told["status"], &told["error"]), (&json!("pending"), &why), "{origin}");
    }
    assert!(stranger.came().is_empty());
    assert_eq!(receiver.came().len(), 1);
}
