//! The child's token: what it is appended to, and how it is written again.

use std::sync::Arc;

use subgrant_domain::{MintDenial, NodePath, ServiceId};
use subgrant_store::{
    delegations::{self, Delegation},
    root_keys, services,
};
use subgrant_token::{Caveat, Macaroon, RootKey};
use zeroize::Zeroizing;

use super::{Answer, MintError, Minted};
use crate::{
    AccessError, App, CredentialError, DelegationView, Principal, ServiceError,
    app::TenantKey,
    chain,
    locked::{Loaded, LockedTenant},
};

/// What a child's block is appended to.
pub(super) struct Base {
    pub(super) macaroon: Macaroon,
    /// What has signed it, and what the nonces of its chain are derived from.
    pub(super) root_key: Arc<TenantKey>,
    /// The service that the parent is for.
    pub(super) audience: Option<ServiceId>,
    /// How many of its caveats were issued with the parent's token; the others are the caller's own.
    pub(super) issued: usize,
}

impl App {
    /// The chain to which the child's block is appended: the caller's own token, so that whatever its holder appended
    /// binds the child too, or the canonical token of a node further down with the caller's restrictions added.
    pub(super) async fn parent_chain(
        &self,
        principal: &Principal,
        locked: &mut LockedTenant,
        parent: &NodePath,
    ) -> Result<Base, MintError> {
        let row = locked.row(parent.id())?.clone();
        let issued = row.caveats.len();
        let Some(credential) = principal.credential() else {
            let root_key = match parent.depth() {
                0 => root_keys::current(locked.tx()).await?.id,
                _ => row.root_key,
            };
            let canonical = Delegation { root_key, ..row };
            return Ok(self.canonical_base(locked, &canonical, issued).await?);
        };
        if parent.id() == principal.path.id() {
            let (root_key, audience) = (Arc::clone(&credential.root_key), credential.audience);
            let (macaroon, issued) = (credential.macaroon.clone(), credential.issued_caveats);
            return Ok(Base { macaroon, root_key, audience, issued });
        }
        let base = self.canonical_base(locked, &row, issued).await?;
        let narrowing = principal.narrowing_at(locked, parent)?;
        let macaroon = base.macaroon.attenuate(&narrowing).map_err(MintError::TokenTooLong)?;
        Ok(Base { macaroon, ..base })
    }

    async fn canonical_base(
        &self,
        locked: &mut LockedTenant,
        row: &Delegation,
        issued: usize,
    ) -> Result<Base, ServiceError> {
        let macaroon = chain::canonical_token(self, locked.tx(), row).await?;
        let root_key = chain::root_key_of(self, locked.tx(), row).await?;
        Ok(Base { macaroon, root_key, audience: row.audience, issued })
    }

    /// The answer to a request that was answered before, with the identical token, whatever became of the child since.
    /// Who repeats it with a token that was narrowed meanwhile gets a child that is narrowed as much.
    pub(super) async fn minted_again(
        &self,
        principal: &Principal,
        locked: &mut LockedTenant,
        parent: &NodePath,
        answer: Answer,
    ) -> Result<Minted, MintError> {
        let id = answer.delegation.id;
        let missing = || ServiceError::Inconsistent(format!("the minted delegation {id} is missing"));
        let row = delegations::by_ids(locked.tx.tx(), &[id]).await?.pop().ok_or_else(missing)?;
        let row = Delegation { caveats: answer.caveats, ..row };
        let root_key = chain::root_key_of(self, locked.tx(), &row).await?;
        let canonical = match chain::canonical_token(self, locked.tx(), &row).await {
            // Only the presented token has the nonces of what was made offline.
            Err(ServiceError::MadeOffline) => {
                let macaroon = below_offline(principal, &row)?;
                let macaroon = self.signed_for(locked.tx(), macaroon, row.audience).await?;
                return minted_with(&macaroon, &root_key.key, answer.delegation);
            }
            written => written?,
        };
        let narrowing = principal.narrowing_at(locked, parent)?;
        let texts: Vec<_> = narrowing.iter().map(chain::public_text).collect();
        let follows_parent = row.caveats.get(answer.parent_caveats..).unwrap_or_default();
        let macaroon = if follows_parent.starts_with(&texts) {
            canonical
        } else {
            canonical.attenuate(&narrowing).map_err(MintError::TokenTooLong)?
        };
        let macaroon = self.signed_for(locked.tx(), macaroon, row.audience).await?;
        minted_with(&macaroon, &root_key.key, answer.delegation)
    }
}

