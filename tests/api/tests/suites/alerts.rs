//! Alerts: fired once per threshold and window, mailed, and told to webhooks.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use subgrant_domain::TenantId;
use subgrant_tests::{Api, Receiver, Reply, SmtpServer, TestServer};

struct Stage {
    server: TestServer,
    smtp: SmtpServer,
    tenant: TenantId,
    owner: Api,
    owner_id: String,
    root: Api,
    team: Api,
    team_id: String,
}

impl Stage {
    /// A team of 1,000 credits with a limit of 200 a day.
    async fn start() -> Self {
        let smtp = SmtpServer::start();
        let server = TestServer::start_mailing(&smtp).await;
        let tenant = server.sign_up().await;
        let (owner, root) = (server.owner(&tenant), server.api.with_token(&tenant.root_token));
        let owner_id = owner.get("/session").await.text("/user/id");
        let limits = json!([{ "per": "day", "credits": 200 }]);
        let body = json!({ "label": "ML Team", "budget_credits": 1_000, "limits": limits });
        let minted = root.post("/delegation", &body).await;
        let (team, team_id) = (root.with_token(&minted.text("/token")), minted.text("/id"));
        let tenant = tenant.id.parse().expect("a tenant's id");
        Self { server, smtp, tenant, owner, owner_id, root, team, team_id }
    }

    async fn alert(&self, body: Value) -> String {
        let reply = self.owner.post("/alert", &body).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        assert_eq!(
            reply.header("location"),
            Some(format!("/api/cloud/alert/{}", reply.text("/id")).as_str())
        );
        reply.text("/id")
    }

    async fn check(&self) -> usize {
        self.server.app.check_alerts(self.tenant).await.expect("alerts can be looked at")
    }

    async fn shown(&self, id: &str) -> Value {
        let page = self.owner.get("/alert").await;
        let data = page.body["data"].as_array().expect("a list");
        data.iter().find(|alert| alert["id"] == id).expect("the alert is listed").clone()
    }

    async fn spend(&self, amount: u64) {
        let reply = self.team.spend(amount).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
    }
}

#[tokio::test]
async fn a_part_of_the_budget_is_told_once_for_each_budget() {
    let stage = Stage::start().await;
    let receiver = Receiver::start().await;
    let hook = stage.owner.post("/webhook", &json!({ "url": receiver.origin })).await;
    let secret = hook.text("/secret");
    let id = stage.alert(json!({ "delegation_id": stage.team_id, "kind": "budget", "percent": 15 })).await;
    stage.spend(100).await;
    assert_eq!(stage.check().await, 0, "10 % are not 15 %");
    stage.team.held(49).await;
    assert_eq!(stage.check().await, 0, "14.9 % neither");
    stage.team.held(1).await;
    assert_eq!(stage.check().await, 1, "what is held counts");
    stage.spend(10).await;
    assert_eq!(stage.check().await, 0, "once");
    let shown = stage.shown(&id).await;
    assert_eq!(
        (&shown["current_credits"], &shown["of_credits"], &shown["last_fired_credits"]),
        (&json!(160), &json!(1_000), &json!(150))
    );

    let mail = stage.smtp.wait_for(1).await.remove(0);
    assert!(
        mail.to[0].starts_with("owner") && mail.subject.starts_with("Subgrant: 15 % of the budget"),
        "{mail:?}"
    );
    assert!(
        mail.body.contains("“ML Team”")
            && mail.body.contains("it was 150 credits")
            && mail.body.contains(&stage.team_id),
        "{mail:?}"
    );
    let call = receiver.wait_for(1).await.remove(0);
    let verifier = standardwebhooks::Webhook::new(&secret).expect("a secret");
    verifier.verify(call.body.as_bytes(), &call.headers).expect("it is signed");
    let told = call.json();
    assert_eq!((&told["type"], &told["data"]["alert_id"]), (&json!("alert.fired"), &json!(id)));
    assert_eq!(
        (&told["data"]["current_credits"], &told["data"]["delegation_label"]),
        (&json!(150), &json!("ML Team"))
    );

    assert_eq!(stage.root.update(&stage.team_id, &json!({ "budget_credits": 1_100 })).await.status, 200);
    assert_eq!(stage.check().await, 0, "14.5 % of the new budget");
    stage.team.held(5).await;
    assert_eq!(stage.check().await, 1, "15 % of the new budget");
    assert_eq!(stage.check().await, 0);
    assert_eq!(stage.smtp.wait_for(2).await.len(), 2);
}

