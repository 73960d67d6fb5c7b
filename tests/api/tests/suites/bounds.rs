//! The ends of the calendar, and the largest numbers: whoever asks for more is told so.

use reqwest::Method;
use serde_json::{Value, json};
use subgrant_tests::{Api, Reply, TestServer, operations};

/// The largest amount: 2^53 − 1.
const MOST: u64 = 9_007_199_254_740_991;

/// Times that parsers take, and PostgreSQL does not.
const TOO_EARLY: [&str; 3] = ["-004800-01-01T00:00:00Z", "-009999-01-02T00:00:00Z", "0000-12-31T23:59:59Z"];

#[tokio::test]
async fn times_before_the_year_one_are_named_wherever_a_time_is_taken() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let (_, id) = root.child("team", 100).await;
    for time in TOO_EARLY {
        for (path, name) in [("/ledger", "from"), ("/ledger", "to")] {
            let query = format!("{path}?{name}={time}");
            root.get(&query).await.assert_invalid(&[&format!("?{name}")], &query);
        }
        let body = json!({ "revoke_issued_before": time });
        root.post("/root/rotate", &body).await.assert_invalid(&["/revoke_issued_before"], time);
        let body = json!({ "label": "x", "budget_credits": 1, "expiry": time });
        root.post("/delegation", &body).await.assert_invalid(&["/expiry"], time);
        let body = json!({ "amount_credits": 1, "expires_in": time });
        root.post("/hold", &body).await.assert_invalid(&["/expires_in"], time);
        let query = format!("/delegation/{id}/token?grace={time}");
        assert!(root.get(&query).await.status < 500, "{query}");
    }
    // The ends that are within the calendar; and a report begins with the first entry, however early it is asked for.
    for query in [
        "/report/spend?from=-009999-01-02T01:59:59Z",
        "/report/spend?from=0000-01-01",
        "/ledger?from=0001-01-01T00:00:00Z",
        "/ledger?to=9999-12-30T00:00:00Z",
        "/report/spend?from=0001-01-01",
    ] {
        assert_eq!(root.get(query).await.status, 200, "{query}");
    }
}

/// Whatever parameter a list takes, no text makes the server fail.
#[tokio::test]
async fn no_text_in_any_parameter_of_any_query_is_an_error_of_the_server() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let (root, owner) = (server.api.with_token(&tenant.root_token), server.owner(&tenant));
    let document = Reply::of(server.api.request(Method::GET, "/openapi.json")).await.body;
    let texts =
        [TOO_EARLY[0], TOO_EARLY[1], "9999-12-30T22:00:00Z", "-1", "0", "18446744073709551615", "%00", "%ff"];
    let mut asked = 0;
    for operation in operations(&server.api).await.iter().filter(|operation| operation.method == "GET") {
        let Some(path) = operation.path.strip_prefix("/api/cloud") else { continue };
        if path == "/event" {
            continue;
        }
        let path = path.replace("{id}", &tenant.root_id);
        let parameters = &document["paths"][&operation.path]["get"]["parameters"];
        let queries = parameters.as_array().into_iter().flatten().filter(|one| one["in"] == "query");
        for name in queries.filter_map(|query| query["name"].as_str()) {
            for text in texts {
                for api in [&root, &owner] {
                    let status = status(api, &format!("{path}?{name}={text}")).await;
                    asked += 1;
                    assert!(status < 500, "{path}?{name}={text}: {status}");
                    assert!(
                        operation.statuses.contains(&status),
                        "{path}?{name}={text}: {status} is not documented"
                    );
                }
            }
        }
    }
    assert!(asked > 100, "only {asked} were asked");
}

async fn status(api: &Api, path: &str) -> u16 {
    api.request(Method::GET, path).send().await.expect("the server answers").status().as_u16()
}

/// Whether every number of a document is one that every reader of JSON carries exactly.
fn is_readable(document: &Value) -> bool {
    match document {
        Value::Number(number) => number.as_u64().is_none_or(|number| number <= MOST),
        Value::Array(items) => items.iter().all(is_readable),
        Value::Object(members) => members.values().all(is_readable),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

#[tokio::test]
async fn what_an_unlimited_root_sets_aside_stays_readable() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let (first, id) = root.child("first", MOST - 10).await;
    // What is carved out of an unlimited root is unlimited; how much that is in all is told as far as JSON's readers count.
    assert_eq!(root.mint("second", MOST).await.status, 201);
    assert_eq!(root.update(&id, &json!({ "budget_credits": MOST })).await.status, 200, "raised");
    let own = root.get("/delegation/self").await;
    assert_eq!(own.number("/reserved_for_children_credits"), MOST);
    // Caps set nothing aside, and what is given back goes back to where it was set aside.
    for label in ["one", "two"] {
        let body = json!({ "label": label, "budget_credits": MOST, "allocation": "cap" });
        assert_eq!(root.post("/delegation", &body).await.status, 201, "{label}");
    }
    let spent = first.spend(MOST - 10).await;
    assert_eq!(spent.status, 201, "{}", spent.body);
    assert_eq!(root.mint("fifth", 1_000).await.status, 201, "what was spent is not set aside any more");
    assert_eq!(root.refund(&spent.text("/id"), None).await.status, 201);
    for path in ["/delegation/self", "/delegation", "/delegation/tree"] {
        let reply = root.get(path).await;
        assert!(reply.status == 200 && is_readable(&reply.body), "{path}: {}", reply.body);
    }
    let own = root.get("/delegation/self").await;
    assert_eq!(own.number("/capped_for_children_credits"), MOST, "said as the largest number");
    assert_eq!(root.act(&id, "revoke").await.status, 200);
    assert_eq!(root.get("/delegation/self").await.number("/reserved_for_children_credits"), MOST);
}
