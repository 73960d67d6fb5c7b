//! `GET /report/spend` by hour, day, week and month of the tenant's time zone.
//!
//! The engine never records before its newest entry. So a test moves that into the future, and what is spent next is
//! recorded then, by the engine itself.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test itself does")]

use serde_json::{Value, json};
use sqlx::PgPool;
use subgrant_domain::TenantId;
use subgrant_tests::{Api, TestServer};

struct Stage {
    server: TestServer,
    tenant: TenantId,
    root: Api,
    leaf: Api,
    pool: PgPool,
}

impl Stage {
    async fn start(zone: &str) -> Self {
        let server = TestServer::start().await;
        let tenant = server.sign_up().await;
        let root = server.api.with_token(&tenant.root_token);
        let pool = server.database.superuser().await;
        sqlx::query("UPDATE tenants SET time_zone = $1").bind(zone).execute(&pool).await.unwrap();
        let body = json!({ "label": "leaf", "budget_credits": 1_000_000_000, "cost_center": "Research" });
        let leaf = root.with_token(&root.post("/delegation", &body).await.text("/token"));
        Self { tenant: tenant.id.parse().unwrap(), server, root, leaf, pool }
    }

    /// Spends at a time, which must not lie before that of any other spend.
    async fn spend_at(&self, time: &str, amount: u64) -> String {
        self.server.database.go_forward_to(time).await;
        let spent = self.leaf.spend(amount).await;
        assert_eq!(spent.status, 201, "{}", spent.body);
        let (recorded, asked): (jiff::Timestamp, jiff::Timestamp) =
            (spent.text("/recorded_at").parse().unwrap(), time.parse().unwrap());
        assert_eq!(recorded, asked, "the engine records at the time that the test wants");
        spent.text("/id")
    }

    async fn report(&self, query: &str) -> Value {
        let reply = self.root.get(&format!("/report/spend?{query}")).await;
        assert_eq!(reply.status, 200, "{query}: {}", reply.body);
        reply.body
    }

    /// Period and sum of every line.
    async fn periods(&self, query: &str) -> Vec<(String, i64)> {
        let report = self.report(query).await;
        let line = |line: &Value| {
            (line["period"].as_str().unwrap().to_owned(), line["spent_credits"].as_i64().unwrap())
        };
        report["data"].as_array().unwrap().iter().map(line).collect()
    }

    async fn summarise(&self) {
        self.server.app.summarise_spend(self.tenant).await.unwrap();
        let check = self.server.app.verify_rollups(self.tenant).await.unwrap();
        assert_eq!(check.first_difference, None);
    }
}

fn lines(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    expected.iter().map(|(period, spent)| ((*period).to_owned(), *spent)).collect()
}

/// One spend each around the change to summer time and the one back.
async fn berlin() -> Stage {
    let stage = Stage::start("Europe/Berlin").await;
    for (time, amount) in [
        ("2027-03-27T22:59:59.999999Z", 1),
        ("2027-03-27T23:00:00Z", 2),
        ("2027-03-28T00:59:59Z", 4),
        ("2027-03-28T01:00:00Z", 8),
        ("2027-03-28T21:59:59Z", 16),
        ("2027-03-28T22:00:00Z", 32),
        ("2027-10-30T22:00:00Z", 64),
        ("2027-10-31T00:30:00Z", 128),
        ("2027-10-31T01:30:00Z", 256),
        ("2027-10-31T22:59:59Z", 512),
        ("2027-10-31T23:00:00Z", 1_024),
    ] {
        stage.spend_at(time, amount).await;
    }
    stage
}

