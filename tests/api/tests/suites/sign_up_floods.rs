//! Many strangers at once whose passwords are to be hashed.

use std::time::Duration;

use serde_json::{Value, json};
use subgrant_server::http::{HttpOptions, Rates};
use subgrant_service::{AppOptions, HashingOptions};
use subgrant_tests::{Api, Reply, Scrape, TestServer};
use tokio::task::JoinSet;
use uuid::Uuid;

const PASSWORD: &str = "correct horse battery staple";

/// One password of each kind is hashed at a time; nothing ends because it takes long.
async fn start(most_waiting: usize) -> TestServer {
    let handler_timeout = Duration::from_mins(10);
    let http = HttpOptions { handler_timeout, rates: Rates::boundless(), ..HttpOptions::default() };
    let hashing = HashingOptions { known_at_once: 1, new_at_once: 1, most_waiting };
    TestServer::start_with(http, AppOptions { hashing, ..AppOptions::default() }).await
}

fn sign_up(email: &str) -> Value {
    json!({ "organization": "Flood", "email": email, "password": PASSWORD })
}

fn flood(api: &Api, count: usize) -> JoinSet<Reply> {
    let mut flood = JoinSet::new();
    for _ in 0..count {
        let (api, body) = (api.clone(), sign_up(&format!("{}@flood.example", Uuid::now_v7().simple())));
        flood.spawn(async move { api.post("/signup", &body).await });
    }
    flood
}

async fn waiting(server: &TestServer) -> u64 {
    Scrape::of(&server.api).await.count("subgrant_password_hashing_waiting", &[r#"password="new""#])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_sign_ups_keeps_nobody_from_signing_in() {
    let server = start(1_000).await;
    let owner = "owner@calm.example";
    assert_eq!(server.api.post("/signup", &sign_up(owner)).await.status, 201);
    let mut flood = flood(&server.api, 150);
    while waiting(&server).await < 100 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for _ in 0..5 {
        let reply = server.api.post("/session", &json!({ "email": owner, "password": PASSWORD })).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
    }
    let unknown = json!({ "email": "nobody@calm.example", "password": PASSWORD });
    assert_eq!(server.api.post("/session", &unknown).await.status, 401);
    let signed_up = std::iter::from_fn(|| flood.try_join_next()).count();
    assert!(signed_up < 100, "{signed_up} of 150 sign-ups came before six sign-ins");
    flood.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_too_many_passwords_waiting_is_told_at_once() {
    let server = start(5).await;
    let mut flood = flood(&server.api, 60);
    let (mut signed_up, mut refused) = (0, 0);
    while let Some(reply) = flood.join_next().await {
        let reply = reply.expect("nobody panics");
        if reply.status == 503 {
            assert_eq!(reply.code(), "overloaded", "{}", reply.body);
            assert!(reply.header("retry-after").is_some());
            refused += 1;
        } else {
            assert_eq!(reply.status, 201, "{}", reply.body);
            signed_up += 1;
        }
    }
    assert!(signed_up >= 6 && refused >= 1, "{signed_up} signed up, {refused} refused");
    server.sign_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_password_is_hashed_for_callers_who_have_left_the_queue() {
    let server = start(1_000).await;
    let mut flood = flood(&server.api, 100);
    while waiting(&server).await < 60 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    flood.shutdown().await;
    while waiting(&server).await > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.sign_up().await;
    let pool = server.database.superuser().await;
    let tenants: i64 =
        sqlx::query_scalar("SELECT count(*) FROM tenants").fetch_one(&pool).await.expect("the superuser may");
    assert!(tenants < 70, "{tenants} tenants were made for callers most of whom had left");
}
