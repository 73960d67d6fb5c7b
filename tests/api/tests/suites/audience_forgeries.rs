//! What a service can make with its own key: nothing that Subgrant takes for more than the service was shown.

use serde_json::json;
use subgrant_tests::{Api, TestServer};
use subgrant_token::{Identifier, Macaroon, VerificationKey};

async fn service(root: &Api) -> (String, VerificationKey) {
    let made = root.post("/service", &json!({ "name": "Reports" })).await;
    let key = VerificationKey::parse(&made.text("/verification_key")).expect("a key");
    (made.text("/id"), key)
}

/// Signed under the service's key, in the name of whomever the identifier names.
fn forged(key: &VerificationKey, identifier: &Identifier, caveats: &[String]) -> String {
    let start = Macaroon::mint(key.signing_key(), "", identifier).expect("it is small");
    start.attenuate_bytes(caveats.iter().map(String::as_bytes)).expect("it is small").to_text()
}

fn caveats(token: &str) -> Vec<String> {
    Macaroon::parse(token).expect("a token").unverified_caveats().collect()
}

/// What says for which service the token is left out, or the chain would contradict itself.
fn without_audience(token: &str) -> Vec<String> {
    caveats(token).into_iter().filter(|caveat| !caveat.starts_with("audience")).collect()
}

#[tokio::test]
async fn a_service_forges_nothing_outside_of_what_is_meant_for_it() {
    let server = TestServer::start().await;
    let (tenant, theirs) = (server.sign_up().await, server.sign_up().await);
    let root = server.api.with_token(&tenant.root_token);
    let (id, key) = service(&root).await;
    let (other_id, other_key) = service(&root).await;
    let (team, _) = root.child("team", 1_000).await;
    let mint = |audience: String| json!({ "label": "agent", "budget_credits": 10, "audience": audience });
    let token = team.post("/delegation", &mint(id)).await.text("/token");
    let at_other = team.post("/delegation", &mint(other_id)).await.text("/token");
    let (plain, _) = team.child("plain", 10).await;
    assert_eq!(root.with_token(&token).spend(1).await.status, 201);

    let (own, others) = (key.identifier(), other_key.identifier());
    let chain = caveats(&token);
    let above: Vec<_> = chain[..3].to_vec();
    let invented = "delegation = dlg_01jd0000000000000000000001.9f2c00112233445566778899".to_owned();
    let sibling = [&above[..], &[invented.clone(), "budget = 900".to_owned()]].concat();
    let wider: Vec<_> = chain
        .iter()
        .map(|text| if text == "budget = 10" { "budget = 900".to_owned() } else { text.clone() })
        .collect();
    let root_key = Macaroon::parse(&tenant.root_token).expect("a token").identifier().root_key();
    let as_root = Identifier::Subgrant { tenant: own.tenant(), root_key: root_key.expect("a root key") };
    let foreign = Identifier::Service { tenant: theirs.id.parse().expect("an id"), service: key.service() };
    for (what, text) in [
        ("the whole tenant", forged(&key, &own, &[])),
        ("a child of the root", forged(&key, &own, &[invented, "budget = 900".to_owned()])),
        ("an unclaimed child of the root", forged(&key, &own, &["budget = 900".to_owned()])),
        ("the delegation above", forged(&key, &own, &above)),
        ("a sibling", forged(&key, &own, &sibling)),
        ("a larger budget", forged(&key, &own, &wider)),
        ("a delegation for another service", forged(&key, &own, &without_audience(&at_other))),
        ("another service", forged(&key, &others, &caveats(&at_other))),
        ("a delegation for nobody", forged(&key, &own, &caveats(plain.token().expect("a token")))),
        ("the root token", forged(&key, &as_root, &[])),
        ("the delegation under the root key", forged(&key, &as_root, &chain)),
        ("another tenant", forged(&key, &foreign, &chain)),
    ] {
        let api = server.api.with_token(&text);
        api.get("/delegation/self").await.assert_problem(401, "forged", what);
        api.spend(1).await.assert_problem(401, "forged", what);
        api.mint("x", 1).await.assert_problem(401, "forged", what);
        let verdict = root.post("/verify", &json!({ "token": text })).await;
        assert_eq!((verdict.status, verdict.code()), (200, "forged"), "{what}");
    }
    // It was shown this one, and can write it again, without what only its holder had appended.
    let same = server.api.with_token(&forged(&key, &own, &chain));
    assert_eq!(same.spend(10).await.refusal(), (402, "budget_exhausted"));
    assert_eq!(same.spend(9).await.status, 201);
}

#[tokio::test]
async fn what_the_ledger_knows_binds_even_a_token_that_the_service_wrote_anew() {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let (id, key) = service(&root).await;
    let body = json!({
        "label": "agent", "budget_credits": 100, "audience": id, "max_per_spend": 5, "actions": ["spend"],
        "limits": [{ "per": "month", "credits": 7 }]
    });
    let token = root.post("/delegation", &body).await.text("/token");
    // The service takes away all that follows the budget.
    let bare = server.api.with_token(&forged(&key, &key.identifier(), &caveats(&token)[..2]));
    assert_eq!(bare.spend(6).await.refusal(), (402, "max_per_spend_exceeded"));
    assert_eq!(bare.spend(5).await.status, 201);
    assert_eq!(bare.spend(3).await.refusal(), (402, "limit_exceeded"));
    for reply in [bare.mint("x", 1).await, bare.get("/ledger").await] {
        reply.assert_problem(403, "action_not_permitted", "the delegation may spend, and nothing else");
    }
    let offline = subgrant_tests::attenuate(bare.token().expect("a token"), &[b"budget = 1"]);
    let refused = server.api.with_token(&offline).spend(1).await;
    refused.assert_problem(403, "caveat_not_met", "no child of one that may not delegate");
}
