//! Caveats that a holder appends: they narrow, or they end the token; they never widen it.

use serde_json::{Value, json};
use subgrant_tests::{Api, TestServer, attenuate};

/// Everything that might look like more power, one by one and all together.
const WIDENING: [&str; 16] = [
    "actions = spend,delegate,read",
    "max_per_spend = 9007199254740991",
    "limit = 9007199254740991/hour",
    "max_depth = 4294967295",
    "expires = 9998-01-01T00:00:00Z",
    "source_ip = 0.0.0.0/0",
    "source_ip = 127.0.0.1",
    "route = /*",
    "method = GET,POST",
    "cost_center = Engineering",
    "department = ML Team",
    "label = root",
    "budget = 9007199254740991",
    "audience = svc_01jd0000000000000000000001",
    "services=subgrant:0",
    "subgrant_valid_until=253370764799",
];

async fn stage(fields: &Value) -> (Api, String, String) {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let mut body = json!({ "label": "worker", "budget_credits": 100, "cost_center": "Engineering" });
    body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    let minted = root.post("/delegation", &body).await;
    assert_eq!(minted.status, 201, "{}", minted.body);
    (root, minted.text("/token"), minted.text("/id"))
}

fn narrowed(root: &Api, token: &str, caveats: &[&str]) -> Api {
    root.with_token(&attenuate(token, &caveats.iter().map(|caveat| caveat.as_bytes()).collect::<Vec<_>>()))
}

#[tokio::test]
async fn a_caveat_that_is_not_understood_denies_everything() {
    let (root, token, id) = stage(&json!({})).await;
    let before = root.snapshot().await;
    let hostile: [&[u8]; 20] = [
        b"",
        b"nonsense",
        b"colour = blue",
        b"Budget = 5",
        b"budget = -1",
        b"budget = 1.0",
        b"budget = 1e3",
        b"budget = 9007199254740992",
        b"expires = soon",
        b"expires = 2026-12-21",
        b"actions = admin",
        b"actions = ",
        b"limit = 5/year",
        b"max_depth = -1",
        b"source_ip = localhost",
        b"cost_center = \xff\xfe",
        b"cost_center = a\0b",
        b"cost_center = a\xe2\x80\xaeb",
        b"delegation = dlg_x.00",
        b" actions = read",
    ];
    for caveat in hostile {
        let case = String::from_utf8_lossy(caveat).into_owned();
        let api = root.with_token(&attenuate(&token, &[caveat]));
        api.get("/delegation/self").await.assert_problem(403, "caveat_not_met", &case);
        api.spend(1).await.assert_problem(403, "caveat_not_met", &case);
        api.mint("x", 1).await.assert_problem(403, "caveat_not_met", &case);
        let revoked = api.post(&format!("/delegation/{id}/revoke"), &json!({})).await;
        revoked.assert_problem(403, "caveat_not_met", &case);
    }
    assert_eq!(root.snapshot().await, before);
}

#[tokio::test]
async fn a_caveat_that_refuses_the_request_refuses_every_call() {
    let (root, token, _) = stage(&json!({})).await;
    let before = root.snapshot().await;
    for (caveats, status, code) in [
        (&["expires = 2020-01-01T00:00:00Z"][..], 401, "expired"),
        (&["expires = 9998-01-01T00:00:00Z", "expires = 2020-01-01T00:00:00Z"], 401, "expired"),
        (&["source_ip = 10.0.0.0/8"], 403, "caveat_not_met"),
        (&["source_ip = 127.0.0.0/8", "source_ip = 10.0.0.0/8"], 403, "caveat_not_met"),
        (&["audience = svc_01jd0000000000000000000001"], 403, "caveat_not_met"),
        (&["cost_center = Marketing"], 403, "caveat_not_met"),
        (&["department = A", "department = B"], 403, "caveat_not_met"),
    ] {
        let (api, case) = (narrowed(&root, &token, caveats), caveats.join(", "));
        api.get("/delegation/self").await.assert_problem(status, code, &case);
        api.get("/delegation").await.assert_problem(status, code, &case);
        api.get("/ledger").await.assert_problem(status, code, &case);
        api.spend(1).await.assert_problem(status, code, &case);
        api.mint("x", 1).await.assert_problem(status, code, &case);
        api.post("/verify", &json!({ "token": token })).await.assert_problem(status, code, &case);
    }
    assert_eq!(root.snapshot().await, before);
    let here = narrowed(&root, &token, &["source_ip = 127.0.0.0/8", "expires = 9998-01-01T00:00:00Z"]);
    assert_eq!(here.spend(1).await.status, 201);
}

