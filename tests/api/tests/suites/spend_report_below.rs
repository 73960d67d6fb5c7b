//! `GET /report/spend` of subtrees that are too large to look at node by node: every line is what the ledger adds up to.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test itself does")]

use std::ops::Range;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sqlx::PgPool;
use subgrant_domain::{DelegationId, TenantId};
use subgrant_tests::{Api, Size, TestServer, load};
use uuid::Uuid;

/// More nodes in the subtrees that are asked for than are looked at one by one.
const SIZE: Size = Size { nodes: 900, siblings: 350, entries: 1_200 };

type Row = (i64, i64, Uuid, Option<String>, Option<String>);

struct Entry {
    micros: i64,
    amount: i64,
    delegation_id: String,
    cost_center: Option<String>,
    department: Option<String>,
}

/// The entries of a subtree, with refunds as negative amounts.
async fn entries_below(pool: &PgPool, top: DelegationId) -> Vec<Entry> {
    let statement = "SELECT (extract(epoch FROM recorded_at) * 1000000)::bigint AS micros,
            CASE kind WHEN 'refund' THEN -amount ELSE amount END AS amount, delegation_id, l.cost_center, l.department
        FROM ledger l JOIN delegations d ON d.id = l.delegation_id
        WHERE d.id = $1 OR $1 = ANY(d.ancestor_ids) ORDER BY seq";
    let rows: Vec<Row> = sqlx::query_as(statement).bind(top.as_uuid()).fetch_all(pool).await.unwrap();
    let entry = |(micros, amount, id, cost_center, department)| Entry {
        micros,
        amount,
        delegation_id: DelegationId::from_uuid(id).to_string(),
        cost_center,
        department,
    };
    rows.into_iter().map(entry).collect()
}

fn micros(line: &Value, field: &str) -> i64 {
    line[field].as_str().unwrap().parse::<Timestamp>().unwrap().as_microsecond()
}

/// Whether an entry belongs on a line by what the report is grouped by.
fn is_on(line: &Value, (group_by, times): (&str, &Range<i64>), entry: &Entry) -> bool {
    let text = |field: &str| line[field].as_str();
    times.contains(&entry.micros)
        && (!group_by.contains("cost_center") || text("cost_center") == entry.cost_center.as_deref())
        && (!group_by.contains("department") || text("department") == entry.department.as_deref())
        && (!group_by.contains("delegation") || text("delegation_id") == Some(&entry.delegation_id))
}

/// Asks for a report and adds it up again.
async fn check(api: &Api, (from, to): (Timestamp, Timestamp), top: DelegationId, more: &str, all: &[Entry]) {
    let query = format!("/report/spend?delegation_id={top}&from={from}&to={to}&{more}");
    let reply = api.get(&query).await;
    assert_eq!(reply.status, 200, "{query}: {}", reply.body);
    let range = from.as_microsecond()..to.as_microsecond();
    let inside: Vec<_> = all.iter().filter(|entry| range.contains(&entry.micros)).collect();
    let total: i64 = inside.iter().map(|entry| entry.amount).sum();
    assert_eq!(reply.body["total"]["spent_credits"], total, "{query}");
    assert_eq!(reply.body["total"]["entries"], inside.len(), "{query}");
    let unallocated = inside.iter().filter(|entry| entry.cost_center.is_none());
    let unallocated: i64 = unallocated.map(|entry| entry.amount).sum();
    assert_eq!(reply.body["unallocated_credits"], unallocated, "{query}");
    for line in reply.body["data"].as_array().unwrap() {
        let times = micros(line, "start")..micros(line, "end");
        let on_line = inside.iter().filter(|entry| is_on(line, (more, &times), entry));
        assert_eq!(line["spent_credits"], on_line.map(|entry| entry.amount).sum::<i64>(), "{query}: {line}");
    }
}

const GROUPINGS: [&str; 8] = [
    "group_by=cost_center",
    "group_by=department&interval=day",
    "group_by=cost_center,department&interval=month",
    "group_by=department&interval=week",
    "group_by=cost_center&interval=day",
    "group_by=delegation",
    "group_by=delegation&interval=week",
    "group_by=delegation,cost_center,department&interval=month",
];

