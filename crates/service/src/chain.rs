//! Writing tokens: blocks, canonical chains, and the caveats that may be shown.

use std::sync::Arc;

use subgrant_domain::{AttributeText, ChildRequest, DelegationId, RootKeyId, TenantId};
use subgrant_store::{TenantTx, delegations::Delegation};
use subgrant_token::{
    Caveat, DelegationClaim, ErrorClass, Identifier, Macaroon, RootKey, TokenError, VerifiedToken,
    derive_nonce, derive_rotated_nonce,
};

use crate::{App, ServiceError, app::TenantKey};

/// The caveats that open a node's block: who it is, what it may spend, then what the request narrows. What is
/// inherited stands further up in the chain.
pub(crate) fn block(
    root_key: &RootKey,
    id: DelegationId,
    label: &AttributeText,
    request: &ChildRequest,
    extra: &[Caveat],
) -> Vec<Caveat> {
    let claim = DelegationClaim { id, nonce: derive_nonce(root_key, id) };
    let mut caveats = vec![Caveat::Delegation(claim), Caveat::Budget(request.budget)];
    caveats.extend(request.cost_center.clone().map(Caveat::CostCenter));
    caveats.extend(request.department.clone().map(Caveat::Department));
    caveats.push(Caveat::Label(label.clone()));
    caveats.extend(request.expires_at.map(Caveat::Expires));
    caveats.extend(request.actions.map(Caveat::Actions));
    caveats.extend(request.max_per_spend.map(Caveat::MaxPerSpend));
    caveats.extend(request.limits.iter().copied().map(Caveat::Limit));
    caveats.extend(request.max_depth.map(Caveat::MaxDepth));
    caveats.extend(extra.iter().cloned());
    caveats
}

/// A caveat as listings show it: the nonce of a block is part of the token and of nothing else.
pub(crate) fn public_text(caveat: &Caveat) -> String {
    match caveat {
        Caveat::Delegation(claim) => format!("delegation = {}", claim.id),
        other => other.to_string(),
    }
}

/// A caveat as it is stored: in place of a nonce stands the generation whose nonce it is, from 0 to `newest(id)`, or a
/// mark that the nonce was not derived here, because the block was made offline.
pub(crate) fn stored_text(
    root_key: &RootKey,
    caveat: &Caveat,
    newest: impl Fn(DelegationId) -> u32,
) -> String {
    let Caveat::Delegation(claim) = caveat else { return caveat.to_string() };
    let is_nonce_of = |generation: &u32| derive_rotated_nonce(root_key, claim.id, *generation) == claim.nonce;
    let derived = (0..=newest(claim.id)).find(is_nonce_of);
    derived
        .map_or_else(|| format!("{OPENING}{}{FOREIGN}", claim.id), |generation| opening(claim.id, generation))
}

/// The stored form of the caveat that opens a node's block.
pub(crate) fn opening(id: DelegationId, generation: u32) -> String {
    match generation {
        0 => format!("{OPENING}{id}"),
        _ => format!("{OPENING}{id}+{generation}"),
    }
}

/// Whether a stored caveat opens a node's block.
pub(crate) fn is_opening(stored: &str) -> bool {
    stored.starts_with(OPENING)
}

/// A stored caveat as listings show it.
pub(crate) fn listed(stored: &str) -> String {
    match stored.split_once(['+', FOREIGN]) {
        Some((opening, _)) if stored.starts_with(OPENING) => opening.to_owned(),
        _ => stored.to_owned(),
    }
}

const OPENING: &str = "delegation = ";

/// Marks a nonce that was not derived here.
const FOREIGN: char = '~';

/// The tenant's root token under one of its root keys.
pub(crate) fn root_token(
    app: &App,
    tenant: TenantId,
    id: RootKeyId,
    key: &RootKey,
) -> Result<Macaroon, ServiceError> {
    let identifier = Identifier::Subgrant { tenant, root_key: id };
    Macaroon::mint(key, &app.shared().options.location, &identifier).map_err(unusable)
}

