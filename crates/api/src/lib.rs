//! The wire types of Subgrant's HTTP API, shared by the server and the Rust client.
//!
//! Invariants: what is written here is what goes over the wire, field for field; unknown fields of requests are
//! refused; amounts are JSON integers.
//!
//! Deliberately absent: rules. A request that has the right shape may still be refused.

mod audit;
mod delegation;
mod hold;
mod ledger;
mod object;
mod problem;
mod spend;
mod tenant;
mod verify;

pub use audit::{AuditEntry, AuditList};
pub use delegation::{
    Action, Allocation, CreateDelegation, CreatedDelegation, Delegation, DelegationList, DelegationTree,
    FreezeDelegation, Limit, Period, RestrictDelegation, RestrictedDelegation, Revocation, RevokeDelegation,
    RotateDelegation, RotatedDelegation, Status, UpdateDelegation, UpdatedDelegation,
};
pub use hold::{CaptureHold, CreateHold, ExtendHold, Hold, ReleaseHold};
pub use ledger::{EntryKind, Identities, LedgerEntry, LedgerFault, LedgerList, LedgerProof};
pub use object::Object;
pub use problem::{FieldError, Problem};
pub use spend::{BatchItem, BatchOutcome, CreateSpend, RefundSpend, Spend, SpendBatch, SpendBatchResult};
pub use tenant::{RotateRoot, RotatedRoot, Session, SignIn, SignUp, SignedUp, Tenant, User};
pub use verify::{RequestToVerify, Verification, VerifyToken};
