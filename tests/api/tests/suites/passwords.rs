//! Changing a password, and guessing one.

use std::time::Duration;

use serde_json::json;
use subgrant_server::http::HttpOptions;
use subgrant_service::{AppOptions, AttemptLimits};
use subgrant_tests::{Api, PASSWORD, Reply, TestServer};

async fn change(api: &Api, current: &str, new: &str) -> Reply {
    api.post("/password", &json!({ "current_password": current, "new_password": new })).await
}

async fn sign_in(api: &Api, email: &str, password: &str) -> Reply {
    api.post("/session", &json!({ "email": email, "password": password })).await
}

#[tokio::test]
async fn a_new_password_ends_every_other_session_and_renews_this_one() {
    let server = TestServer::start().await;
    let owner = server.owner(&server.sign_up().await);
    let (here, id) = server.join(&owner, "ann@people.example", "viewer").await;
    let elsewhere = server.signed_in("ann@people.example", PASSWORD).await;
    change(&here, "wrong horse", "a new horse").await.assert_problem(403, "wrong_password", "a wrong one");
    change(&here, &"x".repeat(2_000), "a new horse").await.assert_problem(
        403,
        "wrong_password",
        "a long one",
    );
    change(&here, PASSWORD, "short").await.assert_invalid(&["/new_password"], "a short one");
    assert_eq!(elsewhere.get("/session").await.status, 200, "what was refused ended nothing");

    let changed = change(&here, PASSWORD, "a new horse").await;
    assert_eq!((changed.status, changed.text("/user/id")), (200, id.clone()), "{}", changed.body);
    assert_eq!(changed.header("cache-control"), Some("no-store"));
    assert_eq!(elsewhere.get("/session").await.refusal(), (401, "expired"));
    assert_eq!(here.get("/session").await.refusal(), (401, "expired"), "the old cookie is worth nothing");
    let renewed = server.api.with_session(&changed.session());
    assert_eq!(renewed.get("/session").await.status, 200);
    assert_eq!(
        sign_in(&server.api, "ann@people.example", PASSWORD).await.refusal(),
        (401, "invalid_credentials")
    );
    server.signed_in("ann@people.example", "a new horse").await;
    assert_eq!(owner.get("/session").await.status, 200, "other people's sessions go on");
    let log = owner.all("/audit?").await;
    let entry = log.iter().find(|entry| entry["action"] == "user.password").expect("it is in the audit log");
    assert_eq!((&entry["actor"], &entry["target"]), (&json!(id), &json!(id)));
    assert!(!json!(log).to_string().contains("horse"), "without the password");
}

#[tokio::test]
async fn guessing_is_limited_per_account_over_all_servers_and_ends_with_the_window() {
    let limits = AttemptLimits { window: Duration::from_secs(4), per_account: 3, ..AttemptLimits::default() };
    let options = || AppOptions { attempts: limits, ..AppOptions::default() };
    let server = TestServer::start_with(HttpOptions::default(), options()).await;
    let replica = server.replica_with(options()).await;
    let owner = server.owner(&server.sign_up().await);
    let (ann, _) = server.join(&owner, "ann@people.example", "viewer").await;
    server.join(&owner, "bob@people.example", "viewer").await;
    for email in ["ann@people.example", "nobody@people.example"] {
        for api in [&server.api, &replica.api, &server.api] {
            assert_eq!(sign_in(api, email, "wrong horse").await.refusal(), (401, "invalid_credentials"));
        }
        for api in [&server.api, &replica.api] {
            // The right password does not help, nor does it tell whether the account exists.
            let refused = sign_in(api, email, PASSWORD).await;
            refused.assert_problem(429, "too_many_attempts", email);
            assert!(refused.header("retry-after").is_some());
        }
    }
    assert_eq!(change(&ann, PASSWORD, PASSWORD).await.status, 200, "who is signed in is not kept from it");
    assert_eq!(sign_in(&server.api, "bob@people.example", PASSWORD).await.status, 201, "others are let in");
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if sign_in(&server.api, "ann@people.example", PASSWORD).await.status == 201 {
            return;
        }
    }
    panic!("the window never ends");
}

#[tokio::test]
async fn the_right_password_clears_the_account() {
    let limits = AttemptLimits { per_account: 3, ..AttemptLimits::default() };
    let options = AppOptions { attempts: limits, ..AppOptions::default() };
    let server = TestServer::start_with(HttpOptions::default(), options).await;
    let owner = server.owner(&server.sign_up().await);
    server.join(&owner, "ann@people.example", "viewer").await;
    for _ in 0..2 {
        for _ in 0..2 {
            assert_eq!(sign_in(&server.api, "ann@people.example", "wrong horse").await.status, 401);
        }
        for _ in 0..3 {
            assert_eq!(sign_in(&server.api, "ann@people.example", PASSWORD).await.status, 201);
        }
    }
}

#[tokio::test]
async fn a_session_guesses_at_the_own_password_no_more_often_than_anybody() {
    let limits = AttemptLimits { per_account: 3, ..AttemptLimits::default() };
    let options = AppOptions { attempts: limits, ..AppOptions::default() };
    let server = TestServer::start_with(HttpOptions::default(), options).await;
    let owner = server.owner(&server.sign_up().await);
    let (ann, _) = server.join(&owner, "ann@people.example", "viewer").await;
    for _ in 0..3 {
        assert_eq!(change(&ann, "wrong horse", "a new horse").await.refusal(), (403, "wrong_password"));
    }
    change(&ann, PASSWORD, "a new horse").await.assert_problem(429, "too_many_attempts", "a stolen session");
    assert_eq!(sign_in(&server.api, "ann@people.example", PASSWORD).await.status, 201);
}
