//! What every answer has in common, whatever was asked.

use std::collections::HashSet;

use reqwest::Method;
use serde_json::json;
use subgrant_tests::{Api, Reply, TestServer, operations};

#[tokio::test]
async fn unknown_paths_and_methods_are_problem_documents() {
    let server = TestServer::start().await;
    let at = |method: Method, path: &str| Reply::of(server.api.request_at(method, path));
    for path in [
        "/nothing",
        "/api",
        "/api/cloud",
        "/api/cloud/",
        "/api/cloud/nothing",
        "/API/CLOUD/spend",
        "/api/cloud/spend/",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            at(method, path).await.assert_problem(404, "not_found", path);
        }
    }
    let all = operations(&server.api).await;
    // A gateway may ask with whatever method the client has used.
    for operation in all.iter().filter(|operation| !operation.path.contains("/authorize/")) {
        for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS, "BREW".parse().unwrap()] {
            if all.iter().any(|other| other.path == operation.path && other.verb() == method) {
                continue;
            }
            let path = operation.on("dlg_01jd0000000000000000000001");
            let (reply, case) = (at(method.clone(), &path).await, format!("{method} {path}"));
            reply.assert_problem(405, "method_not_allowed", &case);
            let allow = reply.header("allow").unwrap_or_default();
            assert!(allow.split(',').any(|name| name.trim() == operation.method), "{case} allows {allow:?}");
        }
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    for path in ["/delegation/self", "/delegation", "/ledger", "/openapi.json"] {
        let get = root.get(path).await;
        let head = root.request(Method::HEAD, path).send().await.unwrap();
        assert_eq!((head.status().as_u16(), get.status), (200, 200), "{path}");
        assert_eq!(head.headers().get("content-type"), get.headers.get("content-type"), "{path}");
        assert!(head.headers().contains_key("x-request-id"), "{path}");
        assert!(head.bytes().await.unwrap().is_empty(), "{path}");
    }
    let refused = server.api.request(Method::HEAD, "/delegation/self").send().await.unwrap();
    assert_eq!(
        (refused.status().as_u16(), refused.headers()["www-authenticate"].to_str().unwrap()),
        (401, "Bearer")
    );
}

#[tokio::test]
async fn every_answer_has_a_request_id_of_its_own() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let mut replies =
        vec![server.api.get("/nothing").await, server.api.get("/delegation").await, root.spend(1).await];
    for path in
        ["/delegation/self", "/delegation/self", "/delegation", "/ledger", "/openapi.json", "/delegation/x"]
    {
        replies.push(root.get(path).await);
    }
    replies.push(
        Reply::of(server.api.request_at(Method::GET, "/livez").header("X-Request-Id", "req_mine")).await,
    );
    replies.push(root.post("/spend", &json!({ "amount_credits": "x".repeat(2_000_000) })).await);
    let ids: HashSet<_> =
        replies.iter().map(|reply| reply.header("x-request-id").unwrap_or_default()).collect();
    assert_eq!(ids.len(), replies.len(), "{ids:?}");
    for id in ids {
        let suffix = id.strip_prefix("req_").unwrap_or_else(|| panic!("{id:?} is no request id"));
        assert!(
            suffix.len() == 26
                && suffix.chars().all(|letter| "0123456789abcdefghjkmnpqrstvwxyz".contains(letter))
        );
    }
    assert!(replies.iter().all(|reply| reply.header("x-content-type-options") == Some("nosniff")));
}

#[tokio::test]
async fn what_is_created_has_a_location_that_leads_to_it() {
    let server = TestServer::start().await;
    let body = json!({ "organization": "x", "email": "x@x.example", "password": "correct horse battery" });
    let signed_up = server.api.post("/signup", &body).await;
    let root = server.api.with_token(&signed_up.text("/root_token"));
    let minted = root.mint("child", 10).await;
    let spent = root.spend(3).await;
    for (created, id) in [(signed_up, "/tenant/root_delegation_id"), (minted, "/id"), (spent, "/id")] {
        assert_eq!(created.status, 201, "{}", created.body);
        let location =
            created.header("location").unwrap_or_else(|| panic!("no Location with {}", created.body));
        let path =
            location.strip_prefix("/api/cloud").unwrap_or_else(|| panic!("{location} leads elsewhere"));
        let found = root.get(path).await;
        assert_eq!((found.status, found.text("/id")), (200, created.text(id)), "{location}");
    }
}

