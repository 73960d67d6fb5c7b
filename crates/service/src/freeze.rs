//! Stopping a delegation with everything below it, reversibly.

use subgrant_domain::{Action, DelegationId, Denial, NodePath, plan_freeze, plan_unfreeze, plan_void_hold};
use subgrant_store::{
    StoreError, audit, delegations,
    holds::{self, HoldStatus},
};

use crate::{
    AccessError, App, DelegationView, IdempotencyKey, Outcome, Principal, ServiceError,
    credential::OwnEnd,
    event::EventKind,
    idempotency::{bound::record_bound, scoped},
    locked::{Loaded, LockedTenant},
};

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freeze {
    /// Stop.
    On,
    /// Let go on.
    Off,
}

/// Why nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    /// The caller may not do this, or not here.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// It is revoked or expired, or frozen already.
    #[error("the delegation cannot be frozen")]
    Denied(Denial),
    /// It is not frozen itself; an ancestor may be.
    #[error("the delegation is not frozen")]
    NotFrozen,
}

impl From<ServiceError> for FreezeError {
    fn from(error: ServiceError) -> Self {
        Self::Access(error.into())
    }
}

impl From<StoreError> for FreezeError {
    fn from(error: StoreError) -> Self {
        Self::Access(error.into())
    }
}

impl App {
    /// Freezes or unfreezes a node of the caller's subtree. Freezing voids the open holds of the subtree and reclaims
    /// nothing else.
    pub async fn freeze(
        &self,
        principal: &Principal,
        id: DelegationId,
        freeze: Freeze,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<DelegationView>, FreezeError> {
        let route = match freeze {
            Freeze::On => "POST /delegation/{id}/freeze",
            Freeze::Off => "POST /delegation/{id}/unfreeze",
        };
        let key = scoped(principal, route, key);
        let (_, path) = self.target(principal, id, key.as_ref()).await?;
        principal.require(Action::Delegate)?;
        let mut locked =
            LockedTenant::open(&self.shared().database, principal.tenant, &[&principal.path, &path]).await?;
        let ended = |_: &DelegationView, at| OwnEnd::of_node(at);
        if let Some(repeated) = principal.repeated(&mut locked, key.as_ref(), ended).await? {
            return Ok(Outcome::replayed(repeated.plain()));
        }
        let voided = match freeze {
            Freeze::On => turn_on(&mut locked, &path).await?,
            Freeze::Off if plan_unfreeze(&mut locked.tree, &path).map_err(FreezeError::Denied)? => 0,
            Freeze::Off => return Err(FreezeError::NotFrozen),
        };
        locked.write_changes().await?;
        let frozen_at = locked.tree.node(id).and_then(|node| node.frozen_at);
        let version = delegations::set_frozen(&mut locked.tx, id, frozen_at).await?;
        let action = if freeze == Freeze::On { "delegation.freeze" } else { "delegation.unfreeze" };
        let details = serde_json::json!({ "holds_voided": voided, "version": version });
        audit::append(&mut locked.tx, &principal.audit_entry(action, id.to_string(), &details)).await?;
        let kind =
            if freeze == Freeze::On { EventKind::DelegationFrozen } else { EventKind::DelegationUnfrozen };
        locked.announce(kind, Some(id), &details).await?;
        let row = locked.row(id)?.clone();
        let view = DelegationView::of_one(&mut locked, &row, principal).await?;
        let view = DelegationView { version, ..view };
        record_bound(&mut locked, key.as_ref(), principal, 200, &view).await?;
        locked.commit(self).await?;
        Ok(Outcome::fresh(view))
    }
}

/// Plans the freeze and voids every open hold of the subtree; returns how many.
async fn turn_on(locked: &mut LockedTenant, path: &NodePath) -> Result<usize, FreezeError> {
    let now = locked.head.now;
    let open = holds::open_within(&mut locked.tx, path, now).await?;
    let paths: Vec<_> = open.iter().map(|stored| &stored.hold.path).collect();
    locked.load_nodes(&paths).await?;
    // A hold below a revoked node was voided with it.
    let open: Vec<_> = open
        .into_iter()
        .filter(|stored| {
            !matches!(locked.tree.status(&stored.hold.path), subgrant_domain::Status::Revoked(_))
        })
        .collect();
    plan_freeze(&mut locked.tree, path).map_err(FreezeError::Denied)?;
    for stored in &open {
        plan_void_hold(&mut locked.tree, &stored.hold);
    }
    let closed: Vec<_> = open.iter().map(|stored| (stored.id, HoldStatus::Voided)).collect();
    holds::close(&mut locked.tx, &closed, now).await?;
    Ok(closed.len())
}
