//! What a service can make with its own key, and what it is shown good for: nothing beyond what the holder showed it.

use serde_json::json;
use subgrant_tests::{Api, Parts, TestServer, assert_books_balance, attenuate};
use subgrant_token::{Identifier, Macaroon, RequestContext, RootKey, VerificationKey, verify};

async fn service(root: &Api) -> (String, VerificationKey) {
    let made = root.post("/service", &json!({ "name": "Reports" })).await;
    let key = VerificationKey::parse(&made.text("/verification_key")).expect("a key");
    (made.text("/id"), key)
}

/// Both signatures under a key that the service has, in the name of whomever the identifier names.
fn forged(signer: &RootKey, key: &VerificationKey, identifier: &Identifier, caveats: &[String]) -> String {
    let start = Macaroon::mint(signer, "", identifier).expect("it is small");
    let token = start.attenuate_bytes(caveats.iter().map(String::as_bytes)).expect("it is small");
    token.with_service_signature(key).expect("it is small").to_text()
}

fn caveats(token: &str) -> Vec<String> {
    Macaroon::parse(token).expect("a token").unverified_caveats().collect()
}

fn identifier(token: &str) -> Identifier {
    *Macaroon::parse(token).expect("a token").identifier()
}

fn parts(token: &str) -> (&str, &str) {
    token.split_once('.').expect("a token for a service has two parts")
}

/// The same bytes with other caveats in front of the same signature.
fn with_caveats(token: &str, caveats: &[String]) -> String {
    let (first, second) = parts(token);
    let caveats = caveats.iter().map(|text| text.as_bytes().to_vec()).collect();
    format!("{}.{second}", Parts::text(&Parts { caveats, ..Parts::of(first) }.v2()))
}

#[tokio::test]
async fn a_service_forges_nothing_whatever_it_was_shown() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (id, key) = service(&root).await;
    let (other_id, _) = service(&root).await;
    let (team, _) = root.child("team", 1_000).await;
    let mint = |audience: String| json!({ "label": "agent", "budget_credits": 10, "audience": audience });
    let token = team.post("/delegation", &mint(id)).await.text("/token");
    let at_other = team.post("/delegation", &mint(other_id)).await.text("/token");
    let (plain, _) = team.child("plain", 10).await;
    assert_eq!(root.with_token(&token).spend(1).await.status, 201);

    let own = identifier(&token);
    let chain = caveats(&token);
    let above = chain[..3].to_vec();
    let invented = "delegation = dlg_01jd0000000000000000000001.9f2c00112233445566778899".to_owned();
    let sibling = [&above[..], &[invented.clone(), "budget = 900".to_owned()]].concat();
    let wider: Vec<_> = chain.iter().map(|text| text.replace("budget = 10", "budget = 900")).collect();
    for (what, text) in [
        ("the whole tenant", forged(key.signing_key(), &key, &own, &[])),
        (
            "a child of the root",
            forged(key.signing_key(), &key, &own, &[invented, "budget = 900".to_owned()]),
        ),
        ("an unclaimed child", forged(key.signing_key(), &key, &own, &["budget = 900".to_owned()])),
        ("the delegation above", forged(key.signing_key(), &key, &own, &above)),
        ("a sibling", forged(key.signing_key(), &key, &own, &sibling)),
        ("a larger budget", forged(key.signing_key(), &key, &own, &wider)),
        ("the same again", forged(key.signing_key(), &key, &own, &chain)),
        ("another service's", forged(key.signing_key(), &key, &own, &caveats(&at_other))),
        ("nobody's", forged(key.signing_key(), &key, &own, &caveats(plain.token().expect("a token")))),
        ("cut, with the signature that it was shown", with_caveats(&token, &chain[..2])),
        ("climbed, with the signature that it was shown", with_caveats(&token, &above)),
        ("wider, with the signature that it was shown", with_caveats(&token, &wider)),
    ] {
        for text in [text.as_str(), parts(&text).0] {
            let api = server.api.with_token(text);
            api.get("/delegation/self").await.assert_problem(401, "forged", what);
            api.spend(1).await.assert_problem(401, "forged", what);
            api.mint("x", 1).await.assert_problem(401, "forged", what);
            let verdict = root.post("/verify", &json!({ "token": text })).await;
            assert_eq!((verdict.status, verdict.code()), (200, "forged"), "{what}");
        }
    }
    assert_books_balance(&server, &tenant).await;
}

