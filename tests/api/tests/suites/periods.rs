//! Months: listing, closing and opening them again.

use serde_json::{Value, json};
use subgrant_tests::{Api, Reply, Tenant, TestServer, assert_books_balance, attenuate};

struct Stage {
    server: TestServer,
    tenant: Tenant,
    owner: Api,
    root: Api,
    leaf: Api,
}

impl Stage {
    async fn start() -> Self {
        let server = TestServer::start().await;
        let tenant = server.sign_up().await;
        let (owner, root) = (server.owner(&tenant), server.api.with_token(&tenant.root_token));
        let (leaf, _) = root.child("leaf", 1_000_000).await;
        Self { server, tenant, owner, root, leaf }
    }

    /// Lets the tenant have been there since an instant that is over.
    async fn be_there_since(&self, instant: &str) {
        let statement = "UPDATE tenants SET created_at = $1::text::timestamptz";
        let pool = self.server.database.superuser().await;
        sqlx::query(statement).bind(instant).execute(&pool).await.expect("the owner can do anything");
    }

    async fn spend_at(&self, time: &str, amount: u64) -> Reply {
        self.server.database.go_forward_to(time).await;
        let spent = self.leaf.spend(amount).await;
        assert_eq!(spent.status, 201, "{}", spent.body);
        spent
    }
}

async fn change(api: &Api, month: &str, verb: &str) -> Reply {
    api.post(&format!("/period/{month}/{verb}"), &json!({})).await
}

async fn month(api: &Api, name: &str) -> Value {
    let months = api.all("/period?").await;
    months.into_iter().find(|month| month["month"] == name).unwrap_or_else(|| panic!("{name} is not listed"))
}

fn sums(month: &Value) -> Value {
    json!([month["gross_credits"], month["refunded_credits"], month["spent_credits"], month["entries"]])
}

#[tokio::test]
async fn a_month_is_closed_once_it_is_over_and_can_be_opened_again() {
    let stage = Stage::start().await;
    stage.spend_at("2027-10-31T23:59:59.999999Z", 100).await;
    let refused = change(&stage.owner, "2027-10", "close").await;
    refused.assert_problem(409, "period_not_over", "its last microsecond");
    assert_eq!(refused.text("/retry_at"), "2027-11-01T00:00:00Z");
    stage.spend_at("2027-11-01T00:00:00Z", 7).await;
    let open = month(&stage.owner, "2027-10").await;
    assert_eq!((&open["status"], &open["over"]), (&json!("open"), &json!(true)));
    assert_eq!((&open["closed_at"], &open["through_seq"]), (&json!(null), &json!(null)));
    let closed = change(&stage.owner, "2027-10", "close").await;
    assert_eq!((closed.status, closed.text("/status").as_str()), (200, "closed"), "{}", closed.body);
    assert_eq!(sums(&closed.body), json!([100, 0, 100, 1]));
    assert_eq!((closed.text("/cost").as_str(), closed.number("/through_seq")), ("1", 1));
    assert!(closed.text("/closed_by").starts_with("usr_") && closed.text("/head_hash").len() == 64);
    assert_eq!(closed.body, month(&stage.root, "2027-10").await, "the list says the same");
    change(&stage.owner, "2027-10", "close").await.assert_problem(409, "period_closed", "twice");
    let opened = change(&stage.owner, "2027-10", "reopen").await;
    assert_eq!((opened.status, opened.body), (200, open), "it is as it was");
    change(&stage.owner, "2027-10", "reopen").await.assert_problem(409, "period_open", "twice");
    let log = stage.owner.all("/audit?action=period&").await;
    let told: Vec<_> = log.iter().map(|entry| (&entry["action"], &entry["target"])).collect();
    let october = json!("2027-10");
    assert_eq!(told, [(&json!("period.close"), &october), (&json!("period.reopen"), &october)]);
    assert_eq!(log[0]["details"]["cost"], "1", "the log holds what it came to");
}

