//! Tenants never meet: every operation, with the other's ids and with the other's credentials.

use reqwest::Method;
use serde_json::{Value, json};
use subgrant_tests::{Api, Reply, Tenant, TestServer, operations};

/// An id of the right shape that names nothing.
const UNKNOWN: &str = "dlg_01jd0000000000000000000001";

/// Somebody who asks.
struct Caller {
    name: &'static str,
    api: Api,
    /// A session's cookie and origin, where the caller is one.
    cookie: Option<String>,
    own_id: String,
    tenant: String,
}

/// What the other tenant has.
struct Other {
    tenant: Tenant,
    root: Api,
    id: String,
    spend_id: String,
    hold_id: String,
    leaf_token: String,
    user_id: String,
    session_id: String,
    alert_id: String,
    webhook_id: String,
    service_id: String,
    revoked_id: String,
    owner: Api,
    invitation: String,
}

impl Caller {
    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        // A change needs a condition, and nothing else minds one.
        let mut request = self.api.request(method, path).header("If-Match", "*");
        if let Some(cookie) = &self.cookie {
            request = request.header("Cookie", cookie).header("Origin", &self.api.origin);
        }
        Reply::of(if let Some(body) = body { request.json(&body) } else { request }).await
    }

    /// Checks that the other's thing is answered like one that does not exist, letter for letter.
    async fn assert_unknown(&self, method: Method, path: &str, ids: [&str; 2], body: Option<&Value>) {
        let [theirs, unknown] = ids;
        let text = body.map(Value::to_string);
        let with = |id: &str| {
            text.as_ref().map(|text| serde_json::from_str(&text.replace("{id}", id)).expect("JSON"))
        };
        let reply = self.send(method.clone(), &path.replace("{id}", theirs), with(theirs)).await;
        reply.assert_problem(404, "not_found", &format!("{}: {method} {path}", self.name));
        let same = self.send(method.clone(), &path.replace("{id}", unknown), with(unknown)).await;
        let told = |reply: &Reply| {
            let mut body = reply.body.clone();
            body["request_id"] = Value::Null;
            body
        };
        assert_eq!(told(&reply), told(&same), "{}: {method} {path} tells that something is there", self.name);
    }

    /// Tries one operation on what the other tenant has. An operation without a case here fails the test.
    #[expect(clippy::too_many_lines, reason = "one case per operation, which are many")]
    async fn try_operation(&self, operation: &str, other: &Other) {
        let ids = [other.id.as_str(), UNKNOWN];
        let spend_ids = [other.spend_id.as_str(), "spd_01jd0000000000000000000001"];
        let hold_ids = [other.hold_id.as_str(), "hold_01jd0000000000000000000001"];
        match operation {
            // The rotation comes last of all, because it ends the caller's own root token.
            "GET /livez"
            | "GET /readyz"
            | "GET /metrics"
            | "GET /api/cloud/config"
            | "POST /api/cloud/root/rotate" => {}
            "GET /api/cloud/delegation" => {
                self.assert_unknown(Method::GET, "/delegation?parent_id={id}", ids, None).await;
                let list = self.send(Method::GET, "/delegation?limit=100", None).await;
                assert!(!list.body.to_string().contains(&other.id) && list.status == 200, "{}", list.body);
                assert!(!list.body.to_string().contains("Their"), "{}", list.body);
            }
            "POST /api/cloud/delegation" => {
                let body = json!({ "label": "x", "budget_credits": 1, "parent_id": "{id}" });
                self.assert_unknown(Method::POST, "/delegation", ids, Some(&body)).await;
            }
            "GET /api/cloud/delegation/self" => {
                let own = self.send(Method::GET, "/delegation/self", None).await;
                assert_eq!((own.status, own.text("/id")), (200, self.own_id.clone()));
            }
            "GET /api/cloud/delegation/{id}" => {
                self.assert_unknown(Method::GET, "/delegation/{id}", ids, None).await;
            }
            "GET /api/cloud/delegation/{id}/token" => {
                self.assert_unknown(Method::GET, "/delegation/{id}/token", ids, None).await;
            }
            "GET /api/cloud/hold" => {
                self.assert_unknown(Method::GET, "/hold?delegation_id={id}", ids, None).await;
                let list = self.send(Method::GET, "/hold?limit=100", None).await;
                assert!(
                    !list.body.to_string().contains(&other.hold_id) && list.status == 200,
                    "{}",
                    list.body
                );
            }
            "PATCH /api/cloud/delegation/{id}" => {
                let body = json!({ "label": "x" });
                self.assert_unknown(Method::PATCH, "/delegation/{id}", ids, Some(&body)).await;
            }
            "POST /api/cloud/delegation/{id}/revoke" => {
                for body in [json!({}), json!({ "dry_run": true })] {
                    self.assert_unknown(Method::POST, "/delegation/{id}/revoke", ids, Some(&body)).await;
                }
            }
            "GET /api/cloud/delegation/tree" => {
                self.assert_unknown(Method::GET, "/delegation/tree?root={id}", ids, None).await;
            }
            "POST /api/cloud/delegation/{id}/freeze"
            | "POST /api/cloud/delegation/{id}/unfreeze"
            | "POST /api/cloud/delegation/{id}/rotate"
            | "POST /api/cloud/delegation/{id}/restrict" => {
                let path = below_base(operation);
                self.assert_unknown(Method::POST, path, ids, Some(&good_body(path))).await;
            }
            "GET /api/cloud/audit" | "GET /api/cloud/ledger/proof" => {
                let own = self.send(Method::GET, below_base(operation), None).await;
                assert!([200, 403].contains(&own.status), "{}", own.body);
                assert!(!own.body.to_string().contains(&other.tenant.id), "{}", own.body);
            }
            "GET /api/cloud/ledger/export" => {
                let mut request = self.api.request(Method::GET, "/ledger/export");
                if let Some(cookie) = &self.cookie {
                    request = request.header("Cookie", cookie).header("Origin", &self.api.origin);
                }
                let text = request.send().await.expect("an answer").text().await.expect("a text");
                assert!(!text.contains(&other.tenant.id) && !text.contains(&other.id), "{text}");
                assert!(
                    self.name == "leaf" || text.contains(&self.own_id),
                    "the caller's own is there: {text}"
                );
            }
            "POST /api/cloud/session" | "GET /api/cloud/session" | "DELETE /api/cloud/session" => {
                let stolen = json!({ "email": other.tenant.email, "password": "guessed horse" });
                let refused = self.send(Method::POST, "/session", Some(stolen)).await;
                refused.assert_problem(401, "invalid_credentials", "the other's account");
            }
            "POST /api/cloud/hold/{id}/capture"
            | "POST /api/cloud/hold/{id}/extend"
            | "POST /api/cloud/hold/{id}/release"
            | "POST /api/cloud/spend/{id}/refund" => {
                let path = below_base(operation);
                let ids = if path.starts_with("/hold") { hold_ids } else { spend_ids };
                self.assert_unknown(Method::POST, path, ids, Some(&good_body(path))).await;
            }
            "POST /api/cloud/hold" => {
                let held = self.send(Method::POST, "/hold", Some(good_body("/hold/{id}/hold"))).await;
                assert_eq!((held.status, held.text("/delegation_id")), (201, self.own_id.clone()));
            }
            "POST /api/cloud/spend/batch" => {
                let body = json!({ "items": [{ "amount_credits": 1, "token": other.leaf_token }] });
                let batch = self.send(Method::POST, "/spend/batch", Some(body)).await;
                let told = (batch.status, batch.number("/data/0/status"), batch.text("/data/0/code"));
                assert_eq!(told, (200, 404, "not_found".to_owned()), "{}", batch.body);
            }
            "GET /api/cloud/ledger" => {
                self.assert_unknown(Method::GET, "/ledger?delegation_id={id}", ids, None).await;
                let ledger = self.send(Method::GET, "/ledger?limit=100", None).await;
                assert!(
                    !ledger.body.to_string().contains(&other.id) && ledger.status == 200,
                    "{}",
                    ledger.body
                );
            }
            "GET /api/cloud/report/spend" => {
                self.assert_unknown(Method::GET, "/report/spend?delegation_id={id}", ids, None).await;
                let report = self.send(Method::GET, "/report/spend?group_by=delegation", None).await;
                let text = report.body.to_string();
                assert!(
                    report.status == 200 && !text.contains(&other.id) && !text.contains("Their"),
                    "{text}"
                );
            }
            "GET /api/cloud/report/budget" => {
                self.assert_unknown(Method::GET, "/report/budget?delegation_id={id}", ids, None).await;
                let report = self.send(Method::GET, "/report/budget?group_by=delegation", None).await;
                let text = report.body.to_string();
                assert!(
                    report.status == 200 && !text.contains(&other.id) && !text.contains("Their"),
                    "{text}"
                );
            }
            "GET /api/cloud/period" => {
                let own = self.send(Method::GET, "/period", None).await;
                let report = self.send(Method::GET, "/report/spend", None).await;
                let sums = [&own.body["data"][0], &report.body["total"]].map(|sum| &sum["spent_credits"]);
                assert!(own.status == 403 || sums[0] == sums[1], "{} {}", own.body, report.body);
            }
            "POST /api/cloud/period/{month}/close" | "POST /api/cloud/period/{month}/reopen" => {
                let path = below_base(operation).replace("{month}", "2026-01");
                let reply = self.send(Method::POST, &path, None).await;
                assert!([200, 403, 409].contains(&reply.status), "{}", reply.body);
                let theirs = other.root.get("/period").await;
                let is_open = |month: &Value| month["status"] == "open";
                assert!(
                    theirs.body["data"].as_array().expect("a list").iter().all(is_open),
                    "{}",
                    theirs.body
                );
            }
            "GET /api/cloud/export/focus" => {
                let month = other.root.get("/period?order=newest&limit=1").await.text("/data/0/month");
                let mut request = self.api.request(Method::GET, &format!("/export/focus?period={month}"));
                if let Some(cookie) = &self.cookie {
                    request = request.header("Cookie", cookie).header("Origin", &self.api.origin);
                }
                let text = request.send().await.expect("an answer").text().await.expect("a text");
                assert!(text.starts_with("AvailabilityZone,") && !text.contains("Their"), "{text}");
                assert!(!text.contains(&other.tenant.id) && !text.contains(&other.id), "{text}");
            }
            "GET /api/cloud/report/forecast" => {
                self.assert_unknown(Method::GET, "/report/forecast?delegation_id={id}", ids, None).await;
            }
            "GET /api/cloud/user" if self.cookie.is_some() => {
                let list = self.send(Method::GET, "/user", None).await;
                assert!(
                    list.status == 200 && !list.body.to_string().contains(&other.user_id),
                    "{}",
                    list.body
                );
            }
            "POST /api/cloud/user" | "POST /api/cloud/invite" if self.cookie.is_some() => {
                // Who is a member there can be invited here, and is told so alone; to create the account tells no more
                // than that there is one.
                let body = json!({ "email": other.tenant.email, "role": "viewer" });
                let reply = self.send(Method::POST, below_base(operation), Some(body)).await;
                let is_refused = reply.refusal() == (409, "email_taken") && operation.ends_with("/user");
                assert!(is_refused || reply.status == 201, "{}", reply.body);
                assert!(!reply.body.to_string().contains(&other.tenant.id), "{}", reply.body);
            }
            "GET /api/cloud/user/{id}" | "PATCH /api/cloud/user/{id}" | "DELETE /api/cloud/user/{id}"
                if self.cookie.is_some() =>
            {
                let ids = [other.user_id.as_str(), "usr_01jd0000000000000000000001"];
                let method: Method =
                    operation.split(' ').next().and_then(|name| name.parse().ok()).expect("a method");
                let body = json!({ "role": "viewer" });
                let body = (method == Method::PATCH).then_some(&body);
                self.assert_unknown(method, "/user/{id}", ids, body).await;
            }
            "GET /api/cloud/tenant" => {
                let shown = self.send(Method::GET, "/tenant", None).await;
                assert!([200, 403].contains(&shown.status), "{}", shown.body);
                assert!(!shown.body.to_string().contains(&other.tenant.id), "{}", shown.body);
            }
            "PATCH /api/cloud/tenant" => {
                let changed = self.send(Method::PATCH, "/tenant", Some(json!({ "currency": "CHF" }))).await;
                assert_eq!(changed.status, if self.cookie.is_some() { 200 } else { 403 }, "{}", changed.body);
                let theirs = other.root.get("/tenant").await;
                assert_eq!(theirs.text("/currency"), "USD", "the other's settings are its own");
            }
            "GET /api/cloud/user/{id}/session"
            | "DELETE /api/cloud/user/{id}/session"
            | "DELETE /api/cloud/user/{id}/session/{session_id}"
                if self.cookie.is_some() =>
            {
                let ids = [other.user_id.as_str(), "usr_01jd0000000000000000000001"];
                let (method, path) = operation.split_once(" /api/cloud").expect("a method and a path");
                let path = path.replace("{session_id}", &other.session_id);
                self.assert_unknown(method.parse().expect("a method"), &path, ids, None).await;
            }
            "GET /api/cloud/alert" | "GET /api/cloud/webhook" if self.cookie.is_some() => {
                let list = self.send(Method::GET, below_base(operation), None).await;
                assert!(list.status == 200 && list.body["data"] == json!([]), "{}", list.body);
            }
            "POST /api/cloud/alert" if self.cookie.is_some() => {
                let body = json!({ "kind": "spend", "credits": 1, "delegation_id": "{id}" });
                self.assert_unknown(Method::POST, "/alert", ids, Some(&body)).await;
                let body = json!({ "kind": "spend", "credits": 1, "recipients": [other.user_id] });
                let reply = self.send(Method::POST, "/alert", Some(body)).await;
                reply.assert_problem(422, "unknown_recipient", "the other's member");
            }
            "DELETE /api/cloud/alert/{id}" if self.cookie.is_some() => {
                let ids = [other.alert_id.as_str(), "alr_01jd0000000000000000000001"];
                self.assert_unknown(Method::DELETE, "/alert/{id}", ids, None).await;
            }
            "DELETE /api/cloud/webhook/{id}"
            | "GET /api/cloud/webhook/{id}/delivery"
            | "POST /api/cloud/webhook/{id}/test"
                if self.cookie.is_some() =>
            {
                let ids = [other.webhook_id.as_str(), "whk_01jd0000000000000000000001"];
                let (method, path) = operation.split_once(" /api/cloud").expect("a method and a path");
                let body = (method == "POST").then(|| json!({}));
                self.assert_unknown(method.parse().expect("a method"), path, ids, body.as_ref()).await;
            }
            "POST /api/cloud/webhook" if self.cookie.is_some() => {
                let body = json!({ "url": "https://hooks.acme.example/" });
                let made = self.send(Method::POST, "/webhook", Some(body)).await;
                assert_eq!(made.status, 201, "{}", made.body);
                let theirs = other.owner.get("/webhook").await;
                assert!(!theirs.body.to_string().contains(&made.text("/id")), "{}", theirs.body);
            }
            "GET /api/cloud/alert"
            | "POST /api/cloud/alert"
            | "DELETE /api/cloud/alert/{id}"
            | "GET /api/cloud/webhook"
            | "POST /api/cloud/webhook"
            | "DELETE /api/cloud/webhook/{id}"
            | "GET /api/cloud/webhook/{id}/delivery"
            | "POST /api/cloud/webhook/{id}/test" => {
                let (method, path) = operation.split_once(" /api/cloud").expect("a method and a path");
                let id = if path.starts_with("/alert") { &other.alert_id } else { &other.webhook_id };
                let body = match path {
                    "/alert" => json!({ "kind": "spend", "credits": 1 }),
                    "/webhook" => json!({ "url": "https://hooks.acme.example/" }),
                    _ => json!({}),
                };
                let body = (method == "POST").then_some(body);
                let reply =
                    self.send(method.parse().expect("a method"), &path.replace("{id}", id), body).await;
                reply.assert_problem(403, "action_not_permitted", "a token is nobody who is told");
            }
            "GET /api/cloud/user"
            | "GET /api/cloud/user/{id}/session"
            | "DELETE /api/cloud/user/{id}/session"
            | "DELETE /api/cloud/user/{id}/session/{session_id}"
            | "POST /api/cloud/user"
            | "GET /api/cloud/user/{id}"
            | "PATCH /api/cloud/user/{id}"
            | "DELETE /api/cloud/user/{id}"
            | "POST /api/cloud/invite" => {
                let (method, path) = operation.split_once(" /api/cloud").expect("a method and a path");
                let body = match method {
                    "POST" => Some(json!({ "email": "x@tenant.example", "role": "viewer" })),
                    "PATCH" => Some(json!({ "role": "viewer" })),
                    _ => None,
                };
                let path = path.replace("{id}", &other.user_id).replace("{session_id}", &other.session_id);
                let reply = self.send(method.parse().expect("a method"), &path, body).await;
                reply.assert_problem(403, "action_not_permitted", "a token knows of nobody");
            }
            "POST /api/cloud/password" => {
                let body = json!({ "current_password": "guessed horse", "new_password": "stolen horse" });
                let reply = self.send(Method::POST, "/password", Some(body)).await;
                assert_eq!(reply.status, 403, "{}", reply.body);
            }
            "POST /api/cloud/password/reset" => {
                let asked =
                    self.send(Method::POST, "/password/reset", Some(json!({ "email": "x@x.example" }))).await;
                assert_eq!(
                    (asked.status, asked.body),
                    (202, json!({})),
                    "the answer tells nothing of anybody"
                );
            }
            "POST /api/cloud/password/reset/accept" => {
                let body = json!({ "token": other.invitation, "password": "stolen horse" });
                let reply = self.send(Method::POST, "/password/reset/accept", Some(body)).await;
                reply.assert_problem(401, "invalid_reset", "another kind of secret");
            }
            "POST /api/cloud/invite/accept" => {
                let (_, secret) = other.invitation.split_once('.').expect("an invitation names its tenant");
                let body = |token: String| json!({ "token": token, "password": "stolen horse" });
                let ours =
                    format!("inv_{}.{secret}", self.tenant.strip_prefix("ten_").expect("a tenant's id"));
                let reply = self.send(Method::POST, "/invite/accept", Some(body(ours))).await;
                reply.assert_problem(401, "invalid_invitation", "the other's secret at our tenant");
            }
            "GET /api/cloud/event" => {
                let request = self.api.request(Method::GET, "/event");
                let request = match &self.cookie {
                    Some(cookie) => request.header("Cookie", cookie),
                    None => request,
                };
                let mut answer = request.send().await.expect("the server answers");
                assert_eq!(answer.status().as_u16(), 200);
                // What the other tenant does would come before what the caller does.
                let theirs = other.root.held(1).await;
                let release = format!("/hold/{theirs}/release");
                assert_eq!(other.root.post(&release, &json!({})).await.status, 200);
                let own = self.send(Method::POST, "/spend", Some(json!({ "amount_credits": 1 }))).await;
                let (own, mut told) = (own.text("/id"), String::new());
                while !told.contains(&own) {
                    let chunk = answer.chunk().await.expect("the stream goes on").expect("it does not end");
                    told.push_str(&String::from_utf8_lossy(&chunk));
                }
                assert!(!told.contains(&theirs) && !told.contains(&other.tenant.root_id), "{told}");
            }
            "GET /api/cloud/service" => {
                let list = self.send(Method::GET, "/service", None).await;
                assert!([200, 403].contains(&list.status), "{}", list.body);
                assert!(!list.body.to_string().contains(&other.service_id), "{}", list.body);
            }
            "GET /api/cloud/revocation" => {
                let feed = self.send(Method::GET, "/revocation", None).await;
                assert!([200, 403].contains(&feed.status), "{}", feed.body);
                assert!(!feed.body.to_string().contains(&other.revoked_id), "{}", feed.body);
            }
            "POST /api/cloud/service" => {
                let made = self.send(Method::POST, "/service", Some(json!({ "name": "theirs" }))).await;
                assert!([201, 403].contains(&made.status), "{}", made.body);
                let theirs = other.root.get("/service").await;
                assert_eq!(theirs.body["data"].as_array().map(Vec::len), Some(1), "{}", theirs.body);
            }
            "GET /api/cloud/route" => {
                let ids = [other.service_id.as_str(), "svc_01jd0000000000000000000001"];
                self.assert_unknown(Method::GET, "/route?service_id={id}", ids, None).await;
            }
            "PUT /api/cloud/route" => {
                let ids = [other.service_id.as_str(), "svc_01jd0000000000000000000001"];
                let body = json!({ "service_id": "{id}", "routes": [{ "route": "/*", "price_credits": 1 }] });
                self.assert_unknown(Method::PUT, "/route", ids, Some(&body)).await;
            }
            "GET /api/cloud/authorize/{service_id}"
            | "POST /api/cloud/authorize/{service_id}"
            | "PUT /api/cloud/authorize/{service_id}"
            | "PATCH /api/cloud/authorize/{service_id}"
            | "DELETE /api/cloud/authorize/{service_id}" => {
                let (method, _) = operation.split_once(' ').expect("a method and a path");
                let method: Method = method.parse().expect("a method");
                if self.cookie.is_some() {
                    let refused = self.send(method, &format!("/authorize/{}", other.service_id), None).await;
                    return refused.assert_problem(403, "action_not_permitted", "a session pays for nothing");
                }
                let ids = [other.service_id.as_str(), "svc_01jd0000000000000000000001"];
                self.assert_unknown(method, "/authorize/{id}", ids, None).await;
            }
            "GET /api/cloud/service/{id}" | "DELETE /api/cloud/service/{id}" => {
                let ids = [other.service_id.as_str(), "svc_01jd0000000000000000000001"];
                let (method, path) = operation.split_once(" /api/cloud").expect("a method and a path");
                self.assert_unknown(method.parse().expect("a method"), path, ids, None).await;
            }
            "GET /api/cloud/spend/{id}" => {
                self.assert_unknown(Method::GET, "/spend/{id}", spend_ids, None).await;
            }
            "POST /api/cloud/spend" => {
                let spent = self.send(Method::POST, "/spend", Some(json!({ "amount_credits": 1 }))).await;
                assert_eq!((spent.status, spent.text("/delegation_id")), (201, self.own_id.clone()));
            }
            "POST /api/cloud/verify" => {
                for token in [&other.leaf_token, &other.tenant.root_token] {
                    let verdict = self.send(Method::POST, "/verify", Some(json!({ "token": token }))).await;
                    assert_eq!((verdict.status, verdict.code()), (200, "forged"), "{}", verdict.body);
                    assert!(verdict.body["delegation"].is_null() && verdict.body["caveats"].is_null());
                }
            }
            "POST /api/cloud/signup" => {
                let theirs =
                    json!({ "organization": "x", "email": other.tenant.email, "password": "correct horse" });
                let taken = self.send(Method::POST, "/signup", Some(theirs)).await;
                taken.assert_problem(409, "email_taken", "the other's address");
            }
            unheard_of => panic!("say here how {unheard_of} keeps tenants apart"),
        }
    }
}

