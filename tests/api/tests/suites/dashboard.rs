//! How the dashboard's page is served. What it does is tested in a browser: `tests/browser`.

use reqwest::{Method, RequestBuilder, Response, header};
use subgrant_tests::{Reply, TestServer};

const HTML: &str = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8";

async fn send(request: RequestBuilder) -> Response {
    request.send().await.expect("the server answers")
}

fn value<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The addresses of files that a page names.
fn links(html: &str) -> Vec<String> {
    let attributes = ["src=\"", "href=\""];
    let texts = attributes.iter().flat_map(|attribute| html.split(attribute).skip(1));
    texts.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

#[tokio::test]
async fn whoever_navigates_gets_the_page_at_any_address_that_is_not_the_apis() {
    let server = TestServer::start().await;
    let at = |path: &str| server.api.request_at(Method::GET, path).header(header::ACCEPT, HTML);
    let page = send(server.api.request_at(Method::GET, "/")).await;
    assert_eq!((page.status().as_u16(), value(&page, "content-type")), (200, "text/html; charset=utf-8"));
    let page = page.text().await.unwrap();
    for path in [
        "/",
        "/delegations",
        "/delegations/dlg_01jd0000000000000000000001?tab=ledger",
        "/a/b/%2e%2e/c",
        "/apis",
    ] {
        let response = send(at(path)).await;
        assert_eq!(response.status().as_u16(), 200, "{path}");
        assert_eq!(response.text().await.unwrap(), page, "{path}");
    }
    for path in [
        "/api",
        "/api/",
        "/api/cloud",
        "/api/cloud/nothing",
        "/assets/nothing.js",
        "/assets/",
        "/docs/nothing",
    ] {
        Reply::of(at(path)).await.assert_problem(404, "not_found", path);
    }
    for path in ["/nothing", "/delegations", "/.built-from", "/../Cargo.toml"] {
        Reply::of(server.api.request_at(Method::GET, path)).await.assert_problem(404, "not_found", path);
    }
    let posted = server.api.request_at(Method::POST, "/delegations").header(header::ACCEPT, HTML);
    Reply::of(posted).await.assert_problem(404, "not_found", "a form");
    for path in ["/livez", "/readyz"] {
        let probe = send(at(path)).await;
        assert!(!value(&probe, "content-type").starts_with("text/html"), "{path}");
    }
}

#[tokio::test]
async fn the_page_may_run_nothing_but_its_own_files_and_be_framed_by_nobody() {
    let server = TestServer::start().await;
    let page = send(server.api.request_at(Method::GET, "/")).await;
    let policy = value(&page, "content-security-policy").to_owned();
    for directive in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.split("; ").any(|other| other == directive), "{directive} is not in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(value(&page, "referrer-policy"), "no-referrer");
    assert_eq!(value(&page, "x-content-type-options"), "nosniff");
    assert!(value(&page, "permissions-policy").contains("camera=()"));
    assert_eq!(value(&page, "cache-control"), "no-cache");
    assert!(value(&page, "x-request-id").starts_with("req_"));
    let html = page.text().await.unwrap();
    assert!(!html.contains("<style") && !html.contains(" style=") && !html.contains(" onload="), "{html}");
    for script in html.split("<script").skip(1) {
        let (tag, rest) = script.split_once('>').unwrap();
        assert!(tag.contains("src=\"/assets/") && rest.starts_with("</script>"), "{script}");
    }
}

#[tokio::test]
async fn who_has_the_page_is_told_so() {
    let server = TestServer::start().await;
    let get = || server.api.request_at(Method::GET, "/");
    let first = send(get()).await;
    let tag = value(&first, "etag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "{tag}");
    for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let response = send(get().header(header::IF_NONE_MATCH, &known)).await;
        assert_eq!((response.status().as_u16(), value(&response, "etag")), (304, &*tag), "{known}");
        assert!(!value(&response, "content-security-policy").is_empty());
        assert!(response.bytes().await.unwrap().is_empty());
    }
    for unknown in ["\"other\"", "", "x", &"\",".repeat(1_000)] {
        let response = send(get().header(header::IF_NONE_MATCH, unknown)).await;
        assert_eq!(response.status().as_u16(), 200, "{unknown}");
    }
    let head = send(server.api.request_at(Method::HEAD, "/")).await;
    assert_eq!((head.status().as_u16(), value(&head, "etag")), (200, &*tag));
    assert_eq!(value(&head, "content-length"), value(&first, "content-length"));
}

#[tokio::test]
async fn files_of_the_page_are_kept_for_ever_and_sent_compressed() {
    let server = TestServer::start().await;
    let html = send(server.api.request_at(Method::GET, "/")).await.text().await.unwrap();
    let assets: Vec<_> = links(&html).into_iter().filter(|link| link.starts_with("/assets/")).collect();
    if assets.is_empty() {
        assert!(html.contains("cargo xtask web"), "without a build, the page says how to get one: {html}");
        return;
    }
    for path in assets {
        let get = |encoding: &str| {
            server.api.request_at(Method::GET, &path).header(header::ACCEPT_ENCODING, encoding)
        };
        let plain = send(get("identity")).await;
        assert_eq!(plain.status().as_u16(), 200, "{path}");
        assert_eq!(value(&plain, "cache-control"), "public, max-age=31536000, immutable", "{path}");
        assert!(!value(&plain, "content-type").starts_with("text/html"), "{path}");
        let (tag, size) = (value(&plain, "etag").to_owned(), plain.bytes().await.unwrap().len());
        // What is small has no smaller copy.
        for encoding in ["br", "gzip"].into_iter().filter(|_| size > 1_024) {
            let small = send(get(encoding)).await;
            assert_eq!(
                (value(&small, "content-encoding"), value(&small, "vary")),
                (encoding, "Accept-Encoding")
            );
            assert_ne!(value(&small, "etag"), tag, "other bytes, other tag");
            assert!(small.bytes().await.unwrap().len() < size, "{path} in {encoding}");
        }
    }
}
