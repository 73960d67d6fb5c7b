//! Debits: verified here, decided in the tenant's queue.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use subgrant_domain::{Action, Credits, DelegationId, Denial, NodePath, SpendId, SpendLimits};

use crate::{
    AccessError, App, EngineError, IdempotencyKey, Outcome, Principal, ServiceError, credential::Credential,
    engine::Command, idempotency::ScopedKey,
};

pub(crate) const ROUTE: &str = "POST /spend";

/// A debit from the caller's own node.
#[derive(Debug, Clone)]
pub struct SpendRequest {
    /// How much.
    pub amount: Credits,
    /// The caller's words.
    pub description: Option<String>,
    /// The caller's JSON object, as text.
    pub metadata: Option<String>,
    /// Say what would happen, and change nothing.
    pub dry_run: bool,
}

/// An acknowledged debit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpendReceipt {
    /// The ledger entry; `None` for a dry run.
    pub id: Option<SpendId>,
    /// The node that spent.
    pub delegation: DelegationId,
    /// How much.
    pub amount: Credits,
    /// What remains of the node's budget; `None`: unlimited.
    pub remaining: Option<Credits>,
    /// The least over the path; `None`: unlimited.
    pub effective_remaining: Option<Credits>,
    /// When it was decided.
    pub recorded_at: Timestamp,
}

/// Why nothing was spent.
#[derive(Debug, thiserror::Error)]
pub enum SpendError {
    /// The caller may not do this.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The books refuse it.
    #[error("the spend is refused")]
    Denied(Denial),
    /// The queue is full or gone.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<ServiceError> for SpendError {
    fn from(error: ServiceError) -> Self {
        Self::Access(error.into())
    }
}

/// What the tenant's queue decides on.
pub(crate) struct Spend {
    pub(crate) credential: Option<Credential>,
    pub(crate) path: NodePath,
    pub(crate) limits: SpendLimits,
    pub(crate) request: SpendRequest,
    pub(crate) key: Option<ScopedKey>,
}

impl App {
    /// Debits the caller's node and every ancestor, or nothing.
    pub async fn spend(
        &self,
        principal: &Principal,
        request: SpendRequest,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<SpendReceipt>, SpendError> {
        principal.require(Action::Spend)?;
        let key = key.filter(|_| !request.dry_run).map(|key| ScopedKey {
            key: principal.idempotency_key(ROUTE, key.key),
            fingerprint: key.fingerprint,
        });
        let spend = Spend {
            credential: principal.credential().cloned(),
            path: principal.path.clone(),
            limits: principal.credential().map(Credential::spend_limits).unwrap_or_default(),
            request,
            key,
        };
        let (command, answer) = Command::new(spend);
        self.shared().engine.submit(self, principal.tenant, command)?;
        // The queue answers unless its task died; then it is unknown whether the debit was committed.
        answer.await.map_err(|_| EngineError::OutcomeUnknown)?
    }
}
