//! On whose behalf a request is made, and what that lets it see.

use std::{net::IpAddr, sync::Arc};

use subgrant_domain::{
    Action, Credits, DelegationId, Holder, NodePath, RequestId, Role, Status, TenantId, Terms, UserId,
};
use subgrant_store::{TenantTx, audit, idempotency, sessions};
use subgrant_token::Caveat;

use crate::{
    App, CredentialError, ServiceError, SessionSecret, Usage,
    adoption::{AdoptionFacts, adopt},
    chain,
    credential::{Credential, TokenFacts},
    locked::Loaded,
};

/// Who asks.
#[derive(Clone)]
pub struct Principal {
    /// The tenant, and nothing of any other.
    pub tenant: TenantId,
    /// The node whose subtree is all that the principal sees.
    pub path: NodePath,
    /// How the principal proved itself.
    pub via: Via,
    /// From where the request came.
    pub source_ip: Option<IpAddr>,
    /// In which request.
    pub request_id: Option<RequestId>,
}

/// How a principal proved itself.
#[derive(Clone)]
pub enum Via {
    /// With a delegation's token.
    Token(PresentedToken),
    /// With a dashboard session.
    Session {
        /// Who signed in.
        user: UserId,
        /// What that user may do.
        role: Role,
        /// The session itself.
        secret: SessionSecret,
    },
}

/// A verified token, opaque outside this crate.
#[derive(Clone)]
pub struct PresentedToken(pub(crate) Arc<Credential>);

/// Where a denial arose, as far as the caller may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockedAt {
    /// The caller's own node or a descendant.
    Node(DelegationId),
    /// Somewhere above the caller, who may not know where.
    Ancestor,
}

/// Why a request is refused, whatever it asks for.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The token is not, or no longer, good.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// No session belongs to the cookie.
    #[error("the session has ended")]
    NoSession,
    /// The token's caveats or the user's role do not include the action.
    #[error("the action {0} is not permitted")]
    NotPermitted(Action),
    /// A newer token of the caller's delegation exists, and only that one may do this.
    #[error("a newer token of the delegation exists")]
    Superseded,
    /// Unknown, another tenant's, or outside the caller's subtree.
    #[error("there is no such delegation")]
    NotFound,
    /// The caller's idempotency key was used for another request.
    #[error("this Idempotency-Key was used for another request")]
    IdempotencyMismatch,
    /// The request was carried out before, and its answer holds a secret that is not shown to the caller (any more).
    #[error("the answer's secret is not shown again")]
    SecretShownOnce,
}

impl From<ServiceError> for AccessError {
    fn from(error: ServiceError) -> Self {
        Self::Credential(error.into())
    }
}

impl From<subgrant_store::StoreError> for AccessError {
    fn from(error: subgrant_store::StoreError) -> Self {
        ServiceError::from(error).into()
    }
}

impl App {
    /// The principal of a bearer token that is presented for anything, in no particular request.
    pub async fn authenticate_token(
        &self,
        text: &str,
        source_ip: Option<IpAddr>,
        request_id: Option<RequestId>,
    ) -> Result<Principal, AccessError> {
        self.authenticate_token_for(Usage::Manage(None), text, source_ip, request_id).await
    }

    /// The principal of a bearer token that is presented for one purpose.
    pub async fn authenticate_token_for(
        &self,
        usage: Usage<'_>,
        text: &str,
        source_ip: Option<IpAddr>,
        request_id: Option<RequestId>,
    ) -> Result<Principal, AccessError> {
        let credential = self.credential(text).await?;
        credential.check_use_here(usage, source_ip)?;
        let (tenant, path) = (credential.tenant(), credential.path.clone());
        Ok(Principal { tenant, path, via: Via::Token(PresentedToken(credential)), source_ip, request_id })
    }

