//! Who did what: append-only, and kept apart from application logs.

use std::net::IpAddr;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{Postgres, QueryBuilder, Row as _, postgres::PgRow};
use subgrant_domain::{DelegationId, RequestId};
use uuid::Uuid;

use crate::{LockedTx, Order, Result, TenantTx, error::read};

/// One entry of the audit log.
#[derive(Debug, Clone)]
pub struct Entry {
    /// A fresh `UUIDv7`.
    pub id: Uuid,
    /// The node or user that acted, as a prefixed id.
    pub actor: String,
    /// What was done, as `<thing>.<verb>`.
    pub action: &'static str,
    /// What it was done to, as a prefixed id.
    pub target: String,
    /// Before and after, or a receipt, as JSON.
    pub details: String,
    /// From where.
    pub source_ip: Option<IpAddr>,
    /// In which request.
    pub request_id: Option<RequestId>,
}

/// Appends an entry to the audit log.
pub async fn append(tx: &mut LockedTx, entry: &Entry) -> Result<()> {
    let tenant = tx.tenant_uuid();
    sqlx::query!(
        "INSERT INTO audit (tenant_id, id, actor, action, target, details, source_ip, request_id)
         VALUES ($1, $2, $3, $4, $5, $6::text::json, $7::text::inet, $8)",
        tenant,
        entry.id,
        entry.actor,
        entry.action,
        entry.target,
        entry.details,
        entry.source_ip.map(|address| address.to_string()),
        entry.request_id.map(subgrant_domain::Id::as_uuid)
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Appends several entries to the audit log.
pub async fn append_all(tx: &mut LockedTx, entries: &[Entry]) -> Result<()> {
    let tenant = tx.tenant_uuid();
    let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
    let actors: Vec<_> = entries.iter().map(|entry| entry.actor.clone()).collect();
    let actions: Vec<_> = entries.iter().map(|entry| entry.action.to_owned()).collect();
    let targets: Vec<_> = entries.iter().map(|entry| entry.target.clone()).collect();
    let details: Vec<_> = entries.iter().map(|entry| entry.details.clone()).collect();
    let sources: Vec<_> =
        entries.iter().map(|entry| entry.source_ip.map(|address| address.to_string())).collect();
    let requests: Vec<_> =
        entries.iter().map(|entry| entry.request_id.map(subgrant_domain::Id::as_uuid)).collect();
    sqlx::query!(
        "INSERT INTO audit (tenant_id, id, actor, action, target, details, source_ip, request_id)
         SELECT $1, id, actor, action, target, details::json, source_ip::inet, request_id
         FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::uuid[])
             AS new (id, actor, action, target, details, source_ip, request_id)",
        tenant,
        &ids,
        &actors,
        &actions,
        &targets,
        &details,
        &sources as _,
        &requests as _
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// An entry as it was recorded.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The entry's id, ordered by time.
    pub id: Uuid,
    /// When it was recorded, by the database's clock.
    pub at: Timestamp,
    /// Who acted.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// To what.
    pub target: String,
    /// Before and after, or a receipt, as JSON.
    pub details: String,
    /// From where.
    pub source_ip: Option<IpAddr>,
    /// In which request.
    pub request_id: Option<RequestId>,
}

/// Which entries to list. What is absent does not restrict.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// In which order.
    pub order: Order,
    /// From the one after this on, in that order.
    pub after: Option<Uuid>,
    /// Only this action, or all those on such a thing: `delegation.revoke`, `delegation`.
    pub action: Option<String>,
    /// Only by this user or delegation, as a prefixed id.
    pub actor: Option<String>,
    /// Only what was done to this, as a prefixed id.
    pub target: Option<String>,
}

/// A stretch of the log.
#[derive(Debug)]
pub struct ListedEntries {
    /// In the order asked for.
    pub entries: Vec<Recorded>,
    /// The last one that was looked at, where there are more.
    pub looked_until: Option<Uuid>,
}

/// Lists at most `limit` entries, among the next `most` of the tenant.
pub async fn list(tx: &mut TenantTx, filter: &AuditFilter, limit: usize, most: i64) -> Result<ListedEntries> {
    let mut query = QueryBuilder::<Postgres>::new(
        "SELECT id, at, actor, action, target, details::text AS details, host(source_ip) AS source_ip, request_id
         FROM (SELECT *",
    );
    let direction = push_candidates(&mut query, tx, filter);
    query.push(" LIMIT ").push_bind(most).push(") a WHERE true");
    if let Some(action) = &filter.action {
        query.push(" AND (action = ").push_bind(action.clone());
        query.push(" OR starts_with(action, ").push_bind(format!("{action}.")).push("))");
    }
    for (column, value) in [("actor", &filter.actor), ("target", &filter.target)] {
        if let Some(value) = value {
            query.push(format_args!(" AND {column} = ")).push_bind(value.clone());
        }
    }
    query.push(" ORDER BY id ").push(direction);
    query.push(" LIMIT ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let rows = query.build().fetch_all(tx.connection()).await?;
    let entries: Vec<_> = rows.iter().map(recorded).collect::<Result<_>>()?;
    let looked_until = if entries.len() == limit {
        entries.last().map(|entry| entry.id)
    } else {
        last_candidate(tx, filter, most).await?
    };
    Ok(ListedEntries { entries, looked_until })
}

fn push_candidates(query: &mut QueryBuilder<Postgres>, tx: &TenantTx, filter: &AuditFilter) -> &'static str {
    let beyond = match filter.order {
        Order::OldestFirst => " AND id > ",
        Order::NewestFirst => " AND id < ",
    };
    let direction = filter.order.direction();
    query.push(" FROM audit WHERE tenant_id = ").push_bind(tx.tenant().as_uuid());
    if let Some(after) = filter.after {
        query.push(beyond).push_bind(after);
    }
    query.push(" ORDER BY id ").push(direction);
    direction
}

/// The last of the entries that a search looks at; `None` where it looks at all there are.
async fn last_candidate(tx: &mut TenantTx, filter: &AuditFilter, most: i64) -> Result<Option<Uuid>> {
    let mut query = QueryBuilder::<Postgres>::new("SELECT id");
    push_candidates(&mut query, tx, filter);
    query.push(" LIMIT 1 OFFSET ").push_bind(most - 1);
    let row = query.build().fetch_optional(tx.connection()).await?;
    Ok(row.map(|row| row.try_get("id")).transpose()?)
}

fn recorded(row: &PgRow) -> Result<Recorded> {
    let at: jiff_sqlx::Timestamp = row.try_get("at")?;
    let source_ip: Option<String> = row.try_get("source_ip")?;
    let request_id: Option<Uuid> = row.try_get("request_id")?;
    Ok(Recorded {
        id: row.try_get("id")?,
        at: at.to_jiff(),
        actor: row.try_get("actor")?,
        action: row.try_get("action")?,
        target: row.try_get("target")?,
        details: row.try_get("details")?,
        source_ip: source_ip.map(|text| read(text.parse())).transpose()?,
        request_id: request_id.map(RequestId::from_uuid),
    })
}

/// A delegation was given another label.
#[derive(Debug)]
pub struct Renaming {
    /// Which.
    pub delegation: DelegationId,
    /// When.
    pub at: Timestamp,
    /// What it was called before.
    pub former_label: String,
}

/// Who was renamed since an instant, oldest first.
pub async fn renamings(tx: &mut TenantTx, since: Timestamp) -> Result<Vec<Renaming>> {
    let rows = sqlx::query!(
        r#"SELECT target, at AS "at: jiff_sqlx::Timestamp", details->'before'->>'label' AS "former_label!" FROM audit
           WHERE tenant_id = $1 AND id >= $2 AND at >= $3 AND action = 'delegation.update'
               AND details->'before'->>'label' <> details->'after'->>'label'
           ORDER BY at, id"#,
        tx.tenant().as_uuid(),
        first_id_of(since),
        since.to_sqlx() as _
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            let delegation = read(row.target.parse())?;
            Ok(Renaming { delegation, at: row.at.to_jiff(), former_label: row.former_label })
        })
        .collect()
}

/// No id of an entry that was recorded since then is smaller. Ids are made by servers' clocks, which are an hour behind the
/// database's at most.
fn first_id_of(since: Timestamp) -> Uuid {
    let milliseconds = u128::try_from(since.as_millisecond() - 3_600_000).unwrap_or_default();
    Uuid::from_u128(milliseconds << 80)
}
