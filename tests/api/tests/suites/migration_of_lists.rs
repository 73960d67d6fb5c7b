//! What migrations fill in and move for trees that were there before.

use sqlx::{Executor, PgPool, Row};
use subgrant_tests::TestDatabase;

const BEFORE: [&str; 6] = [
    include_str!("../../../../migrations/0001_roles_and_directory.sql"),
    include_str!("../../../../migrations/0002_tenants.sql"),
    include_str!("../../../../migrations/0003_delegations.sql"),
    include_str!("../../../../migrations/0004_ledger.sql"),
    include_str!("../../../../migrations/0005_idempotency_and_audit.sql"),
    include_str!("../../../../migrations/0006_holds.sql"),
];

const SINCE: [&str; 14] = [
    include_str!("../../../../migrations/0009_ledger_checkpoints.sql"),
    include_str!("../../../../migrations/0010_events.sql"),
    include_str!("../../../../migrations/0011_people.sql"),
    include_str!("../../../../migrations/0012_token_lengths.sql"),
    include_str!("../../../../migrations/0013_actions.sql"),
    include_str!("../../../../migrations/0014_revisions.sql"),
    include_str!("../../../../migrations/0015_balances.sql"),
    include_str!("../../../../migrations/0016_write_less.sql"),
    include_str!("../../../../migrations/0020_tenant_settings.sql"),
    include_str!("../../../../migrations/0021_sessions.sql"),
    include_str!("../../../../migrations/0022_outbox.sql"),
    include_str!("../../../../migrations/0023_alerts_and_webhooks.sql"),
    include_str!("../../../../migrations/0024_last_firings.sql"),
    include_str!("../../../../migrations/0025_newest_sums.sql"),
];

const TREE: &str = "
    INSERT INTO tenant_directory (tenant_id) VALUES ('00000000-0000-0000-0000-0000000000aa');
    INSERT INTO tenants (tenant_id, name, root_delegation_id)
        VALUES ('00000000-0000-0000-0000-0000000000aa', 't', '00000000-0000-0000-0000-000000000001');
    INSERT INTO delegations (tenant_id, id, parent_id, path, ancestor_ids, depth, label, allocation, budget, spent,
        carve_returned, actions, caveats, root_key_id, revoked_at)
    SELECT '00000000-0000-0000-0000-0000000000aa', id, ancestors[cardinality(ancestors)], path::ltree, ancestors,
        cardinality(ancestors), label, 'cap', budget, spent, true, 'spend', '{}', '00000000-0000-0000-0000-000000000009',
        revoked_at
    FROM (VALUES
        ('00000000-0000-0000-0000-000000000001'::uuid, 'a', '{}'::uuid[], 'Root', NULL::bigint, 7::bigint, NULL::timestamptz),
        ('00000000-0000-0000-0000-000000000002', 'a.b', '{00000000-0000-0000-0000-000000000001}', 'Team', 10, 5, NULL),
        ('00000000-0000-0000-0000-000000000003', 'a.b.c',
            '{00000000-0000-0000-0000-000000000001,00000000-0000-0000-0000-000000000002}', 'leaf', 5, 5, NULL),
        ('00000000-0000-0000-0000-000000000004', 'a.b.d',
            '{00000000-0000-0000-0000-000000000001,00000000-0000-0000-0000-000000000002}', 'dead', 5, 0, '2026-01-01')
    ) AS nodes (id, path, ancestors, label, budget, spent, revoked_at)";

/// The leaf spends in three quarters of an hour; in the newest one for another cost centre as well.
const ENTRIES: &str = "
    UPDATE delegations SET cost_center = 'Mine' WHERE label = 'leaf';
    INSERT INTO ledger (tenant_id, seq, id, kind, delegation_id, amount, cost_center, recorded_at, hash)
    SELECT '00000000-0000-0000-0000-0000000000aa', seq, gen_random_uuid(), 'spend', '00000000-0000-0000-0000-000000000003',
        seq, CASE seq WHEN 4 THEN 'Other' ELSE 'Mine' END,
        date_trunc('month', now(), 'UTC') + seq / 2 * interval '20 minutes', sha256('')
    FROM generate_series(1, 5) seq";

#[tokio::test]
async fn places_sums_and_labels_are_filled_in_for_what_was_there_before() {
    let database = TestDatabase::create_empty().await;
    let pool = PgPool::connect(&database.url).await.unwrap();
    for script in
        BEFORE.into_iter().chain([TREE, include_str!("../../../../migrations/0008_lists_at_size.sql")])
    {
        pool.execute(sqlx::raw_sql(script)).await.unwrap_or_else(|error| panic!("{error}: {script:.80}"));
    }
    let statement = "SELECT label || ' ' || octet_length(place) || ' ' || own_spent || ' ' || capped || ' ' || is_exhausted
        FROM delegations ORDER BY place";
    let rows = pool.fetch_all(statement).await.unwrap();
    let found: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(found, ["Root 0 2 5 false", "Team 16 0 0 false", "leaf 32 5 0 true", "dead 32 0 0 false"]);
    let grams: i64 = sqlx::query_scalar("SELECT count(*) FROM label_grams").fetch_one(&pool).await.unwrap();
    assert_eq!(grams, 16, "each label from each of its characters on");

    for script in
        [ENTRIES, include_str!("../../../../migrations/0007_spend_rollups.sql")].into_iter().chain(SINCE)
    {
        pool.execute(sqlx::raw_sql(script)).await.unwrap_or_else(|error| panic!("{error}: {script:.80}"));
    }
    let statement = "SELECT concat_ws(' ', label, b.budget, b.spent, b.own_spent, b.held, b.reserved, b.capped, is_exhausted)
        FROM delegations JOIN balances b ON delegation_id = id ORDER BY place";
    let rows = pool.fetch_all(statement).await.unwrap();
    let found: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(
        found,
        ["Root 7 2 0 0 5 f", "Team 10 5 0 0 0 0 f", "leaf 5 5 5 0 0 0 t", "dead 5 0 0 0 0 0 f"]
    );
    let statement = "SELECT concat_ws(' ', extract(minute FROM bucket), cost_center, gross, entries) FROM spend_rollups
        UNION ALL SELECT concat_ws(' ', extract(minute FROM quarter_start), cost_center, quarter_gross, quarter_entries,
            extract(minute FROM newest_at)) FROM balances WHERE quarter_entries > 0 ORDER BY 1";
    let found: Vec<String> = pool.fetch_all(statement).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(found, ["0 Mine 1 1", "15 Mine 5 2", "30 Mine 5 1 40", "30 Other 4 1"]);
}
