//! Listing: keyset pages over a subtree.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use subgrant_domain::{Credits, DelegationId, NodePath};

use super::Delegation;
use crate::{Result, TenantTx};

/// Which nodes of a subtree to list. What is absent does not restrict.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only children of this node.
    pub parent: Option<DelegationId>,
    /// Only nodes in this state.
    pub status: Option<StatusFilter>,
    /// Only nodes of this cost centre.
    pub cost_center: Option<String>,
    /// Only nodes of this department.
    pub department: Option<String>,
    /// Only nodes whose label contains this text, in any case.
    pub label_contains: Option<String>,
}

/// The states one can filter by; the same rule as [`subgrant_domain::status_of`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusFilter {
    /// Usable, with something left.
    Active,
    /// Usable, with nothing left.
    Exhausted,
    /// Frozen, itself or above.
    Frozen,
    /// Expired.
    Expired,
    /// Revoked, itself or above.
    Revoked,
}

impl StatusFilter {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Exhausted => "exhausted",
            Self::Frozen => "frozen",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// A page of a listing.
#[derive(Debug)]
pub struct Page {
    /// The nodes, oldest first.
    pub delegations: Vec<Delegation>,
    /// Whether more follow.
    pub has_more: bool,
}

/// Lists the node at `within` and its subtree, oldest first, from the node after `after` on.
pub async fn list(
    tx: &mut TenantTx,
    within: &NodePath,
    filter: &Filter,
    after: Option<DelegationId>,
    limit: u8,
    now: Timestamp,
) -> Result<Page> {
    let pattern = filter.label_contains.as_deref().map(contains_pattern);
    let rows = sqlx::query!(
        "SELECT d.id FROM delegations d
         WHERE d.tenant_id = $1 AND (d.id = $2 OR $2 = ANY(d.ancestor_ids))
             AND ($3::uuid IS NULL OR d.id > $3)
             AND ($4::uuid IS NULL OR d.parent_id = $4)
             AND ($5::text IS NULL OR d.cost_center = $5)
             AND ($6::text IS NULL OR d.department = $6)
             AND ($7::text IS NULL OR d.label ILIKE $7)
             AND ($8::text IS NULL OR $8 = (
                 SELECT CASE
                     WHEN bool_or(a.revoked_at IS NOT NULL) THEN 'revoked'
                     WHEN bool_or(a.expires_at <= $9) THEN 'expired'
                     WHEN bool_or(a.frozen_at IS NOT NULL) THEN 'frozen'
                     WHEN bool_or(a.id = d.id AND a.budget = a.spent + a.held
                         OR a.id <> d.id AND a.budget = a.spent + a.held + a.reserved AND (
                             SELECT c.carve_returned FROM delegations c
                             WHERE c.tenant_id = $1 AND c.id = (d.ancestor_ids || d.id)[a.depth + 2])
                         ) THEN 'exhausted'
                     ELSE 'active' END
                 FROM delegations a WHERE a.tenant_id = $1 AND a.id = ANY(d.ancestor_ids || d.id)))
         ORDER BY d.id LIMIT $10",
        tx.tenant().as_uuid(),
        within.id().as_uuid(),
        after.map(subgrant_domain::Id::as_uuid),
        filter.parent.map(subgrant_domain::Id::as_uuid),
        filter.cost_center,
        filter.department,
        pattern,
        filter.status.map(StatusFilter::as_str),
        now.to_sqlx() as _,
        i64::from(limit) + 1
    )
    .fetch_all(tx.connection())
    .await?;
    let has_more = rows.len() > usize::from(limit);
    let ids: Vec<_> =
        rows.iter().take(usize::from(limit)).map(|row| DelegationId::from_uuid(row.id)).collect();
    let mut delegations = super::by_ids(tx, &ids).await?;
    delegations.sort_by_key(|delegation| delegation.node.id());
    Ok(Page { delegations, has_more })
}

/// The first children of each of the given nodes, oldest first: at most `limit` per parent.
pub async fn first_children(
    tx: &mut TenantTx,
    parents: &[DelegationId],
    limit: i64,
) -> Result<Vec<(DelegationId, DelegationId)>> {
    let parents: Vec<_> = parents.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"SELECT p.id AS "parent!", c.id FROM unnest($2::uuid[]) AS p (id)
           CROSS JOIN LATERAL (
               SELECT d.id FROM delegations d WHERE d.tenant_id = $1 AND d.parent_id = p.id ORDER BY d.id LIMIT $3
           ) c ORDER BY c.id"#,
        tx.tenant().as_uuid(),
        &parents,
        limit
    )
    .fetch_all(tx.connection())
    .await?;
    let pair = |parent, child| (DelegationId::from_uuid(parent), DelegationId::from_uuid(child));
    Ok(rows.into_iter().map(|row| pair(row.parent, row.id)).collect())
}

/// What the children of each of the given nodes have spent, with their subtrees; childless nodes are left out.
pub async fn spent_by_children(
    tx: &mut TenantTx,
    parents: &[DelegationId],
) -> Result<Vec<(DelegationId, Credits)>> {
    let parents: Vec<_> = parents.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"SELECT parent_id AS "parent!", sum(spent)::bigint AS "spent!" FROM delegations
           WHERE tenant_id = $1 AND parent_id = ANY($2) GROUP BY parent_id"#,
        tx.tenant().as_uuid(),
        &parents
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| Ok((DelegationId::from_uuid(row.parent), super::row::credits(row.spent)?)))
        .collect()
}

/// How many nodes of a subtree, its top included, have ledger entries since `since`.
pub async fn count_active(tx: &mut TenantTx, within: DelegationId, since: Timestamp) -> Result<u64> {
    let active = sqlx::query_scalar!(
        r#"SELECT count(DISTINCT l.delegation_id) AS "active!" FROM ledger l
           JOIN delegations d ON d.tenant_id = l.tenant_id AND d.id = l.delegation_id
           WHERE l.tenant_id = $1 AND d.tenant_id = $1 AND l.recorded_at >= $3
               AND (d.id = $2 OR $2 = ANY(d.ancestor_ids))"#,
        tx.tenant().as_uuid(),
        within.as_uuid(),
        since.to_sqlx() as _
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(active.cast_unsigned())
}

/// An ILIKE pattern that matches the text anywhere and gives no character of it a special meaning.
fn contains_pattern(text: &str) -> String {
    let escaped = text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
    format!("%{escaped}%")
}
