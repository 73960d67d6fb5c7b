//! What a tenant's people can set.

use reqwest::Method;
use serde_json::{Value, json};
use subgrant_tests::{Api, Reply, TestServer};

async fn settings(api: &Api) -> Value {
    let reply = api.get("/tenant").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let fields = ["organization", "time_zone", "currency", "credit_price"];
    json!(fields.map(|field| &reply.body[field]))
}

#[tokio::test]
async fn settings_are_changed_one_by_one_and_leave_a_record() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let owner = server.owner(&tenant);
    let shown = owner.get("/tenant").await;
    assert_eq!(
        (shown.text("/id"), shown.text("/root_delegation_id")),
        (tenant.id.clone(), tenant.root_id.clone())
    );
    let name = shown.text("/organization");
    assert_eq!(settings(&owner).await, json!([name, "UTC", "USD", "0.01"]));
    let changed =
        owner.patch("/tenant", &json!({ "time_zone": "europe/berlin", "credit_price": "0.0250" })).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    assert_eq!(settings(&owner).await, json!([name, "Europe/Berlin", "USD", "0.025"]));
    let changed = owner.patch("/tenant", &json!({ "organization": "Équipe <b>", "currency": "EUR" })).await;
    assert_eq!(changed.body, owner.get("/tenant").await.body);
    assert_eq!(settings(&owner).await, json!(["Équipe <b>", "Europe/Berlin", "EUR", "0.025"]));
    assert_eq!(owner.get("/session").await.text("/tenant/organization"), "Équipe <b>");
    let log = owner.all("/audit?").await;
    let change =
        log.iter().rfind(|entry| entry["action"] == "tenant.change").expect("it is in the audit log");
    assert_eq!(
        (&change["target"], &change["details"]["before"]["currency"]),
        (&json!(tenant.id), &json!("USD"))
    );
    assert_eq!(change["details"]["after"]["currency"], "EUR");
}

#[tokio::test]
async fn owners_and_admins_change_settings_and_everybody_reads_them() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let owner = server.owner(&tenant);
    for (role, status) in [("owner", 200), ("admin", 200), ("finance", 403), ("viewer", 403)] {
        let (member, _) = server.join(&owner, &format!("{role}@people.example"), role).await;
        assert_eq!(member.get("/tenant").await.status, 200, "{role}");
        let reply = member.patch("/tenant", &json!({ "currency": "CHF" })).await;
        assert_eq!(reply.status, status, "{role}: {}", reply.body);
    }
    let root = server.api.with_token(&tenant.root_token);
    assert_eq!(root.get("/tenant").await.status, 200);
    let refused = root.patch("/tenant", &json!({ "currency": "CHF" })).await;
    refused.assert_problem(403, "action_not_permitted", "no token changes them");
    let (child, _) = root.child("child", 1).await;
    child.get("/tenant").await.assert_problem(
        403,
        "action_not_permitted",
        "nor does one below the root read them",
    );
}

#[tokio::test]
async fn settings_that_mean_nothing_are_named_and_change_nothing() {
    let server = TestServer::start().await;
    let owner = server.owner(&server.sign_up().await);
    let before = settings(&owner).await;
    let zones = [
        "",
        "Mars/Olympus",
        "../../etc/passwd",
        "/etc/localtime",
        "localtime",
        "Europe/Berlin\0",
        "UTC+3",
        "CET-1CEST",
        "posix/Europe/Berlin",
        "right/UTC",
        " UTC",
        "leapseconds",
        "tzdata.zi",
        "Europe",
    ];
    for zone in zones {
        let reply = owner.patch("/tenant", &json!({ "time_zone": zone })).await;
        reply.assert_invalid(&["/time_zone"], zone);
    }
    for currency in ["", "eur", "EURO", "€", "ZZZ", "EU\0", "XBTC"] {
        owner
            .patch("/tenant", &json!({ "currency": currency }))
            .await
            .assert_invalid(&["/currency"], currency);
    }
    for price in ["", "0", "-1", "1e3", "0,01", "1000001", "0.0000000000001", "NaN", "0x1", " 1"] {
        owner
            .patch("/tenant", &json!({ "credit_price": price }))
            .await
            .assert_invalid(&["/credit_price"], price);
    }
    let number = owner.patch("/tenant", &json!({ "credit_price": 0.01 })).await;
    number.assert_invalid(&["/credit_price"], "a number, which something may have rounded");
    for name in ["", " ", "a\nb", "a\u{202e}b", &"x".repeat(257)] {
        owner
            .patch("/tenant", &json!({ "organization": name }))
            .await
            .assert_invalid(&["/organization"], name);
    }
    let several = json!({ "currency": "x", "time_zone": "x", "credit_price": "x", "organization": "" });
    let all = ["/organization", "/time_zone", "/currency", "/credit_price"];
    owner.patch("/tenant", &several).await.assert_invalid(&all, "all at once");
    owner.patch("/tenant", &json!({})).await.assert_invalid(&[""], "nothing");
    owner.patch("/tenant", &json!({ "plan": "free" })).await.assert_invalid(&["/plan"], "an unknown field");
    assert_eq!(settings(&owner).await, before);
}

#[tokio::test]
async fn a_repeated_change_is_done_once() {
    let server = TestServer::start().await;
    let owner = server.owner(&server.sign_up().await);
    let change = |currency: &str| {
        let request = owner.request(Method::PATCH, "/tenant").header("Idempotency-Key", "k");
        Reply::of(request.json(&json!({ "currency": currency })))
    };
    assert_eq!(change("EUR").await.status, 200);
    let again = change("EUR").await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")));
    change("CHF").await.assert_problem(422, "idempotency_mismatch", "another change");
    let log = owner.all("/audit?").await;
    assert_eq!(log.iter().filter(|entry| entry["action"] == "tenant.change").count(), 1);
}

/// A counter that was kept while another calendar counted would have missed what was spent meanwhile.
#[tokio::test]
async fn a_limit_holds_though_the_time_zone_goes_there_and_back() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let (owner, root) = (server.owner(&tenant), server.api.with_token(&tenant.root_token));
    let body =
        json!({ "label": "x", "budget_credits": 1_000, "limits": [{ "per": "month", "credits": 100 }] });
    let leaf = root.with_token(&root.post("/delegation", &body).await.text("/token"));
    // The engine never records before its newest entry: in the middle of a month every zone has the same one.
    server.database.go_forward_to("2027-06-15T12:00:00Z").await;
    for (zone, amount) in [("UTC", 10), ("Asia/Kathmandu", 20), ("Pacific/Kiritimati", 30), ("UTC", 30)] {
        assert_eq!(owner.patch("/tenant", &json!({ "time_zone": zone })).await.status, 200);
        assert_eq!(leaf.spend(amount).await.status, 201, "{zone}");
    }
    let refused = leaf.spend(11).await;
    refused.assert_problem(402, "limit_exceeded", "90 are spent this month, by every calendar");
    assert_eq!(refused.number("/max_affordable_credits"), 10);
    assert_eq!(leaf.spend(10).await.status, 201);
}
