//! `GET /report/budget`: what may be spent beside what was spent, by cost centre, department and delegation.

use reqwest::Method;
use serde_json::{Value, json};
use subgrant_tests::{Api, Reply, TestServer};

/// A tree with cost centres at different levels, one below a node that has none, and spending of most nodes.
struct Stage {
    _server: TestServer,
    root: Api,
    engineering: Api,
    engineering_id: String,
    region_id: String,
}

async fn minted(parent: &Api, label: &str, budget: u64, more: &Value) -> (Api, String) {
    let mut body = json!({ "label": label, "budget_credits": budget });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let reply = parent.post("/delegation", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    (parent.with_token(&reply.text("/token")), reply.text("/id"))
}

async fn spent(api: &Api, amount: u64) {
    let reply = api.spend(amount).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
}

async fn stage() -> Stage {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let cost_center = |name: &str| json!({ "cost_center": name });
    let department = |name: &str| json!({ "department": name });
    let (engineering, engineering_id) =
        minted(&root, "Engineering", 10_000, &cost_center("Engineering")).await;
    let (ml_team, _) = minted(&engineering, "ML Team", 5_000, &department("ML Team")).await;
    let (reviewer, _) = ml_team.child("code-reviewer", 1_000).await;
    let capped = json!({ "allocation": "cap" });
    let (shared, _) = minted(&engineering, "shared", 8_000, &capped).await;
    let (region, region_id) = minted(&root, "Region", 4_000, &json!({})).await;
    let (office, _) = minted(&region, "Office", 3_000, &cost_center("Finance")).await;
    let (desk, _) = minted(&office, "Desk", 500, &department("ML Team")).await;
    for (api, amount) in
        [(&reviewer, 100), (&ml_team, 20), (&shared, 7), (&desk, 40), (&region, 5), (&root, 3)]
    {
        spent(api, amount).await;
    }
    reviewer.held(50).await;
    Stage { _server: server, root, engineering, engineering_id, region_id }
}

async fn report(api: &Api, query: &str) -> Value {
    let reply = api.get(&format!("/report/budget{query}")).await;
    assert_eq!(reply.status, 200, "{query}: {}", reply.body);
    let typed: subgrant_api::BudgetReport =
        serde_json::from_value(reply.body.clone()).expect("what is sent is what the types say");
    assert_eq!(serde_json::to_value(typed).expect("plain data"), reply.body);
    reply.body
}

/// Name, delegations, budget, spent, held, reserved, remaining, capped, overcommit, spent in the range.
fn figures(line: &Value) -> Value {
    let name = ["label", "cost_center", "department"].into_iter().map(|field| &line[field]);
    let name = name.into_iter().find(|name| !name.is_null()).unwrap_or(&Value::Null);
    let fields = [
        "delegations",
        "budget_credits",
        "spent_credits",
        "held_credits",
        "reserved_credits",
        "remaining_credits",
        "capped_credits",
        "overcommit_credits",
        "spent_in_range_credits",
    ];
    let mut all = vec![name.clone()];
    all.extend(fields.map(|field| line[field].clone()));
    Value::Array(all)
}

fn lines(report: &Value) -> Vec<Value> {
    report["data"].as_array().expect("a list").iter().map(figures).collect()
}

#[tokio::test]
async fn a_cost_centres_budget_is_that_of_its_topmost_delegations() {
    let stage = stage().await;
    let whole = report(&stage.root, "").await;
    // Engineering: 5,000 carved for ML Team, of which 120 are spent and 50 held; shared may consume 7,993 more.
    let engineering = json!(["Engineering", 1, 10_000, 127, 50, 4_830, 9_823, 7_993, 3_000, 127]);
    let finance = json!(["Finance", 1, 3_000, 40, 0, 460, 2_960, 0, 0, 40]);
    let rest = json!([null, 0, null, 8, 0, 0, null, 0, null, 8]);
    assert_eq!(lines(&whole), [engineering.clone(), finance, rest], "{whole}");
    assert_eq!(whole["data"][2]["unallocated"], true);
    assert_eq!(whole["data"][0]["utilisation"], 0.0177);
    let total = &whole["total"];
    assert_eq!(figures(total), json!(["Root Key", 1, null, 175, 50, 13_778, null, 0, null, 175]));
    assert_eq!(whole["group_by"], "cost_center");
    let below = report(&stage.engineering, "").await;
    assert_eq!(lines(&below), [engineering], "the caller's own is the topmost that it sees");
    let region = report(&stage.root, &format!("?delegation_id={}", stage.region_id)).await;
    let rest = json!([null, 0, null, 5, 0, 0, null, 0, null, 5]);
    assert_eq!(lines(&region)[1], rest, "{region}");
}

#[tokio::test]
async fn departments_add_up_wherever_they_are() {
    let stage = stage().await;
    let report = report(&stage.root, "?group_by=department").await;
    let ml_team = json!(["ML Team", 2, 5_500, 160, 50, 850, 5_290, 0, 0, 160]);
    let rest = json!([null, 0, null, 15, 0, 0, null, 0, null, 15]);
    assert_eq!(lines(&report), [ml_team, rest], "{report}");
}

#[tokio::test]
async fn every_delegation_has_its_line_and_counts_what_is_below() {
    let stage = stage().await;
    let report = report(&stage.root, "?group_by=delegation").await;
    let data = report["data"].as_array().expect("a list");
    let label = |line: &Value| line["label"].as_str().expect("a label").to_owned();
    let labels: Vec<_> = data.iter().map(label).collect();
    let expected =
        ["Root Key", "Engineering", "ML Team", "code-reviewer", "shared", "Region", "Office", "Desk"];
    assert_eq!(labels, expected);
    let in_range: Vec<_> = data.iter().map(|line| &line["spent_in_range_credits"]).collect();
    assert_eq!(json!(in_range), json!([175, 127, 120, 100, 7, 45, 40, 40]));
    for line in data {
        assert_eq!(line["spent_credits"], line["spent_in_range_credits"], "all of it this month: {line}");
        let own =
            stage.root.get(&format!("/delegation/{}", line["delegation_id"].as_str().expect("an id"))).await;
        for field in ["budget_credits", "held_credits", "remaining_credits", "parent_id", "depth", "status"] {
            assert_eq!(line[field], own.body[field], "{field} of {line}");
        }
    }
}

#[tokio::test]
async fn what_was_revoked_has_no_budget_left_and_what_it_spent_stays() {
    let stage = stage().await;
    assert_eq!(stage.root.act(&stage.region_id, "revoke").await.status, 200);
    let whole = report(&stage.root, "").await;
    // Office itself was not revoked, but Region above it was.
    assert_eq!(lines(&whole)[1], json!(["Finance", 1, 40, 40, 0, 0, 0, 0, 0, 40]), "{whole}");
    let listed = report(&stage.root, "?group_by=delegation").await;
    assert_eq!(lines(&listed)[6], json!(["Office", 1, 40, 40, 0, 0, 0, 0, 0, 40]), "{listed}");
}

#[tokio::test]
async fn the_range_narrows_what_was_spent_in_it_and_nothing_else() {
    let stage = stage().await;
    let past = report(&stage.root, "?from=2020-01-01&to=2020-02-01").await;
    assert_eq!(
        (&past["data"][0]["spent_credits"], &past["data"][0]["spent_in_range_credits"]),
        (&json!(127), &json!(0))
    );
    assert_eq!(past["total"]["spent_in_range_credits"], 0);
    for (query, pointer) in [
        ("?from=soon", "?from"),
        ("?to=2020-13-01", "?to"),
        ("?group_by=colour", "?group_by"),
        ("?group_by=cost_center,department", "?group_by"),
        ("?group_by=", "?group_by"),
        ("?interval=day", "?interval"),
    ] {
        stage.root.get(&format!("/report/budget{query}")).await.assert_invalid(&[pointer], query);
    }
    let empty = stage.root.get("/report/budget?from=2020-02-01&to=2020-01-01").await;
    empty.assert_problem(422, "invalid_range", "an empty range");
    for id in ["x", "", "dlg_01jd0000000000000000000001"] {
        let reply = stage.root.get(&format!("/report/budget?delegation_id={id}")).await;
        reply.assert_problem(404, "not_found", id);
    }
    let above = stage.engineering.get(&format!("/report/budget?delegation_id={}", stage.region_id)).await;
    above.assert_problem(404, "not_found", "a sibling");
}

#[tokio::test]
async fn as_a_table_it_has_a_row_for_each_line_and_no_formulas() {
    let stage = stage().await;
    minted(&stage.engineering, "=1+1", 1, &json!({})).await;
    let query = format!("/report/budget?group_by=delegation&delegation_id={}", stage.engineering_id);
    let request = stage.root.request(Method::GET, &query).header("Accept", "text/csv");
    let response = request.send().await.expect("an answer");
    let disposition = response.headers()["content-disposition"].to_str().expect("a text").to_owned();
    assert!(disposition.contains("filename=\"subgrant-budget-"), "{disposition}");
    let table = response.text().await.expect("a text");
    assert_eq!(table.matches("\r\n").count(), 6, "{table}");
    assert!(table.contains(",'=1+1,active,false,1,1,0,0,0,1,0,0,0.0000,0,"), "{table}");
    let json = Reply::of(stage.root.request(Method::GET, &query).header("Accept", "application/xml")).await;
    json.assert_problem(406, "not_acceptable", "neither");
}

#[tokio::test]
async fn a_tree_with_many_topmost_delegations_is_added_up() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    for number in 0..25 {
        let cost_center = json!({ "cost_center": format!("Centre {}", number % 5) });
        let (parent, _) = minted(&root, &format!("n{number}"), 100, &cost_center).await;
        let (child, _) = parent.child("below", 50).await;
        spent(&child, 1 + number % 5).await;
    }
    let report = report(&root, "").await;
    let expected: Vec<_> = (0..5)
        .map(|n| {
            json!([
                format!("Centre {n}"),
                5,
                500,
                5 * (n + 1),
                0,
                250 - 5 * (n + 1),
                500 - 5 * (n + 1),
                0,
                0,
                5 * (n + 1)
            ])
        })
        .collect();
    assert_eq!(lines(&report), expected);
}
