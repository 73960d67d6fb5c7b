//! A tenant with many nodes: what was loaded keeps the books' rules, lists go by indexes, and pages are whole.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use subgrant_tests::{Api, Loaded, Size, Tenant, TestServer, assert_books_balance, load};

struct Stage {
    server: TestServer,
    tenant: Tenant,
    root: Api,
    everything: Api,
    tiny: Api,
    loaded: Loaded,
}

async fn stage(size: Size) -> Stage {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let principal =
        server.app.authenticate_token(&tenant.root_token, None, None).await.expect("the root token is good");
    let loaded = load(&server.app, &server.database.url, &principal, size).await;
    let root = server.api.with_token(&tenant.root_token);
    let everything = root.with_token(&loaded.everything_token);
    let tiny = root.with_token(&loaded.tiny_token);
    Stage { server, tenant, root, everything, tiny, loaded }
}

const SMALL: Size = Size { nodes: 700, siblings: 250, entries: 3_000 };

/// Every page of a list, as one.
async fn all(api: &Api, path: &str) -> Vec<Value> {
    let (mut data, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("{path}{cursor}")).await;
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        data.extend(page.body["data"].as_array().expect("a list").clone());
        let Some(next) = page.body["next_cursor"].as_str() else { return data };
        cursor = format!("&cursor={next}");
    }
}

