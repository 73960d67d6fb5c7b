//! Fields of a new delegation that no call accepts: each with its status, code and place, and nothing changes.

use reqwest::Method;
use serde_json::json;
use subgrant_tests::{Api, Reply, TestServer};

/// ML Team: budget 1,000 of which 100 are carved for a child, with cost centre, department and a day to live.
async fn stage() -> (Api, Api) {
    let server = TestServer::start().await;
    let root = server.api.with_token(&server.sign_up().await.root_token);
    let body = json!({
        "label": "ML Team", "budget_credits": 1_000, "cost_center": "Engineering", "department": "ML Team",
        "expiry": "24h", "actions": ["delegate", "read"], "max_depth": 3,
    });
    let minted = root.post("/delegation", &body).await;
    let team = root.with_token(&minted.text("/token"));
    team.child("reviewer", 100).await;
    (root, team)
}

async fn post(api: &Api, path: &str, body: impl Into<Vec<u8>>) -> Reply {
    let request = api.request(Method::POST, path).header("Content-Type", "application/json");
    Reply::of(request.body(body.into())).await
}

/// A mint of `label` and `budget_credits` with more fields, as text.
async fn mint_with(api: &Api, fields: &str) -> Reply {
    post(api, "/delegation", format!(r#"{{"label": "x", "budget_credits": 1, {fields}}}"#)).await
}

/// What is no amount: JSON text, status and code.
const NO_AMOUNTS: [(&str, u16, &str); 16] = [
    ("0", 422, "validation"),
    ("-1", 422, "validation"),
    ("-9007199254740991", 422, "validation"),
    ("1.5", 422, "validation"),
    ("1.01", 422, "validation"),
    ("1e16", 422, "validation"),
    ("9007199254740992", 422, "validation"),
    ("18446744073709551616", 422, "validation"),
    ("\"1000\"", 422, "validation"),
    ("null", 422, "validation"),
    ("true", 422, "validation"),
    ("[1]", 422, "validation"),
    ("{}", 422, "validation"),
    ("NaN", 400, "unparsable"),
    ("01", 400, "unparsable"),
    ("0x10", 400, "unparsable"),
];

#[tokio::test]
async fn only_whole_credits_from_1_to_2_to_the_53_less_1_are_amounts() {
    let (root, team) = stage().await;
    let before = root.snapshot().await;
    let places = [
        ("/delegation", r#"{"label": "x", "budget_credits": AMOUNT}"#, "/budget_credits"),
        (
            "/delegation",
            r#"{"label": "x", "budget_credits": 1, "limits": [{"per": "day", "credits": AMOUNT}]}"#,
            "/limits/0/credits",
        ),
        ("/spend", r#"{"amount_credits": AMOUNT}"#, "/amount_credits"),
    ];
    for (path, body, pointer) in places {
        for (amount, status, code) in NO_AMOUNTS {
            let (reply, case) =
                (post(&root, path, body.replace("AMOUNT", amount)).await, format!("{pointer}: {amount}"));
            reply.assert_problem(status, code, &case);
            if status == 422 {
                reply.assert_invalid(&[pointer], &case);
            }
        }
        let huge = post(&root, path, body.replace("AMOUNT", "1e400")).await;
        assert!([400, 422].contains(&huge.status), "{pointer}: {}", huge.body);
        huge.assert_problem(
            huge.status,
            if huge.status == 400 { "unparsable" } else { "validation" },
            "1e400",
        );
    }
    post(&root, "/delegation", r#"{"label": "x"}"#).await.assert_invalid(&["/budget_credits"], "missing");
    post(&root, "/spend", "{}").await.assert_invalid(&["/amount_credits"], "missing");
    for amount in ["0", "-1", "1.5", "9007199254740992", "\"5\""] {
        let reply = mint_with(&root, &format!(r#""max_per_spend": {amount}"#)).await;
        reply.assert_invalid(&["/max_per_spend"], amount);
    }
    let wider = team.mint("x", 1_001).await;
    wider.assert_problem(422, "narrower_than_parent", "more than the parent's budget");
    let more = team.mint("x", 901).await;
    more.assert_problem(402, "budget_exhausted", "more than available");
    assert_eq!((more.number("/requested_credits"), more.number("/max_affordable_credits")), (901, 900));
    assert_eq!(root.snapshot().await, before);
    assert_eq!(root.mint("the most there can be", 9_007_199_254_740_991).await.status, 201);
}

#[tokio::test]
async fn a_child_that_would_be_wider_than_its_parent_is_refused() {
    let (root, team) = stage().await;
    let before = root.snapshot().await;
    for (fields, code, pointer) in [
        (r#""expiry": "25h""#, "narrower_than_parent", "/expiry"),
        (r#""expiry": "P365D""#, "narrower_than_parent", "/expiry"),
        (r#""expiry": "9998-01-01T00:00:00Z""#, "narrower_than_parent", "/expiry"),
        (r#""expiry": "2020-01-01T00:00:00Z""#, "validation", "/expiry"),
        (r#""cost_center": "Marketing""#, "cost_center_conflict", "/cost_center"),
        (r#""cost_center": "engineering""#, "cost_center_conflict", "/cost_center"),
        (r#""department": "Platform Team""#, "department_conflict", "/department"),
        (r#""actions": ["spend"]"#, "narrower_than_parent", "/actions"),
        (r#""actions": ["read", "spend"]"#, "narrower_than_parent", "/actions"),
        (r#""caveats": ["actions = spend"]"#, "narrower_than_parent", "/actions"),
        (r#""max_depth": 3"#, "narrower_than_parent", "/max_depth"),
    ] {
        let reply = mint_with(&team, fields).await;
        reply.assert_problem(422, code, fields);
        assert_eq!(reply.body["errors"][0]["pointer"], pointer, "{fields}: {}", reply.body);
    }
    assert_eq!(root.snapshot().await, before);
    let same = r#""expiry": "24h", "cost_center": "Engineering", "department": "ML Team", "max_depth": 2"#;
    assert_eq!(mint_with(&team, same).await.status, 201, "as wide as the parent is not wider");
}

#[tokio::test]
async fn fields_that_mean_nothing_are_named() {
    let (root, _) = stage().await;
    let before = root.snapshot().await;
    let long = format!(r#""audience": "{}""#, "x".repeat(300));
    for (fields, pointer) in [
        (r#""expiry": "soon""#, "/expiry"),
        (r#""expiry": "-1h""#, "/expiry"),
        (r#""expiry": "0s""#, "/expiry"),
        (r#""expiry": """#, "/expiry"),
        (r#""expiry": 720"#, "/expiry"),
        (r#""expiry": "99999999999999h""#, "/expiry"),
        (r#""surprise": 1"#, "/surprise"),
        (r#""a/b~c": 1"#, "/a~1b~0c"),
        (r#""label": "y""#, "/label"),
        (r#""allocation": "steal""#, "/allocation"),
        (r#""max_depth": -1"#, "/max_depth"),
        (r#""max_depth": 4294967296"#, "/max_depth"),
        (r#""actions": []"#, "/actions"),
        (r#""actions": ["admin"]"#, "/actions/0"),
        (r#""actions": "spend""#, "/actions"),
        (r#""limits": [{"per": "year", "credits": 1}]"#, "/limits/0/per"),
        (r#""limits": [{"per": "day"}]"#, "/limits/0/credits"),
        (r#""limits": [{"per": "day", "credits": 1, "extra": 1}]"#, "/limits/0/extra"),
        (r#""caveats": ["colour = blue"]"#, "/caveats/0"),
        (r#""caveats": ["route = /v1/*", "nonsense"]"#, "/caveats/1"),
        (r#""caveats": ["budget = 5"]"#, "/caveats/0"),
        (r#""caveats": ["label = y"]"#, "/caveats/0"),
        (
            r#""caveats": ["delegation = dlg_01jd0000000000000000000001.9f2c00112233445566778899"]"#,
            "/caveats/0",
        ),
        (r#""audience": "svc_01jd0000000000000000000001""#, "/audience"),
        (&long, "/audience"),
    ] {
        mint_with(&root, fields).await.assert_invalid(&[pointer], fields);
    }
    let several = r#"{"label": "", "budget_credits": 0, "expiry": "soon", "cost_center": "\n"}"#;
    let all = ["/budget_credits", "/label", "/cost_center", "/expiry"];
    post(&root, "/delegation", several).await.assert_invalid(&all, "all that is wrong is said at once");
    for id in ["dlg_01jd0000000000000000000001", "dlg_", "x", "", "ten_01jd0000000000000000000001"] {
        let reply = mint_with(&root, &format!(r#""parent_id": "{id}""#)).await;
        reply.assert_problem(404, "not_found", id);
    }
    assert_eq!(root.snapshot().await, before);
}

#[tokio::test]
async fn labels_and_attributions_are_short_visible_text() {
    let (root, _) = stage().await;
    let before = root.snapshot().await;
    let (too_long, too_many_bytes) = ("x".repeat(300), "é".repeat(129));
    let texts = [
        "",
        " ",
        "   ",
        "\t",
        "\n",
        "a\nb",
        "a\rb",
        "a\0b",
        "\0",
        "a\u{202e}b",
        "a\u{2066}b",
        "a\u{200f}b",
        "a\u{feff}b",
        "a\u{2028}b",
        "a\u{7f}b",
        "a\u{85}b",
        " a",
        "a ",
        &too_long,
        &too_many_bytes,
    ];
    for text in texts {
        for field in ["label", "cost_center", "department"] {
            let mut body = json!({ "label": "x", "budget_credits": 1 });
            body[field] = json!(text);
            let reply = root.post("/delegation", &body).await;
            reply.assert_invalid(&[&format!("/{field}")], &format!("{field} {text:?}"));
        }
    }
    assert_eq!(root.snapshot().await, before);
    for label in [
        "Équipe données",
        "检查",
        "family 👨‍👩‍👧",
        "<script>alert(1)</script>",
        "'; DROP TABLE ledger; --",
        "%s{}",
    ] {
        let minted = root.mint(label, 1).await;
        assert_eq!((minted.status, minted.text("/label")), (201, label.to_owned()));
    }
}
