//! Tokens that are none, or no longer, or somebody else's: refused everywhere, and nothing changes.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use subgrant_tests::{Api, Parts, Reply, Tenant, TestServer, attenuate};

/// A tenant with Engineering (10,000) and code-reviewer (1,000) below it.
struct Stage {
    server: TestServer,
    tenant: Tenant,
    root: Api,
    engineering: Api,
    engineering_id: String,
    reviewer_token: String,
}

async fn stage() -> Stage {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let body = json!({ "label": "Engineering", "budget_credits": 10_000, "cost_center": "Engineering" });
    let minted = root.post("/delegation", &body).await;
    let engineering = root.with_token(&minted.text("/token"));
    let reviewer_token = engineering.mint("code-reviewer", 1_000).await.text("/token");
    let engineering_id = minted.text("/id");
    Stage { server, tenant, root, engineering, engineering_id, reviewer_token }
}

/// Types and contents of the fields of one section.
type Section<'a> = &'a [(u8, &'a [u8])];

/// One of each call that a token opens.
fn calls(id: &str) -> Vec<(Method, String, Option<Value>)> {
    let mint = json!({ "label": "x", "budget_credits": 1 });
    vec![
        (Method::GET, "/delegation/self".to_owned(), None),
        (Method::GET, "/delegation".to_owned(), None),
        (Method::GET, format!("/delegation/{id}"), None),
        (Method::GET, "/ledger".to_owned(), None),
        (Method::POST, "/delegation".to_owned(), Some(mint)),
        (Method::POST, "/spend".to_owned(), Some(json!({ "amount_credits": 1 }))),
        (Method::POST, format!("/delegation/{id}/revoke"), Some(json!({}))),
        (Method::POST, "/verify".to_owned(), Some(json!({ "token": "x" }))),
        (Method::POST, "/root/rotate".to_owned(), Some(json!({}))),
    ]
}

impl Stage {
    /// Checks that every call with these `Authorization` headers is refused alike, and that nothing has changed.
    async fn assert_refused(&self, headers: &[&[u8]], status: u16, code: &str, case: &str) {
        let before = self.root.snapshot().await;
        for (method, path, body) in calls(&self.engineering_id) {
            let mut request = self.server.api.request(method.clone(), &path);
            for header in headers {
                request = request.header("Authorization", *header);
            }
            request = if let Some(body) = body { request.json(&body) } else { request };
            Reply::of(request).await.assert_problem(status, code, &format!("{case}: {method} {path}"));
        }
        assert_eq!(self.root.snapshot().await, before, "{case}");
    }

    async fn assert_token_refused(&self, token: &str, status: u16, code: &str, case: &str) {
        self.assert_refused(&[format!("Bearer {token}").as_bytes()], status, code, case).await;
    }

    fn with(&self, caveats: &[&str]) -> Api {
        let bytes: Vec<_> = caveats.iter().map(|caveat| caveat.as_bytes()).collect();
        self.root.with_token(&attenuate(&self.reviewer_token, &bytes))
    }
}

#[tokio::test]
async fn what_is_no_bearer_token_is_refused() {
    let stage = stage().await;
    let token = &stage.reviewer_token;
    stage.assert_refused(&[], 401, "missing", "no header").await;
    for header in ["Bearer", "Bearer ", "bearer   "] {
        stage.assert_refused(&[header.as_bytes()], 401, "missing", header).await;
    }
    for scheme in ["Basic", "Token", "Digest", "Negotiate", "BearerX", ""] {
        let header = format!("{scheme} {token}");
        stage.assert_refused(&[header.trim().as_bytes()], 401, "malformed", scheme).await;
    }
    let good = format!("Bearer {token}");
    let (good, junk) = (good.as_bytes(), b"Bearer junk".as_slice());
    for headers in [[good, good], [good, junk], [junk, good]] {
        stage.assert_refused(&headers, 401, "malformed", "two headers").await;
    }
    stage.assert_refused(&[b"Bearer sgt_\xff\xfe"], 401, "malformed", "outside ASCII").await;
    for scheme in ["bearer", "BEARER", "BeArEr"] {
        let request = stage.server.api.request(Method::GET, "/delegation/self");
        let reply = Reply::of(request.header("Authorization", format!("{scheme} {token}"))).await;
        assert_eq!(reply.status, 200, "{scheme}: {}", reply.body);
    }
}

#[tokio::test]
async fn garbled_truncated_and_oversized_tokens_are_refused() {
    let stage = stage().await;
    let token = stage.reviewer_token.clone();
    for text in
        ["x", "sgt_", "sgt_AgE", "null", "undefined", "sgt_!!!!", "sgt_====", "ten_x", "💥", "' OR 1=1 --"]
    {
        stage.assert_token_refused(text, 401, "malformed", text).await;
    }
    for length in [1, 2, 3, 4, 44, token.len() / 2] {
        let text = &token[..token.len() - length];
        stage.assert_token_refused(text, 401, "malformed", &format!("{length} characters cut off")).await;
    }
    for (bytes, case) in [(9 * 1024, "9 KiB"), (128 * 1024, "128 KiB")] {
        stage.assert_token_refused(&"A".repeat(bytes), 401, "malformed", case).await;
        let grown = format!("{token}{}", "A".repeat(bytes));
        stage.assert_token_refused(&grown, 401, "malformed", &format!("a good token grown by {case}")).await;
    }
    for text in [format!("{token}AAAA"), format!("{token}.{token}"), format!("{token}{}", &token[4..])] {
        stage.assert_token_refused(&text, 401, "malformed", "trailing junk").await;
    }
}

#[tokio::test]
async fn other_formats_and_third_party_caveats_are_refused() {
    let stage = stage().await;
    let parts = Parts::of(&stage.reviewer_token);
    assert_eq!(Parts::text(&parts.v2()), stage.reviewer_token, "the parts are read and written rightly");
    let (v1, json) = (parts.v1(), parts.json());
    let third_party: [(&str, Section<'_>); 3] = [
        ("third-party caveat", &[(1, b"https://other.example"), (2, b"id"), (4, &[7; 72])]),
        ("third-party caveat without location", &[(2, b"id"), (4, &[7; 72])]),
        ("caveat with a location", &[(1, b"https://other.example"), (2, b"actions = read")]),
    ];
    for (case, text) in [
        ("V1", Parts::text(&v1)),
        ("V1, standard base64", Parts::standard_text(&v1)),
        ("V2 JSON", json.clone()),
        ("V2 JSON in base64", Parts::text(json.as_bytes())),
        ("deep V1", Parts::standard_text(&b"0010cid aaaaaaa\n".repeat(380))),
    ] {
        stage.assert_token_refused(&text, 401, "malformed", case).await;
    }
    for (case, section) in third_party {
        let text = Parts::text(&parts.v2_with_section(section));
        stage.assert_token_refused(&text, 401, "malformed", case).await;
    }
    let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/token/testdata/vectors.json");
    let vectors: Value = serde_json::from_slice(&std::fs::read(vectors).unwrap()).unwrap();
    for vector in vectors["vectors"].as_array().unwrap() {
        // Good ones are of tenants that do not exist here. A header cannot carry line breaks or surrounding spaces.
        let (token, name) = (vector["token"].as_str().unwrap(), vector["name"].as_str().unwrap());
        if token.trim() != token || token.is_empty() {
            continue;
        }
        let reply = stage.root.with_token(token).get("/delegation/self").await;
        let class = vector["expect"]["class"].as_str().filter(|class| *class != "caveat_not_met");
        reply.assert_problem(401, class.unwrap_or("forged"), name);
    }
}

#[tokio::test]
async fn no_flipped_bit_makes_another_token() {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let stage = stage().await;
    let (token, own) =
        (stage.reviewer_token.clone(), stage.with(&[]).get("/delegation/self").await.text("/id"));
    let before = stage.root.snapshot().await;
    let hint = 3..3 + Parts::of(&token).location.len();
    for position in 0..token.len() {
        for bit in 0..6 {
            let mut text = token.clone().into_bytes();
            let bits = ALPHABET.iter().position(|letter| *letter == text[position]).unwrap();
            text[position] = ALPHABET[bits ^ (1 << bit)];
            let text = String::from_utf8(text).unwrap();
            let reply = stage.root.with_token(&text).get("/delegation/self").await;
            // Six bits a character, the first of them the highest; the prefix is outside.
            let byte = position.checked_sub(4).map(|index| (index * 6 + 5 - bit) / 8);
            if byte.is_some_and(|byte| hint.contains(&byte)) && reply.status == 200 {
                // The location is a hint that nothing signs: the token is still the same one.
                assert_eq!(reply.text("/id"), own);
                continue;
            }
            let code = reply.code().to_owned();
            assert!(["malformed", "forged"].contains(&code.as_str()), "{position}.{bit}: {}", reply.body);
            reply.assert_problem(401, &code, &format!("character {position}, bit {bit}"));
        }
    }
    assert_eq!(stage.root.snapshot().await, before);
}

#[tokio::test]
async fn altered_chains_are_forged() {
    let stage = stage().await;
    let (whole, root) = (Parts::of(&stage.reviewer_token), Parts::of(&stage.tenant.root_token));
    let text = |change: &dyn Fn(&mut Parts)| {
        let mut parts = whole.clone();
        change(&mut parts);
        Parts::text(&parts.v2())
    };
    let cases = [
        ("last caveat removed", text(&|parts| drop(parts.caveats.pop()))),
        ("first caveat removed", text(&|parts| drop(parts.caveats.remove(0)))),
        ("all caveats removed", text(&|parts| parts.caveats.clear())),
        ("caveats swapped", text(&|parts| parts.caveats.swap(0, 3))),
        ("caveat added unsigned", text(&|parts| parts.caveats.push(b"actions = read".to_vec()))),
        ("budget raised", text(&|parts| parts.caveats[1] = b"budget = 9007199254740991".to_vec())),
        ("the root's signature", text(&|parts| parts.signature.clone_from(&root.signature))),
        ("no signature", text(&|parts| parts.signature.fill(0))),
        ("of a tenant that does not exist", text(&|parts| parts.identifier[1..17].fill(0))),
        ("of a key that does not exist", text(&|parts| parts.identifier[17..].fill(0))),
    ];
    for (case, token) in cases {
        stage.assert_token_refused(&token, 401, "forged", case).await;
    }
}

#[tokio::test]
async fn expired_and_revoked_tokens_are_refused() {
    let stage = stage().await;
    let brief = json!({ "label": "brief", "budget_credits": 10, "expiry": "1s" });
    let brief = stage.engineering.post("/delegation", &brief).await.text("/token");
    let revoked = stage.engineering.mint("revoked", 10).await;
    let (revoked_api, revoked_id) = (stage.root.with_token(&revoked.text("/token")), revoked.text("/id"));
    let grandchild = revoked_api.mint("below", 5).await.text("/token");
    // A node may always end itself.
    assert_eq!(revoked_api.post(&format!("/delegation/{revoked_id}/revoke"), &json!({})).await.status, 200);
    stage.assert_token_refused(&revoked.text("/token"), 401, "revoked", "revoked itself").await;
    stage.assert_token_refused(&grandchild, 401, "revoked", "its parent was revoked").await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    stage.assert_token_refused(&brief, 401, "expired", "past its end").await;

    let cookie = format!("__Host-session={}", stage.tenant.session);
    let session = |path: &str| stage.server.api.request(Method::GET, path).header("Cookie", &cookie);
    let cut_off = json!({ "revoke_issued_before": jiff::Timestamp::now().to_string() });
    assert_eq!(stage.root.post("/root/rotate", &cut_off).await.status, 200);
    let before = Reply::of(session("/delegation?limit=100")).await;
    for token in [&stage.tenant.root_token, &stage.reviewer_token] {
        for (method, path, body) in calls(&stage.engineering_id) {
            let reply = Reply::of(stage.root.with_token(token).request(method, &path).json(&body)).await;
            reply.assert_problem(401, "revoked", &format!("all tokens were revoked: {path}"));
        }
    }
    assert_eq!(Reply::of(session("/delegation?limit=100")).await.body, before.body);
}
