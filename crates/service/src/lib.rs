//! The use cases of Subgrant: lock, read, plan, apply, commit.
//!
//! Invariants: every write takes the tenant's lock before it reads what it decides on; the planner in
//! `subgrant-domain` is the only rule book; a write, its idempotency record and its audit entry commit together or not
//! at all; debits of a tenant go through one queue per process, and the lock makes several processes safe together.
//!
//! Deliberately absent: HTTP. Callers may be handlers, background work or a command line.

mod access;
mod adoption;
mod app;
mod audit;
mod chain;
mod credential;
mod delegation;
mod engine;
mod freeze;
mod hold;
mod idempotency;
mod ledger;
mod locked;
mod master_key;
mod mint;
mod password;
mod proof;
mod receipt;
mod reissue;
mod revoke;
mod root_token;
mod rotate;
mod session;
mod signup;
mod spend;
mod tree;
mod update;
mod verify;
mod view;

pub use access::{AccessError, BlockedAt, Principal, Via};
pub use app::{App, AppOptions, ServiceError};
pub use audit::AuditPage;
pub use credential::CredentialError;
pub use delegation::{DelegationPage, ListRequest};
pub use engine::EngineError;
pub use freeze::{Freeze, FreezeError};
pub use idempotency::{IdempotencyKey, Outcome};
pub use ledger::{LedgerPage, LedgerRequest};
pub use master_key::{MasterKey, MasterKeyError};
pub use mint::{ExpiryRequest, MintError, MintRequest, Minted};
pub use proof::{Fault, Proof};
pub use receipt::{HoldReceipt, SpendError, SpendReceipt};
pub use revoke::{RevokeError, RevokeReceipt, RevokeRequest};
pub use root_token::{RotateError, RotateRequest, RotatedRoot};
pub use rotate::{RestrictError, RotateDelegationError, RotatedDelegation};
pub use session::{SessionSecret, SignedIn};
pub use signup::{SignedUp, SignupError, SignupRequest};
pub use spend::{BatchSpend, SpendRequest};
pub use subgrant_store::{audit::Recorded, delegations::StatusFilter};
pub use tree::Branch;
pub use update::{UpdateError, UpdateRequest, Updated};
pub use verify::{Verification, VerifyRequest};
pub use view::DelegationView;