#[tokio::test]
async fn appended_actions_leave_only_what_all_of_them_name() {
    let (root, token, _) = stage(&json!({})).await;
    for (caveats, may) in [
        (&["actions = read"][..], [true, false, false]),
        (&["actions = spend"], [false, true, false]),
        (&["actions = delegate"], [false, false, true]),
        (&["actions = spend,read", "actions = read"], [true, false, false]),
        (&["actions = read", "actions = spend"], [false, false, false]),
        (&["actions = read", "actions = spend,delegate,read"], [true, false, false]),
    ] {
        let (api, before) = (narrowed(&root, &token, caveats), root.snapshot().await);
        let replies = [api.get("/delegation/self").await, api.spend(1).await, api.mint("x", 1).await];
        for (reply, may) in replies.iter().zip(may) {
            if may {
                assert!(reply.status < 300, "{caveats:?}: {}", reply.body);
            } else {
                reply.assert_problem(403, "action_not_permitted", &caveats.join(", "));
            }
        }
        assert_eq!(root.snapshot().await == before, !may[1] && !may[2], "{caveats:?}");
    }
}

#[tokio::test]
async fn appended_amounts_bind_spending_and_children() {
    let (root, token, _) = stage(&json!({})).await;
    let before = root.snapshot().await;
    for (caveats, code) in [
        (&["max_per_spend = 5"][..], "max_per_spend_exceeded"),
        (&["max_per_spend = 5", "max_per_spend = 90"], "max_per_spend_exceeded"),
        (&["limit = 5/day"], "limit_exceeded"),
        (&["limit = 5/month", "limit = 90/month"], "limit_exceeded"),
    ] {
        let (api, case) = (narrowed(&root, &token, caveats), caveats.join(", "));
        let reply = api.spend(6).await;
        reply.assert_problem(402, code, &case);
        assert_eq!(reply.number("/max_affordable_credits"), 5, "{case}");
        assert_eq!(reply.number("/requested_credits"), 6, "{case}");
        assert!(reply.body["retry_at"].is_null(), "{case}: no waiting makes 6 fit into 5: {}", reply.body);
    }
    assert_eq!(root.snapshot().await, before);
    let api = narrowed(&root, &token, &["max_per_spend = 5", "limit = 9/month"]);
    let (child, _) = api.child("child", 50).await;
    child.spend(6).await.assert_problem(402, "max_per_spend_exceeded", "the child of a narrowed holder");
    assert_eq!(child.spend(5).await.status, 201);
    let later = child.spend(5).await;
    later.assert_problem(402, "limit_exceeded", "the child of a narrowed holder");
    assert!(later.body["retry_at"].is_string(), "{}", later.body);
    assert_eq!(child.spend(4).await.status, 201);
}

#[tokio::test]
async fn children_of_a_narrowed_holder_are_no_wider_than_the_holder() {
    let (root, token, _) = stage(&json!({})).await;
    let before = root.snapshot().await;
    let shallow = narrowed(&root, &token, &["max_depth = 0"]).mint("x", 1).await;
    shallow.assert_problem(422, "narrower_than_parent", "max_depth = 0");
    let until = narrowed(&root, &token, &["expires = 2030-01-01T00:00:00Z"]);
    for (fields, code) in [
        (json!({ "expiry": "2030-01-01T00:00:01Z" }), "narrower_than_parent"),
        (json!({ "expiry": "P9999D" }), "narrower_than_parent"),
    ] {
        let mut body = json!({ "label": "x", "budget_credits": 1 });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        until.post("/delegation", &body).await.assert_problem(422, code, &body.to_string());
    }
    let no_spend = narrowed(&root, &token, &["actions = delegate,read"]);
    let wider = json!({ "label": "x", "budget_credits": 1, "actions": ["spend"] });
    no_spend.post("/delegation", &wider).await.assert_problem(422, "narrower_than_parent", "actions");
    assert_eq!(root.snapshot().await, before);
    let (child, _) = no_spend.child("child", 10).await;
    child.spend(1).await.assert_problem(403, "action_not_permitted", "inherited actions");
    let (child, _) = until.child("child", 10).await;
    assert_eq!(child.get("/delegation/self").await.text("/expires_at"), "2030-01-01T00:00:00Z");
}

