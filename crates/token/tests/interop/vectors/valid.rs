//! Tokens that verify, and what their chains mean.

use serde_json::{Value, json};

use super::build::{MadeBy, Valid};

const CLAIM: &str = "dlg_01jd0000000000000000000001.9f2c00112233445566778899";
const CHILD: &str = "delegation = dlg_01jd0000000000000000000001.9f2c00112233445566778899";
const GRANDCHILD: &str = "delegation = dlg_01jd0000000000000000000002.000000000000000000000000";

pub(super) fn vectors() -> Vec<Value> {
    [single_nodes(), chains(), spellings()].concat()
}

fn single_nodes() -> Vec<Value> {
    let mut vectors = Vec::new();
    for made_by in [MadeBy::Subgrant, MadeBy::Macaroon, MadeBy::Pymacaroons] {
        let name = format!("root token, made by {}", made_by.as_str());
        vectors.push(Valid::new(&name, made_by, &[]).vector());

        let name = format!("child with every attribute, made by {}", made_by.as_str());
        vectors.push(
            Valid {
                nodes: vec![json!({
                    "budget_index": 1, "budget": 1000, "caveats": [0, 10], "claim": CLAIM, "label": "Agent: reviewer",
                    "cost_center": "Engineering", "department": "Équipe données", "expires": "2026-12-21T17:00:00Z",
                    "actions": "spend,delegate", "max_per_spend": 50, "limits": ["100/day"], "max_depth": 3,
                })],
                scope: json!({
                    "budget": 1000, "label": "Agent: reviewer", "cost_center": "Engineering",
                    "department": "Équipe données", "expires": "2026-12-21T17:00:00Z", "actions": "spend,delegate",
                    "max_per_spend": 50, "limits": [{ "node": 0, "limit": "100/day" }], "remaining_depth": 3,
                }),
                ..Valid::new(&name, made_by, &[
                    CHILD,
                    "budget = 1000",
                    "cost_center = Engineering",
                    "department = Équipe données",
                    "label = Agent: reviewer",
                    "expires = 2026-12-21T17:00:00Z",
                    "actions = spend,delegate",
                    "max_per_spend = 50",
                    "limit = 100/day",
                    "max_depth = 3",
                ])
            }
            .vector(),
        );
    }
    vectors
}

fn chains() -> Vec<Value> {
    let attenuated_offline = |name, made_by| Valid {
        nodes: vec![
            json!({ "budget_index": 0, "budget": 100, "caveats": [0, 2], "max_depth": 2 }),
            json!({ "budget_index": 2, "budget": 500, "caveats": [2, 4], "label": "inner" }),
        ],
        scope: json!({ "budget": 100, "remaining_depth": 1, "label": "inner" }),
        ..Valid::new(name, made_by, &["budget = 100", "max_depth = 2", "budget = 500", "label = inner"])
    };
    vec![
        attenuated_offline("ours, attenuated by pymacaroons", MadeBy::SubgrantThenPymacaroons).vector(),
        attenuated_offline("pymacaroons', attenuated by us", MadeBy::PymacaroonsThenSubgrant).vector(),
        attenuated_offline("macaroon's, attenuated by pymacaroons", MadeBy::MacaroonThenPymacaroons).vector(),
        Valid {
            nodes: vec![
                json!({
                    "budget_index": 3, "budget": 100, "caveats": [2, 7], "claim": CLAIM, "max_per_spend": 50,
                    "expires": "2028-01-01T00:00:00Z", "cost_center": "a",
                }),
                json!({
                    "budget_index": 8, "budget": 300, "caveats": [7, 14], "max_per_spend": 60, "actions": "spend,read",
                    "expires": "2026-12-01T00:00:00Z", "cost_center": "a",
                    "claim": "dlg_01jd0000000000000000000002.000000000000000000000000",
                }),
            ],
            scope: json!({
                "budget": 100, "max_per_spend": 50, "expires": "2026-12-01T00:00:00Z", "actions": "spend",
                "cost_center": "a",
            }),
            ..Valid::new("every repetition narrows", MadeBy::Subgrant, &[
                "actions = spend,delegate",
                "expires = 2027-01-01T00:00:00Z",
                CHILD,
                "budget = 100",
                "max_per_spend = 50",
                "cost_center = a",
                "expires = 2028-01-01T00:00:00Z",
                GRANDCHILD,
                "budget = 300",
                "max_per_spend = 60",
                "actions = spend,read",
                "expires = 2026-12-01T00:00:00Z",
                "expires = 2026-12-02T00:00:00Z",
                "cost_center = a",
            ])
        }
        .vector(),
        Valid {
            nodes: vec![
                json!({ "budget_index": 1, "budget": 5, "caveats": [1, 4], "limits": ["10/day", "5/hour"] }),
                json!({ "budget_index": 4, "budget": 6, "caveats": [4, 6], "limits": ["10/day"] }),
            ],
            scope: json!({
                "budget": 5,
                "limits": [
                    { "node": null, "limit": "500/month" }, { "node": 0, "limit": "10/day" },
                    { "node": 0, "limit": "5/hour" }, { "node": 1, "limit": "10/day" },
                ],
            }),
            ..Valid::new("limits of several nodes", MadeBy::Macaroon, &[
                "limit = 500/month", "budget = 5", "limit = 10/day", "limit = 5/hour", "budget = 6", "limit = 10/day",
            ])
        }
        .vector(),
        Valid {
            scope: json!({ "actions": "" }),
            ..Valid::new("actions without a common one", MadeBy::Pymacaroons, &["actions = spend", "actions = read"])
        }
        .vector(),
        most_caveats(),
    ]
}