#[tokio::test]
async fn days_with_23_and_25_hours_are_days() {
    let stage = berlin().await;
    for _ in ["before", "after the summaries were made"] {
        let spring = stage.periods("from=2027-03-27&to=2027-03-30&interval=day").await;
        assert_eq!(spring, lines(&[("2027-03-27", 1), ("2027-03-28", 30), ("2027-03-29", 32)]));
        let autumn = stage.periods("from=2027-10-31&to=2027-11-02&interval=day").await;
        assert_eq!(autumn, lines(&[("2027-10-31", 960), ("2027-11-01", 1_024)]));
        let months = stage.periods("from=2027-01-01&to=2028-01-01&interval=month").await;
        assert_eq!(months, lines(&[("2027-03", 63), ("2027-10", 960), ("2027-11", 1_024)]));
        let weeks = stage.periods("from=2027-01-01&to=2028-01-01&interval=week").await;
        assert_eq!(
            weeks,
            lines(&[("2027-W12", 31), ("2027-W13", 32), ("2027-W43", 960), ("2027-W44", 1_024)])
        );
        let hours = stage.periods("from=2027-10-31&to=2027-11-01&interval=hour").await;
        let expected = [
            ("2027-10-31T00:00+02:00", 64),
            ("2027-10-31T02:00+02:00", 128),
            ("2027-10-31T02:00+01:00", 256),
            ("2027-10-31T23:00+01:00", 512),
        ];
        assert_eq!(hours, lines(&expected));
        stage.summarise().await;
    }
}

#[tokio::test]
async fn a_lines_start_and_end_are_instants_within_the_range() {
    let stage = berlin().await;
    let report = stage.report("from=2027-03-28T00:00:00Z&to=2027-03-28T20:00:00Z&interval=day").await;
    let line = &report["data"][0];
    assert_eq!(
        (&line["start"], &line["end"]),
        (&json!("2027-03-28T00:00:00Z"), &json!("2027-03-28T20:00:00Z"))
    );
    assert_eq!((&line["period"], &line["spent_credits"]), (&json!("2027-03-28"), &json!(12)));
    let whole = stage.report("from=2027-03-28&to=2027-03-29&interval=day").await;
    assert_eq!(
        (&whole["from"], &whole["to"]),
        (&json!("2027-03-27T23:00:00Z"), &json!("2027-03-28T22:00:00Z"))
    );
    assert_eq!((&whole["data"][0]["start"], &whole["data"][0]["end"]), (&whole["from"], &whole["to"]));
    assert_eq!(whole["time_zone"], "Europe/Berlin");
}

#[tokio::test]
async fn zones_between_the_hours_have_days_and_hours_of_their_own() {
    let stage = Stage::start("Asia/Kathmandu").await;
    for (time, amount) in [
        ("2027-01-31T18:14:59.999999Z", 1),
        ("2027-01-31T18:15:00Z", 2),
        ("2027-01-31T19:14:59Z", 4),
        ("2027-01-31T19:15:00Z", 8),
        ("2027-02-28T18:14:59Z", 16),
        ("2027-02-28T18:15:00Z", 32),
    ] {
        stage.spend_at(time, amount).await;
    }
    for _ in ["before", "after the summaries were made"] {
        let months = stage.periods("from=2027-01-01&to=2027-04-01&interval=month").await;
        assert_eq!(months, lines(&[("2027-01", 1), ("2027-02", 30), ("2027-03", 32)]));
        let days = stage.periods("from=2027-01-31&to=2027-02-02&interval=day").await;
        assert_eq!(days, lines(&[("2027-01-31", 1), ("2027-02-01", 14)]));
        let hours = stage.periods("from=2027-02-01&to=2027-02-02&interval=hour").await;
        assert_eq!(hours, lines(&[("2027-02-01T00:00+05:45", 6), ("2027-02-01T01:00+05:45", 8)]));
        stage.summarise().await;
    }
}

#[tokio::test]
async fn a_day_without_midnight_begins_with_its_first_instant() {
    // Cairo goes from 23:59 to 01:00 on the last Friday of April.
    let stage = Stage::start("Africa/Cairo").await;
    stage.spend_at("2027-04-29T21:59:59Z", 1).await;
    stage.spend_at("2027-04-29T22:00:00Z", 2).await;
    let days = stage.periods("from=2027-04-29&to=2027-05-01&interval=day").await;
    assert_eq!(days, lines(&[("2027-04-29", 1), ("2027-04-30", 2)]));
    assert_eq!(stage.report("from=2027-04-30").await["total"]["spent_credits"], 2);
}

