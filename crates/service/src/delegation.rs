//! Looking at delegations.

use subgrant_domain::{Action, DelegationId, NodePath};
use subgrant_store::delegations;

use crate::{
    AccessError, App, DelegationView, Principal,
    idempotency::ScopedKey,
    locked::{Loaded, ReadTenant},
};

impl App {
    /// One delegation: the caller's own (`None`) or one below it.
    pub async fn delegation(
        &self,
        principal: &Principal,
        id: Option<DelegationId>,
    ) -> Result<DelegationView, AccessError> {
        let mut read = self.read(principal).await?;
        principal.require(Action::Read)?;
        let path = visible_path(&mut read, principal, id).await?;
        read.load(&[&path]).await?;
        let row = read.row(path.id())?.clone();
        Ok(DelegationView::of_one(&mut read, &row, principal).await?)
    }

    /// Refuses unless the caller's credential is good now. For requests that only carry others' credentials.
    pub async fn check_standing(&self, principal: &Principal) -> Result<(), AccessError> {
        self.read(principal).await.map(drop)
    }

    /// The caller's path as seen at one instant, after the caller's credential was found good at that instant.
    pub(crate) async fn read(&self, principal: &Principal) -> Result<ReadTenant, AccessError> {
        let mut read =
            ReadTenant::open(&self.shared().database, principal.tenant, &[&principal.path]).await?;
        principal.check_standing(&mut read).await?;
        Ok(read)
    }
}

impl App {
    /// The path of a node that the caller may change, with the instant at which that was found.
    ///
    /// A caller whose credential is no longer good gets further where its request may be a repetition: what it did to
    /// itself must not keep the answer from it. Under the lock, the answer is then found, or the refusal is given.
    pub(crate) async fn target(
        &self,
        principal: &Principal,
        id: DelegationId,
        key: Option<&ScopedKey>,
    ) -> Result<(ReadTenant, NodePath), AccessError> {
        let mut read =
            ReadTenant::open(&self.shared().database, principal.tenant, &[&principal.path]).await?;
        let standing = principal.check_standing(&mut read).await;
        match (visible_path(&mut read, principal, Some(id)).await, standing) {
            (Ok(path), Err(_)) if key.is_some() => Ok((read, path)),
            (_, Err(refused)) | (Err(refused), _) => Err(refused),
            (Ok(path), Ok(())) => Ok((read, path)),
        }
    }
}

/// The path of the caller's own node or of one below it; anything else does not exist for the caller.
pub(crate) async fn visible_path(
    read: &mut ReadTenant,
    principal: &Principal,
    id: Option<DelegationId>,
) -> Result<NodePath, AccessError> {
    match id {
        None => Ok(principal.path.clone()),
        Some(id) => {
            let path = delegations::path_by_id(&mut read.tx, id).await?;
            path.filter(|path| path.is_within(principal.path.id())).ok_or(AccessError::NotFound)
        }
    }
}