/// Finding C2, as it was exploited.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one attack, step by step")]
async fn a_service_spends_what_the_shown_token_permits_and_does_nothing_else() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let (id, key) = service(&root).await;
    let (engineering, engineering_id) = root.child("Engineering", 100_000).await;
    let body = json!({ "label": "orchestrator", "budget_credits": 10_000, "audience": id });
    let orchestrator = engineering.post("/delegation", &body).await;
    let orchestrator_id = orchestrator.text("/id");
    let body = json!({
        "label": "sub-agent", "budget_credits": 100, "actions": ["spend", "read"], "max_per_spend": 10,
        "parent_id": orchestrator_id
    });
    let sub_agent = engineering.post("/delegation", &body).await;
    let (whole, sub_agent_id) = (sub_agent.text("/token"), sub_agent.text("/id"));
    let shown = attenuate(&whole, &[b"max_per_spend = 1"]);
    assert!(verify(&shown, &key, &RequestContext::at(jiff::Timestamp::now())).is_ok());

    // Stripped of what the holder appended, and of all that makes it the sub-agent's: by its own key, and by mixing parts.
    let chain = caveats(&shown);
    let (first, second) = parts(&shown);
    for cut in (0..chain.len()).rev() {
        let stripped = forged(key.signing_key(), &key, &identifier(&shown), &chain[..cut]);
        for text in [stripped.clone(), with_caveats(&shown, &chain[..cut])] {
            server.api.with_token(&text).spend(1).await.assert_problem(401, "forged", &text);
        }
        // Its own second part behind the holder's first changes nothing of what the first says.
        let mixed = format!("{first}.{}", parts(&stripped).1);
        let mixed = server.api.with_token(&mixed).spend(2).await;
        assert_eq!(mixed.refusal(), (402, "max_per_spend_exceeded"), "cut at {cut}");
    }
    // A first part that the holder did not narrow is another token, which the service was not shown.
    let wide_behind = format!("{first}.{}", parts(&whole).1);
    let wide_behind = server.api.with_token(&wide_behind).spend(2).await;
    assert_eq!(wide_behind.refusal(), (402, "max_per_spend_exceeded"));

    let before = root.snapshot().await;
    for text in [shown.as_str(), first, &format!("{first}.{second}")] {
        let api = server.api.with_token(text);
        let spend_id = "spd_01jd0000000000000000000001";
        for target in [&sub_agent_id, &orchestrator_id, &engineering_id] {
            for (call, body) in
                [("rotate", json!({})), ("revoke", json!({})), ("freeze", json!({})), ("unfreeze", json!({}))]
            {
                let reply = api.post(&format!("/delegation/{target}/{call}"), &body).await;
                reply.assert_problem(403, "caveat_not_met", call);
            }
            let raise = api.update(target, &json!({ "label": "mine" })).await;
            raise.assert_problem(403, "caveat_not_met", "update");
            for path in [format!("/delegation/{target}"), format!("/delegation/{target}/token")] {
                api.get(&path).await.assert_problem(403, "caveat_not_met", &path);
            }
        }
        api.mint("x", 1).await.assert_problem(403, "caveat_not_met", "mint");
        let refund = api.post(&format!("/spend/{spend_id}/refund"), &json!({ "reason": "x" })).await;
        refund.assert_problem(403, "caveat_not_met", "refund");
        for path in [
            "/delegation",
            "/delegation/tree",
            "/ledger",
            "/hold",
            "/event",
            "/report/spend",
            "/revocation",
            "/service",
        ] {
            api.get(path).await.assert_problem(403, "caveat_not_met", path);
        }
    }
    assert_eq!(root.snapshot().await, before);

    // What it is for.
    let api = server.api.with_token(&shown);
    assert_eq!(api.get("/delegation/self").await.text("/id"), sub_agent_id);
    assert_eq!(api.spend(1).await.status, 201);
    let hold = api.held(1).await;
    assert_eq!(api.capture(&hold, 1).await.status, 201);
    let items = json!({ "items": [{ "amount_credits": 1 }, { "amount_credits": 2 }] });
    let batch = api.post("/spend/batch", &items).await;
    assert_eq!((batch.number("/data/0/status"), batch.number("/data/1/status")), (201, 402));
    assert_eq!(root.get(&format!("/delegation/{sub_agent_id}")).await.number("/spent_credits"), 3);
    assert_books_balance(&server, &tenant).await;
}