#[tokio::test]
async fn answers_with_a_token_are_not_stored_and_only_those_show_one() {
    let server = TestServer::start().await;
    let body = json!({ "organization": "x", "email": "x@x.example", "password": "correct horse battery" });
    let signed_up = server.api.post("/signup", &body).await;
    let root = server.api.with_token(&signed_up.text("/root_token"));
    let minted = root.mint("child", 10).await;
    let replayed =
        root.post_with_key("/delegation", "k", &json!({ "label": "x", "budget_credits": 1 })).await;
    let rotated = root.post("/root/rotate", &json!({ "grace": "1h" })).await;
    for reply in [&signed_up, &minted, &replayed, &rotated] {
        assert!(reply.status < 300 && reply.body.to_string().contains("sgt_"), "{}", reply.body);
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{}", reply.body);
    }
    let id = minted.text("/id");
    let verified = root.post("/verify", &json!({ "token": minted.text("/token") })).await;
    assert_eq!((verified.header("cache-control"), &verified.body["valid"]), (Some("no-store"), &json!(true)));
    let nonce = minted.text("/caveats/0").rsplit_once('.').expect("a claim has a nonce").1.to_owned();
    let shown = [
        verified,
        root.get("/delegation").await,
        root.get(&format!("/delegation/{id}")).await,
        root.get("/ledger").await,
    ];
    for reply in shown {
        let text = reply.body.to_string();
        assert!(reply.status == 200 && !text.contains("sgt_") && !text.contains(&nonce), "{text}");
    }
}

#[tokio::test]
async fn the_openapi_document_is_3_1_and_complete() {
    let server = TestServer::start().await;
    let document = server.api.get("/openapi.json").await;
    assert_eq!(document.header("content-type"), Some("application/json"));
    assert!(document.text("/openapi").starts_with("3.1"), "{}", document.text("/openapi"));
    for operation in operations(&server.api).await {
        let name = operation.name();
        let described = &document.body["paths"][&operation.path][operation.method.to_lowercase()];
        assert!(described["summary"].is_string(), "{name} says what it does");
        let codes: HashSet<_> = described["responses"].as_object().unwrap().keys().cloned().collect();
        assert!(codes.iter().any(|code| code.starts_with('2')), "{name} has no success");
        if operation.takes_credential {
            assert!(
                codes.contains("401") && codes.contains("403") && codes.contains("404"),
                "{name}: {codes:?}"
            );
        }
        // What a gateway asks has the method of the request that it was sent, and nothing of its body.
        if operation.method == "POST" && !operation.path.contains("/authorize/") {
            assert!(
                described["requestBody"]["content"]["application/json"].is_object(),
                "{name} says no body"
            );
            assert!(
                codes.contains("415") && codes.contains("422") && codes.contains("413"),
                "{name}: {codes:?}"
            );
        }
    }
    let text = document.body.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document.body.pointer(reference).is_some(), "{reference} leads nowhere");
    }
}

async fn page(api: &Api, path: &str) -> (String, String) {
    let response = api.request_at(Method::GET, path).send().await.expect("an answer");
    assert_eq!(response.status().as_u16(), 200, "{path}");
    (response.url().path().to_owned(), response.text().await.expect("a text"))
}

#[tokio::test]
async fn the_documentation_needs_no_other_host() {
    let server = TestServer::start().await;
    for path in ["/docs", "/api/cloud/docs"] {
        let (address, html) = page(&server.api, path).await;
        assert!(html.contains("swagger"), "{html}");
        let links: Vec<_> = ["src=", "href="]
            .iter()
            .flat_map(|attribute| html.split(attribute).skip(1))
            .filter_map(|rest| rest.split(rest.chars().next()?).nth(1).map(str::to_owned))
            .collect();
        assert!(
            links.iter().any(|link| link.contains(".js")) && links.iter().any(|link| link.contains(".css"))
        );
        for link in links {
            assert!(!link.contains("//"), "{link} is another host's");
            let target = if link.starts_with('/') {
                link
            } else {
                format!("{address}{}", link.trim_start_matches("./"))
            };
            let (_, content) = page(&server.api, &target).await;
            if target.contains(".css") {
                assert!(
                    !content.contains("url(http") && !content.contains("@import"),
                    "{target} loads from elsewhere"
                );
            }
        }
        let (_, initializer) = page(&server.api, &format!("{address}swagger-initializer.js")).await;
        assert!(
            initializer.contains("/api/cloud/openapi.json") && !initializer.contains("https://"),
            "{initializer}"
        );
    }
}