#[tokio::test]
async fn a_part_of_a_limit_is_told_once_per_window_of_the_tenants_calendar() {
    let stage = Stage::start().await;
    let zone = json!({ "time_zone": "America/New_York" });
    assert_eq!(stage.owner.patch("/tenant", &zone).await.status, 200);
    let id = stage
        .alert(json!({ "delegation_id": stage.team_id, "kind": "limit", "per": "day", "percent": 80 }))
        .await;
    // In June New York's day begins at 04:00 UTC.
    stage.server.database.go_forward_to("2027-06-10T03:00:00Z").await;
    stage.spend(159).await;
    assert_eq!(stage.check().await, 0);
    stage.spend(1).await;
    assert_eq!(stage.check().await, 1, "160 of 200");
    assert_eq!(stage.check().await, 0);
    let shown = stage.shown(&id).await;
    assert_eq!(
        (&shown["current_credits"], &shown["window_start"]),
        (&json!(160), &json!("2027-06-09T04:00:00Z"))
    );
    stage.server.database.go_forward_to("2027-06-10T04:00:00Z").await;
    assert_eq!(stage.check().await, 0, "a new day");
    assert_eq!(stage.shown(&id).await["current_credits"], 0);
    stage.spend(200).await;
    assert_eq!(stage.check().await, 1, "once more on the new day");
    assert_eq!(stage.check().await, 0);
}

#[tokio::test]
async fn an_amount_is_told_once_per_window_or_once_ever() {
    let stage = Stage::start().await;
    let ever = stage.alert(json!({ "kind": "spend", "credits": 150 })).await;
    let monthly = stage.alert(json!({ "kind": "spend", "credits": 100, "per": "month" })).await;
    stage.server.database.go_forward_to("2027-06-10T12:00:00Z").await;
    stage.spend(99).await;
    assert_eq!(stage.check().await, 0);
    stage.spend(1).await;
    assert_eq!(stage.check().await, 1, "of the whole tree, since no delegation is named");
    stage.server.database.go_forward_to("2027-07-01T00:00:00Z").await;
    stage.spend(60).await;
    assert_eq!(stage.check().await, 1, "160 ever, and 60 in July");
    stage.spend(40).await;
    assert_eq!(stage.check().await, 1, "100 in July");
    stage.server.database.go_forward_to("2027-07-02T00:00:00Z").await;
    let refunded = stage.team.spend(50).await.text("/id");
    assert_eq!(stage.root.refund(&refunded, None).await.status, 201);
    assert_eq!(stage.check().await, 0);
    let (ever, monthly) = (stage.shown(&ever).await, stage.shown(&monthly).await);
    assert_eq!((&ever["current_credits"], &ever["window_start"]), (&json!(200), &Value::Null));
    assert_eq!((&monthly["current_credits"], &monthly["last_fired_credits"]), (&json!(100), &json!(100)));
}

