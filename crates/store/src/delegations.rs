//! The tree's rows.

mod label;
mod list;
mod place;
mod recovery;
pub(crate) mod row;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use subgrant_domain::{AttributeText, DelegationId, EntryHash, Node, NodePath, RootKeyId, ServiceId};

use label::index_labels;
pub use label::{forget_label, grams_of, index_label};
pub use list::{
    Candidates, Filter, Found, Rows, StatusFilter, count, count_active, first_children, marked, rows,
};
pub use place::{Place, Span};
pub use recovery::bring_root_back;

use crate::{LockedTx, Result, TenantTx, delegations::row::Row, error::read};

/// A node with what the planner does not need.
#[derive(Debug, Clone)]
pub struct Delegation {
    /// Settings and balances.
    pub node: Node,
    /// The node's name.
    pub label: AttributeText,
    /// Every caveat of the node's canonical token, in order. In place of each nonce stands how often the token had been
    /// rotated.
    pub caveats: Vec<String>,
    /// How often the node's own token was rotated.
    pub token_generation: u32,
    /// The root key from which the canonical token's nonces are derived, and under which it is signed.
    pub root_key: RootKeyId,
    /// The service that its tokens are for.
    pub audience: Option<ServiceId>,
    /// Whether it was created without the server, and entered when it was first used.
    pub made_offline: bool,
    /// Whether nothing tells what its maker wrote behind its budget.
    pub first_block_unknown: bool,
    /// Root only: tokens issued before this instant are refused.
    pub tokens_valid_from: Option<Timestamp>,
    /// Counts changes of settings.
    pub version: i64,
    /// When it was created.
    pub created_at: Timestamp,
}

/// How a tenant's books stand when its lock was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The instant of the decision. Never before the newest entry, even where the clock was set back.
    pub now: Timestamp,
    /// The newest entry's position; 0 where there is none.
    pub seq: u64,
    /// The newest entry's hash.
    pub hash: EntryHash,
    /// When the newest entry was recorded; long ago where there is none.
    pub newest_at: Timestamp,
    /// How many writes of the tenant were committed.
    pub revision: i64,
}

impl Standing {
    /// Whether nobody has written between the two.
    pub fn is_of_same_books(&self, other: &Self) -> bool {
        *self == Self { now: self.now, ..*other }
    }
}

/// Takes the tenant's lock: the row of its ledger's head.
///
/// This is the only way to a [`LockedTx`] of a tenant that others know, so that no write path can lock anything before it.
/// The clock is read when the lock is held: outside of the sub-select, which ends by locking.
pub async fn lock(mut tx: TenantTx) -> Result<(LockedTx, Standing)> {
    let row = sqlx::query!(
        r#"SELECT greatest(clock_timestamp(), locked.newest_at) AS "now!: jiff_sqlx::Timestamp", seq, hash,
               newest_at AS "newest_at: jiff_sqlx::Timestamp", revision
           FROM (SELECT seq, hash, revision, newest_at FROM ledger_heads WHERE tenant_id = $1 FOR UPDATE) AS locked"#,
        tx.tenant().as_uuid()
    )
    .fetch_one(tx.connection())
    .await?;
    let standing = Standing {
        now: row.now.to_jiff(),
        seq: row.seq.cast_unsigned(),
        hash: EntryHash(read(row.hash.as_slice().try_into())?),
        newest_at: row.newest_at.to_jiff(),
        revision: row.revision,
    };
    Ok((tx.into_locked(standing.revision), standing))
}

/// Reads nodes, in no particular order; unknown ids are left out.
pub async fn by_ids(tx: &mut TenantTx, ids: &[DelegationId]) -> Result<Vec<Delegation>> {
    let tenant = tx.tenant().as_uuid();
    let ids: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, ancestor_ids, label, d.cost_center, d.department, allocation, budget, spent, own_spent, held, reserved,
               capped::text AS "capped!", hour_start AS "hour_start: _", hour_spent, day_start AS "day_start: _", day_spent,
               week_start AS "week_start: _", week_spent, month_start AS "month_start: _", month_spent,
               newest_at AS "newest_at: _", quarter_gross, quarter_refunded, quarter_entries, descendants, carve_returned, expiry_noted, actions, max_per_spend, limits, max_depth, caveats, token_generation, root_key_id,
               audience_service_id, made_offline, first_block_unknown, expires_at AS "expires_at: _", frozen_at AS "frozen_at: _", revoked_at AS "revoked_at: _",
               tokens_valid_from AS "tokens_valid_from: _", version, created_at AS "created_at: _"
           FROM delegations d JOIN balances b ON b.tenant_id = d.tenant_id AND b.delegation_id = d.id
           WHERE d.tenant_id = $1 AND b.tenant_id = $1 AND d.id = ANY($2) AND b.delegation_id = ANY($2)"#,
        tenant,
        &ids
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter().map(Row::into_delegation).collect()
}

