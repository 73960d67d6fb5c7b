//! Listing: ranges of the tree in the order of [`Place`].
//!
//! Statements are put together here, because one statement for every combination of filters would be planned for none.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{Postgres, QueryBuilder, Row as _, postgres::PgRow};
use subgrant_domain::{DelegationId, Node, NodePath, quarter_of};
use uuid::Uuid;

use super::{Place, Span, label::places_with, row};
use crate::{Result, TenantTx};

/// Which nodes to list by what does not change. What is absent does not restrict.
#[derive(Debug, Clone, Default)]
pub struct Filter {
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
    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Exhausted => "exhausted",
            Self::Frozen => "frozen",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// A node that was found, with what it takes to go on from it.
#[derive(Debug, Clone)]
pub struct Found {
    /// From the root to the node.
    pub path: NodePath,
    /// Where it stands.
    pub place: Place,
    /// Nodes below it.
    pub descendants: u64,
}

/// Nodes of a range, in order.
#[derive(Debug)]
pub struct Rows {
    /// At most as many as were asked for.
    pub found: Vec<Found>,
    /// The last node that was looked at, where the search ended before the range did.
    pub looked_until: Option<Place>,
}

/// Which rows of a range to read.
#[derive(Debug, Clone, Copy)]
pub enum Candidates<'a> {
    /// All.
    All,
    /// Only those that one of these grams names.
    Labelled(&'a [String]),
    /// Only children of this node.
    ChildrenOf(DelegationId),
    /// Those that nothing of their own keeps from being active.
    Unmarked,
}

/// How many nodes of a gram are read per round trip.
const GRAM_PLACES: usize = 1_000;

/// How many marked nodes are passed over in the time that it takes to find out the state of one.
const MARKS_PER_NODE: usize = 10;

const COLUMNS: &str = "d.ancestor_ids || d.id AS ids, d.place, d.descendants";

/// Reads nodes of a range that pass the filter. Looks at no more than `most` of those that no index singles out.
pub async fn rows(
    tx: &mut TenantTx,
    which: Candidates<'_>,
    filter: &Filter,
    span: &Span,
    limit: usize,
    most: usize,
) -> Result<Rows> {
    if let Candidates::Labelled(grams) = which {
        return labelled(tx, grams, filter, span, limit, most).await;
    }
    let pattern = filter.label_contains.as_deref().map(contains_pattern);
    let mut query = QueryBuilder::<Postgres>::new("SELECT ");
    // A label is compared row by row, so that the rows to compare are counted.
    let is_bounded = pattern.is_some();
    query.push(COLUMNS).push(" FROM ");
    query.push(if is_bounded { "(SELECT d.* FROM delegations d" } else { "delegations d" });
    push_range(&mut query, tx, which, filter, span);
    if let Some(pattern) = pattern {
        query.push(" ORDER BY d.place LIMIT ").push_bind(rows_limit(most));
        query.push(") d WHERE d.label ILIKE ").push_bind(pattern);
    }
    query.push(" ORDER BY d.place LIMIT ").push_bind(rows_limit(limit));
    let rows = query.build().fetch_all(tx.connection()).await?;
    let found: Vec<_> = rows.iter().map(read_found).collect::<Result<_>>()?;
    let looked_until = if found.len() == limit {
        found.last().map(|found| found.place.clone())
    } else if is_bounded {
        place_after(tx, which, filter, span, most).await?
    } else {
        None
    };
    Ok(Rows { found, looked_until })
}

/// Reads the nodes that grams name, until there are enough, or so many were looked at.
async fn labelled(
    tx: &mut TenantTx,
    grams: &[String],
    filter: &Filter,
    span: &Span,
    limit: usize,
    most: usize,
) -> Result<Rows> {
    let pattern = filter.label_contains.as_deref().map(contains_pattern);
    let (mut found, mut span, mut looked_at) = (Vec::new(), span.clone(), 0);
    loop {
        let (places, until) = places_with(tx, grams, &span, (limit * 4).min(GRAM_PLACES)).await?;
        looked_at += places.len();
        let mut query = QueryBuilder::<Postgres>::new("SELECT ");
        query.push(COLUMNS).push(" FROM delegations d");
        push_range(&mut query, tx, Candidates::All, filter, &span);
        let places: Vec<_> = places.iter().map(|place| place.as_bytes().to_vec()).collect();
        query.push(" AND d.place = ANY(").push_bind(places).push(")");
        if let Some(pattern) = &pattern {
            query.push(" AND d.label ILIKE ").push_bind(pattern.clone());
        }
        query.push(" ORDER BY d.place LIMIT ").push_bind(rows_limit(limit - found.len()));
        let rows = query.build().fetch_all(tx.connection()).await?;
        for row in &rows {
            found.push(read_found(row)?);
        }
        if found.len() == limit {
            let looked_until = found.last().map(|found: &Found| found.place.clone());
            return Ok(Rows { found, looked_until });
        }
        match until {
            Some(until) if looked_at < most => span.from = until.next(),
            looked_until => return Ok(Rows { found, looked_until }),
        }
    }
}

/// How many nodes of a range have the filter's attribution; counted up to `most`.
pub async fn count(tx: &mut TenantTx, filter: &Filter, span: &Span, most: u64) -> Result<u64> {
    let mut query = QueryBuilder::<Postgres>::new("SELECT count(*) FROM (SELECT FROM delegations d");
    push_range(&mut query, tx, Candidates::All, filter, span);
    query.push(" LIMIT ").push_bind(most.cast_signed()).push(") d");
    let count: i64 = query.build().fetch_one(tx.connection()).await?.try_get(0)?;
    Ok(count.cast_unsigned())
}

/// The place of the node at which a bounded search has ended; `None` where it came to the end of its range.
async fn place_after(
    tx: &mut TenantTx,
    which: Candidates<'_>,
    filter: &Filter,
    span: &Span,
    most: usize,
) -> Result<Option<Place>> {
    let mut query = QueryBuilder::<Postgres>::new("SELECT d.place FROM delegations d");
    push_range(&mut query, tx, which, filter, span);
    nth_place(tx, query, most).await
}

/// The last of the first `count` places that a query selects; `None` where it selects fewer.
async fn nth_place(
    tx: &mut TenantTx,
    mut query: QueryBuilder<Postgres>,
    count: usize,
) -> Result<Option<Place>> {
    query.push(" ORDER BY d.place LIMIT 1 OFFSET ").push_bind(rows_limit(count) - 1);
    let row = query.build().fetch_optional(tx.connection()).await?;
    Ok(row.map(|row| row.try_get("place")).transpose()?.map(Place::from_bytes))
}

fn push_range(
    query: &mut QueryBuilder<Postgres>,
    tx: &TenantTx,
    which: Candidates<'_>,
    filter: &Filter,
    span: &Span,
) {
    push_span(query, tx, span);
    match which {
        Candidates::All | Candidates::Labelled(_) => {}
        Candidates::ChildrenOf(parent) => {
            query.push(" AND d.parent_id = ").push_bind(parent.as_uuid());
        }
        Candidates::Unmarked => {
            query.push(" AND d.revoked_at IS NULL AND NOT d.expiry_noted AND d.frozen_at IS NULL AND NOT d.is_exhausted");
        }
    }
    for (column, value) in [("cost_center", &filter.cost_center), ("department", &filter.department)] {
        if let Some(value) = value {
            query.push(format_args!(" AND d.{column} = ")).push_bind(value.clone());
        }
    }
}

fn push_span(query: &mut QueryBuilder<Postgres>, tx: &TenantTx, span: &Span) {
    query.push(" WHERE d.tenant_id = ").push_bind(tx.tenant().as_uuid());
    query.push(" AND d.place >= ").push_bind(span.from.as_bytes().to_vec());
    query.push(" AND d.place < ").push_bind(span.until.as_bytes().to_vec());
}

/// The next nodes of a range with which a stretch of nodes in the given state can begin: found through the marks, so that
/// nothing else is looked at. Without those of which neither the node itself nor any below it can have the filter's
/// attribution.
pub async fn marked(
    tx: &mut TenantTx,
    status: StatusFilter,
    filter: &Filter,
    span: &Span,
    limit: usize,
) -> Result<Rows> {
    let mark = match status {
        StatusFilter::Active => {
            return rows(tx, Candidates::Unmarked, &Filter::default(), span, limit, limit).await;
        }
        StatusFilter::Revoked => "d.revoked_at IS NOT NULL",
        StatusFilter::Expired => "d.expiry_noted",
        StatusFilter::Frozen => "d.frozen_at IS NOT NULL",
        StatusFilter::Exhausted => "d.is_exhausted",
    };
    let marked = by_mark(tx, mark, filter, span, limit).await?;
    if status == StatusFilter::Exhausted {
        with_starved(tx, marked, filter, span, limit).await
    } else {
        Ok(marked)
    }
}

async fn by_mark(
    tx: &mut TenantTx,
    mark: &'static str,
    filter: &Filter,
    span: &Span,
    limit: usize,
) -> Result<Rows> {
    let most = limit.saturating_mul(MARKS_PER_NODE);
    let attributes = [("cost_center", &filter.cost_center), ("department", &filter.department)];
    let attributes: Vec<_> =
        attributes.into_iter().filter_map(|(column, value)| Some((column, value.as_ref()?))).collect();
    let mut query = QueryBuilder::<Postgres>::new("SELECT ");
    query.push(COLUMNS).push(" FROM (SELECT d.* FROM delegations d");
    push_span(&mut query, tx, span);
    query.push(" AND ").push(mark).push(" ORDER BY d.place LIMIT ").push_bind(rows_limit(most));
    query.push(") d WHERE true");
    for (column, value) in &attributes {
        // An attribute is set once on a path: below a node that has one, there is no other.
        query.push(format_args!(" AND (d.{column} = ")).push_bind((*value).clone());
        query.push(format_args!(" OR d.{column} IS NULL AND d.descendants > 0)"));
    }
    query.push(" ORDER BY d.place LIMIT ").push_bind(rows_limit(limit));
    let rows = query.build().fetch_all(tx.connection()).await?;
    let found: Vec<_> = rows.iter().map(read_found).collect::<Result<_>>()?;
    let looked_until = if found.len() == limit {
        found.last().map(|found| found.place.clone())
    } else if attributes.is_empty() {
        None
    } else {
        let mut query = QueryBuilder::<Postgres>::new("SELECT d.place FROM delegations d");
        push_span(&mut query, tx, span);
        query.push(" AND ").push(mark);
        nth_place(tx, query, most).await?
    };
    Ok(Rows { found, looked_until })
}

/// Adds cap children of nodes that have something left but nothing available: those above the range's first place, and
/// those in the range.
async fn with_starved(
    tx: &mut TenantTx,
    mut marked: Rows,
    filter: &Filter,
    span: &Span,
    limit: usize,
) -> Result<Rows> {
    let Rows { found: mut parents, looked_until } = by_mark(tx, "d.is_starving", filter, span, limit).await?;
    // Further on there may be more of them; what is found beyond the last one here is found again from there.
    marked.looked_until = [marked.looked_until, looked_until].into_iter().flatten().min();
    parents.extend(starving_above(tx, &span.from).await?);
    for starved in cap_children(tx, &parents, span, limit).await? {
        if starved.len() == limit {
            let last = starved.last().map(|found| found.place.clone());
            marked.looked_until = [marked.looked_until, last].into_iter().flatten().min();
        }
        marked.found.extend(starved);
    }
    marked.found.sort_by(|left, right| left.place.cmp(&right.place));
    marked.found.dedup_by(|left, right| left.place == right.place);
    if let Some(until) = &marked.looked_until {
        marked.found.retain(|found| found.place <= *until);
    }
    Ok(marked)
}

/// The cap children of each of the given nodes in a range, in order: at most `limit` per parent.
async fn cap_children(
    tx: &mut TenantTx,
    parents: &[Found],
    span: &Span,
    limit: usize,
) -> Result<Vec<Vec<Found>>> {
    if parents.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<_> = parents.iter().map(|parent| parent.path.id().as_uuid()).collect();
    let mut query = QueryBuilder::<Postgres>::new("SELECT c.* FROM unnest(");
    query.push_bind(ids).push(") AS p (id) CROSS JOIN LATERAL (SELECT ").push(COLUMNS);
    query.push(" FROM delegations d");
    push_span(&mut query, tx, span);
    query.push(" AND d.parent_id = p.id AND d.allocation = 'cap' ORDER BY d.place LIMIT ");
    query.push_bind(rows_limit(limit)).push(") c");
    let rows = query.build().fetch_all(tx.connection()).await?;
    let mut children: HashMap<_, Vec<_>> = HashMap::new();
    for row in &rows {
        let found = read_found(row)?;
        children.entry(found.path.parent_id()).or_default().push(found);
    }
    Ok(children.into_values().collect())
}

async fn starving_above(tx: &mut TenantTx, place: &Place) -> Result<Vec<Found>> {
    let ids: Vec<_> = place.as_bytes().chunks_exact(16).filter_map(|id| Uuid::from_slice(id).ok()).collect();
    let mut query = QueryBuilder::<Postgres>::new("SELECT ");
    query.push(COLUMNS).push(" FROM delegations d WHERE d.tenant_id = ").push_bind(tx.tenant().as_uuid());
    query.push(" AND d.id = ANY(").push_bind(ids).push(") AND d.is_starving");
    let rows = query.build().fetch_all(tx.connection()).await?;
    rows.iter().map(read_found).collect()
}

fn read_found(row: &PgRow) -> Result<Found> {
    let ids: Vec<Uuid> = row.try_get("ids")?;
    let descendants: i64 = row.try_get("descendants")?;
    let place = Place::from_bytes(row.try_get("place")?);
    Ok(Found { path: row::path(&ids)?, place, descendants: descendants.cast_unsigned() })
}

fn rows_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The first children of each of the given nodes, by id: at most `limit` per parent.
pub async fn first_children(
    tx: &mut TenantTx,
    parents: &[DelegationId],
    limit: i64,
) -> Result<Vec<(DelegationId, DelegationId)>> {
    let parents: Vec<_> = parents.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query!(
        r#"SELECT p.id AS "parent!", c.id FROM unnest($2::uuid[]) AS p (id)
           CROSS JOIN LATERAL (
               SELECT d.id FROM delegations d WHERE d.tenant_id = $1 AND d.parent_id = p.id ORDER BY d.place LIMIT $3
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

/// A subtree of no more nodes than these is looked through.
const FEW: u64 = 5_000;

/// No more active nodes than these are counted.
const MOST_ACTIVE: u32 = 250;

/// How many nodes of a subtree, its top included, have ledger entries since `since`; `MOST_ACTIVE` stands for that many or
/// more. A small subtree is looked through; of a large one hardly any node spends, so that those that did are found first, and
/// which of them are in it then.
pub async fn count_active(tx: &mut TenantTx, within: &Node, since: Timestamp) -> Result<u64> {
    let (span, tenant) = (Place::of(&within.path).subtree(), tx.tenant().as_uuid());
    let (from, until, since_at) = (span.from.as_bytes(), span.until.as_bytes(), since.to_sqlx());
    let active = if within.descendants <= FEW {
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "active!" FROM (
                   SELECT FROM delegations d WHERE d.tenant_id = $1 AND d.place >= $2 AND d.place < $3
                       AND (SELECT b.newest_at >= $4 FROM balances b WHERE b.tenant_id = $1 AND b.delegation_id = d.id)
                   LIMIT $5) active"#,
            tenant,
            from,
            until,
            since_at as _,
            i64::from(MOST_ACTIVE)
        )
        .fetch_one(tx.connection())
        .await?
    } else {
        sqlx::query_scalar!(
            r#"SELECT count(*) AS "active!" FROM (
                   SELECT FROM balances b WHERE b.tenant_id = $1 AND b.quarter_start >= $5 AND b.newest_at >= $4
                       AND (SELECT d.place >= $2 AND d.place < $3 FROM delegations d
                           WHERE d.tenant_id = $1 AND d.id = b.delegation_id)
                   LIMIT $6) active"#,
            tenant,
            from,
            until,
            since_at as _,
            quarter_of(since).to_sqlx() as _,
            i64::from(MOST_ACTIVE)
        )
        .fetch_one(tx.connection())
        .await?
    };
    Ok(active.cast_unsigned())
}

/// An ILIKE pattern that matches the text anywhere and gives no character of it a special meaning.
fn contains_pattern(text: &str) -> String {
    let escaped = text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
    format!("%{escaped}%")
}