#[tokio::test]
async fn however_many_look_at_once_an_alert_is_fired_once_and_looked_at_without_being_asked() {
    let stage = Stage::start().await;
    stage.alert(json!({ "delegation_id": stage.team_id, "kind": "spend", "credits": 10 })).await;
    stage.spend(10).await;
    let replica = stage.server.replica().await;
    let check = || replica.app.check_alerts(stage.tenant);
    let looked = tokio::join!(stage.check(), check(), stage.check(), check(), stage.check(), check());
    let fired = looked.0 + looked.2 + looked.4;
    let elsewhere: usize =
        [looked.1, looked.3, looked.5].into_iter().map(|fired| fired.expect("a look")).sum();
    assert_eq!(fired + elsewhere, 1);
    stage.alert(json!({ "delegation_id": stage.team_id, "kind": "spend", "credits": 20 })).await;
    stage.spend(10).await;
    for _ in 0..3_000 {
        stage.server.app.watch_alerts().await.expect("alerts can be looked at");
        if stage.smtp.mails().len() == 2 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nobody looks");
}

#[tokio::test]
async fn recipients_are_mailed_as_long_as_they_are_members() {
    let stage = Stage::start().await;
    let (_, ann) = stage.server.join(&stage.owner, "ann@people.example", "viewer").await;
    let (_, bob) = stage.server.join(&stage.owner, "bob@people.example", "finance").await;
    let recipients = json!([ann, bob, bob]);
    stage.alert(json!({ "kind": "spend", "credits": 1, "recipients": recipients })).await;
    assert_eq!(stage.owner.delete(&format!("/user/{ann}")).await.status, 204);
    stage.spend(1).await;
    assert_eq!(stage.check().await, 1);
    let mails = stage.smtp.wait_for(1).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(stage.smtp.mails().len(), 1, "once to Bob");
    assert_eq!(mails[0].to, ["bob@people.example"]);
}

#[tokio::test]
async fn alerts_that_mean_nothing_are_named() {
    let stage = Stage::start().await;
    let team = stage.team_id.as_str();
    for (body, pointers) in [
        (json!({}), &["/kind"][..]),
        (json!({ "kind": "mood" }), &["/kind"]),
        (json!({ "kind": "budget" }), &["/percent"]),
        (json!({ "kind": "budget", "percent": 0 }), &["/percent"]),
        (json!({ "kind": "budget", "percent": 101 }), &["/percent"]),
        (json!({ "kind": "budget", "percent": 80.5 }), &["/percent"]),
        (json!({ "kind": "budget", "percent": 80, "credits": 1 }), &["/credits"]),
        (json!({ "kind": "budget", "percent": 80, "per": "day" }), &["/per"]),
        (json!({ "kind": "limit" }), &["/percent", "/per"]),
        (json!({ "kind": "limit", "per": "year", "percent": 80 }), &["/per"]),
        (json!({ "kind": "spend" }), &["/credits"]),
        (json!({ "kind": "spend", "credits": 0 }), &["/credits"]),
        (json!({ "kind": "spend", "credits": 9_007_199_254_740_992_u64 }), &["/credits"]),
        (json!({ "kind": "spend", "credits": 1, "percent": 1 }), &["/percent"]),
        (json!({ "kind": "spend", "credits": 1, "recipients": ["x"] }), &["/recipients/0"]),
        (json!({ "kind": "spend", "credits": 1, "recipients": vec![&stage.owner_id; 51] }), &["/recipients"]),
        (json!({ "kind": "spend", "credits": 1, "mood": 1 }), &["/mood"]),
    ] {
        stage.owner.post("/alert", &body).await.assert_invalid(pointers, &body.to_string());
    }
    let refused = async |body: Value, code: &str, pointer: &str| {
        let reply = stage.owner.post("/alert", &body).await;
        reply.assert_problem(422, code, &body.to_string());
        assert_eq!(reply.text("/errors/0/pointer"), pointer);
    };
    refused(json!({ "kind": "budget", "percent": 80 }), "no_budget", "/kind").await;
    let weekly = json!({ "delegation_id": team, "kind": "limit", "per": "week", "percent": 80 });
    refused(weekly, "no_such_limit", "/per").await;
    let stranger = json!({ "kind": "spend", "credits": 1, "recipients": [stage.owner_id, "usr_01jd0000000000000000000001"] });
    refused(stranger, "unknown_recipient", "/recipients/1").await;
    for id in ["x", "dlg_01jd0000000000000000000001", "%00"] {
        let body = json!({ "delegation_id": id, "kind": "spend", "credits": 1 });
        stage.owner.post("/alert", &body).await.assert_problem(404, "not_found", id);
    }
    for query in ["limit=0", "limit=101", "cursor=x", "kind=budget"] {
        let name = query.split('=').next().unwrap_or_default();
        stage.owner.get(&format!("/alert?{query}")).await.assert_invalid(&[&format!("?{name}")], query);
    }
    assert_eq!(stage.owner.get("/alert").await.body, json!({ "data": [], "next_cursor": null }));
}

#[tokio::test]
async fn an_alert_is_made_once_paged_and_deleted_with_its_past() {
    let stage = Stage::start().await;
    let body = json!({ "kind": "spend", "credits": 1 });
    let first = stage.owner.post_with_key("/alert", "k", &body).await;
    let again = stage.owner.post_with_key("/alert", "k", &body).await;
    assert_eq!((again.header("idempotent-replayed"), &again.body), (Some("true"), &first.body));
    let second = stage.alert(body).await;
    let page = stage.owner.get("/alert?limit=1").await;
    assert_eq!(page.text("/data/0/id"), first.text("/id"));
    let next = stage.owner.get(&format!("/alert?limit=1&cursor={}", page.text("/next_cursor"))).await;
    assert_eq!((next.text("/data/0/id"), &next.body["next_cursor"]), (second, &Value::Null));
    stage.spend(1).await;
    assert_eq!(stage.check().await, 2);
    let path = format!("/alert/{}", first.text("/id"));
    let delete = || Reply::of(stage.owner.request(Method::DELETE, &path).header("Idempotency-Key", "d"));
    assert_eq!(delete().await.status, 204);
    assert_eq!(delete().await.header("idempotent-replayed"), Some("true"));
    stage.owner.delete(&path).await.assert_problem(404, "not_found", "deleted");
    let log = json!(stage.owner.all("/audit?").await).to_string();
    assert!(log.contains("alert.create") && log.contains("alert.delete"));
}

#[tokio::test]
async fn what_an_alert_watches_may_go_and_come_back() {
    let stage = Stage::start().await;
    let id = stage
        .alert(json!({ "delegation_id": stage.team_id, "kind": "limit", "per": "day", "percent": 50 }))
        .await;
    assert_eq!(stage.root.update(&stage.team_id, &json!({ "limits": [] })).await.status, 200);
    stage.spend(150).await;
    assert_eq!(stage.check().await, 0, "without a limit there is nothing to reach");
    assert!(stage.shown(&id).await["current_credits"].is_null());
    let limits = json!({ "limits": [{ "per": "day", "credits": 200 }] });
    assert_eq!(stage.root.update(&stage.team_id, &limits).await.status, 200);
    assert_eq!(stage.check().await, 1, "what was spent today counts, though nobody had counted");
}
