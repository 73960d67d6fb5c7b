//! A new token for the same delegation, and a narrower copy of a token.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use subgrant_domain::{Action, DelegationId, NodePath};
use subgrant_store::{StoreError, audit, tokens};
use subgrant_token::{Caveat, TokenError};
use zeroize::Zeroizing;

use crate::{
    AccessError, App, IdempotencyKey, Outcome, Principal, ServiceError,
    chain::WriteError,
    credential::OwnEnd,
    delegation::visible_path,
    event::EventKind,
    idempotency::{ScopedKey, bound::record_bound, scoped},
    locked::{Loaded, LockedTenant},
    reissue::reissued,
};

/// A new token of a delegation.
pub struct RotatedDelegation {
    /// The delegation.
    pub id: DelegationId,
    /// Its new token. Shown once, and again only to the same request.
    pub token: Zeroizing<String>,
    /// Until when its older tokens are good.
    pub previous_valid_until: Timestamp,
}

/// Why no token was written.
#[derive(Debug, thiserror::Error)]
pub enum RotateDelegationError {
    /// The caller may not do this, or not here.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The root's token is rotated with its key.
    #[error("the root token is rotated elsewhere")]
    IsRoot,
    /// It is revoked or expired.
    #[error("the delegation is over")]
    Over,
    /// Its limits, which may have been set since its token was written, would make the new one too long.
    #[error("the new token would be too long: {0}")]
    TokenTooLong(TokenError),
}

impl From<WriteError> for RotateDelegationError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::TokenTooLong(why) => Self::TokenTooLong(why),
            WriteError::Service(error) => error.into(),
        }
    }
}

impl From<ServiceError> for RotateDelegationError {
    fn from(error: ServiceError) -> Self {
        Self::Access(error.into())
    }
}

impl From<StoreError> for RotateDelegationError {
    fn from(error: StoreError) -> Self {
        Self::Access(error.into())
    }
}

#[derive(Serialize, Deserialize)]
struct Answer {
    /// The new token's chain, as it is stored.
    caveats: Vec<String>,
    previous_valid_until: Timestamp,
}

impl App {
    /// Writes a new token for the caller's own delegation or one below it. The older tokens end after the grace;
    /// delegations below go on, whichever token they were made with.
    pub async fn rotate(
        &self,
        principal: &Principal,
        id: DelegationId,
        grace: SignedDuration,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<RotatedDelegation>, RotateDelegationError> {
        let key = scoped(principal, "POST /delegation/{id}/rotate", key);
        let path = self.rotatable(principal, id, key.as_ref()).await?;
        let mut locked =
            LockedTenant::open(&self.shared().database, principal.tenant, &[&principal.path, &path]).await?;
        let ended = |answer: &Answer, at| OwnEnd {
            valid_until: Some(answer.previous_valid_until),
            ..OwnEnd::of_node(at)
        };
        if let Some(repeated) = principal.repeated(&mut locked, key.as_ref(), ended).await? {
            let answer = repeated.successor()?;
            return Ok(Outcome::replayed(self.rotated_token(principal, &mut locked, &path, answer).await?));
        }
        if path.depth() == 0 {
            return Err(RotateDelegationError::IsRoot);
        }
        crate::access::usable(locked.tree.status(&path)).or_else(|error| match error {
            crate::CredentialError::Frozen => Ok(()),
            _ => Err(RotateDelegationError::Over),
        })?;
        let row = locked.row(id)?;
        if let Some(credential) = principal.credential()
            && id == principal.path.id()
            && !credential.is_newest(row)
        {
            return Err(AccessError::Superseded.into());
        }
        let reissued = reissued(row)?;
        let (digest, _) = self.register(&mut locked, &reissued).await?;
        let previous_valid_until = locked.head.now.saturating_add(grace).unwrap_or(Timestamp::MAX);
        tokens::expire_others(&mut locked.tx, id, &digest, previous_valid_until).await?;
        let answer = Answer { caveats: reissued.caveats, previous_valid_until };
        let details = serde_json::json!({ "previous_valid_until": answer.previous_valid_until });
        let entry = principal.audit_entry("delegation.rotate", id.to_string(), &details);
        audit::append(&mut locked.tx, &entry).await?;
        locked.announce(EventKind::DelegationRotated, Some(id), &details).await?;
        record_bound(&mut locked, key.as_ref(), principal, 200, &answer).await?;
        let rotated = self.rotated_token(principal, &mut locked, &path, answer).await?;
        locked.commit(self).await?;
        Ok(Outcome::fresh(rotated))
    }

    /// The path of a delegation whose token the caller may rotate.
    async fn rotatable(
        &self,
        principal: &Principal,
        id: DelegationId,
        key: Option<&ScopedKey>,
    ) -> Result<NodePath, RotateDelegationError> {
        let (_, path) = self.target(principal, id, key).await?;
        if principal.credential().is_none() || id != principal.path.id() {
            principal.require(Action::Delegate)?;
        }
        Ok(path)
    }

    async fn rotated_token(
        &self,
        principal: &Principal,
        locked: &mut LockedTenant,
        path: &NodePath,
        answer: Answer,
    ) -> Result<RotatedDelegation, AccessError> {
        let Answer { caveats, previous_valid_until } = answer;
        let token = self.reissued_token(principal, locked, path, caveats).await?;
        Ok(RotatedDelegation { id: path.id(), token, previous_valid_until })
    }

    /// Appends caveats to the caller's own token, for clients without the library. The ledger learns nothing of it.
    pub async fn restrict(
        &self,
        principal: &Principal,
        id: DelegationId,
        caveats: &[Caveat],
    ) -> Result<(Zeroizing<String>, Vec<String>), RestrictError> {
        let mut read = self.read(principal).await?;
        // The ledger does not know of a node that was made offline and not used yet, but its holder does.
        if id != principal.path.id() {
            visible_path(&mut read, principal, Some(id)).await?;
        }
        let credential = principal.credential().filter(|_| id == principal.path.id());
        // Whoever could have another's token written out could act in its name.
        let credential = credential.ok_or(AccessError::NotPermitted(Action::Delegate))?;
        let macaroon = credential.macaroon.attenuate(caveats).map_err(RestrictError::Refused)?;
        let verified = macaroon.verify(&credential.root_key.key).map_err(RestrictError::Refused)?;
        let texts = verified.caveats().iter().map(ToString::to_string).collect();
        Ok((Zeroizing::new(macaroon.to_text()), texts))
    }
}

/// Why a token was not narrowed.
#[derive(Debug, thiserror::Error)]
pub enum RestrictError {
    /// The caller may not do this, or not here.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The narrowed token would never be accepted.
    #[error("the token would be refused: {0}")]
    Refused(TokenError),
}
