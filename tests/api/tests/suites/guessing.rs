//! Guesses at passwords: they are bounded, and shut nobody else out.

use std::{net::IpAddr, time::Duration};

use reqwest::header::SET_COOKIE;
use serde_json::json;
use subgrant_server::http::HttpOptions;
use subgrant_service::{AppOptions, AttemptLimits};
use subgrant_tests::{PASSWORD, Reply, TestServer};

const EMAIL: &str = "ann@people.example";

async fn server(limits: AttemptLimits) -> TestServer {
    let options = AppOptions { attempts: limits, ..AppOptions::default() };
    TestServer::start_with(HttpOptions::default(), options).await
}

fn few() -> AttemptLimits {
    AttemptLimits { per_account: 3, ..AttemptLimits::default() }
}

/// Signs in from an address of this machine, with or without the cookie of a browser.
async fn sign_in(server: &TestServer, from: &str, device: Option<&str>, password: &str) -> Reply {
    let from: IpAddr = from.parse().expect("an address");
    let client = reqwest::Client::builder().local_address(from).build().expect("a client");
    let request = client.post(format!("{}/api/cloud/session", server.api.origin));
    let request = match device {
        Some(device) => request.header("Cookie", format!("__Host-device={device}")),
        None => request,
    };
    Reply::of(request.json(&json!({ "email": EMAIL, "password": password }))).await
}

/// What the browser is to show the next time.
fn device(reply: &Reply) -> String {
    let mut cookies = reply.headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let found = cookies.find_map(|cookie| cookie.strip_prefix("__Host-device="));
    let cookie = found.expect("the browser is known from now on");
    assert!(
        ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"].iter().all(|part| cookie.contains(part)),
        "{cookie}"
    );
    cookie.split(';').next().expect("a value").to_owned()
}

#[tokio::test]
async fn an_owner_signs_in_whatever_strangers_type() {
    let server = server(few()).await;
    let owner = server.owner(&server.sign_up().await);
    let (ann, _) = server.join(&owner, EMAIL, "viewer").await;
    let known = device(&sign_in(&server, "127.0.0.1", None, PASSWORD).await);
    for number in 0..6 {
        let reply = sign_in(&server, "127.0.0.1", None, "wrong horse").await;
        assert_eq!(reply.status, if number < 3 { 401 } else { 429 }, "{}", reply.body);
    }
    let stranger = sign_in(&server, "127.0.0.1", None, PASSWORD).await;
    stranger.assert_problem(429, "too_many_attempts", "the network of those who guess");
    assert!(stranger.header("retry-after").is_some());
    assert_eq!(sign_in(&server, "127.0.0.2", None, PASSWORD).await.status, 201, "another network");
    let again = sign_in(&server, "127.0.0.1", Some(&known), PASSWORD).await;
    assert_eq!(again.status, 201, "a known browser behind the same proxy: {}", again.body);
    let cookies = again.headers.get_all(SET_COOKIE).iter().count();
    assert_eq!(cookies, 1, "it has the cookie already");
    let change = json!({ "current_password": PASSWORD, "new_password": "a new horse" });
    assert_eq!(ann.post("/password", &change).await.status, 200, "who is signed in is no stranger");
}

#[tokio::test]
async fn a_known_browser_guesses_no_more_often_than_a_stranger() {
    let server = server(few()).await;
    let owner = server.owner(&server.sign_up().await);
    server.join(&owner, EMAIL, "viewer").await;
    let known = device(&sign_in(&server, "127.0.0.1", None, PASSWORD).await);
    let mut refused = 0;
    for _ in 0..12 {
        let reply = sign_in(&server, "127.0.0.1", Some(&known), "wrong horse").await;
        refused += usize::from(reply.status == 429);
    }
    assert!(refused >= 6, "three as a browser and three as a network, at the most: {refused}");
}

