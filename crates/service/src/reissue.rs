//! A delegation's next token: the same chain above, and its own block written again.

use jiff::Timestamp;
use subgrant_domain::NodePath;
use subgrant_store::{
    delegations::{self, Delegation},
    tokens::{self, Digest, NewToken},
};
use subgrant_token::{Caveat, Macaroon, TokenError};
use zeroize::Zeroizing;

use crate::{
    AccessError, App, CredentialError, Principal, ServiceError,
    chain::{self, WriteError},
    locked::{Loaded, LockedTenant},
    service_key::{check_audience, written_before},
};

/// The same delegation with its own block opened by the next generation's nonce, and saying what the node is now.
///
/// What the block says of a resource server's requests, of attribution and of the node's life stays. A block that was
/// made offline becomes one that can be written again, with all that it said when it was first used: its row does not say it.
pub(crate) fn reissued(row: &Delegation) -> Result<Delegation, ServiceError> {
    if row.first_block_unknown {
        return Err(ServiceError::MadeOffline);
    }
    let malformed = |_| ServiceError::Inconsistent("a stored caveat is malformed".to_owned());
    let begin = chain::own_block(row);
    let generation = row.token_generation + 1;
    let mut caveats = row.caveats[..begin].to_vec();
    caveats.push(chain::opening(row.node.id(), generation));
    caveats.extend(row.node.budget.map(|budget| Caveat::Budget(budget).to_string()));
    for text in row.caveats[begin..].iter().filter(|text| !chain::is_opening(text)) {
        match text.parse().map_err(malformed)? {
            Caveat::Budget(_) => {}
            Caveat::MaxPerSpend(_) | Caveat::Limit(_) if !row.made_offline => {}
            Caveat::Label(_) => caveats.push(Caveat::Label(row.label.clone()).to_string()),
            _ => caveats.push(text.clone()),
        }
    }
    let terms = &row.node.terms;
    let said = terms.max_per_spend.map(|most| Caveat::MaxPerSpend(most).to_string());
    let said = said.into_iter().chain(terms.limits.iter().map(|limit| Caveat::Limit(*limit).to_string()));
    let own_block = caveats.split_off(begin);
    let said: Vec<_> = said.filter(|text| !own_block.contains(text)).collect();
    caveats.extend(own_block.into_iter().chain(said));
    Ok(Delegation { caveats, token_generation: generation, ..row.clone() })
}

/// The same delegation with a block that says when its life ends now, and nothing that it said of that before.
pub(crate) fn with_end_of_life(row: Delegation) -> Result<Delegation, ServiceError> {
    let begin = chain::own_block(&row);
    let mut caveats = row.caveats[..begin].to_vec();
    for text in &row.caveats[begin..] {
        if expires(text)?.is_none() {
            caveats.push(text.clone());
        }
    }
    caveats.extend(row.node.terms.expires_at.map(|end| Caveat::Expires(end).to_string()));
    Ok(Delegation { caveats, ..row })
}

/// The earliest end that the blocks above a delegation's own say in its token.
pub(crate) fn expires_above(row: &Delegation) -> Result<Option<Timestamp>, ServiceError> {
    let above = row.caveats[..chain::own_block(row)].iter();
    let ends: Result<Vec<_>, _> = above.map(|text| expires(text)).collect();
    Ok(ends?.into_iter().flatten().min())
}

/// What a stored caveat says of the end of a life, if it does.
fn expires(text: &str) -> Result<Option<Timestamp>, ServiceError> {
    if chain::is_opening(text) {
        return Ok(None);
    }
    match text.parse() {
        Ok(Caveat::Expires(end)) => Ok(Some(end)),
        Ok(_) => Ok(None),
        Err(_) => Err(ServiceError::Inconsistent("a stored caveat is malformed".to_owned())),
    }
}

impl App {
    /// Makes a reissued chain the node's canonical one and registers its token; returns the token's digest and the
    /// node's new version.
    pub(crate) async fn register(
        &self,
        locked: &mut LockedTenant,
        reissued: &Delegation,
    ) -> Result<(Digest, i64), WriteError> {
        check_audience(locked.tx(), reissued).await?;
        let root_key = chain::root_key_of(self, locked.tx(), reissued).await?;
        let start = chain::root_token(self, locked.tx().tenant(), root_key.id, &root_key.key)?;
        let caveats = chain::restored(&root_key.key, &reissued.caveats)?;
        let macaroon = start.attenuate(&caveats).map_err(WriteError::TokenTooLong)?;
        let macaroon = self.signed_for(locked.tx(), macaroon, reissued.audience).await?;
        let verified = chain::verified(&macaroon, &root_key.key)?;
        let missing = || ServiceError::Inconsistent("a reissued token has no budget".to_owned());
        let digest = *verified.last_digest().ok_or_else(missing)?.as_bytes();
        let service_digest = self.service_digest(locked.tx(), &macaroon, reissued.audience).await?;
        let token = NewToken { digest, service_digest, caveats: reissued.caveats.len(), first_label: None };
        tokens::insert(&mut locked.tx, &token, reissued.node.id(), locked.head.now)
            .await
            .map_err(ServiceError::from)?;
        let version = delegations::update_settings(&mut locked.tx, reissued).await;
        Ok((digest, version.map_err(ServiceError::from)?))
    }

    /// The text of the token with the given stored chain. What the caller's holder appended to the caller's own token
    /// binds the new one too, or a narrowed copy could be made wide again.
    pub(crate) async fn reissued_token(
        &self,
        principal: &Principal,
        locked: &mut LockedTenant,
        path: &NodePath,
        caveats: Vec<String>,
    ) -> Result<Zeroizing<String>, AccessError> {
        let row = Delegation { caveats, ..locked.row(path.id())?.clone() };
        let macaroon = chain::canonical_token(self, locked.tx(), &row).await?;
        let macaroon = self.signed_for(locked.tx(), macaroon, row.audience).await.map_err(written_before)?;
        narrowed(&macaroon, &principal.narrowing_at(locked, path)?)
    }
}

/// A token's text with the caveats that the caller's holder appended to the caller's own, as far as its last block does not
/// say the same already.
pub(crate) fn narrowed(macaroon: &Macaroon, narrowing: &[Caveat]) -> Result<Zeroizing<String>, AccessError> {
    let too_long =
        |error: TokenError| CredentialError::Caveat(format!("with what was appended to it, {error}"));
    let texts: Vec<_> = macaroon.unverified_caveats().collect();
    let block = texts.iter().rposition(|text| text.starts_with("budget = ")).unwrap_or(0);
    let is_new = |caveat: &&Caveat| !texts[block..].contains(&caveat.to_string());
    let narrowed = macaroon.attenuate(narrowing.iter().filter(is_new)).map_err(too_long)?;
    Ok(Zeroizing::new(narrowed.to_text()))
}
