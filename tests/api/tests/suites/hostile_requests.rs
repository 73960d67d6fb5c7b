//! Spends, revocations, sign-ups and keys that no call accepts, and nothing changes.

use reqwest::Method;
use serde_json::{Value, json};
use subgrant_tests::{Api, Reply, Tenant, TestServer};

async fn stage() -> (TestServer, Tenant, Api, String) {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (_, id) = root.child("Engineering", 100).await;
    (server, tenant, root, id)
}

async fn post_text(api: &Api, path: &str, body: String) -> Reply {
    Reply::of(api.request(Method::POST, path).header("Content-Type", "application/json").body(body)).await
}

#[tokio::test]
async fn what_a_spend_says_about_itself_is_bounded() {
    let (_, _, root, _) = stage().await;
    let before = root.snapshot().await;
    let filled = |bytes: usize| json!({ "a": "x".repeat(bytes - r#"{"a":""}"#.len()) });
    for (field, value, case) in [
        ("metadata", filled(2_049), "2,049 bytes"),
        ("metadata", json!("text"), "a text"),
        ("metadata", json!([1]), "an array"),
        ("metadata", json!(1), "a number"),
        ("description", json!("a\0b"), "NUL"),
        ("description", json!("x".repeat(1_025)), "1,025 bytes"),
        ("description", json!(5), "a number"),
        ("dry_run", json!("yes"), "a text"),
        ("dry_run", json!(1), "a number"),
        ("surprise", json!(null), "an unknown field"),
    ] {
        let mut body = json!({ "amount_credits": 1 });
        body[field] = value;
        let reply = root.post("/spend", &body).await;
        reply.assert_invalid(&[&format!("/{field}")], &format!("{field}: {case}"));
    }
    for nesting in [33, 34, 10_000] {
        let inner = format!("{}{}", "[".repeat(nesting - 2), "]".repeat(nesting - 2));
        let body = format!(r#"{{"amount_credits": 1, "metadata": {{"a": {inner}}}}}"#);
        post_text(&root, "/spend", body).await.assert_problem(
            400,
            "unparsable",
            &format!("{nesting} levels"),
        );
    }
    assert_eq!(root.snapshot().await, before);
    let deepest =
        format!(r#"{{"amount_credits": 1, "metadata": {{"a": {}{}}}}}"#, "[".repeat(30), "]".repeat(30));
    assert_eq!(post_text(&root, "/spend", deepest).await.status, 201, "32 levels are allowed");
    for metadata in [filled(2_048), json!({}), json!({ "nul": "\0", "\0": "é💥" }), json!({ "n": -1.5e300 })]
    {
        let body = json!({ "amount_credits": 1, "description": "\u{202e}\n", "metadata": metadata });
        let spent = root.post("/spend", &body).await;
        assert_eq!(spent.status, 201, "{}", spent.body);
        let ledger = root.all("/ledger?").await;
        assert_eq!(ledger.last().unwrap()["metadata"], metadata, "the ledger keeps what was said");
    }
}

#[tokio::test]
async fn an_idempotency_key_is_1_to_255_visible_characters_once() {
    let (_, tenant, root, id) = stage().await;
    let before = root.snapshot().await;
    let revoke = format!("/delegation/{id}/revoke");
    let calls = [
        ("/delegation", json!({ "label": "x", "budget_credits": 1 })),
        ("/spend", json!({ "amount_credits": 1 })),
        (&revoke, json!({})),
        ("/root/rotate", json!({})),
        ("/signup", json!({ "organization": "x", "email": "x@x.example", "password": "correct horse" })),
    ];
    let long = "k".repeat(256);
    let bad: [&[u8]; 7] = [b"", b"a b", b"\t", b"\xff", "é".as_bytes(), long.as_bytes(), b"a\x7f"];
    for (path, body) in &calls {
        for key in bad {
            // A client library refuses to send some of them; those cannot arrive either.
            let Ok(key) = reqwest::header::HeaderValue::from_bytes(key) else { continue };
            let request = root.request(Method::POST, path).header("Idempotency-Key", &key).json(body);
            Reply::of(request).await.assert_problem(
                400,
                "invalid_idempotency_key",
                &format!("{path} {key:?}"),
            );
        }
        let twice =
            root.request(Method::POST, path).header("Idempotency-Key", "a").header("Idempotency-Key", "a");
        Reply::of(twice.json(body)).await.assert_problem(
            400,
            "invalid_idempotency_key",
            &format!("{path} twice"),
        );
    }
    assert_eq!(root.snapshot().await, before);
    assert_eq!(
        root.get("/delegation/self").await.text("/id"),
        tenant.root_id,
        "the root token was not rotated"
    );
    let longest = root.post_with_key("/spend", &"k".repeat(255), &json!({ "amount_credits": 1 })).await;
    assert_eq!(longest.status, 201, "{}", longest.body);
}

#[tokio::test]
async fn the_same_key_with_another_request_changes_nothing() {
    let (_, _, root, id) = stage().await;
    let (_, other_id) = root.child("Finance", 100).await;
    let (revoke, revoke_other) =
        (format!("/delegation/{id}/revoke"), format!("/delegation/{other_id}/revoke"));
    let sign_up =
        |name: &str| json!({ "organization": name, "email": "n@n.example", "password": "correct horse" });
    for (path, body, others) in [
        (
            "/delegation",
            json!({ "label": "a", "budget_credits": 5 }),
            vec![json!({ "label": "a", "budget_credits": 6 }), json!({ "label": "b", "budget_credits": 5 })],
        ),
        (
            "/spend",
            json!({ "amount_credits": 1 }),
            vec![json!({ "amount_credits": 2 }), json!({ "amount_credits": 1, "description": "x" })],
        ),
        (&revoke, json!({}), vec![json!({ "reason": "x" })]),
        ("/signup", sign_up("A"), vec![sign_up("B")]),
    ] {
        let first = root.post_with_key(path, "key", &body).await;
        assert!(first.status < 300, "{path}: {}", first.body);
        let before = root.snapshot().await;
        for other in others {
            let case = format!("{path}: {other}");
            root.post_with_key(path, "key", &other).await.assert_problem(422, "idempotency_mismatch", &case);
        }
        assert_eq!(root.snapshot().await, before, "{path}");
    }
    let before = root.snapshot().await;
    let elsewhere = root.post_with_key(&revoke_other, "key", &json!({})).await;
    elsewhere.assert_problem(422, "idempotency_mismatch", "the same key for another node");
    assert_eq!(root.snapshot().await, before);
}

#[tokio::test]
async fn a_revocation_that_cannot_be_meant_revokes_nothing() {
    let (_, _, root, id) = stage().await;
    let (path, before) = (format!("/delegation/{id}/revoke"), root.snapshot().await);
    for (body, pointer) in [
        (json!({ "dry_run": "yes" }), "/dry_run"),
        (json!({ "dry_run": 1 }), "/dry_run"),
        (json!({ "if_version": "1" }), "/if_version"),
        (json!({ "if_descendants": "1" }), "/if_descendants"),
        (json!({ "if_descendants": -1 }), "/if_descendants"),
        (json!({ "if_descendants": 1.5 }), "/if_descendants"),
        (json!({ "reason": "x".repeat(257) }), "/reason"),
        (json!({ "reason": "a\0b" }), "/reason"),
        (json!({ "dryrun": true }), "/dryrun"),
    ] {
        root.post(&path, &body).await.assert_invalid(&[pointer], &body.to_string());
    }
    let stale = root.post(&path, &json!({ "if_version": 7 })).await;
    stale.assert_problem(409, "stale_version", "stale");
    let stale = root.post(&path, &json!({ "if_descendants": u64::MAX })).await;
    stale.assert_problem(409, "stale_preview", "stale");
    post_text(&root, &path, "{".to_owned()).await.assert_problem(400, "unparsable", "revoke");
    for unknown in ["dlg_01jd0000000000000000000001", "x", "self%00"] {
        let reply = root.post(&format!("/delegation/{unknown}/revoke"), &json!({})).await;
        reply.assert_problem(404, "not_found", unknown);
    }
    assert_eq!(root.snapshot().await, before);
    assert_eq!(root.post(&path, &json!({ "if_version": 1 })).await.status, 200);
    root.post(&path, &json!({})).await.assert_problem(409, "already_revoked", "twice");
    root.post(&path, &json!({ "dry_run": true })).await.assert_problem(409, "already_revoked", "preview");
    let below = json!({ "label": "x", "budget_credits": 1, "parent_id": id });
    root.post("/delegation", &below).await.assert_problem(409, "revoked", "a child of a revoked node");
}

#[tokio::test]
async fn sign_ups_rotations_and_checks_that_make_no_sense_are_refused() {
    let (server, tenant, root, _) = stage().await;
    let good = json!({ "organization": "New", "email": "new@new.example", "password": "correct horse" });
    let changed = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    for (body, pointer) in [
        (changed("organization", json!("")), "/organization"),
        (changed("organization", json!("a\0b")), "/organization"),
        (changed("organization", json!("x".repeat(300))), "/organization"),
        (changed("organization", json!("Pay at https://evil.example/now")), "/organization"),
        (changed("email", json!("nobody")), "/email"),
        (changed("email", json!("a@b\u{0}.example")), "/email"),
        (changed("email", json!("<pat@new.example>")), "/email"),
        (changed("email", json!("mailto:pat@new.example")), "/email"),
        (changed("email", json!("pat@new.example;")), "/email"),
        (changed("email", json!(format!("{}@new.example", "x".repeat(300)))), "/email"),
        (changed("password", json!("short")), "/password"),
        (changed("password", json!("x".repeat(1_025))), "/password"),
        (changed("password", json!(null)), "/password"),
        (changed("role", json!("owner")), "/role"),
    ] {
        server.api.post("/signup", &body).await.assert_invalid(&[pointer], &body.to_string());
    }
    for body in [json!({ "grace": "-1h" }), json!({ "grace": "soon" }), json!({ "grace": 5 })] {
        root.post("/root/rotate", &body).await.assert_invalid(&["/grace"], &body.to_string());
    }
    for time in ["soon", "2999-01-01T00:00:00Z", ""] {
        let reply = root.post("/root/rotate", &json!({ "revoke_issued_before": time })).await;
        reply.assert_invalid(&["/revoke_issued_before"], time);
    }
    root.post("/verify", &json!({})).await.assert_invalid(&["/token"], "no token");
    let bad_address = json!({ "token": "x", "request": { "source_ip": "localhost" } });
    root.post("/verify", &bad_address).await.assert_invalid(&["/request/source_ip"], "no address");
    for token in ["", "x", "sgt_", &"A".repeat(900_000), "\0", &tenant.root_token[..40]] {
        let verdict = root.post("/verify", &json!({ "token": token })).await;
        assert_eq!(
            (verdict.status, &verdict.body["valid"], verdict.code()),
            (200, &json!(false), "malformed")
        );
    }
    assert_eq!(
        root.get("/delegation/self").await.text("/id"),
        tenant.root_id,
        "the root token was not rotated"
    );
    assert_eq!(server.api.post("/signup", &good).await.status, 201);
}
