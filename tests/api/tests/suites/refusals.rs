//! Every operation of the OpenAPI document refuses something: at least one row of the table below per operation, each
//! sent to a server. There is no list of exceptions. Whoever adds an operation adds a row.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use subgrant_server::http::HttpOptions;
use subgrant_service::AppOptions;
use subgrant_tests::{Api, Operation, PASSWORD, Reply, TestServer, attenuate, operations};

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// Nobody that the server knows.
    Nobody,
    /// The same, at a server whose operator has closed the sign-up.
    NobodyAtClosed,
    /// The same, at a server that is stopping.
    NobodyAtDraining,
    /// The root token.
    Root,
    /// A delegation of 100 credits.
    Team,
    /// The same delegation's token, narrowed to reading.
    Reader,
    /// The same delegation's token, narrowed to spending.
    Spender,
    /// A gateway, which shows the service's key, and is shown the delegation's token.
    Gateway,
    /// A delegation that was revoked.
    Revoked,
    /// A delegation that was frozen.
    Frozen,
    /// The owner's session.
    Owner,
    /// The session of an admin.
    Admin,
    /// The session of a viewer.
    Viewer,
}

use By::{
    Admin, Frozen, Gateway, Nobody, NobodyAtClosed, NobodyAtDraining, Owner, Reader, Revoked, Root, Spender,
    Team, Viewer,
};

/// Operation, who asks, on what (in place of the path's parameters, one after the other, or a query), with which body, and how it is refused.
/// Words in braces stand for things on the stage.
type Row = (&'static str, By, &'static str, &'static str, u16, &'static str);