#[tokio::test]
async fn months_are_listed_from_the_first_to_the_current_one_in_either_order() {
    let stage = Stage::start().await;
    stage.spend_at("2027-02-10T00:00:00Z", 5).await;
    stage.spend_at("2027-04-10T00:00:00Z", 6).await;
    let all = stage.owner.all("/period?").await;
    let name = |month: &Value| month["month"].as_str().unwrap().to_owned();
    let names: Vec<_> = all.iter().map(name).collect();
    assert_eq!(names[names.len() - 3..], ["2027-02", "2027-03", "2027-04"]);
    let spent: u64 = all.iter().map(|month| month["spent_credits"].as_u64().unwrap()).sum();
    assert_eq!(spent, 11);
    let (mut newest, mut cursor) = (Vec::new(), Some(String::new()));
    while let Some(after) = cursor {
        let page = stage.owner.get(&format!("/period?order=newest&limit=2{after}")).await;
        newest.extend(page.body["data"].as_array().expect("a list").iter().map(name));
        cursor = page.body["next_cursor"].as_str().map(|next| format!("&cursor={next}"));
    }
    newest.reverse();
    assert_eq!(newest, names, "page by page");
    stage.be_there_since("2020-05-31T23:59:59Z").await;
    assert_eq!(name(&stage.owner.all("/period?").await[0]), "2020-05");
    assert_eq!(change(&stage.owner, "2020-05", "close").await.status, 200);
}

/// Whatever is set later: neither where a closed month begins and ends nor what it cost moves, and the next begins there.
#[tokio::test]
async fn a_closed_month_keeps_its_bounds_and_its_price_and_its_neighbours_meet_it() {
    let stage = Stage::start().await;
    let settings = json!({ "time_zone": "Europe/Berlin", "currency": "EUR", "credit_price": "0.015" });
    assert_eq!(stage.owner.patch("/tenant", &settings).await.status, 200);
    stage.spend_at("2027-03-31T21:59:59Z", 3).await;
    stage.spend_at("2027-03-31T22:00:00Z", 10).await;
    stage.spend_at("2027-05-01T00:00:00Z", 100).await;
    let closed = change(&stage.owner, "2027-04", "close").await.body;
    assert_eq!((&closed["starts_at"], &closed["cost"]), (&json!("2027-03-31T22:00:00Z"), &json!("0.15")));
    let changed = json!({ "time_zone": "America/New_York", "currency": "USD", "credit_price": "2" });
    assert_eq!(stage.owner.patch("/tenant", &changed).await.status, 200);
    assert_eq!(month(&stage.owner, "2027-04").await, closed);
    let (march, may) = (month(&stage.owner, "2027-03").await, month(&stage.owner, "2027-05").await);
    assert_eq!((&march["ends_at"], &may["starts_at"]), (&closed["starts_at"], &closed["ends_at"]));
    assert_eq!((&march["starts_at"], &march["cost"]), (&json!("2027-03-01T05:00:00Z"), &json!("6")));
    assert_eq!((sums(&march), sums(&may)), (json!([3, 0, 3, 1]), json!([100, 0, 100, 1])));
    let opened = change(&stage.owner, "2027-04", "reopen").await.body;
    assert_eq!((&opened["starts_at"], &opened["cost"]), (&json!("2027-04-01T04:00:00Z"), &json!("200")));
    assert_eq!(sums(&month(&stage.owner, "2027-03").await), json!([13, 0, 13, 2]));
}

#[tokio::test]
async fn what_is_given_back_later_counts_in_the_month_in_which_it_is() {
    let stage = Stage::start().await;
    let spend = stage.spend_at("2027-06-10T00:00:00Z", 50).await.text("/id");
    stage.server.database.go_forward_to("2027-07-02T00:00:00Z").await;
    let closed = change(&stage.owner, "2027-06", "close").await.body;
    assert_eq!(stage.root.refund(&spend, Some(20)).await.status, 201, "closing forbids no correction");
    assert_eq!(month(&stage.owner, "2027-06").await, closed);
    assert_eq!(sums(&month(&stage.owner, "2027-07").await), json!([0, 20, -20, 1]));
    assert_eq!(month(&stage.owner, "2027-07").await["cost"], "-0.2");
    assert_books_balance(&stage.server, &stage.tenant).await;
}