#[tokio::test]
async fn no_appended_caveat_turns_a_denial_into_a_permission() {
    for (fields, caveat, amount) in [
        (json!({ "actions": ["read"] }), "actions = read", 1),
        (json!({ "max_per_spend": 5 }), "max_per_spend = 50", 6),
        (json!({ "limits": [{ "per": "month", "credits": 5 }] }), "limit = 50/month", 6),
        (json!({ "max_depth": 0 }), "max_depth = 1", 101),
        (json!({}), "expires = 2020-01-01T00:00:00Z", 1),
        (json!({}), "source_ip = 10.0.0.0/8", 1),
        (json!({}), "colour = blue", 1),
        (json!({}), "budget = 5", 6),
    ] {
        let (root, token, _) = stage(&fields).await;
        let before = root.snapshot().await;
        let mut chains: Vec<Vec<&str>> = WIDENING.iter().map(|widening| vec![caveat, widening]).collect();
        chains.extend(WIDENING.iter().map(|widening| vec![*widening, caveat]));
        chains.push([&[caveat][..], &WIDENING].concat());
        for chain in chains {
            let reply = narrowed(&root, &token, &chain).spend(amount).await;
            assert!([401, 402, 403].contains(&reply.status), "{chain:?}: {}", reply.body);
        }
        assert_eq!(root.snapshot().await, before, "{caveat}");
    }
}

#[tokio::test]
async fn another_tenants_token_cannot_be_grafted_onto_a_node() {
    let (root, token, id) = stage(&json!({})).await;
    let own = subgrant_token::Macaroon::parse(&token).unwrap().unverified_caveats().next().unwrap();
    let sign_up = json!({
        "organization": "Other", "email": "other@other.example", "password": "correct horse battery staple",
    });
    let other_token = root.post("/signup", &sign_up).await.text("/root_token");
    let before = root.snapshot().await;
    for claim in [own.clone(), format!("delegation = {id}.000000000000000000000000")] {
        let grafted = narrowed(&root, &token, &[&claim, "budget = 100"]);
        grafted.get("/delegation/self").await.assert_problem(401, "forged", &claim);
        grafted.spend(1).await.assert_problem(401, "forged", &claim);
        grafted.mint("x", 1).await.assert_problem(401, "forged", &claim);
    }
    // Below the other's own root the id names an offline child of the other: ids are a tenant's own.
    let theirs = narrowed(&root, &other_token, &[&own, "budget = 100"]);
    let other_root = root.with_token(&other_token);
    assert_eq!(theirs.spend(1).await.status, 201);
    let shown = other_root.get(&format!("/delegation/{id}")).await;
    assert_eq!(shown.text("/parent_id"), other_root.get("/delegation/self").await.text("/id"));
    let verdict = root.post("/verify", &json!({ "token": other_token })).await;
    assert_eq!((verdict.status, &verdict.body["valid"], verdict.code()), (200, &json!(false), "forged"));
    assert_eq!(root.snapshot().await, before);
}

#[tokio::test]
async fn a_child_that_nobody_could_use_is_not_made() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let reader = json!({ "label": "reader", "budget_credits": 50, "actions": ["read"] });
    let reader_id = root.post("/delegation", &reader).await.text("/id");
    let minter = root.with_token(&attenuate(&tenant.root_token, &[b"actions = spend,delegate"]));
    let below = json!({ "label": "x", "budget_credits": 5, "parent_id": reader_id });
    minter.post("/delegation", &below).await.assert_problem(422, "narrower_than_parent", "read and spend");
    assert_eq!(root.get("/delegation/tree").await.status, 200);
    assert_eq!(root.all("/delegation?").await.len(), 2);
}
