//! Minting a child delegation.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use subgrant_domain::{
    Action, AttributeText, ChildRequest, DelegationId, MintDenial, NodePath, ServiceId, plan_mint,
};
use subgrant_store::{
    StoreError, audit,
    delegations::{self, Delegation},
    tokens::{self, NewToken},
};
use subgrant_token::{Caveat, RootKey, TokenError, VerifiedToken};
use zeroize::Zeroizing;

use crate::{
    AccessError, App, DelegationView, IdempotencyKey, Outcome, Principal, ServiceError,
    app::fresh_id,
    chain::{self, WriteError},
    event::EventKind,
    idempotency::{bound::record_bound, scoped},
    locked::{Loaded, LockedTenant},
};

pub(crate) mod token;

pub(crate) const ROUTE: &str = "POST /delegation";

/// What the child shall be.
#[derive(Debug, Clone)]
pub struct MintRequest {
    /// Below which node; absent: below the caller's own.
    pub parent: Option<DelegationId>,
    /// The child's name.
    pub label: AttributeText,
    /// Budget and restrictions; its expiry is ignored in favour of [`MintRequest::expiry`].
    pub child: ChildRequest,
    /// When the child's life ends.
    pub expiry: Option<ExpiryRequest>,
    /// The service that alone may take the child's token; absent: the parent's, if it has one.
    pub audience: Option<ServiceId>,
    /// Caveats for gateways and resource servers, appended after the others.
    pub extra_caveats: Vec<Caveat>,
}

/// When a life shall end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiryRequest {
    /// So long after the database's clock at the decision.
    After(SignedDuration),
    /// At an instant.
    At(Timestamp),
}

/// A minted child, with its token.
pub struct Minted {
    /// The child.
    pub delegation: DelegationView,
    /// The child's token. Shown once, and again only to the same request.
    pub token: Zeroizing<String>,
}

/// Why no child was minted.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The caller may not do this, or not here.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The rules of the domain refuse it.
    #[error("the child is refused")]
    Denied {
        /// Why.
        denial: MintDenial,
        /// Whether the parent is the caller's own node or one below it is always so; its id for the problem.
        parent: DelegationId,
    },
    /// The child's token would exceed a token's limits.
    #[error("the child's token would be too long: {0}")]
    TokenTooLong(TokenError),
    /// No such service is registered.
    #[error("the audience is no registered service")]
    UnknownAudience,
}

impl From<ServiceError> for MintError {
    fn from(error: ServiceError) -> Self {
        Self::Access(error.into())
    }
}

impl From<WriteError> for MintError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::TokenTooLong(why) => Self::TokenTooLong(why),
            WriteError::Service(error) => error.into(),
        }
    }
}

impl From<StoreError> for MintError {
    fn from(error: StoreError) -> Self {
        Self::Access(error.into())
    }
}

/// What is recorded to answer a repeated request: everything but the token, which is derived again.
#[derive(Serialize, Deserialize)]
struct Answer {
    delegation: DelegationView,
    /// The child's chain as it was stored, which a rotation or change may have replaced since.
    caveats: Vec<String>,
    /// How many of them were issued with the parent's token.
    parent_caveats: usize,
}

