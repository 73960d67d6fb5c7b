//! What must hold in the database after anything that a test does.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test itself does")]

use sqlx::{AssertSqlSafe, PgPool, Row};
use subgrant_domain::EntryHash;
use subgrant_store::ledger;
use uuid::Uuid;

use crate::{Tenant, TestServer};

/// Fails unless the tenant's books agree with themselves: both identities of the ledger, what every parent sets aside,
/// the counts of descendants, and the hash chain, computed anew.
pub async fn assert_books_balance(server: &TestServer, tenant: &Tenant) {
    let pool = server.database.superuser().await;
    let id = tenant_uuid(tenant);
    for (rule, violations) in RULES {
        let found: Vec<Uuid> = sqlx::query_scalar(AssertSqlSafe(format!("{NODES}{violations}")))
            .bind(id)
            .fetch_all(&pool)
            .await
            .unwrap_or_else(|error| panic!("{rule}: {error}"));
        assert!(found.is_empty(), "{rule}: broken at {found:?}");
    }
    assert_chain_is_intact(server, tenant, &pool).await;
}

/// How many entries the tenant's ledger has, and their sum: refunds count against it.
pub async fn ledger_totals(server: &TestServer, tenant: &Tenant) -> (u64, u64) {
    let pool = server.database.superuser().await;
    let statement =
        "SELECT count(*), coalesce(sum(CASE kind WHEN 'refund' THEN -amount ELSE amount END), 0)::bigint
         FROM ledger WHERE tenant_id = $1";
    let row = sqlx::query(statement).bind(tenant_uuid(tenant)).fetch_one(&pool).await.unwrap();
    (row.get::<i64, _>(0).cast_unsigned(), row.get::<i64, _>(1).cast_unsigned())
}

/// Fails if PostgreSQL has broken a deadlock in this test's database, or, where the cluster's log is known, in any.
pub async fn assert_no_deadlocks(server: &TestServer) {
    let pool = server.database.superuser().await;
    let statement = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let deadlocks: i64 = sqlx::query_scalar(statement).fetch_one(&pool).await.unwrap();
    assert_eq!(deadlocks, 0, "PostgreSQL had to break deadlocks");
    if let Some(path) = std::env::var_os("SUBGRANT_TEST_PG_LOG") {
        let log = std::fs::read(&path).expect("the cluster's log can be read");
        let found =
            String::from_utf8_lossy(&log).lines().find(|line| line.contains("deadlock")).map(str::to_owned);
        assert_eq!(found, None, "PostgreSQL's log tells of a deadlock");
    }
}

/// What a statement that asks for nodes with their balances begins with; `$1` is the tenant.
pub const NODES: &str = "WITH nodes AS NOT MATERIALIZED (
         SELECT d.*, b.budget, b.spent, b.own_spent, b.held, b.reserved, b.capped
         FROM delegations d JOIN balances b ON b.tenant_id = d.tenant_id AND b.delegation_id = d.id
         WHERE d.tenant_id = $1) ";