    /// The principal of a session cookie.
    pub async fn authenticate_session(
        &self,
        secret: &SessionSecret,
        source_ip: Option<IpAddr>,
        request_id: Option<RequestId>,
    ) -> Result<Principal, AccessError> {
        let (tenant, user) = self.session_user(secret).await?.ok_or(AccessError::NoSession)?;
        Ok(Principal {
            tenant: tenant.id,
            path: NodePath::root(tenant.root),
            via: Via::Session { user: user.id, role: user.role, secret: secret.clone() },
            source_ip,
            request_id,
        })
    }
}

impl Principal {
    /// Refuses unless the principal may do `action`.
    pub(crate) fn require(&self, action: Action) -> Result<(), AccessError> {
        let permitted = match &self.via {
            Via::Token(token) => token.0.actions.contains(action),
            Via::Session { role, .. } => role.may_manage_delegations() || action == Action::Read,
        };
        if permitted { Ok(()) } else { Err(AccessError::NotPermitted(action)) }
    }

    /// The same where it concerns the whole tenant, which only its root and its people act for.
    pub(crate) fn require_for_tenant(&self, action: Action) -> Result<(), AccessError> {
        if self.path.depth() > 0 {
            return Err(AccessError::NotPermitted(action));
        }
        self.require(action)
    }

    /// The principal's token, unless it is a session.
    pub(crate) fn credential(&self) -> Option<&Arc<Credential>> {
        match &self.via {
            Via::Token(token) => Some(&token.0),
            Via::Session { .. } => None,
        }
    }

    /// The principal's session, unless it is a token.
    pub(crate) fn session(&self) -> Option<OpenSession> {
        match &self.via {
            Via::Token(_) => None,
            Via::Session { user, role, secret } => {
                Some(OpenSession { user: *user, role: *role, secret: secret.clone() })
            }
        }
    }

    /// What the credential leaves of the power of a node at or below its own.
    pub(crate) fn holder_at(&self, path: &NodePath) -> Holder {
        let Some(credential) = self.credential() else { return Holder::UNRESTRICTED };
        let terms = credential.terms();
        let levels =
            u32::try_from(path.depth() - self.path.depth()).expect("a path is at most 32 levels deep");
        Holder {
            terms: Terms { max_depth: terms.max_depth.map(|depth| depth.saturating_sub(levels)), ..terms },
            ceiling: self.ceiling_at(path),
        }
    }

    /// What the token's holder appended to it, as far as it must bind a token of the node at `path` that is written on
    /// the holder's behalf.
    ///
    /// A name stays with its node, and levels are counted by the plan: below the caller's own node both stand in the
    /// presented token anyway; further down they would say something else. Refused where the token is narrower than
    /// what is below in a way that cannot be carried over.
    pub(crate) fn narrowing_at(
        &self,
        loaded: &impl Loaded,
        path: &NodePath,
    ) -> Result<Vec<Caveat>, AccessError> {
        let Some(credential) = self.credential() else { return Ok(Vec::new()) };
        let (issued, appended) = credential.issued_and_appended();
        if path.id() == self.path.id() {
            return Ok(appended.to_vec());
        }
        let canonical = chain::issued_part(loaded.row(self.path.id())?);
        let says_the_same =
            |(caveat, stored): (&Caveat, &String)| chain::public_text(caveat) == chain::listed(stored);
        if issued.len() != canonical.len() || !issued.iter().zip(canonical).all(says_the_same) {
            return Err(AccessError::Superseded);
        }
        if let Some(limit) = appended.iter().find(|caveat| matches!(caveat, Caveat::Limit(_))) {
            // Further down it would count something else, and as often as there are tokens.
            let why = format!(
                "{limit} was appended to it, so that it writes no tokens of delegations further down"
            );
            return Err(CredentialError::Caveat(why).into());
        }
        let binds = |caveat: &&Caveat| !matches!(caveat, Caveat::Label(_) | Caveat::MaxDepth(_));
        Ok(appended.iter().filter(binds).cloned().collect())
    }