impl App {
    /// Mints a child below the caller's own node or below one of its descendants.
    pub async fn mint(
        &self,
        principal: &Principal,
        request: &MintRequest,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<Minted>, MintError> {
        let parent = self.parent_path(principal, request.parent).await?;
        let database = &self.shared().database;
        let mut locked = LockedTenant::open(database, principal.tenant, &[&principal.path, &parent]).await?;
        principal.check_standing(&mut locked).await?;
        principal.require(Action::Delegate)?;
        let key = scoped(principal, ROUTE, key);
        if let Some(key) = &key
            && let Some(repeated) = key.find_bound::<Answer>(principal, &mut locked).await?
        {
            let answer = repeated.secret()?;
            return Ok(Outcome::replayed(self.minted_again(principal, &mut locked, &parent, answer).await?));
        }
        let (minted, answer) = self.mint_locked(principal, request, &parent, &mut locked).await?;
        record_bound(&mut locked, key.as_ref(), principal, 201, &answer).await?;
        locked.commit(self).await?;
        Ok(Outcome::fresh(minted))
    }

    async fn parent_path(
        &self,
        principal: &Principal,
        parent: Option<DelegationId>,
    ) -> Result<NodePath, AccessError> {
        match parent {
            Some(id) if id != principal.path.id() => {
                let mut read = self.read(principal).await?;
                crate::delegation::visible_path(&mut read, principal, Some(id)).await
            }
            _ => Ok(principal.path.clone()),
        }
    }

    /// Plans, writes and signs, without committing.
    async fn mint_locked(
        &self,
        principal: &Principal,
        request: &MintRequest,
        parent: &NodePath,
        locked: &mut LockedTenant,
    ) -> Result<(Minted, Answer), MintError> {
        let now = locked.head.now;
        let id = fresh_id();
        let parent_row = locked.row(parent.id())?;
        let expires_at = request.expiry.map(|expiry| expiry_instant(expiry, parent_row, now));
        let child = ChildRequest { expires_at, ..request.child.clone() };
        let denied = |denial| MintError::Denied { denial, parent: parent.id() };
        plan_mint(&mut locked.tree, parent, &principal.holder_at(parent), id, &child).map_err(denied)?;

        let base = self.parent_chain(principal, locked, parent).await?;
        let audience = token::audience(locked, &base, request.audience, parent).await?;
        let said = audience.filter(|_| base.audience.is_none()).map(Caveat::Audience);
        let extra_caveats: Vec<_> = request.extra_caveats.iter().cloned().chain(said).collect();
        let root_key = &base.root_key;
        let block = chain::block(&root_key.key, id, &request.label, &child, &extra_caveats);
        let macaroon = base.macaroon.attenuate(&block).map_err(MintError::TokenTooLong)?;
        let macaroon = self.signed_for(locked.tx(), macaroon, audience).await?;
        let verified = chain::verified(&macaroon, &root_key.key)?;
        let digest = *verified.last_digest().expect("the block holds a budget caveat").as_bytes();
        let service_digest = self.service_digest(locked.tx(), &macaroon, audience).await?;
        let caveats = verified.caveats().len();
        let token = NewToken { digest, service_digest, caveats, first_label: None };

        let row = Delegation {
            node: locked.tree.node(id).expect("the plan added it").clone(),
            label: request.label.clone(),
            caveats: stored_caveats(locked, &root_key.key, &verified),
            token_generation: 0,
            made_offline: false,
            first_block_unknown: false,
            root_key: root_key.id,
            audience,
            tokens_valid_from: None,
            version: 1,
            created_at: now,
        };
        locked.write_changes().await?;
        delegations::insert(&mut locked.tx, &row).await?;
        tokens::insert(&mut locked.tx, &token, id, now).await?;
        let entry = audit_entry(principal, &row);
        audit::append(&mut locked.tx, &entry).await?;
        locked.announce(EventKind::DelegationCreated, Some(id), &created(&row)).await?;

        let mut delegation = DelegationView::of_one(locked, &row, principal).await?;
        delegation.caveats = verified.caveats().iter().map(ToString::to_string).collect();
        let answer = Answer {
            // The answer shows the caveats with their nonces, as the token does; the record must not hold them.
            delegation: token::without_nonces(delegation.clone()),
            caveats: row.caveats,
            parent_caveats: base.issued,
        };
        Ok((Minted { delegation, token: Zeroizing::new(macaroon.to_text()) }, answer))
    }
}

/// The end of the child's life.
///
/// A duration ends at the parent's end where it asks for no more than the parent's whole life was: `720h` below a
/// parent that was minted with `720h` a moment ago is meant to be accepted. Whoever names an instant means it.
pub(crate) fn expiry_instant(request: ExpiryRequest, parent: &Delegation, now: Timestamp) -> Timestamp {
    let duration = match request {
        // PostgreSQL and caveats keep microseconds; truncating never grants more than was asked for.
        ExpiryRequest::At(instant) => {
            return Timestamp::from_microsecond(instant.as_microsecond()).unwrap_or(instant);
        }
        ExpiryRequest::After(duration) => duration,
    };
    let end = now.saturating_add(duration).unwrap_or(Timestamp::MAX);
    let end =
        Timestamp::from_microsecond(end.as_microsecond().min(LAST_EXPIRY_SECOND * 1_000_000)).unwrap_or(end);
    match parent.node.terms.expires_at {
        Some(parent_end) if end > parent_end && duration <= parent_end.duration_since(parent.created_at) => {
            parent_end
        }
        _ => end,
    }
}

/// The end of the year 9998: the latest that a caveat can say.
const LAST_EXPIRY_SECOND: i64 = 253_370_764_799;

/// The child's chain as it is stored.
fn stored_caveats(locked: &LockedTenant, root_key: &RootKey, verified: &VerifiedToken) -> Vec<String> {
    let newest = |id| locked.rows.get(&id).map_or(0, |row| row.token_generation);
    verified.caveats().iter().map(|caveat| chain::stored_text(root_key, caveat, newest)).collect()
}

fn created(row: &Delegation) -> serde_json::Value {
    serde_json::json!({
        "label": row.label,
        "budget_credits": row.node.budget,
        "allocation": row.node.allocation.as_str(),
    })
}

fn audit_entry(principal: &Principal, row: &Delegation) -> audit::Entry {
    let details = serde_json::json!({
        "parent_id": row.node.path.parent_id(),
        "label": row.label,
        "budget_credits": row.node.budget,
        "allocation": row.node.allocation.as_str(),
        "expires_at": row.node.terms.expires_at,
    });
    principal.audit_entry("delegation.create", row.node.id().to_string(), &details)
}
