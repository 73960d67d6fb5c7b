//! `GET /report/forecast`: when a budget runs out.
//!
//! The engine never records before its newest entry. So a test moves that into the future, and what is spent next is
//! recorded then, by the engine itself.

use serde_json::{Value, json};
use subgrant_tests::{Api, TestServer};

struct Stage {
    server: TestServer,
    root: Api,
    leaf: Api,
    leaf_id: String,
}

impl Stage {
    async fn start() -> Self {
        let server = TestServer::start().await;
        let root = server.api.with_token(&server.sign_up().await.root_token);
        let (team, _) = root.child("team", 100_000).await;
        let (leaf, leaf_id) = team.child("leaf", 10_000).await;
        Self { server, root, leaf, leaf_id }
    }

    /// Spends on a day of the year 2027.
    async fn spend_on(&self, month_and_day: &str, amount: u64) {
        self.server.database.go_forward_to(&format!("2027-{month_and_day}T12:00:00Z")).await;
        let reply = self.leaf.spend(amount).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
    }

    async fn forecast(&self, api: &Api, query: &str) -> Value {
        let reply = api.get(&format!("/report/forecast{query}")).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let typed: subgrant_api::Forecast =
            serde_json::from_value(reply.body.clone()).expect("what is sent is what the types say");
        assert_eq!(serde_json::to_value(typed).expect("plain data"), reply.body);
        reply.body
    }
}

#[tokio::test]
async fn even_spending_runs_out_on_one_date_and_uneven_within_a_band() {
    let stage = Stage::start().await;
    for day in 1..=28 {
        stage.spend_on(&format!("01-{day:02}"), 100).await;
    }
    stage.server.database.go_forward_to("2027-01-29T00:00:00Z").await;
    let told = stage.forecast(&stage.leaf, "").await;
    let daily = json!({ "low": 100.0, "expected": 100.0, "high": 100.0 });
    let basis = json!({
        "from": "2027-01-01", "to": "2027-01-28", "days": 28, "spent_credits": 2_800, "daily_credits": daily
    });
    assert_eq!((&told["basis"], &told["reason"]), (&basis, &Value::Null), "{told}");
    let date = "2027-04-11T00:00:00Z";
    assert_eq!(
        told["run_out"],
        json!({ "early": date, "expected": date, "late": date }),
        "7,200 last for 72 days"
    );
    assert_eq!(told["days"].as_array().expect("a list").len(), 28);
    // The team above has spent as much, of a larger budget.
    let team = stage.root.get("/delegation?q=team").await.text("/data/0/id");
    let above = stage.forecast(&stage.root, &format!("?delegation_id={team}")).await;
    assert_eq!(above["run_out"]["expected"], "2029-09-27T00:00:00Z", "97,200 last for 972 days: {above}");

    stage.spend_on("01-29", 1_500).await;
    stage.server.database.go_forward_to("2027-01-30T00:00:00Z").await;
    let told = stage.forecast(&stage.leaf, "").await;
    let at = |field: &str| {
        told["run_out"][field].as_str().expect("a time").parse::<jiff::Timestamp>().expect("a time")
    };
    assert!(at("early") < at("expected") && at("expected") < at("late"), "{told}");
    // 4,200 on 28 days are 150 a day; 5,700 last for 38 days.
    assert_eq!(told["run_out"]["expected"], "2027-03-09T00:00:00Z");
    assert_eq!(told["expires_first"], false);
}

#[tokio::test]
async fn days_without_spending_and_refunds_count_and_today_does_not() {
    let stage = Stage::start().await;
    let update = "UPDATE tenants SET time_zone = 'America/New_York'";
    sqlx::query(update)
        .execute(&stage.server.database.superuser().await)
        .await
        .expect("the owner can do anything");
    stage.server.database.go_forward_to("2027-03-01T03:00:00Z").await;
    let spend = stage.leaf.spend(60).await.text("/id");
    stage.server.database.go_forward_to("2027-03-03T04:59:59Z").await;
    assert_eq!(stage.root.refund(&spend, Some(30)).await.status, 201);
    stage.server.database.go_forward_to("2027-03-04T12:00:00Z").await;
    assert_eq!(stage.leaf.spend(1_000).await.status, 201);
    let told = stage.forecast(&stage.leaf, "").await;
    let days = told["days"].as_array().expect("a list");
    let last: Vec<_> = days.iter().rev().take(4).rev().collect();
    let expected = json!([
        { "date": "2027-02-28", "spent_credits": 60 }, { "date": "2027-03-01", "spent_credits": 0 },
        { "date": "2027-03-02", "spent_credits": -30 }, { "date": "2027-03-03", "spent_credits": 0 }
    ]);
    assert_eq!(json!(last), expected, "by New York's days, and without the one that is not over");
    assert_eq!((days.len(), &told["basis"]["spent_credits"]), (28, &json!(30)));
    for round in ["before", "after"] {
        let tenant = stage.root.get("/tenant").await.text("/id").parse().expect("a tenant's id");
        assert_eq!(
            stage.forecast(&stage.leaf, "").await["days"],
            told["days"],
            "{round} summaries were made"
        );
        stage.server.app.summarise_spend(tenant).await.expect("summaries can be made");
    }
}

#[tokio::test]
async fn without_a_basis_no_date_is_made_up() {
    let stage = Stage::start().await;
    let reason = async |api: &Api, query: &str| {
        let told = stage.forecast(api, query).await;
        assert!(told["run_out"].is_null() && told["expires_first"].is_null(), "{told}");
        told["reason"].as_str().expect("a reason").to_owned()
    };
    assert_eq!(reason(&stage.root, "").await, "unlimited");
    assert_eq!(reason(&stage.leaf, "").await, "too_little_history");
    assert!(stage.forecast(&stage.leaf, "").await["basis"].is_null());
    stage.server.database.go_forward_to("2027-01-01T00:00:00Z").await;
    assert_eq!(reason(&stage.leaf, "").await, "no_spend");
    stage.spend_on("01-02", 1).await;
    stage.server.database.go_forward_to("2027-01-03T00:00:00Z").await;
    assert_eq!(reason(&stage.leaf, "").await, "not_foreseeable", "one credit a month lasts for centuries");
    stage.spend_on("01-03", 9_999).await;
    assert_eq!(reason(&stage.leaf, "").await, "exhausted");
    assert_eq!(stage.root.act(&stage.leaf_id, "freeze").await.status, 200);
    let query = format!("?delegation_id={}", stage.leaf_id);
    assert_eq!(reason(&stage.root, &query).await, "not_live");
}

#[tokio::test]
async fn a_forecast_is_only_of_what_the_caller_sees() {
    let stage = Stage::start().await;
    let (other, other_id) = stage.root.child("other", 1).await;
    for id in [stage.leaf_id.as_str(), "x", "", "dlg_01jd0000000000000000000001"] {
        let reply = other.get(&format!("/report/forecast?delegation_id={id}")).await;
        reply.assert_problem(404, "not_found", id);
    }
    assert_eq!(
        stage.forecast(&stage.root, &format!("?delegation_id={other_id}")).await["remaining_credits"],
        1
    );
    stage.root.get("/report/forecast?days=7").await.assert_invalid(&["?days"], "an unknown parameter");
}
