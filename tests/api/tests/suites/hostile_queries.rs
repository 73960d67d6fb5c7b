//! Query strings and ids that mean nothing.

use serde_json::json;
use subgrant_tests::{Api, TestServer};

async fn root() -> Api {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    root.child("Engineering", 100).await;
    root
}

#[tokio::test]
async fn query_strings_that_mean_nothing_are_named() {
    let root = root().await;
    let lists: [(&str, &[&str]); 4] = [
        ("/audit", &["order=up", "order=", "action=%00", "actor=%00", "target=%00", "surprise=1"]),
        (
            "/delegation",
            &[
                "status=bad",
                "status=Active",
                "status=",
                "surprise=1",
                "label=x",
                "with=",
                "with=x",
                "with=ancestors,",
            ],
        ),
        ("/hold", &["status=open", "status=Held", "status=", "surprise=1"]),
        (
            "/ledger",
            &["from=yesterday", "to=2026-13-01T00:00:00Z", "from=", "status=active", "order=up", "order="],
        ),
    ];
    let common = [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=abc",
        "limit=1.5",
        "limit=",
        "limit=99999999999999999999999",
        "cursor=x",
        "cursor=",
        "cursor=-1",
        "cursor=%00",
        "cursor=99999999999999999999999999",
    ];
    for (path, own) in lists {
        for query in common.iter().chain(own) {
            let (reply, case) = (root.get(&format!("{path}?{query}")).await, format!("{path}?{query}"));
            let name = query.split('=').next().unwrap_or_default();
            reply.assert_invalid(&[&format!("?{name}")], &case);
        }
    }
    for query in ["limit=1&limit=2", "q=a&q=a"] {
        let name = query.split('=').next().unwrap_or_default();
        root.get(&format!("/delegation?{query}")).await.assert_invalid(&[&format!("?{name}")], query);
    }
}

#[tokio::test]
async fn ids_and_filters_that_name_nothing_find_nothing() {
    let root = root().await;
    for path in [
        "/delegation?parent_id=x",
        "/delegation?parent_id=",
        "/delegation?parent_id=dlg_01jd0000000000000000000001",
        "/ledger?delegation_id=x",
        "/hold?delegation_id=x",
        "/hold?delegation_id=dlg_01jd0000000000000000000001",
        "/delegation/x/token",
        "/delegation/dlg_01jd0000000000000000000001/token",
        "/ledger?delegation_id=dlg_01jd0000000000000000000001",
        "/delegation/x",
        "/delegation/dlg_",
        "/delegation/%00",
        "/delegation/%ff",
        "/delegation/..%2fself",
        "/delegation/",
        "/delegation/SELF",
        "/spend/x",
        "/spend/spd_01jd0000000000000000000001",
        "/spend/%00",
    ] {
        root.get(path).await.assert_problem(404, "not_found", path);
    }
    for query in ["q=%00", "cost_center=%00", "department=%00", "q=Engineering%00"] {
        let reply = root.get(&format!("/delegation?{query}")).await;
        let matches_nothing = reply.status == 200 && reply.body["data"] == json!([]);
        assert!(matches_nothing || reply.status == 422, "{query} is no filter to ignore: {}", reply.body);
    }
}