/// The service that the child shall be for. Below a delegation for a service everything is for that service.
pub(super) async fn audience(
    locked: &mut LockedTenant,
    base: &Base,
    asked: Option<ServiceId>,
    parent: &NodePath,
) -> Result<Option<ServiceId>, MintError> {
    if let (Some(inherited), Some(asked)) = (base.audience, asked)
        && inherited != asked
    {
        let (field, permitted) = ("audience", inherited.to_string());
        let denial = MintDenial::NarrowerThanParent { field, permitted };
        return Err(MintError::Denied { denial, parent: parent.id() });
    }
    let Some(audience) = base.audience.or(asked) else { return Ok(None) };
    let is_live = services::live(locked.tx(), audience).await?.is_some();
    match base.audience {
        Some(_) if !is_live => return Err(ServiceError::AudienceDeleted.into()),
        None if !is_live => return Err(MintError::UnknownAudience),
        Some(_) => {}
        None => check_named(base)?,
    }
    Ok(Some(audience))
}

/// Refuses to begin a chain for a service below a node that no block claims: the service would know it by another id than
/// the ledger, and miss its revocation.
fn check_named(base: &Base) -> Result<(), MintError> {
    let above = chain::verified(&base.macaroon, &base.root_key.key)?;
    let is_named = above.nodes().iter().all(|node| node.claim.is_some());
    if is_named { Ok(()) } else { Err(ServiceError::MadeOffline.into()) }
}

/// The recorded view with the token that belongs to it, and the token's caveats.
fn minted_with(macaroon: &Macaroon, key: &RootKey, delegation: DelegationView) -> Result<Minted, MintError> {
    // What the caller's token says since may contradict the child: then nothing is left that it could be given.
    let verified = macaroon.verify(key).map_err(|error| AccessError::from(CredentialError::from(error)))?;
    let caveats = verified.caveats().iter().map(ToString::to_string).collect();
    let delegation = DelegationView { caveats, ..delegation };
    Ok(Minted { delegation, token: Zeroizing::new(macaroon.to_text()) })
}

/// The same where the parent was made offline: the presented token goes on with the child's stored block.
fn below_offline(principal: &Principal, row: &Delegation) -> Result<Macaroon, MintError> {
    let credential = principal.credential().ok_or(ServiceError::MadeOffline)?;
    let presented = credential.token.caveats();
    let is_listed = |(caveat, text): (&Caveat, &String)| chain::public_text(caveat) == chain::listed(text);
    let is_prefix = presented.len() < row.caveats.len() && presented.iter().zip(&row.caveats).all(is_listed);
    if !is_prefix {
        return Err(ServiceError::MadeOffline.into());
    }
    let block = chain::restored(&credential.root_key.key, &row.caveats[presented.len()..])?;
    credential.macaroon.attenuate(&block).map_err(MintError::TokenTooLong)
}

/// A view for the record, which must not hold the nonces that the answer shows as the token does.
pub(super) fn without_nonces(view: DelegationView) -> DelegationView {
    let caveats = view.caveats.iter().map(|text| match text.parse() {
        Ok(caveat) => chain::public_text(&caveat),
        Err(_) => text.clone(),
    });
    DelegationView { caveats: caveats.collect(), ..view }
}