/// The path of a node.
pub async fn path_by_id(tx: &mut TenantTx, id: DelegationId) -> Result<Option<NodePath>> {
    let row = sqlx::query!(
        "SELECT ancestor_ids || id AS \"ids!\" FROM delegations WHERE tenant_id = $1 AND id = $2",
        tx.tenant().as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(|row| row::path(&row.ids)).transpose()
}

/// When the next hold or node of the tenant comes to its end, of those whose end was not noted yet; maybe long ago.
pub async fn next_due(tx: &mut TenantTx) -> Result<Option<Timestamp>> {
    // Not min(): whoever expects many of them would look through the table.
    let due = sqlx::query_scalar!(
        r#"SELECT least(
               (SELECT expires_at FROM holds WHERE tenant_id = $1 AND status = 'held' ORDER BY expires_at LIMIT 1),
               (SELECT expires_at FROM delegations WHERE tenant_id = $1 AND NOT expiry_noted AND expires_at IS NOT NULL
                    ORDER BY expires_at LIMIT 1)) AS "due: jiff_sqlx::Timestamp""#,
        tx.tenant().as_uuid()
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(due.map(jiff_sqlx::Timestamp::to_jiff))
}

/// Nodes whose own life has ended, which was not noted yet; at most `limit`, oldest first.
pub async fn due_expiries(tx: &mut LockedTx, now: Timestamp, limit: i64) -> Result<Vec<NodePath>> {
    let tenant = tx.tenant_uuid();
    let rows = sqlx::query!(
        r#"SELECT ancestor_ids || id AS "ids!" FROM delegations
           WHERE tenant_id = $1 AND NOT expiry_noted AND expires_at <= $2 ORDER BY expires_at LIMIT $3"#,
        tenant,
        now.to_sqlx() as _,
        limit
    )
    .fetch_all(tx.connection())
    .await?;
    rows.iter().map(|row| row::path(&row.ids)).collect()
}

/// Writes a new node.
pub async fn insert(tx: &mut LockedTx, delegation: &Delegation) -> Result<()> {
    insert_all(tx, &[delegation]).await
}

/// Writes several new nodes, parents before their children or together with them.
pub async fn insert_all(tx: &mut LockedTx, delegations: &[&Delegation]) -> Result<()> {
    let tenant = tx.tenant_uuid();
    let rows: Vec<_> = delegations.iter().map(|delegation| row::to_json(delegation)).collect();
    sqlx::query!(
        "WITH new AS (
             SELECT * FROM json_to_recordset($2::text::json) AS new (
                 id uuid, parent_id uuid, path text, ancestor_ids uuid[], depth smallint, label text, cost_center text,
                 department text, allocation text, budget bigint, carve_returned boolean, actions text,
                 max_per_spend bigint, limits text[], max_depth integer, caveats text[], root_key_id uuid,
                 expires_at timestamptz, created_at timestamptz, made_offline boolean, place text,
                 audience_service_id uuid)
         ), balances AS (
             INSERT INTO balances (tenant_id, delegation_id, budget, cost_center, department)
             SELECT $1, id, budget, coalesce(cost_center, ''), coalesce(department, '') FROM new)
         INSERT INTO delegations (tenant_id, id, parent_id, path, ancestor_ids, depth, label, cost_center, department,
             allocation, carve_returned, actions, max_per_spend, limits, max_depth, caveats, root_key_id,
             expires_at, created_at, made_offline, place, audience_service_id)
         SELECT $1, id, parent_id, text2ltree(path), ancestor_ids, depth, label, cost_center, department,
             allocation, carve_returned, actions, max_per_spend, limits, max_depth, caveats, root_key_id,
             expires_at, created_at, made_offline, decode(place, 'hex'), audience_service_id
         FROM new",
        tenant,
        serde_json::Value::from(rows).to_string()
    )
    .execute(tx.connection())
    .await?;
    let labels: Vec<_> =
        delegations.iter().map(|delegation| (&delegation.node.path, &delegation.label)).collect();
    index_labels(tx, &labels).await
}