fn ids(nodes: &[Value]) -> Vec<&str> {
    nodes.iter().map(|node| node["id"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn a_loaded_tenant_keeps_every_rule_of_the_books() {
    let stage = stage(SMALL).await;
    assert_books_balance(&stage.server, &stage.tenant).await;
    let proof = stage.root.get("/ledger/proof").await;
    assert_eq!(
        (&proof.body["intact"], &proof.body["entries"]),
        (&json!(true), &json!(3_000)),
        "{}",
        proof.body
    );
    assert_eq!(stage.tiny.spend(10).await.status, 201);
    assert_books_balance(&stage.server, &stage.tenant).await;
}

#[tokio::test]
async fn a_preview_counts_who_was_active_lately_and_no_further_than_250() {
    for size in [SMALL, Size { nodes: 6_000, siblings: 250, entries: 6_000 }] {
        let stage = stage(size).await;
        let pool = stage.server.database.superuser().await;
        let active = async |id: &str| {
            let path = format!("/delegation/{id}/revoke");
            stage.root.post(&path, &json!({ "dry_run": true })).await.number("/active_last_hour")
        };
        let (everything, tiny) = (stage.loaded.everything.to_string(), stage.loaded.tiny.to_string());
        let lately = "SELECT count(*) FROM balances WHERE newest_at >= now() - interval '1 hour'";
        let lately: i64 = sqlx::query_scalar(lately).fetch_one(&pool).await.expect("the superuser may");
        assert!(lately > 0 && lately < 250, "{lately}");
        assert_eq!(active(&everything).await, lately.cast_unsigned());
        assert_eq!(active(&tiny).await, 0);
        assert_eq!(stage.tiny.spend(1).await.status, 201);
        assert_eq!(active(&tiny).await, 1);
        let all =
            "UPDATE balances SET newest_at = now(), quarter_start = date_bin('15 minutes', now(), 'epoch')";
        sqlx::query(all).execute(&pool).await.expect("the superuser may");
        assert_eq!(active(&everything).await, 250);
        assert_eq!(active(&tiny).await, 1);
    }
}

/// What a filter must give, from the whole list.
fn expected<'a>(nodes: &'a [Value], parent: Option<&str>, query: &[(&str, &str)]) -> Vec<&'a str> {
    let matches = |node: &Value| {
        parent.is_none_or(|parent| node["parent_id"] == parent)
            && query.iter().all(|(name, value)| match *name {
                "q" => {
                    node["label"].as_str().expect("a label").to_lowercase().contains(&value.to_lowercase())
                }
                name => node[name] == *value,
            })
    };
    nodes.iter().filter(|node| matches(node)).map(|node| node["id"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn every_combination_of_filters_gives_what_the_whole_list_shows() {
    let stage = stage(SMALL).await;
    // States that come from above, within one another.
    let team = stage.loaded.team;
    stage.root.act(&team.to_string(), "freeze").await;
    let deep = stage.loaded.deep.to_string();
    let chain = all(&stage.root, "/delegation?q=agent-00000&limit=100").await;
    for (index, verb) in [(5, "freeze"), (9, "revoke")] {
        assert_eq!(stage.root.act(chain[index]["id"].as_str().unwrap(), verb).await.status, 200);
    }
    let nodes = all(&stage.root, "/delegation?limit=100").await;
    assert_eq!(nodes.len(), ids(&nodes).iter().collect::<BTreeSet<_>>().len(), "nothing comes twice");
    let wide = stage.loaded.wide.to_string();
    let statuses =
        [None, Some("active"), Some("exhausted"), Some("frozen"), Some("expired"), Some("revoked")];
    let mut seen = BTreeSet::new();
    for status in statuses {
        for (attribute, value) in [
            ("", ""),
            ("cost_center", "Centre 0"),
            ("department", "Team 2"),
            ("cost_center", "Rare centre"),
            ("q", "AGENT-000"),
            ("q", "needle"),
            ("q", "1"),
        ] {
            for parent in [None, Some(&wide), Some(&deep)] {
                let mut query: Vec<_> = status.map(|status| ("status", status)).into_iter().collect();
                query.extend((!attribute.is_empty()).then_some((attribute, value)));
                let of_parent = parent.map(|id| ("parent_id", id.as_str()));
                let pairs = query.iter().copied().chain(of_parent);
                let pairs: Vec<_> =
                    pairs.map(|(name, value)| format!("&{name}={}", value.replace(' ', "%20"))).collect();
                let text = pairs.concat();
                let wanted = expected(&nodes, parent.map(String::as_str), &query);
                let found = all(&stage.root, &format!("/delegation?limit=23{text}")).await;
                assert_eq!(ids(&found), wanted, "{text}");
                seen.extend((!wanted.is_empty()).then_some((status, attribute)));
            }
        }
    }
    assert!(seen.len() >= 15, "most combinations find something: {seen:?}");
}

#[tokio::test]
async fn a_state_and_a_common_attribution_are_found_behind_thousands_of_marks_of_others() {
    let stage = stage(Size { nodes: 5_600, siblings: 4_500, entries: 3_000 }).await;
    let pool = stage.server.database.superuser().await;
    // A state that hardly any node of one centre is in, and very many others are.
    for statement in [
        "UPDATE delegations SET revoked_at = now() WHERE cost_center IN ('Sibling centre 1', 'Sibling centre 2')",
        "WITH exhausted AS (UPDATE delegations SET is_exhausted = true, is_starving = false
             WHERE cost_center IN ('Sibling centre 3', 'Sibling centre 4') AND allocation = 'carve' RETURNING id)
         UPDATE balances SET budget = greatest(1, spent + held), spent = greatest(1, spent + held) - held, reserved = 0
         FROM exhausted WHERE delegation_id = exhausted.id",
        "UPDATE delegations SET revoked_at = now() WHERE id = (SELECT id FROM delegations
             WHERE cost_center = 'Sibling centre 0' ORDER BY place DESC LIMIT 1)",
        "UPDATE delegations SET department = 'Audit'
         WHERE cost_center = 'Sibling centre 1' OR cost_center LIKE 'Sibling%' AND descendants = 0 AND label LIKE '%77'",
        "VACUUM ANALYZE delegations",
    ] {
        sqlx::raw_sql(statement).execute(&pool).await.expect("the rows hold");
    }
    let (zero, two, four, audit) = (
        ("cost_center", "Sibling centre 0"),
        ("cost_center", "Sibling centre 2"),
        ("cost_center", "Sibling centre 4"),
        ("department", "Audit"),
    );
    let cases: [Case<'_>; 8] = [
        ("revoked", &[zero], 1),
        ("revoked", &[two], 800),
        ("revoked", &[audit], 800),
        ("revoked", &[audit, two], 1),
        ("exhausted", &[four], 800),
        ("exhausted", &[zero], 0),
        ("frozen", &[zero], 0),
        ("expired", &[four], 0),
    ];
    assert_states_are_found(&stage, &cases).await;
    // The state of a node without attribution, below which nodes have one.
    let freeze = "UPDATE delegations SET frozen_at = now() WHERE label = 'Wide'";
    sqlx::raw_sql(freeze).execute(&pool).await.expect("the rows hold");
    assert_states_are_found(&stage, &[("frozen", &[zero], 800), ("exhausted", &[four], 0)]).await;
}

/// A state, attributes, and how many nodes have them at least.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], usize);

/// What filters by a state and attributes find is what the whole list shows, and is no less than so much.
async fn assert_states_are_found(stage: &Stage, cases: &[Case<'_>]) {
    // Another server, which knows nothing of how it was before.
    let server = stage.server.replica().await;
    let root = server.api.with_token(&stage.tenant.root_token);
    let nodes = all(&root, "/delegation?limit=100").await;
    for (status, attributes, least) in cases {
        let query = [&[("status", *status)], *attributes].concat();
        let text: Vec<_> =
            query.iter().map(|(name, value)| format!("&{name}={}", value.replace(' ', "%20"))).collect();
        let wanted = expected(&nodes, None, &query);
        assert!(wanted.len() >= *least, "{query:?} finds {}", wanted.len());
        let found = all(&root, &format!("/delegation?limit=100{}", text.concat())).await;
        assert_eq!(ids(&found), wanted, "{query:?}");
    }
}

#[tokio::test]
async fn a_caller_sees_its_own_subtree_and_no_cursor_leads_out_of_it() {
    let stage = stage(SMALL).await;
    assert_eq!(all(&stage.tiny, "/delegation?q=agent").await.len(), 0);
    assert_eq!(all(&stage.tiny, "/delegation?limit=1").await.len(), 1);
    assert_eq!(all(&stage.everything, "/delegation?q=tiny").await.len(), 0);
    let foreign = stage.loaded.wide.to_string();
    for cursor in [foreign.trim_start_matches("dlg_"), "00000000000000000000000000", "x"] {
        let refused = stage.tiny.get(&format!("/delegation?cursor={cursor}")).await;
        assert_eq!(refused.refusal(), (422, "validation"), "{cursor}");
        assert_eq!(refused.body["errors"][0]["code"], "invalid_cursor");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_old_node_comes_exactly_once_while_others_are_inserted() {
    let stage = stage(SMALL).await;
    let before = all(&stage.root, "/delegation?limit=100").await;
    let minting = tokio::spawn({
        let (root, parents) =
            (stage.root.clone(), ids(&before).iter().map(|id| (*id).to_owned()).collect::<Vec<_>>());
        async move {
            let mut minted = 0;
            // Anywhere in the tree, before and behind where the pages are; below dead nodes it is refused.
            for parent in parents.iter().rev().step_by(3) {
                let body = json!({ "label": "meanwhile", "budget_credits": 1, "allocation": "cap", "parent_id": parent });
                minted += u32::from(root.post("/delegation", &body).await.status == 201);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            minted
        }
    });
    let during = all(&stage.root, "/delegation?limit=9").await;
    assert!(minting.await.unwrap() > 50, "nodes were inserted meanwhile");
    let listed = ids(&during);
    assert_eq!(listed.len(), listed.iter().collect::<BTreeSet<_>>().len(), "nothing comes twice");
    let old: BTreeSet<_> = ids(&before).into_iter().collect();
    let kept: Vec<_> = listed.into_iter().filter(|id| old.contains(id)).collect();
    assert_eq!(kept, ids(&before), "what was there comes in its order, and nothing is left out");
}

#[tokio::test]
async fn a_subtrees_entries_are_found_whatever_its_size_and_the_times() {
    let stage = stage(Size { nodes: 3_200, siblings: 2_600, entries: 6_000 }).await;
    let whole = all(&stage.root, "/ledger?limit=100").await;
    assert_eq!(whole.len(), 6_000);
    let nodes = all(&stage.root, "/delegation?limit=100").await;
    let (early, late) =
        (whole[1_999]["recorded_at"].as_str().unwrap(), whole[4_000]["recorded_at"].as_str().unwrap());
    for top in
        [stage.loaded.wide, stage.loaded.deep, stage.loaded.team, stage.loaded.everything, stage.loaded.tiny]
    {
        let mut within = BTreeSet::from([top.to_string()]);
        for node in &nodes {
            if node["parent_id"].as_str().is_some_and(|parent| within.contains(parent)) {
                within.insert(node["id"].as_str().expect("an id").to_owned());
            }
        }
        for (query, range) in [
            (String::new(), 0..6_000),
            (format!("&from={early}"), 1_999..6_000),
            (format!("&to={late}"), 0..4_000),
            (format!("&from={early}&to={late}"), 1_999..4_000),
            (format!("&from={late}&to={early}"), 0..0),
        ] {
            let found = all(&stage.root, &format!("/ledger?limit=100&delegation_id={top}{query}")).await;
            let wanted: Vec<_> = whole[range]
                .iter()
                .filter(|entry| within.contains(entry["delegation_id"].as_str().unwrap()))
                .map(|entry| entry["seq"].clone())
                .collect();
            let seqs = |found: &[Value]| found.iter().map(|entry| entry["seq"].clone()).collect::<Vec<_>>();
            assert_eq!(seqs(&found), wanted, "{top}{query}");
            let newest = format!("/ledger?limit=100&order=newest&delegation_id={top}{query}");
            let mut found = seqs(&all(&stage.root, &newest).await);
            found.reverse();
            assert_eq!(found, wanted, "{newest}");
        }
    }
}