/// Anybody can sign up with anybody's address, and has a known browser then: for that account, and for no other of the address.
#[tokio::test]
async fn browsers_of_strangers_accounts_with_the_same_address_give_no_more_guesses() {
    let server = server(few()).await;
    let owner = server.owner(&server.sign_up().await);
    server.join(&owner, EMAIL, "viewer").await;
    let mut answers = Vec::new();
    for _ in 0..3 {
        let body = json!({ "organization": "x", "email": EMAIL, "password": "a stranger's horse" });
        let device = device(&server.api.post("/signup", &body).await);
        for guess in ["wrong horse 1", "wrong horse 2"] {
            answers.push(sign_in(&server, "127.0.0.1", Some(&device), guess).await.status);
        }
    }
    assert_eq!(answers, [401, 401, 401, 429, 429, 429]);
    for forged in ["", "x.y", &format!("{}.{}", "00".repeat(32), "00".repeat(32))] {
        assert_eq!(sign_in(&server, "127.0.0.1", Some(forged), PASSWORD).await.status, 429, "{forged}");
    }
}

#[tokio::test]
async fn a_network_that_guesses_is_slowed_down_and_not_shut_out() {
    let limits = AttemptLimits {
        per_network: 2,
        per_account_everywhere: 2,
        slowed_by: Duration::from_millis(1),
        ..AttemptLimits::default()
    };
    let server = server(limits).await;
    let owner = server.owner(&server.sign_up().await);
    server.join(&owner, EMAIL, "viewer").await;
    for number in 0..6 {
        let body = json!({ "email": format!("nobody{number}@people.example"), "password": "wrong horse" });
        assert_eq!(server.api.post("/session", &body).await.refusal(), (401, "invalid_credentials"));
        assert_eq!(sign_in(&server, "127.0.0.1", None, "wrong horse").await.status, 401);
    }
    assert_eq!(sign_in(&server, "127.0.0.1", None, PASSWORD).await.status, 201);
}

/// Whoever can invite an address has the invitation's token, and could try passwords with it.
#[tokio::test]
async fn accepting_invitations_is_no_way_to_guess() {
    let server = server(few()).await;
    let owner = server.owner(&server.sign_up().await);
    let body = json!({ "organization": "Ann's", "email": EMAIL, "password": PASSWORD });
    assert_eq!(server.api.post("/signup", &body).await.status, 201);
    let mut answers = Vec::new();
    for number in 0..5 {
        let invited = owner.post("/invite", &json!({ "email": EMAIL, "role": "viewer" })).await;
        let guess = json!({ "token": invited.text("/token"), "password": format!("wrong horse {number}") });
        let reply = server.api.post("/invite/accept", &guess).await;
        if reply.status == 201 {
            assert_eq!(reply.body["tenants"].as_array().expect("a list").len(), 1, "not her account");
            assert_eq!(owner.delete(&format!("/user/{}", invited.text("/id"))).await.status, 204);
        }
        answers.push(reply.status);
    }
    assert_eq!(answers, [201, 201, 201, 429, 429]);
}

/// Anybody can have an account of anybody's address, whose password they know.
#[tokio::test]
async fn to_sign_in_to_another_account_of_the_address_gives_no_new_guesses() {
    let server = server(few()).await;
    let owner = server.owner(&server.sign_up().await);
    server.join(&owner, EMAIL, "viewer").await;
    let body = json!({ "organization": "x", "email": EMAIL, "password": "a stranger's horse" });
    assert_eq!(server.api.post("/signup", &body).await.status, 201);
    let mut answers = Vec::new();
    for password in
        ["wrong horse 1", "a stranger's horse", "wrong horse 2", "a stranger's horse", "wrong horse 3"]
    {
        answers.push(sign_in(&server, "127.0.0.1", None, password).await.status);
    }
    for number in 0..3 {
        answers.push(sign_in(&server, "127.0.0.1", None, &format!("wrong horse {number}")).await.status);
    }
    assert_eq!(answers, [401, 201, 401, 201, 401, 429, 429, 429]);
}