/// How many children that were made offline each of the given nodes has; those without any are left out.
pub async fn count_made_offline(
    tx: &mut TenantTx,
    parents: &[DelegationId],
) -> Result<Vec<(DelegationId, u64)>> {
    let parents: Vec<_> = parents.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"SELECT parent_id AS "parent!", count(*) AS "children!" FROM delegations
           WHERE tenant_id = $1 AND parent_id = ANY($2) AND made_offline GROUP BY parent_id"#,
        tx.tenant().as_uuid(),
        &parents
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (DelegationId::from_uuid(row.parent), row.children.cast_unsigned()))
        .collect())
}

/// Marks a node as revoked.
pub async fn revoke(tx: &mut LockedTx, id: DelegationId, at: Timestamp) -> Result<()> {
    let tenant = tx.tenant_uuid();
    let updated = sqlx::query!(
        "UPDATE delegations SET revoked_at = $3, version = version + 1
         WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL",
        tenant,
        id.as_uuid(),
        at.to_sqlx() as _
    )
    .execute(tx.connection())
    .await?
    .rows_affected();
    row::expect_rows(updated, 1)
}

/// Writes a node's label, limits, end and canonical token, but not its balances; returns its new version.
pub async fn update_settings(tx: &mut LockedTx, delegation: &Delegation) -> Result<i64> {
    let tenant = tx.tenant_uuid();
    let Node { terms, .. } = &delegation.node;
    let limits: Vec<_> = terms.limits.iter().map(ToString::to_string).collect();
    let version = sqlx::query_scalar!(
        "UPDATE delegations SET label = $3, max_per_spend = $4, limits = $5, token_generation = $6, caveats = $7,
             expires_at = $8, version = version + 1
         WHERE tenant_id = $1 AND id = $2 RETURNING version",
        tenant,
        delegation.node.id().as_uuid(),
        delegation.label.as_str(),
        terms.max_per_spend.map(row::amount),
        &limits,
        delegation.token_generation.cast_signed(),
        &delegation.caveats,
        terms.expires_at.map(ToSqlx::to_sqlx) as _
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(version)
}

/// How many nodes below one live longer than until `end`, by themselves; at most `limit` are counted.
pub async fn count_outliving(tx: &mut TenantTx, top: &NodePath, end: Timestamp, limit: i64) -> Result<u64> {
    let span = Place::of(top).subtree();
    tx.plan_for_values().await?;
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (
               SELECT 1 FROM delegations
               WHERE tenant_id = $1 AND place >= $2 AND place < $3 AND id <> $4 AND revoked_at IS NULL
                   AND NOT expiry_noted AND (expires_at IS NULL OR expires_at > $5)
               LIMIT $6) AS outliving"#,
        tx.tenant().as_uuid(),
        span.from.as_bytes(),
        span.until.as_bytes(),
        top.id().as_uuid(),
        end.to_sqlx() as _,
        limit
    )
    .fetch_one(tx.connection())
    .await?;
    tx.plan_by_key().await?;
    Ok(count.cast_unsigned())
}

/// Freezes a node (`Some`) or lets it go on (`None`); returns its new version.
pub async fn set_frozen(tx: &mut LockedTx, id: DelegationId, at: Option<Timestamp>) -> Result<i64> {
    let tenant = tx.tenant_uuid();
    let version = sqlx::query_scalar!(
        "UPDATE delegations SET frozen_at = $3, version = version + 1 WHERE tenant_id = $1 AND id = $2 RETURNING version",
        tenant,
        id.as_uuid(),
        at.map(ToSqlx::to_sqlx) as _
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(version)
}

/// Refuses, from now on, every token of the tenant that was issued before `instant`.
pub async fn refuse_tokens_before(
    tx: &mut LockedTx,
    root: DelegationId,
    instant: Timestamp,
) -> Result<Option<Timestamp>> {
    let tenant = tx.tenant_uuid();
    let from = sqlx::query_scalar!(
        r#"UPDATE delegations SET tokens_valid_from = greatest(tokens_valid_from, $3), version = version + 1
           WHERE tenant_id = $1 AND id = $2 AND depth = 0
           RETURNING tokens_valid_from AS "tokens_valid_from: jiff_sqlx::Timestamp""#,
        tenant,
        root.as_uuid(),
        instant.to_sqlx() as _
    )
    .fetch_all(tx.connection())
    .await?;
    row::expect_rows(u64::try_from(from.len()).unwrap_or(u64::MAX), 1)?;
    Ok(from.into_iter().flatten().next().map(jiff_sqlx::Timestamp::to_jiff))
}
