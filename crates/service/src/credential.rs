//! From a token's text to the node that it speaks for.

use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use subgrant_domain::{
    ActionSet, AttributeText, Credits, NodePath, PathError, ServiceId, SpendLimits, TenantId, Terms,
};
use subgrant_store::{
    TenantTx,
    delegations::Delegation,
    root_keys,
    tokens::{self, Digest, Issued, Token},
};
use subgrant_token::{
    Caveat, CaveatFailure, ErrorClass, Macaroon, NodeDigest, Scope, TokenError, VerifiedToken,
    derive_rotated_nonce,
};

use crate::{
    App, ServiceError,
    adoption::contradiction,
    app::TenantKey,
    metrics::{CACHED, REFUSED, VERIFIED},
    service_key::missing_key,
};

/// A token whose signature is right, and the node that it leads to. Whether it is still good is decided anew, by the
/// database's clock, in each transaction: see [`Credential::check`].
#[derive(Clone)]
pub(crate) struct Credential {
    pub(crate) macaroon: Macaroon,
    pub(crate) token: VerifiedToken,
    /// From the root to the token's node, whether the ledger knows all of it or not.
    pub(crate) path: NodePath,
    /// How many levels of the path the ledger knew when the token was read. The others were made offline.
    pub(crate) registered: usize,
    /// How many of its caveats the token was issued with; the others were appended by its holder.
    pub(crate) issued_caveats: usize,
    /// What signed it, and what its nonces are derived from as far as they are ours.
    pub(crate) root_key: Arc<TenantKey>,
    /// The service that its node is for, whatever its holder appended.
    pub(crate) audience: Option<ServiceId>,
    /// The digests of its nodes in the chain of that service; none where it is for none.
    pub(crate) service_digests: Vec<NodeDigest>,
    /// What it permits: no more than its node may.
    pub(crate) actions: ActionSet,
    pub(crate) max_offline_children: u64,
    /// What the token adds to the limits stored with the nodes.
    pub(crate) limits: SpendLimits,
}

/// Why a token is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// It is not a token at all.
    #[error("{0}")]
    Malformed(TokenError),
    /// It is of a form that is not accepted any more.
    #[error("{0}")]
    Retired(TokenError),
    /// The signature is wrong, or nobody issued it.
    #[error("the token was not issued here")]
    Forged,
    /// Its life, or that of a node above, is over.
    #[error("the token has expired")]
    Expired,
    /// It, its node or a node above was revoked.
    #[error("the token was revoked")]
    Revoked,
    /// Its node or a node above is frozen.
    #[error("the delegation is frozen")]
    Frozen,
    /// A caveat is unknown, malformed, contradictory or not met by this request.
    #[error("{0}")]
    Caveat(String),
    /// Not the caller's fault.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl From<TokenError> for CredentialError {
    fn from(error: TokenError) -> Self {
        match error.class() {
            ErrorClass::Malformed => Self::Malformed(error),
            ErrorClass::Retired => Self::Retired(error),
            ErrorClass::Forged => Self::Forged,
            ErrorClass::CaveatNotMet => Self::Caveat(error.to_string()),
        }
    }
}

impl From<CaveatFailure> for CredentialError {
    fn from(failure: CaveatFailure) -> Self {
        match failure {
            CaveatFailure::Expired { .. } => Self::Expired,
            other => Self::Caveat(other.to_string()),
        }
    }
}

impl App {
    /// The credential that a token's text is.
    pub(crate) async fn credential(&self, text: &str) -> Result<Arc<Credential>, CredentialError> {
        let digest: [u8; 32] = Sha256::digest(text).into();
        let tokens = &self.metrics().tokens;
        if let Some(credential) = self.credentials().get(&digest) {
            tokens.count(CACHED);
            return Ok(credential);
        }
        // In a box, so that a request with a known token does not carry the room for this around.
        let verified = Box::pin(self.verify_token(text)).await;
        tokens.count(if verified.is_ok() { VERIFIED } else { REFUSED });
        let credential = Arc::new(verified?);
        // Where the path of another ends in the ledger changes when it is used for the first time.
        if credential.is_registered() {
            self.credentials().insert(digest, Arc::clone(&credential));
        }
        Ok(credential)
    }

