//! Bringing a tenant's root back, which nothing revokes any more.

use jiff::Timestamp;
use subgrant_domain::DelegationId;

use super::row;
use crate::{LockedTx, Result};

/// Lets a revoked root go on as if each of its children had been revoked instead: everything below stays dead, and nothing is
/// set aside for it any more. Returns how many children there are.
pub async fn bring_root_back(tx: &mut LockedTx, root: DelegationId, revoked_at: Timestamp) -> Result<u64> {
    let tenant = tx.tenant_uuid();
    let revoked_at = jiff_sqlx::ToSqlx::to_sqlx(revoked_at);
    let revoked = sqlx::query!(
        "UPDATE delegations SET revoked_at = coalesce(revoked_at, $2), carve_returned = true, version = version + 1
         WHERE tenant_id = $1 AND depth = 1",
        tenant,
        revoked_at as _
    )
    .execute(tx.connection())
    .await?
    .rows_affected();
    let freed = sqlx::query!(
        "UPDATE balances SET held = 0, reserved = 0, capped = 0 WHERE tenant_id = $1 AND delegation_id = $2",
        tenant,
        root.as_uuid()
    )
    .execute(tx.connection())
    .await?
    .rows_affected();
    row::expect_rows(freed, 1)?;
    let brought_back = sqlx::query!(
        "UPDATE delegations SET revoked_at = NULL, version = version + 1
         WHERE tenant_id = $1 AND id = $2 AND depth = 0 AND revoked_at IS NOT NULL",
        tenant,
        root.as_uuid()
    )
    .execute(tx.connection())
    .await?
    .rows_affected();
    row::expect_rows(brought_back, 1)?;
    Ok(revoked)
}
