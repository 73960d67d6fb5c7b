//! Exports whose readers take nothing: they end, and nobody else waits for them.

use std::time::Duration;

use serde_json::json;
use subgrant_server::http::HttpOptions;
use subgrant_service::AppOptions;
use subgrant_tests::{Api, Raw, TestServer};

/// Tries to begin an export, and reads no more than the head of the answer.
async fn try_begin(api: &Api, path: &str) -> (Raw, String) {
    let mut reader = Raw::narrow(&api.origin).await;
    let token = api.token().expect("a token");
    reader
        .send(format!("GET /api/cloud{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"))
        .await;
    let head = reader.head().await;
    (reader, head)
}

/// The same where it must succeed.
async fn begun(api: &Api, path: &str) -> Raw {
    let (reader, head) = try_begin(api, path).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    reader
}

#[tokio::test]
async fn readers_that_take_nothing_keep_nobody_waiting_and_are_cut_off() {
    let http = HttpOptions { piece_timeout: Duration::from_secs(3), ..HttpOptions::default() };
    let app = AppOptions { max_exports: 3, max_exports_per_tenant: 2, ..AppOptions::default() };
    let server = TestServer::start_with(http, app).await;
    let (tenant, other, third) = (server.sign_up().await, server.sign_up().await, server.sign_up().await);
    let [root, other, third] = [tenant, other, third].map(|tenant| server.api.with_token(&tenant.root_token));
    let item = json!({ "amount_credits": 1, "metadata": { "x": "y".repeat(2_000) } });
    let batch = json!({ "items": vec![item; 5_000] });
    for api in [&root, &other] {
        assert_eq!(api.post("/spend/batch", &batch).await.status, 200);
    }
    let silent = [begun(&root, "/ledger/export").await, begun(&root, "/ledger/export").await];
    let now = jiff::Timestamp::now().to_string();
    let focus = format!("/export/focus?period={}", &now[..7]);
    for path in ["/ledger/export", focus.as_str()] {
        let refused = root.get(path).await;
        refused.assert_problem(429, "too_many_exports", path);
        assert!(refused.header("retry-after").is_some());
    }
    // Another tenant is not concerned, as long as there is room at all.
    assert_eq!(third.get("/ledger/export").await.status, 200);
    let silent_too = begun(&other, "/ledger/export").await;
    for path in ["/ledger/export", focus.as_str()] {
        let refused = third.get(path).await;
        refused.assert_problem(503, "too_many_exports", path);
        assert!(refused.header("retry-after").is_some());
    }
    // None of the readers has gone away, and yet there is room again, for both.
    let mut later = Vec::new();
    while later.len() < 2 {
        let (reader, head) = try_begin(&root, "/ledger/export").await;
        if head.starts_with("HTTP/1.1 200 ") {
            later.push(reader);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for reader in silent {
        let told = reader.to_end().await;
        assert!(
            !told.contains(r#""type":"end""#) && !told.ends_with("0\r\n\r\n"),
            "it is broken off, and not whole"
        );
    }
    drop((silent_too, later));
}