    /// What the presented token says the node's budget is, if it is the token's own node.
    pub(crate) fn ceiling_at(&self, path: &NodePath) -> Option<Credits> {
        self.credential().and_then(|credential| credential.ceiling_at(path))
    }

    /// An entry for the audit log.
    pub(crate) fn audit_entry(
        &self,
        action: &'static str,
        target: String,
        details: &serde_json::Value,
    ) -> audit::Entry {
        audit::Entry {
            id: uuid::Uuid::now_v7(),
            actor: self.audit_name(),
            action,
            target,
            details: details.to_string(),
            source_ip: self.source_ip,
            request_id: self.request_id,
        }
    }

    /// Where the principal's idempotency keys are unique.
    pub(crate) fn idempotency_key(&self, route: &'static str, key: String) -> idempotency::Key {
        match &self.via {
            Via::Token(_) => idempotency::Key::new(self.path.id(), route, key),
            Via::Session { user, .. } => idempotency::Key::new(*user, route, key),
        }
    }

    /// The principal's name in the audit log.
    pub(crate) fn audit_name(&self) -> String {
        match &self.via {
            Via::Token(_) => self.path.id().to_string(),
            Via::Session { user, .. } => user.to_string(),
        }
    }

    /// Names a node of a path that the principal acts on, unless it stands above the principal.
    pub fn locate(&self, node: DelegationId) -> BlockedAt {
        if self.path.ancestors().contains(&node) { BlockedAt::Ancestor } else { BlockedAt::Node(node) }
    }

    /// Refuses unless the principal's token and every node above it are good, as of the transaction's instant.
    pub(crate) async fn check_standing(&self, loaded: &mut impl Loaded) -> Result<(), AccessError> {
        let credential = match &self.via {
            Via::Token(token) => &*token.0,
            Via::Session { user, role, secret } => {
                return check_session(loaded.tx(), *user, *role, secret).await;
            }
        };
        let root = loaded.row(self.path.root_id())?.clone();
        let facts = TokenFacts::read(loaded.tx(), credential, &root).await?.ok_or(CredentialError::Forged)?;
        credential.check(&facts, loaded.tree().now())?;
        if !credential.is_registered() {
            let mut facts = AdoptionFacts::read(loaded.tx(), std::iter::once(credential)).await?;
            let adopted = adopt(loaded.tree_mut(), &mut facts, credential)?;
            loaded.take_in(adopted);
        }
        Ok(usable(loaded.tree().status(&self.path))?)
    }
}

/// A session, as it was when somebody asked with it.
#[derive(Clone)]
pub(crate) struct OpenSession {
    user: UserId,
    role: Role,
    secret: SessionSecret,
}

impl OpenSession {
    /// What the database knows it by.
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.secret.digest()
    }

    /// Whether it has not ended since, and its user still has the same role.
    pub(crate) async fn is_good(&self, tx: &mut TenantTx) -> Result<bool, ServiceError> {
        match check_session(tx, self.user, self.role, &self.secret).await {
            Ok(()) => Ok(true),
            Err(AccessError::Credential(CredentialError::Service(error))) => Err(error),
            Err(_) => Ok(false),
        }
    }
}

/// Refuses a session that has ended, or whose user has another role by now.
async fn check_session(
    tx: &mut TenantTx,
    user: UserId,
    role: Role,
    secret: &SessionSecret,
) -> Result<(), AccessError> {
    let found = sessions::user_by_digest(tx, &secret.digest()).await?;
    let is_same = found.is_some_and(|found| found.id == user && found.role == role);
    if is_same { Ok(()) } else { Err(AccessError::NoSession) }
}

/// Refuses a node that is not live; an exhausted one is.
pub(crate) fn usable(status: Status) -> Result<(), CredentialError> {
    match status {
        Status::Active | Status::Exhausted(_) => Ok(()),
        Status::Frozen(_) => Err(CredentialError::Frozen),
        Status::Expired(_) => Err(CredentialError::Expired),
        Status::Revoked(_) => Err(CredentialError::Revoked),
    }
}
