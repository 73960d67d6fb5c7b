//! Revoking a delegation together with everything below it, and previewing that.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use subgrant_domain::{Action, Credits, DelegationId, Denial, NodePath, Tree, plan_revoke};
use subgrant_store::{StoreError, audit, delegations, holds};

use crate::{
    AccessError, App, IdempotencyKey, Outcome, Principal, ServiceError,
    credential::OwnEnd,
    event::EventKind,
    idempotency::{ScopedKey, bound::record_bound, scoped},
    locked::{Loaded, LockedTenant},
};

pub(crate) const ROUTE: &str = "POST /delegation/{id}/revoke";

/// What to revoke, and on which conditions.
#[derive(Debug, Clone)]
pub struct RevokeRequest {
    /// The node.
    pub id: DelegationId,
    /// Say what would happen, and change nothing.
    pub dry_run: bool,
    /// Only if the node still has this version.
    pub if_version: Option<i64>,
    /// Only if there are still as many nodes below it. They never become fewer, so that the same number means the same
    /// nodes.
    pub if_descendants: Option<u64>,
    /// Why; kept in the audit log.
    pub reason: Option<String>,
}

/// What a revocation ends, or would end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeReceipt {
    /// The node.
    pub id: DelegationId,
    /// Nodes below it.
    pub descendants: u64,
    /// Open holds of the subtree that end.
    pub holds_voided: u64,
    /// Credits that were held in the subtree.
    pub held_voided: Credits,
    /// Credits that the parent can use again.
    pub credits_freed: Credits,
    /// Nodes of the subtree with ledger entries in the last hour; 250 stands for that many or more.
    pub active_last_hour: u64,
    /// The node's version: before, in a preview; after, in a receipt.
    pub version: i64,
    /// When it was revoked; `None` in a preview.
    pub revoked_at: Option<jiff::Timestamp>,
}

/// Why nothing was revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// The caller may not do this, or not here.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// It is the root, without which the tenant would have nothing.
    #[error("the root is not revoked, its token is rotated")]
    IsRoot,
    /// It, or a node above it, was revoked before.
    #[error("the delegation is revoked already")]
    AlreadyRevoked,
    /// The node has changed since it was looked at.
    #[error("the delegation has version {current} now")]
    StaleVersion {
        /// The version now.
        current: i64,
    },
    /// Something was made below the node since it was looked at.
    #[error("there are {descendants} nodes below the delegation now")]
    StalePreview {
        /// How many there are now.
        descendants: u64,
    },
}

impl From<ServiceError> for RevokeError {
    fn from(error: ServiceError) -> Self {
        Self::Access(error.into())
    }
}

impl From<StoreError> for RevokeError {
    fn from(error: StoreError) -> Self {
        Self::Access(error.into())
    }
}

impl App {
    /// Revokes a node of the caller's subtree, its own included, or says what that would end.
    pub async fn revoke(
        &self,
        principal: &Principal,
        request: &RevokeRequest,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<RevokeReceipt>, RevokeError> {
        let key = scoped(principal, ROUTE, key.filter(|_| !request.dry_run));
        let (path, active_last_hour) = self.revocable(principal, request.id, key.as_ref()).await?;
        let mut locked =
            LockedTenant::open(&self.shared().database, principal.tenant, &[&principal.path, &path]).await?;
        let ended = |_: &RevokeReceipt, at| OwnEnd::of_node(at);
        if let Some(repeated) = principal.repeated(&mut locked, key.as_ref(), ended).await? {
            return Ok(Outcome::replayed(repeated.plain()));
        }
        if path.depth() == 0 {
            return Err(RevokeError::IsRoot);
        }
        let now = locked.head.now;
        let holds_voided = holds::count_open(&mut locked.tx, &path, now).await?;
        let mut receipt = plan(&mut locked, &path, request, active_last_hour, holds_voided)?;
        if request.dry_run {
            return Ok(Outcome::fresh(receipt));
        }
        locked.write_changes().await?;
        delegations::revoke(&mut locked.tx, path.id(), now).await?;
        receipt.revoked_at = Some(now);
        receipt.version += 1;
        let details = serde_json::json!({ "receipt": receipt, "reason": request.reason });
        let entry = principal.audit_entry("delegation.revoke", path.id().to_string(), &details);
        audit::append(&mut locked.tx, &entry).await?;
        let told = serde_json::json!({
            "descendants": receipt.descendants,
            "holds_voided": receipt.holds_voided,
            "credits_freed": receipt.credits_freed,
            "reason": request.reason,
        });
        locked.announce(EventKind::DelegationRevoked, Some(path.id()), &told).await?;
        record_bound(&mut locked, key.as_ref(), principal, 200, &receipt).await?;
        locked.commit(self).await?;
        Ok(Outcome::fresh(receipt))
    }

    /// The path of a node that the caller may revoke, and how much of its subtree was active in the last hour. Read
    /// before the lock is taken, because counting takes longer in a larger subtree.
    async fn revocable(
        &self,
        principal: &Principal,
        id: DelegationId,
        key: Option<&ScopedKey>,
    ) -> Result<(NodePath, u64), RevokeError> {
        let (mut read, path) = self.target(principal, id, key).await?;
        if principal.credential().is_none() || id != principal.path.id() {
            principal.require(Action::Delegate)?;
        }
        let an_hour_ago = read.tree.now() - SignedDuration::from_hours(1);
        read.load_nodes(&[id]).await?;
        let node = read.row(id)?.node.clone();
        let active = delegations::count_active(&mut read.tx, &node, an_hour_ago).await?;
        Ok((path, active))
    }
}

/// Plans the revocation on the locked tree and says what it ends.
fn plan(
    locked: &mut LockedTenant,
    path: &NodePath,
    request: &RevokeRequest,
    active_last_hour: u64,
    holds_voided: u64,
) -> Result<RevokeReceipt, RevokeError> {
    let row = locked.row(path.id())?;
    let (version, descendants) = (row.version, row.node.descendants);
    if request.if_version.is_some_and(|expected| expected != version) {
        return Err(RevokeError::StaleVersion { current: version });
    }
    if request.if_descendants.is_some_and(|expected| expected != descendants) {
        return Err(RevokeError::StalePreview { descendants });
    }
    let revocation = plan_or_already_revoked(&mut locked.tree, path)?;
    Ok(RevokeReceipt {
        id: path.id(),
        descendants,
        holds_voided,
        held_voided: revocation.held_voided,
        credits_freed: revocation.credits_freed,
        active_last_hour,
        version,
        revoked_at: None,
    })
}

fn plan_or_already_revoked(
    tree: &mut Tree,
    path: &NodePath,
) -> Result<subgrant_domain::Revocation, RevokeError> {
    plan_revoke(tree, path).map_err(|denial| match denial {
        Denial::Revoked { .. } => RevokeError::AlreadyRevoked,
        other => ServiceError::Inconsistent(format!("a revocation was refused: {other:?}")).into(),
    })
}