/// Each statement finds the nodes at which a rule is broken; it comes after [`NODES`].
const RULES: &[(&str, &str)] = &[
    (
        "spent(n) = own + the children's",
        "SELECT d.id FROM nodes d WHERE d.tenant_id = $1 AND d.spent <>
             (SELECT coalesce(sum(CASE l.kind WHEN 'refund' THEN -l.amount ELSE l.amount END), 0) FROM ledger l
              WHERE l.tenant_id = $1 AND l.delegation_id = d.id)
             + (SELECT coalesce(sum(c.spent), 0) FROM nodes c WHERE c.tenant_id = $1 AND c.parent_id = d.id)",
    ),
    (
        "the ledger's sum = the root's spent",
        "SELECT d.id FROM nodes d WHERE d.tenant_id = $1 AND d.depth = 0 AND d.spent <>
             (SELECT coalesce(sum(CASE l.kind WHEN 'refund' THEN -l.amount ELSE l.amount END), 0) FROM ledger l
              WHERE l.tenant_id = $1)",
    ),
    (
        "own_spent(n) = the node's own entries",
        "SELECT d.id FROM nodes d WHERE d.tenant_id = $1 AND d.own_spent <>
             (SELECT coalesce(sum(CASE l.kind WHEN 'refund' THEN -l.amount ELSE l.amount END), 0) FROM ledger l
              WHERE l.tenant_id = $1 AND l.delegation_id = d.id)",
    ),
    (
        "capped(n) = what live cap children have not consumed",
        "SELECT d.id FROM nodes d WHERE d.tenant_id = $1 AND d.capped <>
             (SELECT coalesce(sum(c.budget - c.spent - c.held), 0) FROM nodes c
              WHERE c.tenant_id = $1 AND c.parent_id = d.id AND c.allocation = 'cap' AND c.revoked_at IS NULL
                  AND (c.expires_at IS NULL OR c.expires_at > clock_timestamp()))",
    ),
    (
        "place(n) = the ids below the root",
        "SELECT d.id FROM nodes d WHERE d.tenant_id = $1 AND d.place <>
             decode(replace(array_to_string(d.ancestor_ids[2:] || array_remove(ARRAY[d.id], d.ancestor_ids[1]), ''), '-', ''), 'hex')
             AND d.depth > 0",
    ),
    (
        "every label is in the index of labels",
        "SELECT d.id FROM nodes d WHERE d.tenant_id = $1 AND NOT EXISTS (
             SELECT FROM label_grams g WHERE g.tenant_id = $1 AND g.place = d.place
                 AND g.gram = substr(lower(d.label), 1, 6) COLLATE \"C\")",
    ),
    (
        "reserved(n) = what live carve children have not consumed",
        "SELECT d.id FROM nodes d WHERE d.tenant_id = $1 AND d.reserved <>
             (SELECT coalesce(sum(c.budget - c.spent - c.held), 0) FROM nodes c
              WHERE c.tenant_id = $1 AND c.parent_id = d.id AND c.allocation = 'carve' AND c.revoked_at IS NULL
                  AND (c.expires_at IS NULL OR c.expires_at > clock_timestamp()))",
    ),
    (
        "held(n) = the open holds of a subtree that no revocation has voided",
        "SELECT d.id FROM nodes d WHERE d.tenant_id = $1
             AND NOT EXISTS (SELECT FROM nodes a WHERE a.tenant_id = $1 AND a.revoked_at IS NOT NULL
                 AND a.id = ANY(d.ancestor_ids || d.id))
             AND d.held <> (SELECT coalesce(sum(h.amount), 0)
                 FROM holds h JOIN nodes o ON o.tenant_id = $1 AND o.id = h.delegation_id
                 WHERE h.tenant_id = $1 AND h.status = 'held' AND d.id = ANY(o.ancestor_ids || o.id)
                     AND NOT EXISTS (SELECT FROM nodes a WHERE a.tenant_id = $1
                         AND a.revoked_at IS NOT NULL AND a.id = ANY(o.ancestor_ids || o.id)))",
    ),
    (
        "nothing is held below a frozen node",
        "SELECT o.id FROM holds h JOIN nodes o ON o.tenant_id = $1 AND o.id = h.delegation_id
         JOIN nodes a ON a.tenant_id = $1 AND a.id = ANY(o.ancestor_ids || o.id)
         WHERE h.tenant_id = $1 AND h.status = 'held' AND h.expires_at > clock_timestamp()
             AND a.frozen_at IS NOT NULL AND o.held > 0
             -- What is below a revoked node was voided with it, before the freeze, at no node's cost.
             AND NOT EXISTS (SELECT FROM nodes r WHERE r.tenant_id = $1 AND r.revoked_at IS NOT NULL
                 AND r.id = ANY(o.ancestor_ids || o.id))",
    ),
    (
        "no refund exceeds its spend, nor moves to another node or attribution",
        "SELECT s.id FROM ledger s JOIN ledger r ON r.tenant_id = $1 AND r.reverses = s.id
         WHERE s.tenant_id = $1 GROUP BY s.id, s.amount, s.kind
         HAVING sum(r.amount) > s.amount OR s.kind <> 'spend'
             OR bool_or(r.delegation_id <> s.delegation_id
                 OR r.cost_center IS DISTINCT FROM s.cost_center OR r.department IS DISTINCT FROM s.department)",
    ),
    (
        "no budget is exceeded",
        "SELECT d.id FROM nodes d
         WHERE d.tenant_id = $1 AND d.budget IS NOT NULL AND d.spent + d.held + d.reserved > d.budget",
    ),
    (
        "marks follow from the balances",
        "SELECT d.id FROM nodes d WHERE d.tenant_id = $1
             AND (d.is_exhausted, d.is_starving) IS DISTINCT FROM (coalesce(d.budget = d.spent + d.held, false),
                 coalesce(d.budget = d.spent + d.held + d.reserved AND d.spent + d.held < d.budget AND d.capped > 0, false))",
    ),
    (
        "only the root is without a budget",
        "SELECT d.id FROM nodes d WHERE d.tenant_id = $1 AND (d.budget IS NULL) <> (d.depth = 0)",
    ),
    (
        "descendants are counted",
        "SELECT d.id FROM nodes d WHERE d.tenant_id = $1 AND d.descendants <>
             (SELECT count(*) FROM nodes c WHERE c.tenant_id = $1 AND d.id = ANY(c.ancestor_ids))",
    ),
    (
        "the sums = the ledger, by quarter, node, cost centre and department",
        "SELECT delegation_id FROM (
             SELECT date_bin('15 minutes', recorded_at, 'epoch') AS bucket, delegation_id, coalesce(cost_center, '') AS c,
                 coalesce(department, '') AS d, sum(CASE kind WHEN 'refund' THEN 0 ELSE amount END) AS gross,
                 sum(CASE kind WHEN 'refund' THEN amount ELSE 0 END) AS refunded, count(*) AS entries
             FROM ledger WHERE tenant_id = $1 GROUP BY 1, 2, 3, 4) l
         FULL JOIN (SELECT bucket, delegation_id, cost_center AS c, department AS d, sum(gross) AS gross,
                 sum(refunded) AS refunded, sum(entries)::bigint AS entries
             FROM spend_sums WHERE tenant_id = $1 AND entries > 0 GROUP BY 1, 2, 3, 4) r USING (bucket, delegation_id, c, d)
         WHERE (l.gross, l.refunded, l.entries) IS DISTINCT FROM (r.gross, r.refunded, r.entries)",
    ),
    (
        "newest_at(n) = when the node's newest entry was recorded, and its quarter",
        "SELECT delegation_id FROM balances b
         WHERE b.tenant_id = $1 AND (b.quarter_start IS DISTINCT FROM date_bin('15 minutes', b.newest_at, 'epoch')
             OR b.newest_at IS DISTINCT FROM (SELECT max(recorded_at) FROM ledger l
                 WHERE l.tenant_id = $1 AND l.delegation_id = b.delegation_id))",
    ),
    (
        "every debit belongs to a node that was live at that time",
        "SELECT l.id FROM ledger l LEFT JOIN nodes d ON d.tenant_id = $1 AND d.id = l.delegation_id
         WHERE l.tenant_id = $1 AND (d.id IS NULL OR l.kind <> 'refund' AND EXISTS (
             SELECT FROM nodes a WHERE a.tenant_id = $1 AND a.id = ANY(d.ancestor_ids || d.id)
                 AND (a.revoked_at < l.recorded_at OR a.expires_at <= l.recorded_at)))",
    ),
];

