//! `GET /export/focus`, read as the FinOps Open Cost and Usage Specification 1.2 has it.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test itself does")]

use std::collections::{BTreeMap, BTreeSet};

use reqwest::{Method, Response};
use serde_json::{Value, json};
use subgrant_tests::{Api, Reply, Tenant, TestServer};

type Row = BTreeMap<String, String>;

/// What the specification says of a column of charges for usage.
enum Rule {
    /// Any text, and never nothing.
    Text,
    /// Exactly this.
    Is(&'static str),
    /// An amount; a price is not negative.
    Decimal,
    Price,
    /// UTC, to the second.
    Time,
    /// Nothing, because there is no such thing here.
    Null,
    /// Nothing or any text.
    MaybeText,
    /// Nothing or a JSON object of texts.
    MaybeTags,
    /// Nothing or this.
    Maybe(&'static str),
}

use Rule::{Decimal, Is, Maybe, MaybeTags, MaybeText, Null, Price, Text, Time};

/// Every column of version 1.2, from the specification's own pages.
const COLUMNS: [(&str, Rule); 57] = [
    ("AvailabilityZone", Null),
    ("BilledCost", Decimal),
    ("BillingAccountId", Text),
    ("BillingAccountName", Text),
    ("BillingAccountType", Text),
    ("BillingCurrency", Text),
    ("BillingPeriodEnd", Time),
    ("BillingPeriodStart", Time),
    ("CapacityReservationId", Null),
    ("CapacityReservationStatus", Null),
    ("ChargeCategory", Is("Usage")),
    ("ChargeClass", Maybe("Correction")),
    ("ChargeDescription", Text),
    ("ChargeFrequency", Is("Usage-Based")),
    ("ChargePeriodEnd", Time),
    ("ChargePeriodStart", Time),
    ("CommitmentDiscountCategory", Null),
    ("CommitmentDiscountId", Null),
    ("CommitmentDiscountName", Null),
    ("CommitmentDiscountQuantity", Null),
    ("CommitmentDiscountStatus", Null),
    ("CommitmentDiscountType", Null),
    ("CommitmentDiscountUnit", Null),
    ("ConsumedQuantity", Decimal),
    ("ConsumedUnit", Text),
    ("ContractedCost", Decimal),
    ("ContractedUnitPrice", Price),
    ("EffectiveCost", Decimal),
    ("InvoiceId", Null),
    ("InvoiceIssuerName", Text),
    ("ListCost", Decimal),
    ("ListUnitPrice", Price),
    ("PricingCategory", Is("Standard")),
    ("PricingCurrency", Text),
    ("PricingCurrencyContractedUnitPrice", Price),
    ("PricingCurrencyEffectiveCost", Decimal),
    ("PricingCurrencyListUnitPrice", Price),
    ("PricingQuantity", Decimal),
    ("PricingUnit", Text),
    ("ProviderName", Text),
    ("PublisherName", Text),
    ("RegionId", Null),
    ("RegionName", Null),
    ("ResourceId", Text),
    ("ResourceName", Text),
    ("ResourceType", Text),
    ("ServiceCategory", Is("Other")),
    ("ServiceName", Text),
    ("ServiceSubcategory", Is("Other (Other)")),
    ("SkuId", Text),
    ("SkuMeter", Text),
    ("SkuPriceDetails", Null),
    ("SkuPriceId", Text),
    ("SubAccountId", MaybeText),
    ("SubAccountName", MaybeText),
    ("SubAccountType", Maybe("Cost center")),
    ("Tags", MaybeTags),
];

impl Rule {
    fn admits(&self, cell: &str) -> bool {
        match self {
            Text => !cell.trim().is_empty(),
            Is(text) => cell == *text,
            Decimal => is_decimal(cell.strip_prefix('-').unwrap_or(cell)),
            Price => is_decimal(cell),
            Time => cell.len() == 20 && cell.ends_with('Z') && cell.parse::<jiff::Timestamp>().is_ok(),
            Null => cell.is_empty(),
            MaybeText => cell.is_empty() || Text.admits(cell),
            MaybeTags => {
                let object = serde_json::from_str::<BTreeMap<String, String>>(cell);
                cell.is_empty() || object.is_ok_and(|tags| !tags.is_empty())
            }
            Maybe(text) => cell.is_empty() || cell == *text,
        }
    }
}

fn is_decimal(text: &str) -> bool {
    let Some((whole, decimals)) = text.split_once('.') else { return false };
    [whole, decimals].iter().all(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// An exact product, in millionths of a millionth.
fn product(credits: &str, price: &str) -> i128 {
    whole(credits) * scaled(price)
}

/// A number of credits.
fn whole(decimal: &str) -> i128 {
    decimal.strip_suffix(".0").unwrap().parse().unwrap()
}

fn scaled(decimal: &str) -> i128 {
    let (whole, decimals) = decimal.split_once('.').unwrap_or((decimal, ""));
    format!("{whole}{decimals:0<12}").parse().unwrap()
}

async fn get(api: &Api, query: &str) -> Response {
    api.request(Method::GET, &format!("/export/focus{query}")).send().await.unwrap()
}

async fn text(api: &Api, month: &str) -> String {
    let response = get(api, &format!("?period={month}")).await;
    assert_eq!(response.status(), 200);
    response.text().await.unwrap()
}

/// The rows, each of which is as the specification wants it.
async fn export(api: &Api, month: &str) -> Vec<Row> {
    let text = text(api, month).await;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let heading: Vec<_> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let (columns, own) = heading.split_at(COLUMNS.len());
    assert_eq!(columns, COLUMNS.map(|(name, _)| name));
    assert!(own.iter().all(|name| name.starts_with("x_")), "{own:?}");
    let rows: Vec<Row> = reader.deserialize().map(Result::unwrap).collect();
    for row in &rows {
        for (column, rule) in &COLUMNS {
            assert!(rule.admits(&row[*column]), "{column} is {:?}", row[*column]);
        }
        let costs = ["BilledCost", "ContractedCost", "EffectiveCost", "ListCost"];
        let cost = product(&row["PricingQuantity"], &row["ListUnitPrice"]);
        assert!(costs.iter().all(|column| scaled(&row[*column]) == cost), "{row:?}");
        assert_eq!(row["PricingQuantity"], row["PricingCurrencyEffectiveCost"]);
        assert!(row["BillingPeriodStart"] <= row["ChargePeriodStart"], "{row:?}");
        assert!(row["ChargePeriodStart"] < row["ChargePeriodEnd"], "{row:?}");
        assert!(row["ChargePeriodEnd"] <= row["BillingPeriodEnd"], "{row:?}");
        assert_eq!(row["SubAccountId"].is_empty(), row["SubAccountType"].is_empty());
    }
    rows
}

/// Some cells of each row.
fn cells<const N: usize>(rows: &[Row], columns: [&str; N]) -> Vec<[String; N]> {
    rows.iter().map(|row| columns.map(|column| row[column].clone())).collect()
}

struct Stage {
    server: TestServer,
    tenant: Tenant,
    owner: Api,
    root: Api,
}

impl Stage {
    async fn start() -> Self {
        let server = TestServer::start().await;
        let tenant = server.sign_up().await;
        let (owner, root) = (server.owner(&tenant), server.api.with_token(&tenant.root_token));
        Self { server, tenant, owner, root }
    }

    async fn mint(&self, body: Value) -> (Api, String) {
        let minted = self.root.post("/delegation", &body).await;
        assert_eq!(minted.status, 201, "{}", minted.body);
        (self.root.with_token(&minted.text("/token")), minted.text("/id"))
    }

    async fn spend_at(&self, time: &str, leaf: &Api, amount: u64) -> Reply {
        self.server.database.go_forward_to(time).await;
        let spent = leaf.spend(amount).await;
        assert_eq!(spent.status, 201, "{}", spent.body);
        spent
    }
}

const SUMS: [&str; 5] = ["ChargePeriodStart", "ResourceName", "ChargeClass", "PricingQuantity", "BilledCost"];

#[tokio::test]
async fn a_month_is_a_row_for_each_day_and_delegation_and_what_was_given_back_one_of_its_own() {
    let stage = Stage::start().await;
    let settings = json!({ "time_zone": "Europe/Berlin", "currency": "EUR", "credit_price": "0.0125" });
    assert_eq!(stage.owner.patch("/tenant", &settings).await.status, 200);
    let (a, id) = stage
        .mint(json!({ "label": "a", "budget_credits": 1_000, "cost_center": "R&D", "department": "ML" }))
        .await;
    let (b, _) = stage.mint(json!({ "label": "b", "budget_credits": 1_000 })).await;
    let earlier = stage.spend_at("2027-09-30T21:59:59Z", &a, 400).await.text("/id");
    let first = stage.spend_at("2027-09-30T22:00:00Z", &a, 10).await.text("/id");
    stage.spend_at("2027-10-01T21:59:59Z", &a, 5).await;
    stage.spend_at("2027-10-01T22:00:00Z", &b, 7).await;
    assert_eq!(stage.root.refund(&first, Some(4)).await.status, 201);
    assert_eq!(stage.root.refund(&earlier, Some(100)).await.status, 201);
    // The change to winter time.
    stage.spend_at("2027-10-31T22:30:00Z", &b, 1).await;
    stage.spend_at("2027-10-31T23:00:00Z", &b, 900).await;
    let rows = export(&stage.owner, "2027-10").await;
    let expected = [
        ["2027-09-30T22:00:00Z", "a", "", "15.0", "0.1875"],
        ["2027-10-01T22:00:00Z", "a", "", "-4.0", "-0.05"],
        ["2027-10-01T22:00:00Z", "a", "Correction", "-100.0", "-1.25"],
        ["2027-10-01T22:00:00Z", "b", "", "7.0", "0.0875"],
        ["2027-10-30T22:00:00Z", "b", "", "1.0", "0.0125"],
    ];
    assert_eq!(cells(&rows, SUMS), expected.map(|row| row.map(str::to_owned)));
    let a = &rows[0];
    let told = ["ResourceId", "SubAccountId", "SubAccountName", "Tags", "x_CostCenter", "x_Department"];
    let tags = r#"{"cost_center":"R&D","department":"ML"}"#;
    assert_eq!(told.map(|column| a[column].as_str()), [&id, "R&D", "R&D", tags, "R&D", "ML"]);
    assert_eq!(
        (a["BillingAccountId"].as_str(), a["BillingCurrency"].as_str()),
        (stage.tenant.id.as_str(), "EUR")
    );
    let last = &rows[4];
    assert_eq!(
        ["ChargePeriodEnd", "BillingPeriodStart", "BillingPeriodEnd", "Tags"]
            .map(|column| last[column].as_str()),
        ["2027-10-31T23:00:00Z", "2027-09-30T22:00:00Z", "2027-10-31T23:00:00Z", ""]
    );
    // What the report says, exactly.
    let report = stage.owner.get("/report/spend?from=2027-10-01&to=2027-11-01").await;
    let sum: i128 = rows.iter().map(|row| whole(&row["PricingQuantity"])).sum();
    assert_eq!(report.body["total"]["spent_credits"].as_i64().map(i128::from), Some(sum));
}

/// The same bytes, whatever happens and is called otherwise afterwards.
#[tokio::test]
async fn a_closed_month_is_exported_as_it_was_closed() {
    let stage = Stage::start().await;
    let (leaf, id) = stage.mint(json!({ "label": "old name", "budget_credits": 1_000 })).await;
    stage.spend_at("2027-01-05T10:00:00Z", &leaf, 10).await;
    let spend = stage.spend_at("2027-01-06T10:00:00Z", &leaf, 20).await.text("/id");
    stage.server.database.go_forward_to("2027-02-01T00:00:00Z").await;
    assert_eq!(stage.owner.post("/period/2027-01/close", &json!({})).await.status, 200);
    let closed = text(&stage.owner, "2027-01").await;
    assert_eq!(closed.matches("old name").count(), 2, "{closed}");
    let settings = json!({
        "time_zone": "Pacific/Auckland", "currency": "NZD", "credit_price": "3", "organization": "Another"
    });
    assert_eq!(stage.owner.patch("/tenant", &settings).await.status, 200);
    assert_eq!(stage.root.refund(&spend, None).await.status, 201);
    stage.spend_at("2027-02-03T00:00:00Z", &leaf, 30).await;
    // An audit log goes by the machine's own clock, which tests do not set.
    let (renamed, pool) = (json!({ "label": "new name" }), stage.server.database.superuser().await);
    assert_eq!(stage.root.update(&id, &renamed).await.status, 200);
    let at: jiff::Timestamp = "2027-02-02T00:00:00Z".parse().unwrap();
    let id = uuid::Uuid::from_u128(u128::try_from(at.as_millisecond()).unwrap() << 80);
    let later = "UPDATE audit SET id = $1, at = $2::text::timestamptz WHERE action = 'delegation.update'";
    sqlx::query(later).bind(id).bind(at.to_string()).execute(&pool).await.unwrap();
    assert_eq!(text(&stage.owner, "2027-01").await, closed);
    let february = export(&stage.owner, "2027-02").await;
    let told = cells(&february, ["ResourceName", "ChargeClass", "PricingQuantity", "BillingAccountName"]);
    let expected = [["old name", "Correction", "-20.0", "Another"], ["new name", "", "30.0", "Another"]];
    assert_eq!(told, expected.map(|row| row.map(str::to_owned)));
    assert_eq!(stage.owner.post("/period/2027-01/reopen", &json!({})).await.status, 200);
    assert!(text(&stage.owner, "2027-01").await.contains("NZD"));
}

#[tokio::test]
async fn texts_like_formulas_are_inert_and_tags_are_what_was_set() {
    let stage = Stage::start().await;
    let organization = json!({ "organization": "=cmd|' /C calc'!A0" });
    assert_eq!(stage.owner.patch("/tenant", &organization).await.status, 200);
    let hostile = json!({
        "label": "=1+1", "budget_credits": 10, "cost_center": "@SUM(\"A1\")", "department": "-2, \"x\""
    });
    let (leaf, _) = stage.mint(hostile).await;
    let spent = leaf.spend(1).await.text("/recorded_at");
    let rows = export(&stage.owner, &spent[..7]).await;
    let told = ["ResourceName", "SubAccountId", "x_Department", "BillingAccountName"];
    let expected = ["'=1+1", "'@SUM(\"A1\")", "'-2, \"x\"", "'=cmd|' /C calc'!A0"];
    assert_eq!(told.map(|column| rows[0][column].as_str()), expected);
    let tags: Value = serde_json::from_str(&rows[0]["Tags"]).unwrap();
    assert_eq!(tags, json!({ "cost_center": "@SUM(\"A1\")", "department": "-2, \"x\"" }));
}

#[tokio::test]
async fn a_token_exports_its_own_subtree() {
    let stage = Stage::start().await;
    let (team, _) = stage.mint(json!({ "label": "team", "budget_credits": 100 })).await;
    let (member, _) = team.child("member", 10).await;
    let (other, _) = stage.mint(json!({ "label": "other", "budget_credits": 100 })).await;
    let month = member.spend(2).await.text("/recorded_at")[..7].to_owned();
    for api in [&team, &other, &stage.root] {
        assert_eq!(api.spend(1).await.status, 201);
    }
    let names = async |api: &Api| -> BTreeSet<String> {
        export(api, &month).await.into_iter().map(|row| row["ResourceName"].clone()).collect()
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(names(&member).await, set(&["member"]));
    assert_eq!(names(&team).await, set(&["member", "team"]));
    assert_eq!(names(&stage.root).await.len(), 4);
}

#[tokio::test]
async fn many_rows_of_a_day_are_all_there() {
    let stage = Stage::start().await;
    // Each child that was made offline is a delegation of its own.
    let (parent, _) = stage.mint(json!({ "label": "parent", "budget_credits": 10_000 })).await;
    let parent_token = parent.token().unwrap();
    let items: Vec<_> = (1..=2_500_u64)
        .map(|number| {
            let budget = format!("budget = {}", number + 3);
            let token = subgrant_tests::attenuate(parent_token, &[budget.as_bytes()]);
            json!({ "amount_credits": 1 + number % 3, "token": token, "idempotency_key": format!("k{number}") })
        })
        .collect();
    for items in items.chunks(500) {
        let batch = parent.post("/spend/batch", &json!({ "items": items })).await;
        assert_eq!(
            (batch.status, batch.number("/data/499/status")),
            (200, 201),
            "{}",
            batch.body["data"][499]
        );
    }
    let month = parent.spend(1).await.text("/recorded_at")[..7].to_owned();
    let rows = export(&stage.owner, &month).await;
    let ids: BTreeSet<_> = rows.iter().map(|row| row["ResourceId"].as_str()).collect();
    let sum: i128 = rows.iter().map(|row| whole(&row["PricingQuantity"])).sum();
    let spent = stage.root.get("/delegation/self").await.number("/spent_credits");
    assert_eq!((ids.len(), rows.len(), sum), (2_501, 2_501, i128::from(spent)));
}

#[tokio::test]
async fn what_cannot_be_exported_is_named_and_nothing_else_is_left_empty() {
    let stage = Stage::start().await;
    let empty = text(&stage.owner, "2020-01").await;
    assert_eq!((empty.matches("\r\n").count(), empty.starts_with("AvailabilityZone,")), (1, true));
    let response = get(&stage.owner, "?period=2020-01&version=1.2").await;
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/csv; charset=utf-8; header=present");
    assert_eq!(header("content-disposition"), "attachment; filename=\"focus-1.2-2020-01.csv\"");
    assert_eq!(header("cache-control"), "no-store");
    let refusal = async |query: &str| {
        Reply::of(stage.owner.request(Method::GET, &format!("/export/focus{query}"))).await
    };
    for (query, pointer) in [
        ("", "?period"),
        ("?period=2026-13", "?period"),
        ("?period=2026-01&version=1.0", "?version"),
        ("?period=2026-01&version=1.2&x=1", "?x"),
        ("?period=2026-01&period=2026-02", "?period"),
    ] {
        let refused = refusal(query).await;
        refused.assert_problem(422, "validation", query);
        assert_eq!(refused.text("/errors/0/pointer"), pointer, "{}", refused.body);
    }
    refusal("?period=9998-12").await.assert_problem(422, "invalid_month", "it has not begun");
    let json =
        stage.owner.request(Method::GET, "/export/focus?period=2026-01").header("Accept", "application/json");
    Reply::of(json).await.assert_problem(406, "not_acceptable", "there is only one form");
}