    /// Reads and verifies a token and finds its node: size, envelope, signature, caveats, ledger, in this order.
    ///
    /// Of a token for a service the first signature alone counts, which the service cannot make.
    async fn verify_token(&self, text: &str) -> Result<Credential, CredentialError> {
        let macaroon = Macaroon::parse(text)?;
        let (tenant, key) = (macaroon.identifier().tenant(), macaroon.identifier().root_key());
        let root_key = self.root_key(tenant, key).await?.ok_or(CredentialError::Forged)?;
        let token = macaroon.verify(&root_key.key)?;
        let (issued, registered) = self.issued_to(tenant, &token, &root_key).await?;
        let service_digests = match issued.audience {
            None => Vec::new(),
            Some(audience) => {
                let key = self.service_key(tenant, audience).await?.ok_or_else(missing_key)?;
                macaroon.service_digests(&key)
            }
        };
        let path = whole_path(&issued.path, &token, registered, &service_digests)?;
        let is_registered = registered == token.nodes().len();
        check_attribution(&token, &issued, registered)?;
        // Whoever made it offline may go on appending: what the digest commits to is all that counts as issued.
        let committed = token.nodes().last().map_or(0, |node| node.budget_index + 1);
        Ok(Credential {
            // What stands behind the dot of another token is nothing.
            macaroon: if issued.audience.is_some() { macaroon } else { macaroon.without_service_signature() },
            limits: spend_limits(&token, &path),
            actions: token.scope().actions.intersection(issued.actions),
            issued_caveats: if is_registered { issued.caveats } else { committed },
            audience: issued.audience,
            max_offline_children: self.shared().options.max_offline_children,
            token,
            path,
            registered,
            root_key,
            service_digests,
        })
    }

    /// Where the deepest block leads that the ledger knows, and how many levels that are. What lies beyond was made offline:
    /// the signature proves that its parent's holder did it.
    async fn issued_to(
        &self,
        tenant: TenantId,
        token: &VerifiedToken,
        root_key: &TenantKey,
    ) -> Result<(Issued, usize), CredentialError> {
        let digests: Vec<_> = token.nodes().iter().map(|node| *node.digest.as_bytes()).collect();
        // Before anything is looked up: no such token can lead anywhere.
        if digests.len() > NodePath::MAX_DEPTH {
            return Err(CredentialError::Caveat(PathError::TooDeep.to_string()));
        }
        let Some((issued, index)) = self.deepest_issued(tenant, &digests).await? else {
            return Ok((of_root(root_key), 0));
        };
        if issued.path.depth() != index + 1 {
            return Err(CredentialError::Forged);
        }
        Ok((issued, index + 1))
    }
}

/// What a root token is issued with.
fn of_root(root_key: &TenantKey) -> Issued {
    Issued {
        path: NodePath::root(root_key.root),
        caveats: 0,
        actions: ActionSet::ALL,
        audience: None,
        cost_center: None,
        department: None,
        first_label: None,
    }
}

/// The path to a token's node, beyond what the ledger knows. A service knows a node that no block claims by the digest of
/// its own chain.
fn whole_path(
    known: &NodePath,
    token: &VerifiedToken,
    registered: usize,
    service_digests: &[NodeDigest],
) -> Result<NodePath, CredentialError> {
    let mut whole = known.clone();
    for (index, node) in token.nodes().iter().enumerate().skip(registered) {
        let id = match (node.claim, service_digests.get(index)) {
            (None, Some(digest)) => digest.derived_id(),
            _ => node.id(),
        };
        whole = whole.child(id).map_err(|error| CredentialError::Caveat(error.to_string()))?;
    }
    Ok(whole)
}

/// Refuses a token that says of the deepest node that the ledger knows what another says otherwise. Two children that a plain
/// library made of the same token with the same budget are one node, which cannot have two names.
fn check_attribution(
    token: &VerifiedToken,
    issued: &Issued,
    registered: usize,
) -> Result<(), CredentialError> {
    let differs = |said: Option<&AttributeText>, known: Option<&AttributeText>| {
        said.zip(known).is_some_and(|(said, known)| said != known)
    };
    let known = registered.checked_sub(1).and_then(|index| token.nodes().get(index));
    let (scope, label) = (token.scope(), known.and_then(|node| node.block.label.as_ref()));
    for (name, said, known) in [
        ("cost_center", scope.cost_center.as_ref(), issued.cost_center.as_ref()),
        ("department", scope.department.as_ref(), issued.department.as_ref()),
        ("label", label, issued.first_label.as_ref()),
    ] {
        if differs(said, known) {
            return Err(contradiction(name));
        }
    }
    Ok(())
}

impl Credential {
    pub(crate) fn tenant(&self) -> TenantId {
        self.macaroon.identifier().tenant()
    }

    pub(crate) fn scope(&self) -> &Scope {
        self.token.scope()
    }

    /// The caveats that the token was issued with, and those that its holder appended.
    pub(crate) fn issued_and_appended(&self) -> (&[Caveat], &[Caveat]) {
        let caveats = self.token.caveats();
        caveats.split_at(self.issued_caveats.min(caveats.len()))
    }

    /// Whether no later token of the delegation was issued. An older one may be good for a while, but whoever found it
    /// must not be able to put it in the newest one's place.
    pub(crate) fn is_newest(&self, delegation: &Delegation) -> bool {
        let id = delegation.node.id();
        let newest = derive_rotated_nonce(&self.root_key.key, id, delegation.token_generation);
        let claim = self.token.nodes().last().and_then(|node| node.claim);
        delegation.token_generation == 0 || claim.is_some_and(|claim| claim.nonce == newest)
    }