/// The token of a node, written again from what is stored: nonces are derived, so nothing secret has to be kept. Without the
/// signature for a service.
pub(crate) async fn canonical_token(
    app: &App,
    tx: &mut TenantTx,
    delegation: &Delegation,
) -> Result<Macaroon, ServiceError> {
    let root_key = root_key_of(app, tx, delegation).await?;
    let caveats = restored(&root_key.key, &delegation.caveats)?;
    root_token(app, tx.tenant(), root_key.id, &root_key.key)?.attenuate(&caveats).map_err(unusable)
}

/// What a node's canonical chain holds that its token's digest commits to, or that it was issued with. What a child that was
/// made offline says behind its budget was appended, by its maker or by whoever used it first.
pub(crate) fn issued_part(delegation: &Delegation) -> &[String] {
    let caveats = &delegation.caveats[..];
    if !delegation.made_offline || delegation.token_generation > 0 {
        return caveats;
    }
    let budget = caveats.iter().rposition(|text| text.starts_with("budget = "));
    budget.map_or(caveats, |budget| &caveats[..=budget])
}

/// The root key from which the nonces of a node's canonical token are derived.
pub(crate) async fn root_key_of(
    app: &App,
    tx: &mut TenantTx,
    delegation: &Delegation,
) -> Result<Arc<TenantKey>, ServiceError> {
    let missing = || ServiceError::Inconsistent("a delegation's root key is missing".to_owned());
    app.root_key_in(tx, delegation.root_key).await?.ok_or_else(missing)
}

/// Where a node's own block begins in its stored chain. A plain library wrote the budget alone.
pub(crate) fn own_block(delegation: &Delegation) -> usize {
    let opening = opening(delegation.node.id(), 0);
    let caveats = &delegation.caveats;
    let opened = caveats.iter().rposition(|text| listed(text) == opening);
    let budget = || caveats.iter().rposition(|text| text.starts_with("budget = "));
    opened.or_else(budget).unwrap_or(caveats.len())
}

/// Stored caveats with their nonces derived again.
pub(crate) fn restored(root_key: &RootKey, caveats: &[String]) -> Result<Vec<Caveat>, ServiceError> {
    let malformed = || ServiceError::Inconsistent("a stored caveat is malformed".to_owned());
    let restore = |text: &String| {
        let Some(opened) = text.strip_prefix(OPENING) else { return text.parse().map_err(|_| malformed()) };
        if opened.ends_with(FOREIGN) {
            return Err(ServiceError::MadeOffline);
        }
        let (id, generation) = opened.split_once('+').unwrap_or((opened, "0"));
        let id = id.parse().map_err(|_| malformed())?;
        let generation = generation.parse().map_err(|_| malformed())?;
        let nonce = derive_rotated_nonce(root_key, id, generation);
        Ok(Caveat::Delegation(DelegationClaim { id, nonce }))
    };
    caveats.iter().map(restore).collect()
}

/// Why a token could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// What was asked for does not fit into a token.
    #[error("the token would be refused: {0}")]
    TokenTooLong(TokenError),
    /// Not the caller's fault.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// Verifies a token that was just written: what it may not hold is the request's fault, all else is ours.
pub(crate) fn verified(macaroon: &Macaroon, root_key: &RootKey) -> Result<VerifiedToken, WriteError> {
    macaroon.verify(root_key).map_err(|error| match error.class() {
        ErrorClass::CaveatNotMet => WriteError::TokenTooLong(error),
        ErrorClass::Malformed | ErrorClass::Retired | ErrorClass::Forged => {
            ServiceError::Inconsistent(format!("a token that was just written: {error}")).into()
        }
    })
}

pub(crate) fn unusable(error: TokenError) -> ServiceError {
    ServiceError::Inconsistent(format!("a stored token cannot be written: {error}"))
}
