//! How movements of money are answered.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use subgrant_domain::{Credits, DelegationId, Denial, HoldId, SpendId};

use crate::{AccessError, EngineError, ServiceError};

/// An acknowledged debit, or an acknowledged refund of one.
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
    /// The entry that a refund gives back; `None` for a debit.
    pub reverses: Option<SpendId>,
}

/// A hold, as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldReceipt {
    /// The hold.
    pub id: HoldId,
    /// The node whose credits are held.
    pub delegation: DelegationId,
    /// How much.
    pub amount: Credits,
    /// held or released.
    pub status: String,
    /// When it stops counting.
    pub expires_at: Timestamp,
    /// What remains of the node's budget; `None`: unlimited.
    pub remaining: Option<Credits>,
    /// The least over the path; `None`: unlimited.
    pub effective_remaining: Option<Credits>,
    /// What it is for, in its maker's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The maker's JSON object, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
}

/// What an operation is answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Receipt {
    /// A debit or a refund.
    Entry(SpendReceipt),
    /// A hold that was made, extended or released.
    Hold(HoldReceipt),
}

/// Why no money moved.
#[derive(Debug, thiserror::Error)]
pub enum SpendError {
    /// The caller may not do this.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The books refuse it.
    #[error("the books refuse it")]
    Denied(Denial),
    /// Who spent may not give back to itself.
    #[error("who spent does not give it back")]
    OwnRefund,
    /// The queue is full or gone.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<ServiceError> for SpendError {
    fn from(error: ServiceError) -> Self {
        Self::Access(error.into())
    }
}

impl From<subgrant_store::StoreError> for SpendError {
    fn from(error: subgrant_store::StoreError) -> Self {
        Self::Access(error.into())
    }
}
