//! `GET /report/spend` as a table for spreadsheets, and what decides between that and JSON.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test itself does")]

use reqwest::{Method, Response};
use serde_json::json;
use subgrant_tests::{Api, Reply, TestServer};

async fn get(api: &Api, query: &str, accept: &str) -> Response {
    let request = api.request(Method::GET, &format!("/report/spend{query}"));
    request.header("Accept", accept).send().await.unwrap()
}

/// A root whose children have hostile labels and cost centres, each with one spend.
async fn stage() -> (TestServer, Api) {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    for (label, cost_center) in [
        ("=1+1", Some("=HYPERLINK(\"https://evil.example\";\"x\")")),
        ("+49", Some("-2+3")),
        ("@SUM(A1)", Some("＝1")),
        ("quoted \"label\", with comma", Some("Engineering, \"core\"")),
        ("plain", None),
    ] {
        let body = json!({ "label": label, "budget_credits": 100, "cost_center": cost_center });
        let minted = root.post("/delegation", &body).await;
        assert_eq!(minted.status, 201, "{}", minted.body);
        let leaf = root.with_token(&minted.text("/token"));
        assert_eq!(leaf.spend(7).await.status, 201);
    }
    (server, root)
}

#[tokio::test]
async fn texts_like_formulas_are_inert_and_everything_else_is_what_it_is() {
    let (_server, root) = stage().await;
    let response = get(&root, "?group_by=cost_center,delegation", "text/csv").await;
    assert_eq!(response.status(), 200);
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/csv; charset=utf-8; header=present");
    let disposition = header("content-disposition");
    assert!(
        disposition.starts_with("attachment; filename=\"subgrant-spend-") && disposition.ends_with(".csv\"")
    );
    assert_eq!((header("vary"), header("cache-control")), ("Accept".to_owned(), "no-store".to_owned()));
    let text = response.text().await.unwrap();
    assert_eq!(text.matches("\r\n").count(), 6, "{text}");
    assert!(
        text.starts_with("start,end,period,cost_center,department,delegation_id,label,unallocated,"),
        "{text}"
    );
    for cell in [
        ",\"'=HYPERLINK(\"\"https://evil.example\"\";\"\"x\"\")\",",
        ",'-2+3,",
        ",'＝1,",
        ",'=1+1,",
        ",'+49,",
        ",'@SUM(A1),",
        ",\"Engineering, \"\"core\"\"\",",
        ",\"quoted \"\"label\"\", with comma\",false,7,0,7,1,",
        ",plain,true,7,0,7,1,",
    ] {
        assert!(text.contains(cell), "{cell} in {text}");
    }
    for row in text.lines().skip(1) {
        let through = row.rsplit(',').next().unwrap();
        assert!(through.parse::<jiff::Timestamp>().is_ok(), "every row says how far it reaches: {row}");
    }
    // JSON carries the texts as they are.
    let json = Reply::of(root.request(Method::GET, "/report/spend?group_by=delegation")).await;
    assert!(json.body["data"].as_array().unwrap().iter().any(|line| line["label"] == "=1+1"));
}

#[tokio::test]
async fn a_negative_sum_stays_a_number() {
    let (_server, root) = stage().await;
    let ledger = root.all("/ledger?").await;
    let spend = ledger[4]["id"].as_str().unwrap();
    let refund = root.refund(spend, Some(2)).await;
    let from = refund.text("/recorded_at");
    let response = get(&root, &format!("?from={from}&to=2100-01-01"), "text/csv").await;
    let text = response.text().await.unwrap();
    let row = text.lines().nth(1).unwrap();
    assert!(row.contains(",true,0,2,-2,1,"), "{text}");
}

#[tokio::test]
async fn the_header_accept_decides() {
    let (_server, root) = stage().await;
    for (accept, expected) in [
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/csv;q=0.5, application/json", "application/json"),
        ("text/csv, application/json;q=0.5", "text/csv; charset=utf-8; header=present"),
        ("text/*", "text/csv; charset=utf-8; header=present"),
        ("text/html, text/csv;q=0.1", "text/csv; charset=utf-8; header=present"),
    ] {
        let response = get(&root, "", accept).await;
        assert_eq!(
            (response.status().as_u16(), response.headers()["content-type"].to_str().unwrap()),
            (200, expected),
            "{accept}"
        );
    }
    for accept in ["text/html", "application/xml, text/csv;q=0"] {
        let reply = Reply::of(root.request(Method::GET, "/report/spend").header("Accept", accept)).await;
        reply.assert_problem(406, "not_acceptable", accept);
    }
    let refused = root.request(Method::GET, "/report/spend?interval=x").header("Accept", "text/csv");
    assert_eq!(Reply::of(refused).await.status, 422, "a refusal is a problem document, whatever is accepted");
}

#[tokio::test]
async fn an_empty_table_has_its_header() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let text = get(&root, "", "text/csv").await.text().await.unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
}
