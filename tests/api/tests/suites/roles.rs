//! Every role and every operation of the OpenAPI document: who may, may, and whoever may not is refused. Whoever adds an
//! operation adds a row.

use std::collections::BTreeSet;

use serde_json::json;
use subgrant_tests::{Api, Operation, PASSWORD, Reply, TestServer, operations};

const ROLES: [&str; 4] = ["owner", "admin", "finance", "viewer"];

/// Whose session may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Anybody, with or without a session: the answer is the same.
    Anybody,
    /// Every member.
    Members,
    /// Owners, admins and finance.
    Finance,
    /// Owners and admins.
    Managers,
    /// No session: it takes a token.
    NoSession,
}

use Who::{Anybody, Finance, Managers, Members, NoSession};

impl Who {
    fn includes(self, role: &str) -> bool {
        match self {
            Anybody | Members => true,
            Finance => role != "viewer",
            Managers => ["owner", "admin"].contains(&role),
            NoSession => false,
        }
    }
}

/// Operation, who may, on what (in place of the path's parameters), and with which body. Words in braces are made anew for
/// each attempt, so that nothing stands in the way of whoever may.
const TABLE: &[(&str, Who, &str, &str)] = &[
    ("get_livez", Anybody, "", ""),
    ("get_readyz", Anybody, "", ""),
    ("get_metrics", Anybody, "", ""),
    ("get_config", Anybody, "", ""),
    (
        "post_signup",
        Anybody,
        "",
        r#"{"organization": "x", "email": "owner0@x.example", "password": "short"}"#,
    ),
    ("post_session", Anybody, "", r#"{"email": "nobody@people.example", "password": "a wrong one"}"#),
    ("post_invite_accept", Anybody, "", r#"{"token": "inv_x", "password": "long enough"}"#),
    ("post_password_reset", Anybody, "", r#"{"email": "{unknown email}"}"#),
    ("post_password_reset_accept", Anybody, "", r#"{"token": "rst_x", "password": "long enough"}"#),
    // What everybody who is signed in may: the own account, and looking.
    ("get_session", Members, "", ""),
    ("delete_session", Members, "", ""),
    ("post_session_switch", Members, "", r#"{"tenant_id": "{tenant}"}"#),
    ("post_email_confirm", Members, "", ""),
    (CONFIRMATION, Members, "", r#"{"token": "eml_x"}"#),
    ("post_password", Members, "", r#"{"current_password": "{password}", "new_password": "{password}"}"#),
    ("get_user", Members, "", ""),
    ("get_user_id", Members, "{user}", ""),
    ("get_tenant", Members, "", ""),
    ("get_audit", Members, "", ""),
    ("get_event", Members, "", ""),
    ("get_delegation", Members, "", ""),
    ("get_delegation_self", Members, "", ""),
    ("get_delegation_tree", Members, "", ""),
    ("get_delegation_id", Members, "{delegation}", ""),
    ("get_delegation_id_token", Members, "{delegation}", ""),
    ("get_hold", Members, "", ""),
    ("get_hold_id", Members, "{hold}", ""),
    ("get_ledger", Members, "", ""),
    ("get_ledger_proof", Members, "", ""),
    ("get_ledger_export", Members, "", ""),
    ("get_spend_id", Members, "{spend}", ""),
    ("get_report_spend", Members, "", ""),
    ("get_report_budget", Members, "", ""),
    ("get_report_forecast", Members, "", ""),
    ("get_period", Members, "", ""),
    ("get_export_focus", Members, "?period=2026-01", ""),
    ("get_alert", Members, "", ""),
    ("get_service", Members, "", ""),
    ("get_revocation", Members, "", ""),
    ("get_service_id", Members, "{service}", ""),
    ("get_route", Members, "?service_id={service}", ""),
    ("post_verify", Members, "", r#"{"token": "x"}"#),
    ("post_period_month_close", Finance, "{month}", ""),
    ("post_period_month_reopen", Managers, "{closed month}", ""),
    // Who is told when so much is spent.
    ("post_alert", Finance, "", r#"{"kind": "spend", "credits": 1}"#),
    ("delete_alert_id", Finance, "{alert}", ""),
    // People.
    ("post_user", Managers, "", r#"{"email": "{unknown email}", "role": "viewer"}"#),
    ("patch_user_id", Managers, "{user}", r#"{"role": "finance"}"#),
    ("delete_user_id", Managers, "{user}", ""),
    ("get_invite", Managers, "", ""),
    ("delete_invite_id", Managers, "{invitation}", ""),
    ("post_invite", Managers, "", r#"{"email": "{unknown email}", "role": "viewer"}"#),
    ("get_user_id_session", Managers, "{user}", ""),
    ("delete_user_id_session", Managers, "{user}", ""),
    ("delete_user_id_session_session_id", Managers, "{user's session}", ""),
    // The organisation.
    ("patch_tenant", Managers, "", r#"{"currency": "EUR"}"#),
    ("post_root_rotate", Managers, "", r#"{"grace": "1h"}"#),
    ("get_webhook", Managers, "", ""),
    ("post_webhook", Managers, "", r#"{"url": "https://hooks.acme.example/"}"#),
    ("delete_webhook_id", Managers, "{webhook}", ""),
    ("get_webhook_id_delivery", Managers, "{webhook}", ""),
    ("post_webhook_id_test", Managers, "{webhook}", "{}"),
    ("post_service", Managers, "", r#"{"name": "x"}"#),
    ("delete_service_id", Managers, "{service}", ""),
    ("put_route", Managers, "", r#"{"service_id": "{service}", "routes": []}"#),
    // A gateway is shown tokens.
    ("get_authorize_service_id", NoSession, "{service}", ""),
    ("post_authorize_service_id", NoSession, "{service}", ""),
    ("put_authorize_service_id", NoSession, "{service}", ""),
    ("patch_authorize_service_id", NoSession, "{service}", ""),
    ("delete_authorize_service_id", NoSession, "{service}", ""),
    ("get_authorize_service_id_forward_path", NoSession, "{service} v1", ""),
    // The tree and its money.
    ("post_delegation", Managers, "", r#"{"label": "x", "budget_credits": 1}"#),
    ("patch_delegation_id", Managers, "{delegation}", r#"{"label": "y"}"#),
    ("post_delegation_id_revoke", Managers, "{delegation}", "{}"),
    ("post_delegation_id_freeze", Managers, "{delegation}", "{}"),
    ("post_delegation_id_unfreeze", Managers, "{frozen}", "{}"),
    ("post_delegation_id_rotate", Managers, "{delegation}", "{}"),
    ("post_delegation_id_restrict", NoSession, "{delegation}", r#"{"caveats": ["max_per_spend = 1"]}"#),
    ("post_spend", Managers, "", r#"{"amount_credits": 1}"#),
    ("post_spend_batch", Managers, "", r#"{"items": [{"amount_credits": 1}]}"#),
    ("post_spend_id_refund", Managers, "{spend}", r#"{"reason": "x"}"#),
    ("post_hold", Managers, "", r#"{"amount_credits": 1, "expires_in": "1h"}"#),
    ("post_hold_id_capture", Managers, "{hold}", r#"{"amount_credits": 1}"#),
    ("post_hold_id_extend", Managers, "{hold}", r#"{"expires_in": "2h"}"#),
    ("post_hold_id_release", Managers, "{hold}", "{}"),
];

/// One operation in which no item may succeed answers 200 all the same, and says of each item what became of it.
const BATCH: &str = "post_spend_batch";

/// The link decides, whatever the role.
const CONFIRMATION: &str = "post_email_confirm_accept";

struct Stage {
    server: TestServer,
    owner: Api,
    root: Api,
    number: usize,
}

impl Stage {
    async fn set() -> Self {
        let server = TestServer::start().await;
        let tenant = server.sign_up().await;
        let (owner, root) = (server.owner(&tenant), server.api.with_token(&tenant.root_token));
        for role in ROLES {
            server.join(&owner, &format!("{role}@people.example"), role).await;
        }
        // Old enough for a month of its own for each row of the table.
        let older = "UPDATE tenants SET created_at = '0900-01-01'";
        let pool = server.database.superuser().await;
        sqlx::query(older).execute(&pool).await.expect("the owner can do anything");
        Self { server, owner, root, number: 0 }
    }

    /// A browser of its own, whose session nobody has ended yet.
    async fn signed_in(&self, role: &str) -> Api {
        self.server.signed_in(&format!("{role}@people.example"), PASSWORD).await
    }

    /// What a word stands for, made anew.
    async fn make(&mut self, word: &str) -> String {
        self.number += 1;
        let email = format!("guest{}@people.example", self.number);
        match word {
            "{password}" => PASSWORD.to_owned(),
            "{unknown email}" => email,
            "{tenant}" => self.owner.get("/session").await.text("/tenant/id"),
            "{invitation}" => {
                self.owner.post("/invite", &json!({ "email": email, "role": "viewer" })).await.text("/id")
            }
            "{user}" => self.server.join(&self.owner, &email, "viewer").await.1,
            "{user's session}" => {
                let (_, id) = self.server.join(&self.owner, &email, "viewer").await;
                let sessions = self.owner.get(&format!("/user/{id}/session")).await;
                format!("{id} {}", sessions.text("/data/0/id"))
            }
            "{delegation}" => self.root.child("x", 10).await.1,
            "{frozen}" => {
                let (_, id) = self.root.child("x", 10).await;
                assert_eq!(self.root.act(&id, "freeze").await.status, 200);
                id
            }
            "{spend}" => self.root.spend(1).await.text("/id"),
            "{hold}" => self.root.held(1).await,
            // Each is one that nobody has closed before.
            "{month}" => format!("{}-01", 1_000 + self.number),
            "{closed month}" => {
                let month = format!("{}-02", 1_000 + self.number);
                let closed = self.root.post(&format!("/period/{month}/close"), &json!({})).await;
                assert_eq!(closed.status, 200, "{}", closed.body);
                month
            }
            "{alert}" => {
                self.owner.post("/alert", &json!({ "kind": "spend", "credits": 1 })).await.text("/id")
            }
            "{service}" => self.root.post("/service", &json!({ "name": "x" })).await.text("/id"),
            "{webhook}" => {
                for webhook in self.owner.get("/webhook").await.body["data"].as_array().expect("a list") {
                    let id = webhook["id"].as_str().expect("an id");
                    assert_eq!(self.owner.delete(&format!("/webhook/{id}")).await.status, 204);
                }
                let body = json!({ "url": "https://hooks.acme.example/" });
                self.owner.post("/webhook", &body).await.text("/id")
            }
            unknown => panic!("{unknown} stands for nothing"),
        }
    }

    async fn spoken(&mut self, text: &str) -> String {
        let words =
            ["{password}", "{unknown email}", "{user}", "{user's session}", "{delegation}", "{frozen}"];
        let mut spoken = text.to_owned();
        for word in words.into_iter().chain([
            "{spend}",
            "{hold}",
            "{month}",
            "{closed month}",
            "{alert}",
            "{webhook}",
            "{service}",
            "{tenant}",
            "{invitation}",
        ]) {
            if spoken.contains(word) {
                spoken = spoken.replace(word, &self.make(word).await);
            }
        }
        spoken
    }

    /// Sends the operation, and reads the answer unless it is a stream without end.
    async fn send(&mut self, api: &Api, operation: &Operation, on: &str, body: &str) -> Reply {
        let (on, body) = (self.spoken(on).await, self.spoken(body).await);
        let path = operation.on(&on);
        let request = match path.strip_prefix("/api/cloud") {
            Some(path) => api.request(operation.verb(), path),
            None => api.request_at(operation.verb(), &path),
        };
        // A change needs a condition, and nothing else minds one.
        let request = request.header("Content-Type", "application/json").header("If-Match", "*");
        let request = if body.is_empty() { request } else { request.body(body) };
        if operation.id != "get_event" {
            return Reply::of(request).await;
        }
        let answer = request.send().await.expect("the server answers");
        if answer.status().is_success() {
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            return Reply { status, headers, body: json!(null) };
        }
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Reply { status, headers, body: answer.json().await.expect("a problem document") }
    }
}

#[tokio::test]
async fn the_table_names_every_operation_once() {
    let server = TestServer::start().await;
    let all = operations(&server.api).await;
    let documented: BTreeSet<_> = all.iter().map(|operation| operation.id.as_str()).collect();
    let listed: BTreeSet<_> = TABLE.iter().map(|row| row.0).collect();
    assert_eq!(listed.len(), TABLE.len(), "no operation is listed twice");
    let missing: Vec<_> = documented.difference(&listed).collect();
    assert!(missing.is_empty(), "no row says whose roles include {missing:?}");
    let unknown: Vec<_> = listed.difference(&documented).collect();
    assert!(unknown.is_empty(), "{unknown:?} are no operations");
    for operation in &all {
        let (_, who, ..) = TABLE.iter().find(|row| row.0 == operation.id).expect("it is listed");
        assert_eq!(*who == Anybody, !operation.takes_credential, "{}", operation.name());
    }
}

#[tokio::test]
async fn every_role_may_what_it_includes_and_nothing_else() {
    let mut stage = Stage::set().await;
    let all = operations(&stage.server.api).await;
    for (id, who, on, body) in TABLE {
        let operation = all.iter().find(|operation| operation.id == *id).expect("it is an operation");
        let nobody = stage.server.api.clone();
        let without = stage.send(&nobody, operation, on, body).await;
        if *who != Anybody {
            without.assert_problem(401, "missing", &format!("{id} without a session"));
        }
        for role in ROLES {
            let case = format!("{id} as {role}");
            let session = stage.signed_in(role).await;
            let reply = stage.send(&session, operation, on, body).await;
            if *id == BATCH {
                let item = if who.includes(role) { 201 } else { 403 };
                assert_eq!(
                    (reply.status, reply.number("/data/0/status")),
                    (200, item),
                    "{case}: {}",
                    reply.body
                );
            } else if *id == CONFIRMATION {
                reply.assert_problem(401, "invalid_confirmation", &case);
            } else if *who == Anybody {
                assert_eq!((reply.status, reply.code()), (without.status, without.code()), "{case}");
            } else if who.includes(role) {
                assert!((200..300).contains(&reply.status), "{case}: {} {}", reply.status, reply.body);
            } else {
                reply.assert_problem(403, "action_not_permitted", &case);
            }
        }
    }
}

/// Roles are not handed on: whoever may manage people does not manage those above.
#[tokio::test]
async fn an_admin_manages_everybody_but_owners() {
    let stage = Stage::set().await;
    let (admin, owner_id) =
        (stage.signed_in("admin").await, stage.owner.get("/session").await.text("/user/id"));
    let path = format!("/user/{owner_id}");
    for reply in [
        admin.patch(&path, &json!({ "role": "viewer" })).await,
        admin.delete(&path).await,
        admin.get(&format!("{path}/session")).await,
        admin.delete(&format!("{path}/session")).await,
        admin.post("/user", &json!({ "email": "x@people.example", "role": "owner" })).await,
        admin.post("/invite", &json!({ "email": "x@people.example", "role": "owner" })).await,
    ] {
        reply.assert_problem(403, "action_not_permitted", "an owner is above an admin");
    }
}
