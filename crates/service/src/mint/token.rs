//! The child's token: what it is appended to, and how it is written again.

use subgrant_domain::{NodePath, RootKeyId};
use subgrant_store::delegations::{self, Delegation};
use subgrant_token::{Caveat, Macaroon};
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
        locked: &LockedTenant,
        parent: &NodePath,
    ) -> Result<(Macaroon, RootKeyId), MintError> {
        let row = locked.row(parent.id())?;
        let Some(credential) = principal.credential() else {
            let root_key = match parent.depth() {
                0 => self.current_root_key(principal.tenant).await?,
                _ => row.root_key,
            };
            let canonical = Delegation { root_key, ..row.clone() };
            return Ok((chain::canonical_token(self, principal.tenant, &canonical).await?, root_key));
        };
        if parent.id() == principal.path.id() {
            return Ok((credential.macaroon.clone(), credential.root_key.id));
        }
        let canonical = chain::canonical_token(self, principal.tenant, row).await?;
        let stored = locked.row(principal.path.id())?.caveats.len();
        let appended = credential.token.caveats().get(stored..).unwrap_or_default();
        // What narrows the caller narrows the child. A name stays with its node, and depth is counted by the plan.
        let narrowing =
            appended.iter().filter(|caveat| !matches!(caveat, Caveat::Label(_) | Caveat::MaxDepth(_)));
        let base = canonical.attenuate(narrowing).map_err(MintError::TokenTooLong)?;
        Ok((base, row.root_key))
    }

    /// The answer to a request that was answered before, with the identical token.
    pub(super) async fn minted_again(
        &self,
        principal: &Principal,
        locked: &mut LockedTenant,
        parent: &NodePath,
        answer: Answer,
    ) -> Result<Minted, MintError> {
        let id = answer.delegation.id;
        let mut rows = delegations::by_ids(locked.tx.tx(), &[id, parent.id()]).await?;
        let missing = || ServiceError::Inconsistent(format!("the minted delegation {id} is missing"));
        let index = rows.iter().position(|row| row.node.id() == id).ok_or_else(missing)?;
        let row = rows.swap_remove(index);
        let macaroon = match principal.credential() {
            Some(credential)
                if parent.id() == principal.path.id() && credential.is_prefix_of(&row.caveats) =>
            {
                let block = &row.caveats[credential.token.caveats().len()..];
                let block = chain::restored(&credential.root_key.key, block)?;
                credential.macaroon.attenuate(&block).map_err(MintError::TokenTooLong)?
            }
            _ => chain::canonical_token(self, principal.tenant, &row).await?,
        };
        let missing = || ServiceError::Inconsistent("the delegation's root key is missing".to_owned());
        let root_key = self.root_key(principal.tenant, row.root_key).await?.ok_or_else(missing)?;
        let verified = macaroon.verify(&root_key.key).map_err(MintError::TokenTooLong)?;
        let mut delegation = answer.delegation;
        delegation.caveats = verified.caveats().iter().map(ToString::to_string).collect();
        Ok(Minted { delegation, token: Zeroizing::new(macaroon.to_text()) })
    }
}

/// A view for the record, which must not hold the nonces that the answer shows as the token does.
pub(super) fn without_nonces(view: DelegationView) -> DelegationView {
    let caveats = view.caveats.iter().map(|text| match text.parse() {
        Ok(caveat) => chain::public_text(&caveat),
        Err(_) => text.clone(),
    });
    DelegationView { caveats: caveats.collect(), ..view }
}