/// `POST /api/cloud/x` → `/x`.
fn below_base(operation: &str) -> &str {
    operation.split_once("/api/cloud").expect("the operation is below the base path").1
}

/// A body with which the operation at `path` would succeed, were the thing the caller's.
fn good_body(path: &str) -> Value {
    match path.rsplit('/').next().unwrap_or_default() {
        "capture" => json!({ "amount_credits": 1 }),
        "extend" => json!({ "expires_in": "1h" }),
        "hold" => json!({ "amount_credits": 1, "expires_in": "1h" }),
        "refund" => json!({ "reason": "theirs" }),
        "{id}" => json!({ "label": "theirs" }),
        "restrict" => json!({ "caveats": ["max_per_spend = 1"] }),
        _ => json!({}),
    }
}

#[tokio::test]
async fn no_operation_reaches_another_tenant() {
    let server = TestServer::start().await;
    let (tenant, theirs) = (server.sign_up().await, server.sign_up().await);
    let (root, their_root) =
        (server.api.with_token(&tenant.root_token), server.api.with_token(&theirs.root_token));
    let leaf = root.mint("Our leaf", 100).await;
    let their_leaf = their_root.mint("Their leaf", 100).await;
    let leaf_token = their_leaf.text("/token");
    let spender = their_root.with_token(&leaf_token);
    let (spend_id, hold_id) = (spender.spend(7).await.text("/id"), spender.held(5).await);
    let id = their_leaf.text("/id");
    let owner = server.owner(&theirs);
    let user_id = owner.get("/session").await.text("/user/id");
    let session_id = owner.get(&format!("/user/{user_id}/session")).await.text("/data/0/id");
    let alert_id = owner.post("/alert", &json!({ "kind": "spend", "credits": 1_000 })).await.text("/id");
    let webhook_id = owner.post("/webhook", &json!({ "url": "https://theirs.example/" })).await.text("/id");
    let service_id = their_root.post("/service", &json!({ "name": "theirs" })).await.text("/id");
    let (_, revoked_id) = their_root.child("short-lived", 1).await;
    assert_eq!(their_root.act(&revoked_id, "revoke").await.status, 200);
    let invited = owner.post("/invite", &json!({ "email": "guest@tenant.example", "role": "owner" })).await;
    let invitation = invited.text("/token");
    let other = Other {
        tenant: theirs,
        root: their_root,
        id,
        spend_id,
        hold_id,
        leaf_token,
        user_id,
        session_id,
        alert_id,
        webhook_id,
        service_id,
        revoked_id,
        owner,
        invitation,
    };
    let caller = |name, api: Api, own_id: &str| {
        let (own_id, tenant) = (own_id.to_owned(), tenant.id.clone());
        Caller { name, api, cookie: None, own_id, tenant }
    };
    let cookie = Some(format!("__Host-session={}", tenant.session));
    let callers = [
        caller("root", root.clone(), &tenant.root_id),
        caller("leaf", root.with_token(&leaf.text("/token")), &leaf.text("/id")),
        Caller { cookie, ..caller("session", server.api.clone(), &tenant.root_id) },
    ];
    let before = other.root.snapshot().await;
    for operation in operations(&server.api).await {
        for caller in &callers {
            caller.try_operation(&operation.name(), &other).await;
        }
    }
    for caller in callers.iter().rev().filter(|caller| caller.name != "leaf") {
        assert_eq!(
            caller.send(Method::POST, "/root/rotate", Some(json!({}))).await.status,
            if caller.name == "root" { 401 } else { 200 }
        );
    }
    assert_eq!(other.root.snapshot().await, before, "nothing of the other tenant has changed");
}

