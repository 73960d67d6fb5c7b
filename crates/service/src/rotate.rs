//! A new token for the same delegation, and a narrower copy of a token.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use subgrant_domain::{Action, DelegationId, NodePath};
use subgrant_store::{
    StoreError, audit,
    delegations::{self, Delegation},
    tokens,
};
use subgrant_token::{Caveat, TokenError};
use zeroize::Zeroizing;

use crate::{
    AccessError, App, IdempotencyKey, Outcome, Principal, ServiceError, chain,
    delegation::visible_path,
    event::EventKind,
    idempotency::{self, ScopedKey, scoped},
    locked::{Loaded, LockedTenant},
    mint::token::narrowing,
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
    generation: u32,
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
        // Looked up before the caller's standing: without a grace the rotation has ended the caller's own token.
        if let Some(key) = &key
            && let Some(answer) = key.find::<Answer>(&mut locked).await?
        {
            return Ok(Outcome::replayed(self.rotated_token(principal, &mut locked, &path, &answer).await?));
        }
        principal.check_standing(&mut locked).await?;
        crate::access::usable(locked.tree.status(&path)).or_else(|error| match error {
            crate::CredentialError::Frozen => Ok(()),
            _ => Err(RotateDelegationError::Over),
        })?;
        let now = locked.head.now;
        let row = locked.row(id)?.clone();
        let generation = row.token_generation + 1;
        let answer =
            Answer { generation, previous_valid_until: now.saturating_add(grace).unwrap_or(Timestamp::MAX) };
        let caveats = of_generation(&row, generation);
        let rotated = Delegation { caveats: caveats.clone(), ..row };
        let macaroon = chain::canonical_token(self, locked.tx(), &rotated).await?;
        let digest = self.digest_of(&mut locked, &rotated, &macaroon).await?;
        tokens::insert(&mut locked.tx, &digest, id, now).await?;
        tokens::expire_others(&mut locked.tx, id, &digest, answer.previous_valid_until).await?;
        delegations::set_token(&mut locked.tx, id, generation, &caveats).await?;
        let details = serde_json::json!({ "previous_valid_until": answer.previous_valid_until });
        let entry = principal.audit_entry("delegation.rotate", id.to_string(), &details);
        audit::append(&mut locked.tx, &entry).await?;
        locked.announce(EventKind::DelegationRotated, Some(id), &details).await?;
        idempotency::record(&mut locked, key.as_ref(), 200, &answer).await?;
        let rotated = self.rotated_token(principal, &mut locked, &path, &answer).await?;
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
        if path.depth() == 0 { Err(RotateDelegationError::IsRoot) } else { Ok(path) }
    }

    /// The token of one generation. Whoever rotates its own keeps what its holder had appended.
    async fn rotated_token(
        &self,
        principal: &Principal,
        locked: &mut LockedTenant,
        path: &NodePath,
        answer: &Answer,
    ) -> Result<RotatedDelegation, ServiceError> {
        let row = locked.row(path.id())?.clone();
        let appended =
            if path.id() == principal.path.id() { narrowing(principal, locked, path)? } else { Vec::new() };
        let rotated = Delegation { caveats: of_generation(&row, answer.generation), ..row };
        let macaroon = chain::canonical_token(self, locked.tx(), &rotated).await?.attenuate(&appended);
        let macaroon = macaroon.map_err(|error| ServiceError::Inconsistent(error.to_string()))?;
        Ok(RotatedDelegation {
            id: path.id(),
            token: Zeroizing::new(macaroon.to_text()),
            previous_valid_until: answer.previous_valid_until,
        })
    }

    async fn digest_of(
        &self,
        locked: &mut LockedTenant,
        row: &Delegation,
        macaroon: &subgrant_token::Macaroon,
    ) -> Result<tokens::Digest, ServiceError> {
        let missing = || ServiceError::Inconsistent("a delegation's root key is missing".to_owned());
        let root_key = self.root_key_in(locked.tx(), row.root_key).await?.ok_or_else(missing)?;
        let verified = macaroon.verify(&root_key.key);
        let verified = verified.map_err(|error| ServiceError::Inconsistent(error.to_string()))?;
        let digest = verified.last_digest().ok_or_else(missing)?;
        Ok(*digest.as_bytes())
    }

    /// Appends caveats to the caller's own token, for clients without the library. The ledger learns nothing of it.
    pub async fn restrict(
        &self,
        principal: &Principal,
        id: DelegationId,
        caveats: &[Caveat],
    ) -> Result<(Zeroizing<String>, Vec<String>), RestrictError> {
        let mut read = self.read(principal).await?;
        visible_path(&mut read, principal, Some(id)).await?;
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

/// A node's stored chain with its own block opened by another generation's nonce. A block that was made offline thereby
/// becomes one that can be written again.
fn of_generation(row: &Delegation, generation: u32) -> Vec<String> {
    let id = row.node.id();
    let mut caveats = row.caveats.clone();
    if let Some(own) = caveats.iter().rposition(|text| chain::listed(text) == chain::opening(id, 0)) {
        caveats[own] = chain::opening(id, generation);
    } else {
        // A plain library wrote the budget alone.
        let budget = caveats.iter().rposition(|text| text.starts_with("budget = ")).unwrap_or(caveats.len());
        caveats.insert(budget, chain::opening(id, generation));
    }
    caveats
}
