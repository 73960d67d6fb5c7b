//! Replacing the root token.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use subgrant_domain::{Action, DelegationId, Role, RootKeyId, TenantId};
use subgrant_store::{StoreError, TenantTx, audit, delegations, root_keys};
use subgrant_token::Macaroon;
use zeroize::Zeroizing;

use crate::{
    AccessError, App, IdempotencyKey, Outcome, Principal, ServiceError,
    access::Via,
    chain,
    credential::OwnEnd,
    event::EventKind,
    idempotency::{bound::record_bound, scoped},
    locked::{Loaded, LockedTenant},
    reissue::narrowed,
    service_key::written_before,
};

pub(crate) const ROUTE: &str = "POST /root/rotate";

/// How to rotate.
#[derive(Debug, Clone, Copy)]
pub struct RotateRequest {
    /// How long the old root token stays good.
    pub grace: SignedDuration,
    /// Refuse every token, of any delegation, that was issued before this instant.
    pub revoke_issued_before: Option<Timestamp>,
}

/// A new root token.
pub struct RotatedRoot {
    /// The new token. Shown once, and again only to the same request.
    pub root_token: Zeroizing<String>,
    /// Until when the old root tokens are good.
    pub previous_valid_until: Timestamp,
}

/// Why the root token was not rotated.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The caller may not do this.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The root was revoked, when that was possible, and only an owner brings it back.
    #[error("the root is revoked")]
    RootRevoked,
    /// `revoke_issued_before` lies in the future: it would refuse the new token too.
    #[error("revoke_issued_before must not lie in the future")]
    CutOffInTheFuture,
}

impl From<ServiceError> for RotateError {
    fn from(error: ServiceError) -> Self {
        Self::Access(error.into())
    }
}

impl From<StoreError> for RotateError {
    fn from(error: StoreError) -> Self {
        Self::Access(error.into())
    }
}

#[derive(Serialize, Deserialize)]
struct Answer {
    root_key: RootKeyId,
    previous_valid_until: Timestamp,
    /// From when on tokens count as issued, where the rotation has changed it.
    tokens_valid_from: Option<Timestamp>,
}

impl App {
    /// Makes a new root key and token. Tokens of delegations go on working under the old key, unless
    /// `revoke_issued_before` says otherwise; the old root token works until the grace is over.
    ///
    /// A root that was revoked, as long as that was possible, comes back to life when an owner does this, and nothing below it.
    pub async fn rotate_root(
        &self,
        principal: &Principal,
        request: RotateRequest,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<RotatedRoot>, RotateError> {
        let mut locked =
            LockedTenant::open(&self.shared().database, principal.tenant, &[&principal.path]).await?;
        if principal.path.depth() > 0 {
            principal.check_standing(&mut locked).await?;
            return Err(AccessError::NotFound.into());
        }
        let key = scoped(principal, ROUTE, key);
        let ended = |answer: &Answer, at| OwnEnd {
            at,
            valid_until: Some(answer.previous_valid_until),
            tokens_valid_from: answer.tokens_valid_from,
        };
        if let Some(repeated) = principal.repeated(&mut locked, key.as_ref(), ended).await? {
            let answer = repeated.successor()?;
            return Ok(Outcome::replayed(self.rotated(principal, &mut locked, &answer).await?));
        }
        principal.require(Action::Delegate)?;
        if let Some(credential) = principal.credential()
            && root_keys::current(locked.tx()).await?.id != credential.root_key.id
        {
            return Err(AccessError::Superseded.into());
        }
        let now = locked.head.now;
        if request.revoke_issued_before.is_some_and(|instant| instant > now) {
            return Err(RotateError::CutOffInTheFuture);
        }
        let brought_back = bring_root_back(principal, &mut locked).await?;
        let (id, _) = self.create_root_key(locked.tx.tx(), now).await?;
        let previous_valid_until = now.saturating_add(request.grace).unwrap_or(Timestamp::MAX);
        root_keys::expire_root_tokens(&mut locked.tx, id, previous_valid_until).await?;
        let mut tokens_valid_from = None;
        if let Some(instant) = request.revoke_issued_before {
            let root = principal.path.root_id();
            tokens_valid_from =
                delegations::refuse_tokens_before(&mut locked.tx, root, instant).await?.filter(|from| {
                    locked.rows.get(&root).is_some_and(|row| row.tokens_valid_from != Some(*from))
                });
        }
        let details = serde_json::json!({
            "previous_valid_until": previous_valid_until,
            "revoke_issued_before": request.revoke_issued_before,
            "brought_back": brought_back,
        });
        let entry = principal.audit_entry("root.rotate", principal.path.root_id().to_string(), &details);
        audit::append(&mut locked.tx, &entry).await?;
        locked.announce(EventKind::RootRotated, Some(principal.path.root_id()), &details).await?;
        let answer = Answer { root_key: id, previous_valid_until, tokens_valid_from };
        record_bound(&mut locked, key.as_ref(), principal, 200, &answer).await?;
        let rotated = self.rotated(principal, &mut locked, &answer).await?;
        locked.commit(self).await?;
        Ok(Outcome::fresh(rotated))
    }

    async fn rotated(
        &self,
        principal: &Principal,
        locked: &mut LockedTenant,
        answer: &Answer,
    ) -> Result<RotatedRoot, AccessError> {
        let narrowing = principal.narrowing_at(locked, &principal.path)?;
        let root_token = narrowed(&self.root_token_of(locked.tx(), answer.root_key).await?, &narrowing)?;
        Ok(RotatedRoot { root_token, previous_valid_until: answer.previous_valid_until })
    }

    async fn root_token_of(&self, tx: &mut TenantTx, id: RootKeyId) -> Result<Macaroon, ServiceError> {
        let missing = || ServiceError::Inconsistent("a root key is missing".to_owned());
        let key = self.root_key_in(tx, id).await?.ok_or_else(missing)?;
        chain::root_token(self, tx.tenant(), key.id, &key.key)
    }

    /// The tenant's current root token, written again. For the operator's command line only: no request leads here.
    pub async fn current_root_token(&self, tenant: TenantId) -> Result<Zeroizing<String>, ServiceError> {
        let mut tx = self.shared().database.begin_read(tenant).await?;
        let current = root_keys::current(&mut tx).await?.id;
        Ok(Zeroizing::new(self.root_token_of(&mut tx, current).await?.to_text()))
    }

    /// The token of a delegation, written again. For the operator's command line only: no request leads here.
    pub async fn operator_token(
        &self,
        tenant: TenantId,
        id: DelegationId,
    ) -> Result<Zeroizing<String>, ServiceError> {
        let mut tx = self.shared().database.begin_read(tenant).await?;
        let row = delegations::by_ids(&mut tx, &[id]).await?.pop();
        let row = row.ok_or_else(|| ServiceError::Inconsistent(format!("{id} does not exist")))?;
        let token = chain::canonical_token(self, &mut tx, &row).await?;
        let token = self.signed_for(&mut tx, token, row.audience).await.map_err(written_before)?;
        Ok(Zeroizing::new(token.to_text()))
    }
}

/// Brings a revoked root back, for an owner; says whether it was one.
async fn bring_root_back(principal: &Principal, locked: &mut LockedTenant) -> Result<bool, RotateError> {
    let root = principal.path.root_id();
    let Some(revoked_at) = locked.row(root)?.node.revoked_at else { return Ok(false) };
    if !matches!(principal.via, Via::Session { role: Role::Owner, .. }) {
        return Err(RotateError::RootRevoked);
    }
    delegations::bring_root_back(&mut locked.tx, root, revoked_at).await?;
    Ok(true)
}