#[tokio::test]
async fn the_others_credentials_open_nothing_of_ours() {
    let server = TestServer::start().await;
    let (tenant, theirs) = (server.sign_up().await, server.sign_up().await);
    let root = server.api.with_token(&tenant.root_token);
    let (_, id) = root.child("Ours", 100).await;
    let (spend_id, hold_id) = (root.spend(5).await.text("/id"), root.held(5).await);
    let service_id = root.post("/service", &json!({ "name": "ours" })).await.text("/id");
    let before = root.snapshot().await;
    let their_root = server.api.with_token(&theirs.root_token);
    let (their_leaf, _) = their_root.child("Theirs", 10).await;
    for operation in operations(&server.api).await.iter().filter(|operation| operation.path.contains("{id}"))
    {
        for ours in [&id, &tenant.root_id] {
            let thing = match operation.path.split('/').nth(3) {
                Some("spend") => &spend_id,
                Some("hold") => &hold_id,
                Some("service") => &service_id,
                // People, and what only people see: no token reaches them at all.
                Some("user" | "alert" | "webhook") => continue,
                _ => ours,
            };
            let path = operation.path.replace("/api/cloud", "").replace("{id}", thing);
            let body = if operation.method == "GET" { None } else { Some(good_body(&operation.path)) };
            for api in [&their_root, &their_leaf] {
                let request = api.request(operation.verb(), &path).header("If-Match", "*");
                let reply =
                    Reply::of(if let Some(body) = &body { request.json(body) } else { request }).await;
                reply.assert_problem(404, "not_found", &operation.name());
            }
        }
    }
    // A cookie that names our tenant with their secret opens nothing.
    let mixed = format!(
        "{}.{}",
        tenant.session.split('.').next().unwrap(),
        theirs.session.split('.').nth(1).unwrap()
    );
    let request =
        server.api.request(Method::GET, "/delegation").header("Cookie", format!("__Host-session={mixed}"));
    Reply::of(request).await.assert_problem(401, "expired", "a mixed cookie");
    assert_eq!(root.snapshot().await, before);
}
