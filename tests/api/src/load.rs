//! A tenant of any size, written straight into the database within minutes, with every invariant of its books.

mod copy;
mod plan;

use std::time::Instant;

use jiff::{SignedDuration, Timestamp, ToSpan};
use sqlx::{Connection, PgConnection};
use subgrant_domain::{Credits, DelegationId, EntryHash, NodePath, RootKeyId, TenantId};
use subgrant_service::{App, Principal};
use uuid::Uuid;

use crate::mint_request;
use plan::Plan;

/// How large the tenant becomes.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Nodes below the root.
    pub nodes: usize,
    /// How many of them are children of one node.
    pub siblings: usize,
    /// Entries of the ledger.
    pub entries: u64,
}

/// The nodes of a loaded tenant that have tokens, and some that have not.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Below it is everything that was loaded.
    pub everything: DelegationId,
    /// Its token.
    pub everything_token: String,
    /// A leaf beside it: one node of all.
    pub tiny: DelegationId,
    /// Its token.
    pub tiny_token: String,
    /// The node with the many children.
    pub wide: DelegationId,
    /// The top of a chain that goes down to the greatest depth.
    pub deep: DelegationId,
    /// A node with some hundreds below it.
    pub team: DelegationId,
}

/// What the rows have in common.
struct Frame {
    tenant: TenantId,
    root_key: RootKeyId,
    /// When the first entry was recorded, and how far the others lie apart.
    first_entry_at: Timestamp,
    entry_distance: SignedDuration,
    /// When what is dead or frozen became so.
    ended_at: Timestamp,
}

/// Fills a tenant that has nothing but its root. `url` leads to its database as somebody whom row-level security does not
/// bind. Tells on standard error how far it is.
///
/// Only the two nodes just below the root are minted, and so have tokens; the others have everything but that.
#[expect(clippy::print_stderr, reason = "it takes minutes, and says how far it is")]
pub async fn load(app: &App, url: &str, root: &Principal, size: Size) -> Loaded {
    let started = Instant::now();
    let say = |what: &str| eprintln!("{:>6.1} s  {what}", started.elapsed().as_secs_f64());
    let tiny = app.mint(root, &mint_request("tiny", 1_000), None).await.expect("the root can mint").value;
    let everything = app.mint(root, &mint_request("everything", Credits::MAX.get() / 2), None).await;
    let everything = everything.expect("the root can mint").value;
    let mut connection = PgConnection::connect(url).await.expect("the database accepts connections");
    let frame = frame(&mut connection, root.tenant).await;
    say("planning the tree");
    let top = root.path.child(everything.delegation.id).expect("one level below the root");
    let plan = Plan::new(&top, size);
    copy::delegations(&mut connection, &frame, &plan, &say).await;
    copy::balances(&mut connection, &frame, &plan, &say).await;
    copy::labels(&mut connection, &frame, &plan, &say).await;
    let (seq, hash, at) = copy::entries(&mut connection, &frame, &plan, &say).await;
    write_totals(&mut connection, &frame, &plan, &top).await;
    write_head(&mut connection, &frame, (seq, hash, at)).await;
    say("summing up");
    write_sums(&mut connection, &frame).await;
    say("gathering statistics");
    for table in ["delegations", "balances", "label_grams", "ledger", "spend_rollups"] {
        let statement = format!("VACUUM (ANALYZE) {table}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.expect("the owner may");
    }
    say("done");
    Loaded {
        everything: everything.delegation.id,
        everything_token: everything.token.to_string(),
        tiny: tiny.delegation.id,
        tiny_token: tiny.token.to_string(),
        wide: plan.wide(),
        deep: plan.deep(),
        team: plan.team(),
    }
}

/// How long the loaded entries go back: the same on every day of a month.
const HISTORY: SignedDuration = SignedDuration::from_hours(27 * 24);

/// Entries fill four weeks up to half an hour ago; then some nodes end.
async fn frame(connection: &mut PgConnection, tenant: TenantId) -> Frame {
    let root_key: Uuid = sqlx::query_scalar("SELECT id FROM root_keys WHERE tenant_id = $1")
        .bind(tenant.as_uuid())
        .fetch_one(&mut *connection)
        .await
        .expect("the tenant has a root key");
    let ended_at = Timestamp::now() - SignedDuration::from_mins(30);
    let first_entry_at = ended_at - HISTORY;
    ensure_partition(connection, first_entry_at).await;
    Frame {
        tenant,
        root_key: RootKeyId::from_uuid(root_key),
        first_entry_at,
        entry_distance: HISTORY,
        ended_at,
    }
}

/// Makes the ledger's partition of an earlier month, which no server needs.
async fn ensure_partition(connection: &mut PgConnection, at: Timestamp) {
    let day = at.to_zoned(jiff::tz::TimeZone::UTC).date().first_of_month();
    let next = day.checked_add(1.month()).expect("a month ago");
    let statement = format!(
        "CREATE TABLE IF NOT EXISTS ledger_{} PARTITION OF ledger FOR VALUES FROM ('{day} 00:00Z') TO ('{next} 00:00Z')",
        day.strftime("%Y_%m")
    );
    sqlx::query(sqlx::AssertSqlSafe(statement))
        .execute(connection)
        .await
        .expect("the owner makes partitions");
}

/// The balances of the two nodes above what was loaded.
async fn write_totals(connection: &mut PgConnection, frame: &Frame, plan: &Plan, top: &NodePath) {
    let (spent, reserved, capped) = plan.totals();
    let statement = "WITH above AS (
             UPDATE delegations SET descendants = descendants + $6 WHERE tenant_id = $1 AND id = ANY($2) RETURNING id, depth)
         UPDATE balances SET spent = $3, reserved = CASE WHEN depth = 0 THEN reserved - $3 ELSE $4 END,
             capped = CASE WHEN depth = 0 THEN 0 ELSE $5 END
         FROM above WHERE tenant_id = $1 AND delegation_id = above.id";
    let ids: Vec<_> = top.ids().iter().map(|id| id.as_uuid()).collect();
    sqlx::query(statement)
        .bind(frame.tenant.as_uuid())
        .bind(ids)
        .bind(spent.cast_signed())
        .bind(reserved.cast_signed())
        .bind(capped.cast_signed())
        .bind(i64::try_from(plan.nodes.len()).expect("millions"))
        .execute(connection)
        .await
        .expect("the balances hold");
}

