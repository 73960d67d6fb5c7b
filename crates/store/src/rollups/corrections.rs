//! What was given back of what was spent before a month began: sums know only what was given back.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use subgrant_domain::{AttributeText, DelegationId};

use super::{attributed, whole};
use crate::{Result, TenantTx, ledger};

/// What was given back, by what the debits were attributed to.
#[derive(Debug)]
pub struct Correction {
    /// To which delegation.
    pub delegation: DelegationId,
    /// Of which cost centre.
    pub cost_center: Option<AttributeText>,
    /// Of which department.
    pub department: Option<AttributeText>,
    /// How many credits.
    pub refunded: u128,
}

/// What was given back within a range, of what was spent before `since`. `head` is the newest entry's position.
pub async fn of(
    tx: &mut TenantTx,
    (from, to): (Timestamp, Timestamp),
    since: Timestamp,
    head: u64,
) -> Result<Vec<Correction>> {
    let first_seq = ledger::first_seq_since(tx, from, head).await?;
    let end_seq = ledger::first_seq_since(tx, to, head).await?;
    let rows = sqlx::query!(
        r#"SELECT r.delegation_id, coalesce(r.cost_center, '') AS "cost_center!", coalesce(r.department, '') AS "department!",
               sum(r.amount)::text AS "refunded!"
           FROM ledger r JOIN ledger s ON s.tenant_id = $1 AND s.id = r.reverses
           WHERE r.tenant_id = $1 AND r.seq >= $2 AND r.seq < $3 AND r.kind = 'refund' AND s.recorded_at < $4
           GROUP BY 1, 2, 3"#,
        tx.tenant().as_uuid(),
        first_seq.cast_signed(),
        end_seq.cast_signed(),
        since.to_sqlx() as _
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Correction {
                delegation: DelegationId::from_uuid(row.delegation_id),
                cost_center: attributed(row.cost_center)?,
                department: attributed(row.department)?,
                refunded: whole(&row.refunded)?,
            })
        })
        .collect()
}
