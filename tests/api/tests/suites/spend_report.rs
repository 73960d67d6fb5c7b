//! `GET /report/spend`: each spend once, by cost centre, department, delegation and time.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test itself does")]

use serde_json::{Value, json};
use subgrant_tests::{Api, Tenant, TestServer, assert_books_balance};

/// The tree of every demo: the root's client, and those of the agents.
struct Demo {
    server: TestServer,
    tenant: Tenant,
    root: Api,
    engineering: Api,
    engineering_id: String,
    ml_team: Api,
    reviewer: Api,
    reviewer_id: String,
    runner: Api,
    deploy_bot: Api,
    analyzer: Api,
}

async fn minted(parent: &Api, label: &str, budget: u64, more: Value) -> (Api, String) {
    let mut body = json!({ "label": label, "budget_credits": budget });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let reply = parent.post("/delegation", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    (parent.with_token(&reply.text("/token")), reply.text("/id"))
}

impl Demo {
    async fn start() -> Self {
        let server = TestServer::start().await;
        let tenant = server.sign_up().await;
        let root = server.api.with_token(&tenant.root_token);
        let (engineering, engineering_id) =
            minted(&root, "Engineering", 10_000, json!({ "cost_center": "Engineering" })).await;
        let (ml_team, _) = minted(&engineering, "ML Team", 5_000, json!({ "department": "ML Team" })).await;
        let (reviewer, reviewer_id) = ml_team.child("code-reviewer", 1_000).await;
        let (runner, _) = ml_team.child("test-runner", 2_000).await;
        let (platform, _) =
            minted(&engineering, "Platform Team", 3_000, json!({ "department": "Platform Team" })).await;
        let (deploy_bot, _) = platform.child("deploy-bot", 500).await;
        let (finance, _) = minted(&root, "Finance", 5_000, json!({ "cost_center": "Finance" })).await;
        let (analyzer, _) = finance.child("expense-analyzer", 1_000).await;
        let demo = Self {
            server,
            tenant,
            root,
            engineering,
            engineering_id,
            ml_team,
            reviewer,
            reviewer_id,
            runner,
            deploy_bot,
            analyzer,
        };
        let spends =
            [(&demo.reviewer, 100), (&demo.reviewer, 11), (&demo.runner, 200), (&demo.deploy_bot, 40)];
        for (agent, amount) in spends.into_iter().chain([(&demo.analyzer, 70), (&demo.root, 5)]) {
            assert_eq!(agent.spend(amount).await.status, 201);
        }
        demo
    }
}

/// A report that must succeed.
async fn report(api: &Api, query: &str) -> Value {
    let reply = api.get(&format!("/report/spend{query}")).await;
    assert_eq!(reply.status, 200, "{query}: {}", reply.body);
    let sum = |field: &str| -> i64 {
        reply.body["data"].as_array().unwrap().iter().map(|line| line[field].as_i64().unwrap()).sum()
    };
    for field in ["gross_credits", "refunded_credits", "spent_credits", "entries"] {
        assert_eq!(json!(sum(field)), reply.body["total"][field], "{query}: the lines add up to the total");
    }
    reply.body
}

/// The given fields of every line.
fn rows(report: &Value, fields: &[&str]) -> Vec<Value> {
    let lines = report["data"].as_array().unwrap();
    lines.iter().map(|line| fields.iter().map(|field| line[*field].clone()).collect()).collect()
}

#[tokio::test]
async fn spending_is_reported_by_cost_centre_and_what_has_none_is_a_line_of_its_own() {
    let demo = Demo::start().await;
    let found = report(&demo.root, "").await;
    assert_eq!(
        rows(&found, &["cost_center", "unallocated", "spent_credits", "entries"]),
        [json!(["Engineering", false, 351, 4]), json!(["Finance", false, 70, 1]), json!([null, true, 5, 1])]
    );
    assert_eq!((&found["unallocated_credits"], &found["total"]["spent_credits"]), (&json!(5), &json!(426)));
    assert_eq!(
        found["total"]["spent_credits"],
        demo.root.get("/delegation/self").await.body["spent_credits"]
    );
    assert_eq!((&found["time_zone"], &found["interval"]), (&json!("UTC"), &json!(null)));
    assert_eq!(found["group_by"], json!(["cost_center"]));
    let newest = demo.root.all("/ledger?").await.pop().unwrap();
    assert_eq!(
        (&found["data_through"], &found["data_through_seq"]),
        (&newest["recorded_at"], &newest["seq"])
    );
    assert_books_balance(&demo.server, &demo.tenant).await;
}

#[tokio::test]
async fn every_grouping_counts_each_spend_once() {
    let demo = Demo::start().await;
    let by = async |groups: &str| report(&demo.root, &format!("?group_by={groups}")).await;
    assert_eq!(
        rows(&by("department").await, &["department", "unallocated", "cost_center", "spent_credits"]),
        [
            json!(["ML Team", false, null, 311]),
            json!(["Platform Team", false, null, 40]),
            json!([null, true, null, 75])
        ]
    );
    assert_eq!(
        rows(
            &by("department,cost_center").await,
            &["cost_center", "department", "unallocated", "spent_credits"]
        ),
        [
            json!(["Engineering", "ML Team", false, 311]),
            json!(["Engineering", "Platform Team", false, 40]),
            json!(["Finance", null, false, 70]),
            json!([null, null, true, 5])
        ]
    );
    let agents = by("delegation").await;
    let mut spent = rows(&agents, &["label", "spent_credits", "unallocated"]);
    spent.sort_by_key(ToString::to_string);
    assert_eq!(
        spent,
        [
            json!(["Root Key", 5, false]),
            json!(["code-reviewer", 111, false]),
            json!(["deploy-bot", 40, false]),
            json!(["expense-analyzer", 70, false]),
            json!(["test-runner", 200, false])
        ],
        "teams have spent nothing themselves"
    );
    let ids: Vec<_> = rows(&agents, &["delegation_id"]);
    assert!(ids.contains(&json!([demo.reviewer_id])), "{ids:?}");
    assert_eq!(agents["unallocated_credits"], 5);
    for groups in ["cost_center,delegation", "delegation,department,cost_center"] {
        assert_eq!(by(groups).await["total"], agents["total"], "{groups}");
    }
}

#[tokio::test]
async fn a_refund_counts_against_what_its_debit_was_attributed_to() {
    let demo = Demo::start().await;
    let spend = demo.runner.spend(60).await.text("/id");
    assert_eq!(demo.engineering.refund(&spend, Some(25)).await.status, 201);
    let found = report(&demo.root, "?group_by=cost_center,department,delegation").await;
    let of_runner: Vec<_> =
        found["data"].as_array().unwrap().iter().filter(|line| line["label"] == "test-runner").collect();
    assert_eq!(of_runner.len(), 1);
    let line = of_runner[0];
    assert_eq!((&line["cost_center"], &line["department"]), (&json!("Engineering"), &json!("ML Team")));
    let sums = ["gross_credits", "refunded_credits", "spent_credits", "entries"].map(|field| &line[field]);
    assert_eq!(json!(sums), json!([260, 25, 235, 3]));
    assert_eq!(
        found["total"]["spent_credits"],
        demo.root.get("/delegation/self").await.body["spent_credits"]
    );
}

#[tokio::test]
async fn a_token_sees_its_own_subtree_and_a_session_the_whole_tenant() {
    let demo = Demo::start().await;
    let spent = async |api: &Api, query: &str| report(api, query).await["total"]["spent_credits"].clone();
    assert_eq!(spent(&demo.engineering, "").await, 351);
    assert_eq!(spent(&demo.ml_team, "?group_by=delegation").await, 311);
    assert_eq!(spent(&demo.reviewer, "?interval=hour").await, 111);
    let within = format!("?delegation_id={}&group_by=department", demo.engineering_id);
    assert_eq!(spent(&demo.root, &within).await, 351);
    for hidden in [&demo.engineering_id, &demo.tenant.root_id] {
        let reply = demo.reviewer.get(&format!("/report/spend?delegation_id={hidden}")).await;
        reply.assert_problem(404, "not_found", hidden);
    }
    let request = demo.server.api.request(reqwest::Method::GET, "/report/spend");
    let request = request.header("Cookie", format!("__Host-session={}", demo.tenant.session));
    let reply = subgrant_tests::Reply::of(request).await;
    assert_eq!((reply.status, &reply.body["total"]["spent_credits"]), (200, &json!(426)));
    let (blind, _) = minted(&demo.root, "blind", 10, json!({ "actions": ["spend"] })).await;
    assert_eq!(blind.get("/report/spend").await.refusal(), (403, "action_not_permitted"));
    let other = demo.server.sign_up().await;
    let other = demo.server.api.with_token(&other.root_token);
    let empty = report(&other, "").await;
    assert_eq!((&empty["data"], &empty["data_through"]), (&json!([]), &json!(null)));
    assert_eq!(empty["unallocated_credits"], 0);
}

#[tokio::test]
async fn captures_batches_and_copies_of_offline_children_count_like_spends() {
    let demo = Demo::start().await;
    let hold = demo.reviewer.held(50).await;
    assert_eq!(report(&demo.root, "").await["total"]["spent_credits"], 426, "a hold is not spent");
    assert_eq!(demo.reviewer.capture(&hold, 30).await.status, 201);
    let items =
        json!({ "items": [{ "amount_credits": 1 }, { "amount_credits": 2 }, { "amount_credits": 10_000 }] });
    assert_eq!(demo.analyzer.post("/spend/batch", &items).await.status, 200);
    // Copies of one offline child say different things: each entry counts where it was stamped.
    let id = "dlg_01jd0000000000000000000009";
    let child = |more: &[&str]| {
        let opening = [format!("delegation = {id}.{:024x}", 7), "budget = 100".to_owned()];
        let caveats: Vec<_> = opening.iter().map(String::as_str).chain(more.iter().copied()).collect();
        let caveats: Vec<_> = caveats.iter().map(|text| text.as_bytes()).collect();
        demo.root.with_token(&subgrant_tests::attenuate(demo.deploy_bot.token().unwrap(), &caveats))
    };
    assert_eq!(child(&["department = Platform Team"]).spend(3).await.status, 201);
    assert_eq!(child(&[]).spend(4).await.status, 201);
    let found = report(&demo.root, "?group_by=cost_center").await;
    assert_eq!(
        rows(&found, &["cost_center", "spent_credits"]),
        [json!(["Engineering", 388]), json!(["Finance", 73]), json!([null, 5])]
    );
}

#[tokio::test]
async fn ranges_are_half_open_to_the_microsecond() {
    let demo = Demo::start().await;
    let ledger = demo.root.all("/ledger?").await;
    let (first, last) =
        (ledger[0]["recorded_at"].as_str().unwrap(), ledger[5]["recorded_at"].as_str().unwrap());
    let entries = async |query: String| report(&demo.root, &query).await["total"]["entries"].clone();
    assert_eq!(entries(format!("?from={first}")).await, 6);
    assert_eq!(entries(format!("?from={first}&to={last}")).await, 5);
    assert_eq!(entries(format!("?from={last}&to=2100-01-01")).await, 1);
    assert_eq!(entries(format!("?from=2000-01-01&to={first}")).await, 0);
    let after = last.replace('Z', "1Z");
    if last.len() == "2026-11-22T00:00:00.000000Z".len() {
        assert_eq!(
            entries(format!("?from={after}&to=2100-01-01")).await,
            0,
            "a tenth of a microsecond later"
        );
        assert_eq!(entries(format!("?from={first}&to={after}")).await, 6);
    }
    for far in ["?from=0001-01-01&to=9999-12-30", "?from=-009999-01-02T01:59:59Z&to=9999-12-30T22:00:00.9Z"] {
        assert_eq!(entries(far.to_owned()).await, 6, "{far}");
    }
}

#[tokio::test]
async fn what_means_nothing_is_refused_by_name() {
    let demo = Demo::start().await;
    for (query, pointer) in [
        ("from=yesterday", "?from"),
        ("from=", "?from"),
        ("from=2026-13-01", "?from"),
        ("from=2026-11-01T00:00:00", "?from"),
        ("to=2026-11-31", "?to"),
        ("to=1700000000", "?to"),
        ("from=2026-11-02&to=2026-11-01", "?to"),
        ("from=2026-11-01&to=2026-11-01", "?to"),
        ("from=2999-01-01", "?to"),
        ("group_by=", "?group_by"),
        ("group_by=label", "?group_by"),
        ("group_by=cost_center,", "?group_by"),
        ("group_by=cost_center,cost_center", "?group_by"),
        ("group_by=cost_center&group_by=department", "?group_by"),
        ("group_by=Cost_Center", "?group_by"),
        ("interval=year", "?interval"),
        ("interval=", "?interval"),
        ("interval=Day", "?interval"),
        ("limit=10", "?limit"),
        ("surprise=1", "?surprise"),
        ("from=-009999-01-02T01:59:59Z&to=-009999-01-02T01:59:59Z", "?to"),
        ("to=-009999-01-02T01:59:59Z", "?from"),
    ] {
        let reply = demo.root.get(&format!("/report/spend?{query}")).await;
        assert_eq!(
            (reply.status, &reply.body["errors"][0]["pointer"]),
            (422, &json!(pointer)),
            "{query}: {}",
            reply.body
        );
    }
    for id in ["x", "", "dlg_01jd0000000000000000000001"] {
        let reply = demo.root.get(&format!("/report/spend?delegation_id={id}")).await;
        reply.assert_problem(404, "not_found", id);
    }
}