/// What reports read, as the engine would have kept it.
async fn write_sums(connection: &mut PgConnection, frame: &Frame) {
    let statement = "INSERT INTO spend_rollups
             (tenant_id, bucket, delegation_id, cost_center, department, gross, refunded, entries)
         SELECT tenant_id, date_bin('15 minutes', recorded_at, 'epoch'), delegation_id, coalesce(cost_center, ''),
             coalesce(department, ''), sum(amount), 0, count(*)
         FROM ledger WHERE tenant_id = $1 GROUP BY 1, 2, 3, 4, 5";
    let rollups = sqlx::query(statement).bind(frame.tenant.as_uuid()).execute(&mut *connection).await;
    rollups.expect("a fresh tenant has no rollups");
    let statement = "WITH newest AS (
             SELECT delegation_id, max(recorded_at) AS at FROM ledger WHERE tenant_id = $1 GROUP BY delegation_id
         ), moved AS (
             DELETE FROM spend_rollups r USING newest n
             WHERE r.tenant_id = $1 AND r.delegation_id = n.delegation_id AND r.bucket = date_bin('15 minutes', n.at, 'epoch')
             RETURNING r.*, n.at)
         UPDATE balances b SET newest_at = m.at, quarter_start = m.bucket, quarter_gross = m.gross, quarter_entries = m.entries
         FROM moved m WHERE b.tenant_id = $1 AND b.delegation_id = m.delegation_id";
    let newest = sqlx::query(statement).bind(frame.tenant.as_uuid()).execute(connection).await;
    newest.expect("each node has one newest sum");
}

async fn write_head(
    connection: &mut PgConnection,
    frame: &Frame,
    (seq, hash, at): (u64, EntryHash, Timestamp),
) {
    let statement = "UPDATE ledger_heads SET seq = $2, hash = $3,
        newest_at = to_timestamp(0) + $4 * interval '1 microsecond' WHERE tenant_id = $1";
    sqlx::query(statement)
        .bind(frame.tenant.as_uuid())
        .bind(seq.cast_signed())
        .bind(&hash.0[..])
        .bind(at.as_microsecond())
        .execute(connection)
        .await
        .expect("the tenant has a head");
}
