//! Bodies that are no JSON, too deep, too large or of another type; and nothing changes.

use reqwest::Method;
use subgrant_tests::{Api, Reply, TestServer};

async fn post(api: &Api, path: &str, body: impl Into<Vec<u8>>) -> Reply {
    let request = api.request(Method::POST, path).header("Content-Type", "application/json");
    Reply::of(request.body(body.into())).await
}

#[tokio::test]
async fn an_array_is_no_object_with_its_names_left_out() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (_, id) = root.child("Engineering", 100).await;
    let before = root.snapshot().await;
    let revoke = format!("/delegation/{id}/revoke");
    for (path, body) in [
        ("/spend", "[5]"),
        ("/spend", r#"[5, "x", {"a": 1}, false]"#),
        ("/delegation", r#"[5, "label"]"#),
        ("/delegation", r#"{"label": "x", "budget_credits": 5, "limits": [["day", 1]]}"#),
        (&revoke, "[]"),
        (&revoke, "[false, 1, null]"),
        ("/verify", r#"["sgt_"]"#),
        ("/signup", r#"["New", "new@new.example", "correct horse battery"]"#),
        ("/root/rotate", r#"["1h"]"#),
        ("/root/rotate", "[]"),
    ] {
        post(&root, path, body).await.assert_problem(422, "validation", &format!("{path}: {body}"));
    }
    assert_eq!(root.snapshot().await, before);
}

#[tokio::test]
async fn a_byte_order_mark_at_the_beginning_means_nothing() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let marked = async |path: &str, kind: &str, body: &str| {
        let request = root.request(Method::POST, path).header("Content-Type", kind);
        Reply::of(request.body(format!("\u{feff}{body}"))).await
    };
    let json = "application/json";
    assert_eq!(marked("/spend", json, r#"{"amount_credits": 1}"#).await.status, 201);
    let item = r#"{"amount_credits": 1}"#;
    for (kind, body) in [
        ("application/x-ndjson", format!("{item}\n{item}")),
        (json, format!(r#"{{"items": [{item}, {item}]}}"#)),
    ] {
        let reply = marked("/spend/batch", kind, &body).await;
        let statuses = ["/data/0/status", "/data/1/status"].map(|pointer| reply.number(pointer));
        assert_eq!(statuses, [201, 201], "{kind}: {}", reply.body);
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let before = root.snapshot().await;
    let paths = ["/delegation", "/spend", "/verify", "/root/rotate", "/signup"];
    let deep = |levels: usize| format!(r#"{{"x": {}{}}}"#, "[".repeat(levels - 1), "]".repeat(levels - 1));
    let unparsable: [&[u8]; 11] = [
        b"",
        b"{",
        b"nonsense",
        b"{} {}",
        b"{}x",
        b"{\"label\": \"\xff\xfe\"}",
        b"\xef\xbb\xbf\xef\xbb\xbf{}",
        b"{'a': 1}",
        b"{\"a\": 1,}",
        b"\0",
        b"{\"label\": \"a\nb\"}",
    ];
    for path in paths {
        for body in unparsable {
            let case = format!("{path}: {}", String::from_utf8_lossy(body));
            post(&root, path, body).await.assert_problem(400, "unparsable", &case);
        }
        for levels in [33, 100_000] {
            post(&root, path, deep(levels)).await.assert_problem(
                400,
                "unparsable",
                &format!("{levels} levels"),
            );
        }
        for body in ["[]", "null", "1", "\"x\""] {
            post(&root, path, body).await.assert_problem(422, "validation", &format!("{path}: {body}"));
        }
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "application/jsonx",
            "",
        ] {
            let request = root.request(Method::POST, path).header("Content-Type", kind).body("{}");
            Reply::of(request).await.assert_problem(
                415,
                "unsupported_media_type",
                &format!("{path}: {kind}"),
            );
        }
        let untyped = Reply::of(root.request(Method::POST, path).body("{}")).await;
        untyped.assert_problem(415, "unsupported_media_type", path);
        for size in [1024 * 1024 + 1, 10 * 1024 * 1024] {
            let body = vec![b' '; size];
            post(&root, path, body).await.assert_problem(
                413,
                "body_too_large",
                &format!("{path}: {size} bytes"),
            );
        }
    }
    let half = r#"{"label": "\ud800", "budget_credits": 1}"#;
    post(&root, "/delegation", half).await.assert_problem(400, "unparsable", "half a character");
    assert_eq!(root.snapshot().await, before);
}