fn most_caveats() -> Value {
    Valid {
        nodes: (0..64)
            .map(|index| json!({ "budget_index": index, "budget": 9, "caveats": [index, index + 1] }))
            .collect(),
        scope: json!({ "budget": 9 }),
        ..Valid::new("64 caveats", MadeBy::Macaroon, &["budget = 9"; 64])
    }
    .vector()
}

fn spellings() -> Vec<Value> {
    let plain = || Valid::new("", MadeBy::Subgrant, &["label = ??>>??"]);
    let mut vectors = vec![
        Valid {
            canonical: Some(&["budget = 5", "label = a=b", "actions = spend,read", "max_depth = 0"]),
            nodes: vec![json!({
                "budget_index": 0, "budget": 5, "caveats": [0, 4], "label": "a=b", "actions": "spend,read", "max_depth": 0,
            })],
            scope: json!({ "budget": 5, "label": "a=b", "actions": "spend,read", "remaining_depth": 0 }),
            ..Valid::new("spaces are optional", MadeBy::Macaroon, &[
                "budget=5", "label   =  a=b", "actions = read , spend", "max_depth =0",
            ])
        }
        .vector(),
        Valid {
            canonical: Some(&["expires = 2026-12-21T17:00:00.25Z"]),
            scope: json!({ "expires": "2026-12-21T17:00:00.25Z" }),
            ..Valid::new("fractions of a second", MadeBy::Subgrant, &["expires = 2026-12-21T17:00:00.250000Z"])
        }
        .vector(),
        Valid {
            nodes: vec![json!({ "budget_index": 0, "budget": 9_007_199_254_740_991_u64, "caveats": [0, 1] })],
            scope: json!({ "budget": 9_007_199_254_740_991_u64 }),
            ..Valid::new("the largest budget", MadeBy::Subgrant, &["budget = 9007199254740991"])
        }
        .vector(),
    ];
    // The same token in every accepted alphabet and padding.
    let token = plain().made_by.token(&plain().identifier, plain().caveats);
    let url = token.trim_start_matches("sgt_").to_owned();
    let padding = "=".repeat((4 - url.len() % 4) % 4);
    let standard = url.replace('-', "+").replace('_', "/");
    assert_ne!(standard, url);
    for (name, text) in [
        ("base64url with prefix", token.clone()),
        ("base64url with padding", format!("{url}{padding}")),
        ("standard base64", standard.clone()),
        ("standard base64 with prefix and padding", format!("sgt_{standard}{padding}")),
    ] {
        let mut vector = Valid { name, scope: json!({ "label": "??>>??" }), ..plain() }.vector();
        vector["token"] = json!(text);
        vectors.push(vector);
    }
    vectors
}