#[tokio::test]
async fn a_holder_who_narrows_one_part_narrows_what_looks_at_it() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let (id, key) = service(&root).await;
    let body = json!({ "label": "agent", "budget_credits": 100, "audience": id });
    let whole = root.post("/delegation", &body).await.text("/token");
    let narrow = attenuate(&whole, &[b"max_per_spend = 1"]);
    let at_service = |token: &str| verify(token, &key, &RequestContext::at(jiff::Timestamp::now())).is_ok();
    let ((wide_first, wide_second), (narrow_first, narrow_second)) = (parts(&whole), parts(&narrow));
    // A library that knows only macaroons narrows the first part.
    let plain = server.api.with_token(narrow_first);
    assert!(!at_service(narrow_first));
    assert_eq!(plain.spend(2).await.refusal(), (402, "max_per_spend_exceeded"));
    assert_eq!(plain.spend(1).await.status, 201);
    // The first part alone, with the wide second: Subgrant goes by the first.
    let half = format!("{narrow_first}.{wide_second}");
    assert!(!at_service(&half));
    assert_eq!(server.api.with_token(&half).spend(2).await.refusal(), (402, "max_per_spend_exceeded"));
    // The second part alone: the service refuses it, and to Subgrant it is the wide token, which its holder has.
    let half = format!("{wide_first}.{narrow_second}");
    assert!(!at_service(&half));
    assert_eq!(server.api.with_token(&half).spend(2).await.status, 201);
    // Through the API both.
    let restrict = async |token: &str| {
        let api = server.api.with_token(token);
        let own = api.get("/delegation/self").await.text("/id");
        let reply = api
            .post(&format!("/delegation/{own}/restrict"), &json!({ "caveats": ["max_per_spend = 1"] }))
            .await;
        reply.text("/token")
    };
    assert_eq!(restrict(&whole).await, narrow);
    assert_eq!(restrict(wide_first).await, narrow_first);
    // What follows the dot must be a signature, though Subgrant does not look at which.
    for malformed in
        [format!("{wide_first}."), format!("{wide_first}.AAAA"), format!("{whole}.{wide_second}")]
    {
        server.api.with_token(&malformed).spend(1).await.assert_problem(401, "malformed", &malformed);
    }
}

#[tokio::test]
async fn tokens_of_the_first_form_are_refused_by_a_code_of_their_own() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let (id, key) = service(&root).await;
    let body = json!({ "label": "agent", "budget_credits": 100, "audience": id });
    let token = root.post("/delegation", &body).await.text("/token");
    // As it was: `0x02 ‖ tenant ‖ service`, signed under the service's key from the beginning.
    let tenant = identifier(&token).tenant();
    let service = key.service();
    let first_form = [&[2][..], tenant.as_uuid().as_bytes(), service.as_uuid().as_bytes()].concat();
    let old = Parts::text(&Parts { identifier: first_form, ..Parts::of(parts(&token).0) }.v2());
    let api = server.api.with_token(&old);
    api.spend(1).await.assert_problem(401, "retired_form", "spent");
    api.get("/delegation/self").await.assert_problem(401, "retired_form", "looked at");
    api.mint("x", 1).await.assert_problem(401, "retired_form", "minted with");
    let verdict = root.post("/verify", &json!({ "token": old, "request": { "service": id } })).await;
    assert_eq!((verdict.status, verdict.code()), (200, "retired_form"));
    let items = json!({ "items": [{ "amount_credits": 1, "token": old }] });
    assert_eq!(root.post("/spend/batch", &items).await.text("/data/0/code"), "retired_form");
}

#[tokio::test]
async fn what_the_ledger_knows_binds_and_no_child_is_made_of_one_that_may_not_delegate() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let (id, _) = service(&root).await;
    let body = json!({
        "label": "agent", "budget_credits": 100, "audience": id, "max_per_spend": 5, "actions": ["spend"],
        "limits": [{ "per": "month", "credits": 7 }]
    });
    let token = root.post("/delegation", &body).await.text("/token");
    let agent = server.api.with_token(&token);
    assert_eq!(agent.spend(6).await.refusal(), (402, "max_per_spend_exceeded"));
    assert_eq!(agent.spend(5).await.status, 201);
    assert_eq!(agent.spend(3).await.refusal(), (402, "limit_exceeded"));
    let offline = attenuate(&token, &[b"budget = 1"]);
    let refused = server.api.with_token(&offline).spend(1).await;
    refused.assert_problem(403, "caveat_not_met", "no child of one that may not delegate");
}