/// Positions 1, 2, 3, … and each hash follows from its predecessor's and the entry itself.
async fn assert_chain_is_intact(server: &TestServer, tenant: &Tenant, pool: &PgPool) {
    let statement = "SELECT seq, hash FROM ledger WHERE tenant_id = $1 ORDER BY seq";
    let stored = sqlx::query(statement).bind(tenant_uuid(tenant)).fetch_all(pool).await.unwrap();
    let mut tx = server.app.database().begin_read(tenant.id.parse().unwrap()).await.unwrap();
    let entries: Vec<_> =
        ledger::chain(&mut tx, 0, i64::MAX).await.unwrap().into_iter().map(|(entry, _)| entry).collect();
    let mut hash = EntryHash::GENESIS;
    for (position, (entry, row)) in (1_u64..).zip(entries.iter().zip(&stored)) {
        hash = hash.next(entry);
        assert_eq!((entry.seq, row.get::<i64, _>(0).cast_unsigned()), (position, position), "no gaps");
        assert_eq!(row.get::<Vec<u8>, _>(1), hash.0, "the hash of entry {position}");
    }
    let statement = "SELECT seq, hash FROM ledger_heads WHERE tenant_id = $1";
    let head = sqlx::query(statement).bind(tenant_uuid(tenant)).fetch_one(pool).await.unwrap();
    assert_eq!(head.get::<i64, _>(0).cast_unsigned(), entries.len() as u64, "the head's position");
    assert_eq!(head.get::<Vec<u8>, _>(1), hash.0, "the head's hash");
}

fn tenant_uuid(tenant: &Tenant) -> Uuid {
    tenant.id.parse::<subgrant_domain::TenantId>().expect("a tenant's id").as_uuid()
}
