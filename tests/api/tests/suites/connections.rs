//! No call waits for a second connection while it holds one: with as many callers as connections, each would wait for
//! another, and those that hold the tenant's lock for those that want it.

use jiff::SignedDuration;
use subgrant_service::{IdempotencyKey, MintRequest, RotateRequest, SessionSecret};
use subgrant_tests::{Rig, TestServer, mint_request};

const ROTATION: RotateRequest =
    RotateRequest { grace: SignedDuration::from_hours(1), revoke_issued_before: None };

fn key() -> IdempotencyKey {
    IdempotencyKey { key: "one-and-the-same".to_owned(), fingerprint: [7; 32] }
}

#[tokio::test]
async fn a_mint_by_session_needs_one_connection() {
    let rig = Rig::start(1).await;
    let secret = SessionSecret::parse(&rig.session).unwrap();
    let owner = rig.app.authenticate_session(&secret, None, None).await.unwrap();
    let minted = rig.app.mint(&owner, &mint_request("child", 10), None).await;
    assert!(minted.is_ok(), "{:?}", minted.err());
    rig.assert_nothing_is_left_open("a mint by session").await;
}

#[tokio::test]
async fn a_mint_below_a_node_of_an_older_root_key_needs_one_connection_at_a_new_process() {
    let rig = Rig::start(1).await;
    let root = rig.app.authenticate_token(&rig.root_token, None, None).await.unwrap();
    let team = rig.principal().await.path.id();
    let rotated = rig.app.rotate_root(&root, ROTATION, None).await.unwrap().value;
    let cold = rig.restarted().await;
    let root = cold.authenticate_token(&rotated.root_token, None, None).await.unwrap();
    let below = MintRequest { parent: Some(team), ..mint_request("child", 10) };
    let minted = cold.mint(&root, &below, None).await;
    assert!(minted.is_ok(), "a mint below a node of an older root key: {:?}", minted.err());
}

#[tokio::test]
async fn a_replay_at_a_new_process_needs_one_connection() {
    let rig = Rig::start(1).await;
    let root = rig.app.authenticate_token(&rig.root_token, None, None).await.unwrap();
    rig.app.rotate_root(&root, ROTATION, Some(key())).await.unwrap();
    let cold = rig.restarted().await;
    let root = cold.authenticate_token(&rig.root_token, None, None).await.unwrap();
    let again = cold.rotate_root(&root, ROTATION, Some(key())).await;
    assert!(again.as_ref().is_ok_and(|outcome| outcome.replayed), "a rotation again: {:?}", again.err());
    rig.assert_nothing_is_left_open("a replay").await;
}

/// The processes of PostgreSQL that work for the server under test.
async fn backends(server: &TestServer) -> Vec<i32> {
    let pool = server.database.superuser().await;
    let statement = "SELECT pid FROM pg_stat_activity
                     WHERE datname = current_database() AND application_name = 'subgrant' ORDER BY pid";
    sqlx::query_scalar(statement).fetch_all(&pool).await.expect("the activity can be read")
}

#[tokio::test]
async fn connections_are_used_again() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    assert_eq!(root.spend(1).await.status, 201);
    let before = backends(&server).await;
    assert!(!before.is_empty());
    for _ in 0..20 {
        assert_eq!(root.spend(1).await.status, 201);
        assert_eq!(root.get("/delegation/self").await.status, 200);
    }
    let after = backends(&server).await;
    assert!(before.iter().all(|pid| after.contains(pid)), "{before:?} were closed, and {after:?} opened");
}