/// A clock that is set back after a month was closed records nothing in it.
#[tokio::test]
async fn nothing_is_recorded_before_the_end_of_a_closed_month() {
    let stage = Stage::start().await;
    stage.be_there_since("2020-01-01T00:00:00Z").await;
    // The last month that is over by the machine's own clock, which has not moved.
    let months = stage.owner.all("/period?").await;
    let current = months.last().unwrap()["starts_at"].as_str().unwrap().to_owned();
    let before: jiff::Timestamp = current.parse().unwrap();
    let last = (before - jiff::SignedDuration::from_hours(1)).strftime("%Y-%m").to_string();
    assert_eq!(change(&stage.owner, &last, "close").await.status, 200);
    let pool = stage.server.database.superuser().await;
    let floor: String = sqlx::query_scalar(
        "SELECT to_char(newest_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM ledger_heads",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(floor, current, "the engine never records before this instant");
    assert_eq!(stage.leaf.spend(1).await.status, 201);
}

#[tokio::test]
async fn the_same_key_closes_once_and_is_answered_again() {
    let stage = Stage::start().await;
    let close = async |month: &str| {
        stage.owner.post_with_key(&format!("/period/{month}/close"), "k", &json!({})).await
    };
    stage.be_there_since("2025-12-31T00:00:00Z").await;
    let first = close("2026-01").await;
    assert_eq!((first.status, first.header("idempotent-replayed")), (200, None), "{}", first.body);
    assert_eq!(change(&stage.owner, "2026-01", "reopen").await.status, 200);
    let again = close("2026-01").await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")));
    assert_eq!(again.body, first.body);
    assert!(
        stage.owner.all("/period?").await.iter().all(|month| month["status"] == "open"),
        "nothing happened"
    );
    close("2026-02").await.assert_problem(422, "idempotency_mismatch", "another month");
}

#[tokio::test]
async fn the_roots_token_may_unless_it_was_narrowed_and_no_other_token_may() {
    let stage = Stage::start().await;
    let reader = stage.root.with_token(&attenuate(&stage.tenant.root_token, &[b"actions = read"]));
    assert_eq!(reader.get("/period").await.status, 200);
    for (api, verb) in
        [(&reader, "close"), (&reader, "reopen"), (&stage.leaf, "close"), (&stage.leaf, "reopen")]
    {
        change(api, "2027-01", verb).await.assert_problem(403, "action_not_permitted", verb);
    }
    stage.leaf.get("/period").await.assert_problem(403, "action_not_permitted", "months are of all");
    stage.server.database.go_forward_to("2027-03-01T00:00:00Z").await;
    let closed = change(&stage.root, "2027-01", "close").await;
    assert_eq!((closed.status, closed.text("/closed_by")), (200, stage.tenant.root_id.clone()));
    assert_eq!(change(&stage.root, "2027-01", "reopen").await.status, 200);
}

#[tokio::test]
async fn what_is_no_month_is_named() {
    let stage = Stage::start().await;
    for name in
        ["2026-13", "2026-1", "0000-01", "9999-01", "october", "2026-10-01", "%00", "..%2f", "２０２６-10"]
    {
        let refused = change(&stage.owner, name, "close").await;
        refused.assert_problem(422, "invalid_month", name);
    }
    change(&stage.owner, "9998-12", "close").await.assert_problem(409, "period_not_over", "far away");
}

#[tokio::test]
async fn months_before_there_was_the_tenant_cannot_be_closed() {
    let stage = Stage::start().await;
    let before = stage.owner.all("/period?").await;
    for name in ["0001-01", "1970-01", "2025-12"] {
        let refused = change(&stage.owner, name, "close").await;
        refused.assert_problem(409, "period_before_tenant", name);
    }
    assert_eq!(stage.owner.all("/period?").await, before, "nothing is listed that was not there before");
    // One that was closed before this rule is listed, without all that are in between, and can be opened again.
    stage.be_there_since("0900-01-01T00:00:00Z").await;
    assert_eq!(change(&stage.owner, "0900-02", "close").await.status, 200, "it has been there for long");
    stage.be_there_since("2026-01-10T00:00:00Z").await;
    let listed = stage.owner.all("/period?").await;
    let names: Vec<_> = listed.iter().take(3).map(|month| month["month"].as_str().expect("a name")).collect();
    assert_eq!(names, ["0900-02", "2026-01", "2026-02"]);
    assert_eq!(change(&stage.owner, "0900-02", "reopen").await.status, 200);
    assert_eq!(stage.owner.all("/period?").await.len(), listed.len() - 1);
}

/// A thief of the database who writes a whole chain anew is found out by any month that was closed before.
#[tokio::test]
async fn the_proof_compares_the_ledger_with_what_was_noted_at_each_closing() {
    let stage = Stage::start().await;
    stage.spend_at("2027-06-10T00:00:00Z", 50).await;
    stage.spend_at("2027-07-10T00:00:00Z", 50).await;
    assert_eq!(change(&stage.owner, "2027-06", "close").await.status, 200);
    let proof = stage.owner.get("/ledger/proof").await.body;
    assert_eq!((&proof["intact"], &proof["first_fault"]), (&json!(true), &json!(null)), "{proof}");
    let pool = stage.server.database.superuser().await;
    let forge = "UPDATE closed_periods SET through_hash = sha256('other')";
    sqlx::query(forge).execute(&pool).await.unwrap();
    let proof = stage.owner.get("/ledger/proof").await.body;
    let fault = json!({ "kind": "period_changed", "seq": 1, "month": "2027-06" });
    assert_eq!((&proof["intact"], &proof["first_fault"]), (&json!(false), &fault), "{proof}");
}