const TABLE: &[Row] = &[
    // What takes no credential, on purpose: it opens the door, and says what it opens it for.
    ("get_livez", Nobody, "", "{large}", 413, "body_too_large"),
    ("get_metrics", Nobody, "", "{large}", 413, "body_too_large"),
    ("get_config", Nobody, "", "{large}", 413, "body_too_large"),
    ("get_readyz", Nobody, "", "{large}", 413, "body_too_large"),
    ("get_readyz", NobodyAtDraining, "", "", 503, "draining"),
    (
        "post_signup",
        NobodyAtClosed,
        "",
        r#"{"organization": "x", "email": "x@x.example", "password": "long enough"}"#,
        403,
        "signup_closed",
    ),
    (
        "post_signup",
        Nobody,
        "",
        r#"{"organization": "x", "email": "x@x.example", "password": "short"}"#,
        422,
        "validation",
    ),
    (
        "post_session",
        Nobody,
        "",
        r#"{"email": "viewer@people.example", "password": "a wrong one"}"#,
        401,
        "invalid_credentials",
    ),
    (
        "post_session",
        Nobody,
        "",
        r#"{"email": "nobody@people.example", "password": "a wrong one"}"#,
        401,
        "invalid_credentials",
    ),
    (
        "post_invite_accept",
        Nobody,
        "",
        r#"{"token": "{forged invitation}", "password": "long enough"}"#,
        401,
        "invalid_invitation",
    ),
    (
        "post_invite_accept",
        Nobody,
        "",
        r#"{"token": "{used invitation}", "password": "long enough"}"#,
        410,
        "invitation_used",
    ),
    ("post_password_reset", Nobody, "", r#"{"email": "nobody"}"#, 422, "validation"),
    (
        "post_password_reset_accept",
        Nobody,
        "",
        r#"{"token": "{forged invitation}", "password": "long enough"}"#,
        401,
        "invalid_reset",
    ),
    // Sessions and people.
    ("post_session_switch", Nobody, "", "", 401, "missing"),
    ("post_session_switch", Team, "", "", 401, "malformed"),
    (
        "post_session_switch",
        Viewer,
        "",
        r#"{"tenant_id": "ten_01jd0000000000000000000001"}"#,
        404,
        "not_found",
    ),
    ("post_session_switch", Viewer, "", r#"{"tenant_id": "nonsense"}"#, 404, "not_found"),
    ("post_email_confirm", Root, "", "", 403, "action_not_permitted"),
    ("post_email_confirm_accept", Viewer, "", r#"{"token": "eml_x"}"#, 401, "invalid_confirmation"),
    (
        "post_email_confirm_accept",
        Viewer,
        "",
        r#"{"token": "{used invitation}"}"#,
        401,
        "invalid_confirmation",
    ),
    ("get_session", Nobody, "", "", 401, "missing"),
    ("get_session", Team, "", "", 401, "malformed"),
    ("delete_session", Nobody, "", "", 401, "missing"),
    ("delete_session", Root, "", "", 401, "malformed"),
    (
        "post_password",
        Viewer,
        "",
        r#"{"current_password": "a wrong one", "new_password": "long enough"}"#,
        403,
        "wrong_password",
    ),
    (
        "post_password",
        Root,
        "",
        r#"{"current_password": "a wrong one", "new_password": "long enough"}"#,
        403,
        "action_not_permitted",
    ),
    ("get_user", Root, "", "", 403, "action_not_permitted"),
    ("get_user", Revoked, "", "", 401, "revoked"),
    ("get_user_id", Team, "{viewer}", "", 403, "action_not_permitted"),
    ("get_user_id", Owner, "{unknown user}", "", 404, "not_found"),
    (
        "post_user",
        Viewer,
        "",
        r#"{"email": "new@people.example", "role": "viewer"}"#,
        403,
        "action_not_permitted",
    ),
    (
        "post_user",
        Admin,
        "",
        r#"{"email": "new@people.example", "role": "owner"}"#,
        403,
        "action_not_permitted",
    ),
    ("post_user", Owner, "", r#"{"email": "viewer@people.example", "role": "viewer"}"#, 409, "email_taken"),
    ("patch_user_id", Viewer, "{viewer}", r#"{"role": "owner"}"#, 403, "action_not_permitted"),
    ("patch_user_id", Admin, "{owner}", r#"{"role": "viewer"}"#, 403, "action_not_permitted"),
    ("patch_user_id", Owner, "{owner}", r#"{"role": "viewer"}"#, 409, "last_owner"),
    ("delete_user_id", Viewer, "{owner}", "", 403, "action_not_permitted"),
    ("delete_user_id", Owner, "{owner}", "", 409, "last_owner"),
    ("get_invite", Viewer, "", "", 403, "action_not_permitted"),
    ("get_invite", Root, "", "", 403, "action_not_permitted"),
    ("delete_invite_id", Viewer, "{open invitation}", "", 403, "action_not_permitted"),
    ("delete_invite_id", Admin, "{open invitation}", "", 403, "action_not_permitted"),
    ("delete_invite_id", Owner, "{unknown user}", "", 404, "not_found"),
    ("delete_invite_id", Owner, "{viewer}", "", 404, "not_found"),
    (
        "post_invite",
        Viewer,
        "",
        r#"{"email": "new@people.example", "role": "viewer"}"#,
        403,
        "action_not_permitted",
    ),
    (
        "post_invite",
        Admin,
        "",
        r#"{"email": "new@people.example", "role": "owner"}"#,
        403,
        "action_not_permitted",
    ),
    ("get_user_id_session", Viewer, "{owner}", "", 403, "action_not_permitted"),
    ("get_user_id_session", Owner, "{unknown user}", "", 404, "not_found"),
    ("delete_user_id_session", Admin, "{owner}", "", 403, "action_not_permitted"),
    (
        "delete_user_id_session_session_id",
        Admin,
        "{owner} {unknown session}",
        "",
        403,
        "action_not_permitted",
    ),
    ("delete_user_id_session_session_id", Owner, "{viewer} {unknown session}", "", 404, "not_found"),
    // The tenant.
    ("get_tenant", Team, "", "", 403, "action_not_permitted"),
    ("patch_tenant", Viewer, "", r#"{"currency": "EUR"}"#, 403, "action_not_permitted"),
    ("patch_tenant", Root, "", r#"{"currency": "EUR"}"#, 403, "action_not_permitted"),
    ("patch_tenant", Owner, "", r#"{"currency": "x"}"#, 422, "validation"),
    ("post_root_rotate", Team, "", "{}", 404, "not_found"),
    ("post_root_rotate", Viewer, "", "{}", 403, "action_not_permitted"),
    ("get_alert", Root, "", "", 403, "action_not_permitted"),
    ("get_alert", Owner, "?limit=0", "", 422, "validation"),
    ("post_alert", Viewer, "", r#"{"kind": "spend", "credits": 1}"#, 403, "action_not_permitted"),
    ("post_alert", Root, "", r#"{"kind": "spend", "credits": 1}"#, 403, "action_not_permitted"),
    ("post_alert", Owner, "", r#"{"kind": "budget", "percent": 80}"#, 422, "no_budget"),
    ("delete_alert_id", Viewer, "alr_01jd0000000000000000000001", "", 403, "action_not_permitted"),
    ("delete_alert_id", Owner, "alr_01jd0000000000000000000001", "", 404, "not_found"),
    ("get_webhook", Viewer, "", "", 403, "action_not_permitted"),
    ("post_webhook", Root, "", r#"{"url": "https://a.example/"}"#, 403, "action_not_permitted"),
    ("post_webhook", Owner, "", r#"{"url": "https://127.0.0.1/"}"#, 422, "validation"),
    ("delete_webhook_id", Viewer, "whk_01jd0000000000000000000001", "", 403, "action_not_permitted"),
    ("delete_webhook_id", Owner, "whk_01jd0000000000000000000001", "", 404, "not_found"),
    ("get_webhook_id_delivery", Viewer, "whk_01jd0000000000000000000001", "", 403, "action_not_permitted"),
    ("get_webhook_id_delivery", Owner, "whk_01jd0000000000000000000001", "", 404, "not_found"),
    ("post_webhook_id_test", Viewer, "whk_01jd0000000000000000000001", "{}", 403, "action_not_permitted"),
    ("post_webhook_id_test", Owner, "whk_01jd0000000000000000000001", "{}", 404, "not_found"),
    // Resource servers.
    ("get_service", Team, "", "", 403, "action_not_permitted"),
    ("get_service", Nobody, "", "", 401, "missing"),
    ("post_service", Team, "", r#"{"name": "x"}"#, 403, "action_not_permitted"),
    ("post_service", Viewer, "", r#"{"name": "x"}"#, 403, "action_not_permitted"),
    ("post_service", Admin, "", r#"{"name": ""}"#, 422, "validation"),
    ("get_revocation", Team, "", "", 403, "action_not_permitted"),
    ("get_revocation", Spender, "", "", 403, "action_not_permitted"),
    ("get_revocation", Revoked, "", "", 401, "revoked"),
    ("get_revocation", Root, "?since=nonsense", "", 422, "validation"),
    ("get_service_id", Team, "{service}", "", 404, "not_found"),
    ("get_service_id", Root, "{unknown service}", "", 404, "not_found"),
    ("delete_service_id", Team, "{service}", "", 404, "not_found"),
    ("delete_service_id", Viewer, "{service}", "", 403, "action_not_permitted"),
    ("delete_service_id", Root, "{unknown service}", "", 404, "not_found"),
    ("get_route", Team, "?service_id={service}", "", 404, "not_found"),
    ("get_route", Root, "?service_id={unknown service}", "", 404, "not_found"),
    ("get_route", Root, "", "", 422, "validation"),
    ("put_route", Team, "", r#"{"service_id": "{service}", "routes": []}"#, 404, "not_found"),
    ("put_route", Viewer, "", r#"{"service_id": "{service}", "routes": []}"#, 403, "action_not_permitted"),
    (
        "put_route",
        Root,
        "",
        r#"{"service_id": "{service}", "routes": [{"route": "no path", "price_credits": 1}]}"#,
        422,
        "validation",
    ),
    ("get_authorize_service_id", Team, "{service}", "", 401, "missing"),
    ("get_authorize_service_id", Gateway, "{unknown service}", "", 401, "forged"),
    ("get_authorize_service_id", Gateway, "{service}", "", 400, "invalid_forwarded_header"),
    ("post_authorize_service_id", Owner, "{service}", "", 403, "action_not_permitted"),
    ("put_authorize_service_id", Revoked, "{service}", "", 401, "missing"),
    ("patch_authorize_service_id", Frozen, "{service}", "", 401, "missing"),
    ("delete_authorize_service_id", Nobody, "{service}", "", 401, "missing"),
    ("get_authorize_service_id_forward_path", Team, "{service} v1", "", 401, "missing"),
    ("get_authorize_service_id_forward_path", Gateway, "{unknown service} v1", "", 401, "forged"),
    ("get_authorize_service_id_forward_path", Gateway, "{service} v1", "", 403, "no_price"),
    ("get_authorize_service_id_forward_path", Owner, "{service} v1", "", 403, "action_not_permitted"),
    ("get_audit", Team, "", "", 403, "action_not_permitted"),
    ("get_ledger_proof", Team, "", "", 403, "action_not_permitted"),
    ("get_event", Spender, "", "", 403, "action_not_permitted"),
    ("get_event", Frozen, "", "", 403, "frozen"),
    ("get_event", Root, "?last_event_id=nonsense", "", 422, "validation"),
    // The tree.
    ("post_delegation", Reader, "", r#"{"label": "x", "budget_credits": 1}"#, 403, "action_not_permitted"),
    ("post_delegation", Viewer, "", r#"{"label": "x", "budget_credits": 1}"#, 403, "action_not_permitted"),
    ("post_delegation", Team, "", r#"{"label": "x", "budget_credits": 101}"#, 422, "narrower_than_parent"),
    (
        "post_delegation",
        Team,
        "",
        r#"{"label": "x", "budget_credits": 1, "parent_id": "{sibling}"}"#,
        404,
        "not_found",
    ),
    ("get_delegation", Spender, "", "", 403, "action_not_permitted"),
    ("get_delegation", Team, "?parent_id={sibling}", "", 404, "not_found"),
    ("get_delegation", Team, "?with=surprise", "", 422, "validation"),
    ("get_delegation_id_token", Team, "{sibling}", "", 404, "not_found"),
    ("get_delegation_id_token", Spender, "{team}", "", 403, "action_not_permitted"),
    ("get_delegation_self", Spender, "", "", 403, "action_not_permitted"),
    ("get_delegation_self", Revoked, "", "", 401, "revoked"),
    ("get_delegation_tree", Team, "?root={sibling}", "", 404, "not_found"),
    ("get_delegation_id", Team, "{sibling}", "", 404, "not_found"),
    ("get_delegation_id", Team, "{root}", "", 404, "not_found"),
    ("patch_delegation_id", Team, "{sibling}", r#"{"label": "x"}"#, 404, "not_found"),
    ("patch_delegation_id", Team, "{team}", r#"{"budget_credits": 101}"#, 403, "action_not_permitted"),
    ("patch_delegation_id", Viewer, "{sibling}", r#"{"label": "x"}"#, 403, "action_not_permitted"),
    ("patch_delegation_id", Root, "{sibling}", r#"{"budget_credits": 19}"#, 422, "below_committed"),
    ("patch_delegation_id", Team, "{team}", r#"{"expiry": "soon"}"#, 422, "validation"),
    ("patch_delegation_id", Owner, "{root}", r#"{"expiry": "1h"}"#, 422, "validation"),
    ("post_delegation_id_revoke", Root, "{root}", "{}", 409, "is_root"),
    ("post_delegation_id_revoke", Owner, "{root}", r#"{"dry_run": true}"#, 409, "is_root"),
    ("post_delegation_id_revoke", Team, "{sibling}", "{}", 404, "not_found"),
    ("post_delegation_id_revoke", Viewer, "{sibling}", "{}", 403, "action_not_permitted"),
    ("post_delegation_id_freeze", Team, "{root}", "{}", 404, "not_found"),
    ("post_delegation_id_unfreeze", Root, "{sibling}", "{}", 409, "not_frozen"),
    ("post_delegation_id_rotate", Team, "{sibling}", "{}", 404, "not_found"),
    (
        "post_delegation_id_restrict",
        Root,
        "{sibling}",
        r#"{"caveats": ["max_per_spend = 1"]}"#,
        403,
        "action_not_permitted",
    ),
    // Money.
    ("post_spend", Team, "", r#"{"amount_credits": 101}"#, 402, "budget_exhausted"),
    ("post_spend", Reader, "", r#"{"amount_credits": 1}"#, 403, "action_not_permitted"),
    ("post_spend", Viewer, "", r#"{"amount_credits": 1}"#, 403, "action_not_permitted"),
    ("get_spend_id", Team, "{sibling's spend}", "", 404, "not_found"),
    ("post_spend_id_refund", Team, "{sibling's spend}", r#"{"reason": "x"}"#, 404, "not_found"),
    ("post_spend_id_refund", Team, "{team's spend}", r#"{"reason": "x"}"#, 403, "own_refund"),
    ("post_spend_id_refund", Viewer, "{sibling's spend}", r#"{"reason": "x"}"#, 403, "action_not_permitted"),
    ("post_spend_batch", Revoked, "", r#"{"items": [{"amount_credits": 1}]}"#, 401, "revoked"),
    ("post_hold", Team, "", r#"{"amount_credits": 101, "expires_in": "1h"}"#, 402, "budget_exhausted"),
    (
        "post_hold_id_capture",
        Root,
        "{sibling's hold}",
        r#"{"amount_credits": 11}"#,
        402,
        "capture_exceeds_hold",
    ),
    ("post_hold_id_capture", Team, "{sibling's hold}", r#"{"amount_credits": 1}"#, 404, "not_found"),
    ("post_hold_id_extend", Team, "{sibling's hold}", r#"{"expires_in": "1h"}"#, 404, "not_found"),
    ("post_hold_id_release", Team, "{sibling's hold}", "{}", 404, "not_found"),
    ("get_hold_id", Team, "{sibling's hold}", "", 404, "not_found"),
    ("get_hold_id", Spender, "{sibling's hold}", "", 403, "action_not_permitted"),
    ("get_hold", Team, "?delegation_id={sibling}", "", 404, "not_found"),
    ("get_hold", Spender, "", "", 403, "action_not_permitted"),
    ("get_ledger", Team, "?delegation_id={sibling}", "", 404, "not_found"),
    ("get_ledger_export", Team, "", "", 403, "action_not_permitted"),
    ("get_ledger", Spender, "", "", 403, "action_not_permitted"),
    ("get_report_spend", Team, "?delegation_id={sibling}", "", 404, "not_found"),
    ("get_report_spend", Spender, "", "", 403, "action_not_permitted"),
    ("get_report_spend", Root, "?from=soon", "", 422, "validation"),
    ("get_report_budget", Team, "?delegation_id={sibling}", "", 404, "not_found"),
    ("get_report_budget", Spender, "", "", 403, "action_not_permitted"),
    ("get_report_budget", Root, "?group_by=colour", "", 422, "validation"),
    ("get_report_forecast", Team, "?delegation_id={sibling}", "", 404, "not_found"),
    ("get_report_forecast", Spender, "", "", 403, "action_not_permitted"),
    ("get_period", Team, "", "", 403, "action_not_permitted"),
    ("get_period", Root, "?cursor=soon", "", 422, "validation"),
    ("post_period_month_close", Viewer, "2026-01", "", 403, "action_not_permitted"),
    ("post_period_month_close", Team, "2026-01", "", 403, "action_not_permitted"),
    ("post_period_month_close", Root, "9998-12", "", 409, "period_not_over"),
    ("post_period_month_close", Owner, "1999-12", "", 409, "period_before_tenant"),
    ("post_period_month_close", Owner, "2026-13", "", 422, "invalid_month"),
    ("post_period_month_close", Owner, "2026-01", r#"{"force": true}"#, 422, "validation"),
    ("post_period_month_reopen", Viewer, "2026-01", "", 403, "action_not_permitted"),
    ("post_period_month_reopen", Owner, "2026-01", "", 409, "period_open"),
    ("get_export_focus", Spender, "?period=2026-01", "", 403, "action_not_permitted"),
    ("get_export_focus", Root, "", "", 422, "validation"),
    ("get_export_focus", Root, "?period=2026-01&version=0.5", "", 422, "validation"),
    ("get_export_focus", Root, "?period=9998-12", "", 422, "invalid_month"),
    ("post_verify", Revoked, "", r#"{"token": "x"}"#, 401, "revoked"),
];

/// Everybody and everything that the table speaks of.
struct Stage {
    server: TestServer,
    closed: TestServer,
    draining: TestServer,
    root: Api,
    team: Api,
    revoked: Api,
    frozen: Api,
    owner: Api,
    admin: Api,
    viewer: Api,
    words: Vec<(&'static str, String)>,
}

impl Stage {
    async fn set() -> Self {
        let server = TestServer::start().await;
        let closed = HttpOptions { open_signup: false, ..HttpOptions::default() };
        let closed = TestServer::start_with(closed, AppOptions::default()).await;
        let draining = TestServer::start().await;
        draining.start_draining();
        let tenant = server.sign_up().await;
        let (root, owner) = (server.api.with_token(&tenant.root_token), server.owner(&tenant));
        let (team, team_id) = root.child("team", 100).await;
        let (sibling, sibling_id) = root.child("sibling", 100).await;
        let (revoked, revoked_id) = root.child("revoked", 100).await;
        let (frozen, frozen_id) = root.child("frozen", 100).await;
        let (spend, hold) = (sibling.spend(10).await.text("/id"), sibling.held(10).await);
        let own_spend = team.spend(1).await.text("/id");
        assert_eq!(root.act(&revoked_id, "revoke").await.status, 200);
        assert_eq!(root.act(&frozen_id, "freeze").await.status, 200);
        let (admin, _) = server.join(&owner, "admin@people.example", "admin").await;
        let (viewer, viewer_id) = server.join(&owner, "viewer@people.example", "viewer").await;
        let guest = json!({ "email": "guest@people.example", "role": "viewer" });
        let used = owner.post("/invite", &guest).await.text("/token");
        let accepted =
            server.api.post("/invite/accept", &json!({ "token": used, "password": PASSWORD })).await;
        assert_eq!(accepted.status, 201, "{}", accepted.body);
        let open = json!({ "email": "new.owner@people.example", "role": "owner" });
        let open = owner.post("/invite", &open).await.text("/id");
        let forged =
            format!("{}.{}", used.split_once('.').expect("an invitation names its tenant").0, "0".repeat(64));
        let owner_id = owner.get("/session").await.text("/user/id");
        let service = root.post("/service", &json!({ "name": "reports" })).await;
        let (service, service_key) = (service.text("/id"), service.text("/verification_key"));
        let words = vec![
            ("{large}", format!("\"{}\"", "x".repeat(2 * 1024 * 1024))),
            ("{root}", tenant.root_id),
            ("{team}", team_id),
            ("{sibling}", sibling_id),
            ("{sibling's spend}", spend),
            ("{team's spend}", own_spend),
            ("{sibling's hold}", hold),
            ("{owner}", owner_id),
            ("{viewer}", viewer_id),
            ("{unknown session}", "ses_01jd0000000000000000000001".to_owned()),
            ("{service}", service),
            ("{service key}", service_key),
            ("{unknown service}", "svc_01jd0000000000000000000001".to_owned()),
            ("{unknown user}", "usr_01jd0000000000000000000001".to_owned()),
            ("{used invitation}", used),
            ("{open invitation}", open),
            ("{forged invitation}", forged),
        ];
        Self { server, closed, draining, root, team, revoked, frozen, owner, admin, viewer, words }
    }

    fn api(&self, by: By) -> Api {
        let narrowed = |caveat: &str| {
            let token = attenuate(self.team.token().expect("a token"), &[caveat.as_bytes()]);
            self.server.api.with_token(&token)
        };
        match by {
            Nobody => self.server.api.clone(),
            NobodyAtClosed => self.closed.api.clone(),
            NobodyAtDraining => self.draining.api.clone(),
            Root => self.root.clone(),
            Team | Gateway => self.team.clone(),
            Reader => narrowed("actions = read"),
            Spender => narrowed("actions = spend"),
            Revoked => self.revoked.clone(),
            Frozen => self.frozen.clone(),
            Owner => self.owner.clone(),
            Admin => self.admin.clone(),
            Viewer => self.viewer.clone(),
        }
    }

    fn spoken(&self, text: &str) -> String {
        self.words.iter().fold(text.to_owned(), |text, (word, meaning)| text.replace(word, meaning))
    }

    async fn send(&self, operation: &Operation, row: &Row) -> Reply {
        let (_, by, on, body, ..) = row;
        let (on, body) = (self.spoken(on), self.spoken(body));
        let path = operation.on(&on);
        let api = self.api(*by);
        let request = match path.strip_prefix("/api/cloud") {
            Some(path) => api.request(operation.verb(), path),
            None => api.request_at(operation.verb(), &path),
        };
        // A change needs a condition, and nothing else minds one.
        let json = request.header("Content-Type", "application/json").header("If-Match", "*");
        let json = match by {
            Gateway => json.header("X-Subgrant-Service-Key", self.spoken("{service key}")),
            _ => json,
        };
        Reply::of(if body.is_empty() { json } else { json.body(body) }).await
    }

    /// All that a refusal could have changed.
    async fn snapshot(&self) -> Value {
        let people = self.owner.get("/user?limit=100").await;
        let services = self.root.get("/service").await;
        let invitations = self.owner.get("/invite").await.body;
        json!([
            self.root.snapshot().await,
            people.body,
            invitations,
            services.body,
            self.root.all("/audit?").await
        ])
    }
}

#[tokio::test]
async fn every_operation_has_a_refused_case_and_none_is_an_exception() {
    let server = TestServer::start().await;
    let all = operations(&server.api).await;
    let documented: BTreeSet<_> = all.iter().map(|operation| operation.id.as_str()).collect();
    assert_eq!(documented.len(), all.len(), "every operation has an id of its own");
    let refused: BTreeSet<_> = TABLE.iter().map(|row| row.0).collect();
    let missing: Vec<_> = documented.difference(&refused).collect();
    assert!(missing.is_empty(), "no row says what {missing:?} refuse");
    let unknown: Vec<_> = refused.difference(&documented).collect();
    assert!(unknown.is_empty(), "{unknown:?} are no operations");
    for operation in all.iter().filter(|operation| !operation.takes_credential) {
        let is_judged = TABLE.iter().any(|(id, by, .., code)| {
            *id == operation.id
                && matches!(by, Nobody | NobodyAtClosed | NobodyAtDraining)
                && *code != "missing"
        });
        assert!(
            is_judged,
            "{} takes no credential: a row must say what it refuses instead",
            operation.name()
        );
    }
}

#[tokio::test]
async fn every_refusal_of_the_table_is_given_and_changes_nothing() {
    let stage = Stage::set().await;
    let before = stage.snapshot().await;
    let all = operations(&stage.server.api).await;
    for row in TABLE {
        let (id, by, on, _, status, code) = row;
        let operation = all.iter().find(|operation| operation.id == *id);
        let operation = operation.unwrap_or_else(|| panic!("{id} is no operation"));
        let reply = stage.send(operation, row).await;
        let case = format!("{id} by {by:?} on {on:?}");
        assert!(operation.statuses.contains(status), "{case}: {status} is not documented");
        reply.assert_problem(*status, code, &case);
        assert_eq!(reply.header("set-cookie"), None, "{case} opens no session");
    }
    assert_eq!(stage.snapshot().await, before, "what is refused changes nothing");
}

#[tokio::test]
async fn public_operations_ignore_credentials_and_tell_nothing_about_the_server() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    for path in ["/livez", "/readyz"] {
        let plain = Reply::of(server.api.request_at(Method::GET, path)).await;
        assert_eq!(plain.status, 200, "{path}: {}", plain.body);
        let members = plain.body.as_object().expect("an object");
        assert!(members.len() == 1 && members.contains_key("status"), "{path} tells {}", plain.body);
        for name in ["server", "x-powered-by", "set-cookie"] {
            assert_eq!(plain.header(name), None, "{path} tells {name}");
        }
        for credential in
            ["Bearer x".to_owned(), format!("Bearer {}", tenant.root_token), "Basic eDp5".to_owned()]
        {
            let request = server.api.request_at(Method::GET, path).header("Authorization", &credential);
            let with = Reply::of(request).await;
            assert_eq!((with.status, &with.body), (plain.status, &plain.body), "{path} with {credential}");
        }
    }
    // Whoever holds a token needs the password all the same.
    let body = json!({ "email": "owner0@tenant.example", "password": "a wrong one" });
    let with_token = server.api.with_token(&tenant.root_token).post("/session", &body).await;
    with_token.assert_problem(401, "invalid_credentials", "a token is no password");
}
