//! The tree's rows.

mod list;
pub(crate) mod row;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use subgrant_domain::{AttributeText, DelegationId, Node, NodePath, RootKeyId};

pub use list::{Filter, Page, StatusFilter, count_active, first_children, list, spent_by_children};

use crate::{LockedTx, Result, TenantTx, delegations::row::Row};

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
    /// The root key under which the canonical token is derived.
    pub root_key: RootKeyId,
    /// Whether it was created without the server, and entered when it was first used.
    pub made_offline: bool,
    /// Root only: tokens issued before this instant are refused.
    pub tokens_valid_from: Option<Timestamp>,
    /// Counts changes of settings.
    pub version: i64,
    /// When it was created.
    pub created_at: Timestamp,
}

/// Takes the tenant's lock: locks the root, then the other named nodes, root first by `(depth, id)`.
///
/// This is the only way to a [`LockedTx`], so no write path can lock in another order. `root` must be the tenant's root.
pub async fn lock(mut tx: TenantTx, root: DelegationId, ids: &[DelegationId]) -> Result<LockedTx> {
    let tenant = tx.tenant().as_uuid();
    let ids: Vec<_> = ids.iter().chain([&root]).map(|id| id.as_uuid()).collect();
    sqlx::query!(
        "SELECT id FROM delegations WHERE tenant_id = $1 AND id = ANY($2) ORDER BY depth, id FOR UPDATE",
        tenant,
        &ids
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(tx.into_locked())
}

/// Reads nodes, in no particular order; unknown ids are left out.
pub async fn by_ids(tx: &mut TenantTx, ids: &[DelegationId]) -> Result<Vec<Delegation>> {
    let tenant = tx.tenant().as_uuid();
    let ids: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, ancestor_ids, label, cost_center, department, allocation, budget, spent, held, reserved,
               descendants, carve_returned, actions, max_per_spend, limits, max_depth, caveats, token_generation, root_key_id, made_offline,
               expires_at AS "expires_at: _", frozen_at AS "frozen_at: _", revoked_at AS "revoked_at: _",
               tokens_valid_from AS "tokens_valid_from: _", version, created_at AS "created_at: _"
           FROM delegations WHERE tenant_id = $1 AND id = ANY($2)"#,
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

/// Nodes whose life has ended but whose parent still sets credits aside for them; at most `limit`, oldest first.
pub async fn due_carves(tx: &mut LockedTx, now: Timestamp, limit: i64) -> Result<Vec<NodePath>> {
    let tenant = tx.tenant_uuid();
    let rows = sqlx::query!(
        r#"SELECT ancestor_ids || id AS "ids!" FROM delegations
           WHERE tenant_id = $1 AND NOT carve_returned AND expires_at <= $2 ORDER BY expires_at LIMIT $3"#,
        tenant,
        now.to_sqlx() as _,
        limit
    )
    .fetch_all(tx.connection())
    .await?;
    rows.iter().map(|row| row::path(&row.ids)).collect()
}

/// Whether [`due_carves`] would find anything.
pub async fn has_due_carves(tx: &mut TenantTx, now: Timestamp) -> Result<bool> {
    let found = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM delegations WHERE tenant_id = $1 AND NOT carve_returned AND expires_at <= $2)
               AS "found!""#,
        tx.tenant().as_uuid(),
        now.to_sqlx() as _
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(found)
}

/// Writes a new node.
pub async fn insert(tx: &mut LockedTx, delegation: &Delegation) -> Result<()> {
    let tenant = tx.tenant_uuid();
    let Node { path, terms, .. } = &delegation.node;
    let ancestors: Vec<_> = path.ancestors().iter().map(|id| id.as_uuid()).collect();
    let limits: Vec<_> = terms.limits.iter().map(ToString::to_string).collect();
    sqlx::query!(
        "INSERT INTO delegations (tenant_id, id, parent_id, path, ancestor_ids, depth, label, cost_center, department,
             allocation, budget, carve_returned, actions, max_per_spend, limits, max_depth, caveats, root_key_id,
             expires_at, created_at, made_offline)
         VALUES ($1, $2, $3, text2ltree($4), $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)",
        tenant,
        path.id().as_uuid(),
        path.parent_id().map(subgrant_domain::Id::as_uuid),
        path.to_string(),
        &ancestors,
        row::depth(path),
        delegation.label.as_str(),
        terms.cost_center.as_ref().map(AttributeText::as_str),
        terms.department.as_ref().map(AttributeText::as_str),
        delegation.node.allocation.as_str(),
        delegation.node.budget.map(row::amount),
        delegation.node.carve_returned,
        terms.actions.to_string(),
        terms.max_per_spend.map(row::amount),
        &limits,
        terms.max_depth.map(u32::cast_signed),
        &delegation.caveats,
        delegation.root_key.as_uuid(),
        terms.expires_at.map(ToSqlx::to_sqlx) as _,
        delegation.created_at.to_sqlx() as _,
        delegation.made_offline,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
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

/// Writes the balances and the state of nodes that a plan changed.
pub async fn update_balances(tx: &mut LockedTx, nodes: &[&Node]) -> Result<()> {
    if nodes.is_empty() {
        return Ok(());
    }
    let tenant = tx.tenant_uuid();
    let ids: Vec<_> = nodes.iter().map(|node| node.id().as_uuid()).collect();
    let spent: Vec<_> = nodes.iter().map(|node| row::amount(node.spent)).collect();
    let held: Vec<_> = nodes.iter().map(|node| row::amount(node.held)).collect();
    let reserved: Vec<_> = nodes.iter().map(|node| node.reserved.cast_signed()).collect();
    let descendants: Vec<_> = nodes.iter().map(|node| node.descendants.cast_signed()).collect();
    let carve_returned: Vec<_> = nodes.iter().map(|node| node.carve_returned).collect();
    let updated = sqlx::query!(
        "UPDATE delegations SET spent = new.spent, held = new.held, reserved = new.reserved,
             descendants = new.descendants, carve_returned = new.carve_returned
         FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::boolean[])
             AS new (id, spent, held, reserved, descendants, carve_returned)
         WHERE delegations.tenant_id = $1 AND delegations.id = new.id",
        tenant,
        &ids,
        &spent,
        &held,
        &reserved,
        &descendants,
        &carve_returned
    )
    .execute(tx.connection())
    .await?
    .rows_affected();
    row::expect_rows(updated, nodes.len())
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

/// Writes a node's label, budget, limits and canonical token; returns its new version.
pub async fn update_settings(tx: &mut LockedTx, delegation: &Delegation) -> Result<i64> {
    let tenant = tx.tenant_uuid();
    let Node { terms, .. } = &delegation.node;
    let limits: Vec<_> = terms.limits.iter().map(ToString::to_string).collect();
    let version = sqlx::query_scalar!(
        "UPDATE delegations SET label = $3, budget = $4, max_per_spend = $5, limits = $6, token_generation = $7,
             caveats = $8, version = version + 1
         WHERE tenant_id = $1 AND id = $2 RETURNING version",
        tenant,
        delegation.node.id().as_uuid(),
        delegation.label.as_str(),
        delegation.node.budget.map(row::amount),
        terms.max_per_spend.map(row::amount),
        &limits,
        delegation.token_generation.cast_signed(),
        &delegation.caveats
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(version)
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
pub async fn refuse_tokens_before(tx: &mut LockedTx, root: DelegationId, instant: Timestamp) -> Result<()> {
    let tenant = tx.tenant_uuid();
    let updated = sqlx::query!(
        "UPDATE delegations SET tokens_valid_from = greatest(tokens_valid_from, $3), version = version + 1
         WHERE tenant_id = $1 AND id = $2 AND depth = 0",
        tenant,
        root.as_uuid(),
        instant.to_sqlx() as _
    )
    .execute(tx.connection())
    .await?
    .rows_affected();
    row::expect_rows(updated, 1)
}
