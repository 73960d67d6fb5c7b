//! The child's token: what it is appended to, and how it is written again.

use subgrant_domain::{NodePath, RootKeyId};
use subgrant_store::{
    delegations::{self, Delegation},
    root_keys,
};
use subgrant_token::{Caveat, ErrorClass, Macaroon, RootKey, VerifiedToken};
use zeroize::Zeroizing;

use super::{Answer, MintError, Minted};
use crate::{
    App, DelegationView, Principal, ServiceError, chain,
    locked::{Loaded, LockedTenant},
};

impl App {
    /// The chain to which the child's block is appended: the caller's own token, so that whatever its holder appended
    /// binds the child too, or the canonical token of a node further down with the caller's restrictions added.
    pub(super) async fn parent_chain(
        &self,
        principal: &Principal,
        locked: &mut LockedTenant,
        parent: &NodePath,
    ) -> Result<(Macaroon, RootKeyId), MintError> {
        let row = locked.row(parent.id())?.clone();
        let Some(credential) = principal.credential() else {
            let root_key = match parent.depth() {
                0 => root_keys::current(locked.tx()).await?.id,
                _ => row.root_key,
            };
            let canonical = Delegation { root_key, ..row };
            return Ok((chain::canonical_token(self, locked.tx(), &canonical).await?, root_key));
        };
        if parent.id() == principal.path.id() {
            return Ok((credential.macaroon.clone(), credential.root_key.id));
        }
        let canonical = chain::canonical_token(self, locked.tx(), &row).await?;
        let narrowing = narrowing(principal, locked, parent)?;
        let base = canonical.attenuate(&narrowing).map_err(MintError::TokenTooLong)?;
        Ok((base, row.root_key))
    }

    /// The answer to a request that was answered before, with the identical token. Who repeats it with a token that
    /// was narrowed meanwhile gets a child that is narrowed as much.
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
        let canonical = match chain::canonical_token(self, locked.tx(), &row).await {
            // Only the presented token has the nonces of what was made offline.
            Err(ServiceError::MadeOffline) => return minted_below_offline(principal, &row, answer),
            written => written?,
        };
        let narrowing = narrowing(principal, locked, parent)?;
        let texts: Vec<_> = narrowing.iter().map(chain::public_text).collect();
        let follows_parent = row.caveats.get(locked.row(parent.id())?.caveats.len()..).unwrap_or_default();
        let macaroon = if follows_parent.starts_with(&texts) {
            canonical
        } else {
            canonical.attenuate(&narrowing).map_err(MintError::TokenTooLong)?
        };
        let missing = || ServiceError::Inconsistent("the delegation's root key is missing".to_owned());
        let root_key = self.root_key_in(locked.tx(), row.root_key).await?.ok_or_else(missing)?;
        let verified = verified(&macaroon, &root_key.key)?;
        let mut delegation = answer.delegation;
        delegation.caveats = verified.caveats().iter().map(ToString::to_string).collect();
        Ok(Minted { delegation, token: Zeroizing::new(macaroon.to_text()) })
    }
}

/// The same where the parent was made offline: the presented token goes on with the child's stored block.
fn minted_below_offline(
    principal: &Principal,
    row: &Delegation,
    answer: Answer,
) -> Result<Minted, MintError> {
    let credential = principal.credential().ok_or(ServiceError::MadeOffline)?;
    let presented = credential.token.caveats();
    let is_listed = |(caveat, text): (&Caveat, &String)| chain::public_text(caveat) == chain::listed(text);
    let is_prefix = presented.len() < row.caveats.len() && presented.iter().zip(&row.caveats).all(is_listed);
    if !is_prefix {
        return Err(ServiceError::MadeOffline.into());
    }
    let block = chain::restored(&credential.root_key.key, &row.caveats[presented.len()..])?;
    let macaroon = credential.macaroon.attenuate(&block).map_err(MintError::TokenTooLong)?;
    let verified = verified(&macaroon, &credential.root_key.key)?;
    let mut delegation = answer.delegation;
    delegation.caveats = verified.caveats().iter().map(ToString::to_string).collect();
    Ok(Minted { delegation, token: Zeroizing::new(macaroon.to_text()) })
}

/// What the caller's holder appended to the stored token of its node, as far as it must bind a child below `parent`.
///
/// A name stays with its node, and levels are counted by the plan: below the caller's own node both stand in the
/// presented token anyway; further down they would say something else.
pub(crate) fn narrowing(
    principal: &Principal,
    locked: &LockedTenant,
    parent: &NodePath,
) -> Result<Vec<Caveat>, ServiceError> {
    let Some(credential) = principal.credential() else { return Ok(Vec::new()) };
    let stored = locked.row(principal.path.id())?.caveats.len();
    let appended = credential.token.caveats().get(stored..).unwrap_or_default();
    let is_own = parent.id() == principal.path.id();
    let binds = |caveat: &&Caveat| is_own || !matches!(caveat, Caveat::Label(_) | Caveat::MaxDepth(_));
    Ok(appended.iter().filter(binds).cloned().collect())
}

/// Verifies a token that was just written: what it may not hold is the request's fault, all else is ours.
pub(super) fn verified(macaroon: &Macaroon, root_key: &RootKey) -> Result<VerifiedToken, MintError> {
    macaroon.verify(root_key).map_err(|error| match error.class() {
        ErrorClass::CaveatNotMet => MintError::TokenTooLong(error),
        ErrorClass::Malformed | ErrorClass::Forged => {
            ServiceError::Inconsistent(format!("a token that was just written: {error}")).into()
        }
    })
}

/// A view for the record, which must not hold the nonces that the answer shows as the token does.
pub(super) fn without_nonces(view: DelegationView) -> DelegationView {
    let caveats = view.caveats.iter().map(|text| match text.parse() {
        Ok(caveat) => chain::public_text(&caveat),
        Err(_) => text.clone(),
    });
    DelegationView { caveats: caveats.collect(), ..view }
}