#[tokio::test]
async fn ranges_that_fit_no_bucket_are_exact() {
    let stage = Stage::start("Europe/Berlin").await;
    let mut spends = Vec::new();
    // Every 61 hours, 17 minutes and some: over four months, through the change of the clock.
    let mut at: jiff::Timestamp = "2027-01-20T03:07:11.000013Z".parse().unwrap();
    for amount in 1..=50 {
        stage.spend_at(&at.to_string(), amount).await;
        spends.push((at, amount.cast_signed()));
        at += jiff::SignedDuration::from_micros(61 * 3_600_000_000 + 17 * 60_000_000 + 777);
    }
    for round in 0..2 {
        for (first, last) in [(0, 49), (1, 2), (3, 40), (7, 8), (11, 31), (20, 20)] {
            for before in [0, 1] {
                let (from, to) =
                    (spends[first].0, spends[last].0 + jiff::SignedDuration::from_micros(1 - before));
                let inside = spends.iter().filter(|(at, _)| (from..to).contains(at));
                let expected: i64 = inside.map(|(_, amount)| amount).sum();
                for more in
                    ["", "&interval=month", "&interval=week", "&group_by=delegation,cost_center&interval=day"]
                {
                    if from == to {
                        continue;
                    }
                    let report = stage.report(&format!("from={from}&to={to}{more}")).await;
                    assert_eq!(
                        report["total"]["spent_credits"], expected,
                        "round {round}: {from} to {to}{more}"
                    );
                }
            }
        }
        stage.summarise().await;
    }
}

#[tokio::test]
async fn a_new_time_zone_changes_the_days_and_loses_nothing() {
    let stage = berlin().await;
    stage.summarise().await;
    sqlx::query("UPDATE tenants SET time_zone = 'Asia/Kathmandu'").execute(&stage.pool).await.unwrap();
    for _ in ["with summaries of the old zone", "with those of the new one"] {
        let spring = stage.periods("from=2027-03-28&to=2027-03-30&interval=day").await;
        assert_eq!(spring, lines(&[("2027-03-28", 15), ("2027-03-29", 48)]));
        stage.summarise().await;
    }
}

#[tokio::test]
async fn refunds_count_when_they_are_made() {
    let stage = Stage::start("UTC").await;
    let spend = stage.spend_at("2027-01-31T23:00:00Z", 100).await;
    stage.server.database.go_forward_to("2027-02-03T00:00:00Z").await;
    assert_eq!(stage.root.refund(&spend, Some(30)).await.status, 201);
    for _ in ["before", "after the summaries were made"] {
        let months = stage.periods("from=2027-01-01&to=2027-03-01&interval=month").await;
        assert_eq!(months, lines(&[("2027-01", 100), ("2027-02", -30)]));
        let total = &stage.report("from=2027-01-01&to=2027-03-01").await["total"];
        assert_eq!(
            *total,
            json!({ "gross_credits": 100, "refunded_credits": 30, "spent_credits": 70, "entries": 2 })
        );
        stage.spend_at("2027-03-01T00:00:00Z", 1).await;
        stage.summarise().await;
    }
}

#[tokio::test]
async fn too_many_intervals_or_lines_are_refused_with_what_to_narrow() {
    let stage = Stage::start("UTC").await;
    stage.spend_at("2027-01-01T00:00:00Z", 1).await;
    stage.spend_at("2027-03-01T00:00:00Z", 1).await;
    let reply = stage.root.get("/report/spend?from=2000-01-01&to=2100-01-01&interval=hour").await;
    assert_eq!(reply.refusal(), (422, "report_too_large"), "{}", reply.body);
    assert_eq!(reply.text("/errors/0/pointer"), "?interval");
    let days = stage.periods("from=2000-01-01&to=2100-01-01&interval=day").await;
    assert_eq!(days, lines(&[("2027-01-01", 1), ("2027-03-01", 1)]), "only time with entries counts");
    // 10,001 delegations that have spent, as the database's owner can make them.
    let many = "INSERT INTO spend_rollups SELECT tenant_id, '2027-03-01Z', gen_random_uuid(), '', '', 1, 0, 1
        FROM tenants, generate_series(1, 10001)";
    sqlx::query(many).execute(&stage.pool).await.unwrap();
    let query = "/report/spend?from=2027-03-01&to=2027-03-02&group_by=delegation";
    let reply = stage.root.get(query).await;
    assert_eq!(reply.refusal(), (422, "report_too_large"), "{}", reply.body);
    assert!(reply.text("/detail").contains("delegation_id"), "{}", reply.body);
    let table =
        stage.root.request(reqwest::Method::GET, query).header("Accept", "text/csv").send().await.unwrap();
    assert_eq!(table.status(), 200);
    assert_eq!(table.text().await.unwrap().lines().count(), 10_003, "a table may be longer");
}