    /// The digest by which the token, or its nearest registered ancestor, is registered; a root token has none.
    pub(crate) fn digest(&self) -> Option<Digest> {
        let last = self.registered.checked_sub(1)?;
        self.token.nodes().get(last).map(|node| *node.digest.as_bytes())
    }

    /// Whether the ledger knew the token's node when the token was read.
    pub(crate) fn is_registered(&self) -> bool {
        self.registered == self.path.depth()
    }

    /// What the token says its node's budget is; a root token says nothing.
    fn ceiling(&self) -> Option<Credits> {
        self.limits.ceiling.map(|(_, ceiling)| ceiling)
    }

    /// What the token says the budget of the node at `path` is: it speaks of its own node only.
    pub(crate) fn ceiling_at(&self, path: &NodePath) -> Option<Credits> {
        if path.id() == self.path.id() { self.ceiling() } else { None }
    }

    /// What the token leaves of its node's terms, for minting below it.
    pub(crate) fn terms(&self) -> Terms {
        let scope = self.scope();
        Terms {
            actions: self.actions,
            max_per_spend: scope.max_per_spend,
            limits: Vec::new(),
            max_depth: scope.remaining_depth,
            expires_at: scope.expires(),
            cost_center: scope.cost_center.clone(),
            department: scope.department.clone(),
        }
    }

    /// Whether the token itself is still good at `now`, apart from the state of its node.
    pub(crate) fn check(&self, facts: &TokenFacts, now: Timestamp) -> Result<(), CredentialError> {
        self.scope().check_expiry(now)?;
        if facts.valid_until.is_some_and(|end| end <= now) {
            return Err(CredentialError::Revoked);
        }
        if facts.tokens_valid_from.is_some_and(|from| facts.issued_at < from) {
            return Err(CredentialError::Revoked);
        }
        Ok(())
    }
}

/// What no token adds to the limits stored with the nodes.
pub(crate) static NO_LIMITS: SpendLimits = SpendLimits::NONE;

/// What a token for the node at `path` adds to the limits stored with the nodes.
fn spend_limits(token: &VerifiedToken, path: &NodePath) -> SpendLimits {
    let scope = token.scope();
    // Chain and path run in step: every budget caveat opened one node below the root.
    let owner = |node: Option<usize>| path.ids().get(node.map_or(0, |index| index + 1)).copied();
    let windows = scope.limits.iter();
    let windows = windows.map(|scoped| (owner(scoped.node).unwrap_or_else(|| path.id()), scoped.limit));
    SpendLimits {
        max_per_spend: scope.max_per_spend,
        windows: windows.collect(),
        ceiling: token.nodes().last().map(|node| (path.id(), node.budget)),
        expires_at: scope.expires(),
    }
}

/// What the ledger says about one token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenFacts {
    issued_at: Timestamp,
    valid_until: Option<Timestamp>,
    tokens_valid_from: Option<Timestamp>,
}

/// How a request may have ended the token that made it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnEnd {
    /// When it was made: what it revoked or froze was so at that instant.
    pub(crate) at: Timestamp,
    /// The end that it set to the token, if it did.
    pub(crate) valid_until: Option<Timestamp>,
    /// From when on it let tokens count as issued, if it did.
    pub(crate) tokens_valid_from: Option<Timestamp>,
}

impl OwnEnd {
    /// By what became of its node.
    pub(crate) fn of_node(at: Timestamp) -> Self {
        Self { at, valid_until: None, tokens_valid_from: None }
    }
}

impl TokenFacts {
    /// The facts as they would be without a request of the token's own.
    pub(crate) fn but_for(self, end: &OwnEnd) -> Self {
        Self {
            valid_until: self.valid_until.filter(|_| self.valid_until != end.valid_until),
            tokens_valid_from: self
                .tokens_valid_from
                .filter(|_| self.tokens_valid_from != end.tokens_valid_from),
            ..self
        }
    }

    /// Of the token of a delegation.
    pub(crate) fn of_token(token: &Token, root: &Delegation) -> Self {
        Self {
            issued_at: token.issued_at,
            valid_until: token.valid_until,
            tokens_valid_from: root.tokens_valid_from,
        }
    }

    /// Of a root token: as old as its key, and ended by a rotation.
    pub(crate) fn of_root_token(key: &root_keys::SealedRootKey, root: &Delegation) -> Self {
        Self {
            issued_at: key.created_at,
            valid_until: key.root_token_expires_at,
            tokens_valid_from: root.tokens_valid_from,
        }
    }

    /// Reads the facts about one token; `root` is the tenant's root. `None`: nobody issued such a token.
    pub(crate) async fn read(
        tx: &mut TenantTx,
        credential: &Credential,
        root: &Delegation,
    ) -> Result<Option<Self>, ServiceError> {
        if let Some(digest) = credential.digest() {
            let found = tokens::by_digests(tx, &[digest]).await?;
            Ok(found.get(&digest).map(|token| Self::of_token(token, root)))
        } else {
            let found = root_keys::by_id(tx, credential.root_key.id).await?;
            Ok(found.map(|key| Self::of_root_token(&key, root)))
        }
    }
}