#[tokio::test]
async fn a_report_of_a_large_subtree_is_what_its_entries_add_up_to_however_far_it_is_summarised() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let principal = server.app.authenticate_token(&tenant.root_token, None, None).await.unwrap();
    let loaded = load(&server.app, &server.database.url, &principal, SIZE).await;
    let (pool, root) = (server.database.superuser().await, server.api.with_token(&tenant.root_token));
    let everything = root.with_token(&loaded.everything_token);
    let id: TenantId = tenant.id.parse().unwrap();
    for round in 0..3 {
        if round == 1 {
            server.app.summarise_spend(id).await.unwrap();
        }
        if round == 2 {
            // The newest quarters of an hour are not summarised then.
            for amount in 1..4 {
                assert_eq!(everything.spend(amount).await.status, 201);
                assert_eq!(root.spend(amount).await.status, 201);
            }
        }
        for top in [loaded.everything, loaded.wide] {
            let all = entries_below(&pool, top).await;
            let at = |index: usize| Timestamp::from_microsecond(all[index].micros).unwrap();
            let (first, last) = (at(0), at(all.len() - 1) + SignedDuration::from_micros(1));
            let hour = SignedDuration::from_hours(1);
            let ranges = [
                (first, last),
                (at(7), at(all.len() - 3)),
                (at(all.len() / 2), (at(all.len() / 2) + hour * 11).min(last)),
                (at(all.len() / 2) - hour * 3, last),
                (at(all.len() - 2), last),
            ];
            for range in ranges.into_iter().filter(|(from, to)| from < to) {
                for more in GROUPINGS {
                    check(&root, range, top, more, &all).await;
                }
            }
            let late = (last - hour * 40).max(first);
            check(&root, (late, last), top, "group_by=cost_center&interval=hour", &all).await;
        }
    }
}

#[tokio::test]
async fn more_spenders_in_one_month_than_a_report_has_lines_are_refused_of_any_subtree() {
    let server = TestServer::start().await;
    let tenant = server.sign_up().await;
    let root = server.api.with_token(&tenant.root_token);
    let team = root.post("/delegation", &serde_json::json!({ "label": "team", "budget_credits": 5 })).await;
    assert_eq!(root.spend(1).await.status, 201);
    let pool = server.database.superuser().await;
    // Nodes and months that no ledger knows of: only how many there are is looked at.
    for statement in [
        "INSERT INTO delegations (tenant_id, id, parent_id, path, ancestor_ids, depth, label, allocation, carve_returned,
             actions, caveats, root_key_id, place)
         SELECT p.tenant_id, n.id, p.id, p.path || replace(n.id::text, '-', ''), p.ancestor_ids || p.id, 2, 'leaf', 'cap', true,
             'spend', '{}', p.root_key_id, p.place || decode(replace(n.id::text, '-', ''), 'hex')
         FROM delegations p, (SELECT gen_random_uuid() AS id FROM generate_series(1, 10001)) n WHERE p.depth = 1",
        "INSERT INTO spend_rollups
         SELECT tenant_id, date_trunc('month', bucket) - interval '1 month', delegation_id, '', '', 1, 0, 1 FROM spend_sums WHERE entries > 0",
        "INSERT INTO spend_summaries
         SELECT d.tenant_id, 'month', d.id, r.bucket, '', '', 1, 0, 1, 1, 0, 1
         FROM delegations d, (SELECT min(bucket) AS bucket FROM spend_sums WHERE entries > 0) r WHERE d.depth = 2",
        "INSERT INTO spend_summary_heads SELECT tenant_id, 'UTC', date_trunc('month', now()) FROM tenants",
    ] {
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
    let query = "/report/spend?from=2001-01-01&group_by=delegation";
    for query in [query.to_owned(), format!("{query}&delegation_id={}", team.text("/id"))] {
        let reply = root.get(&query).await;
        assert_eq!(reply.refusal(), (422, "report_too_large"), "{query}: {}", reply.body);
    }
}
