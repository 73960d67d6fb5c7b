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
mod attempts;
mod audit;
mod chain;
mod credential;
mod delegation;
mod engine;
mod event;
mod export;
mod freeze;
mod hold;
mod hold_list;
mod idempotency;
mod invitation;
mod issued;
mod ledger;
mod list;
mod locked;
mod master_key;
mod mint;
mod password;
mod people;
mod proof;
mod receipt;
mod reissue;
mod report;
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
pub use attempts::AttemptLimits;
pub use audit::AuditPage;
pub use credential::CredentialError;
pub use engine::EngineError;
pub use event::{Delivery, EventContent, EventView, SpentBy, Start, SubscribeError};
pub use export::{ExportPiece, LedgerExport};
pub use freeze::{Freeze, FreezeError};
pub use hold_list::{HoldListRequest, HoldPage};
pub use idempotency::{IdempotencyKey, Outcome};
pub use invitation::{Acceptance, InvitationSecret, Invited};
pub use issued::IssuedToken;
pub use ledger::{LedgerPage, LedgerRequest};
pub use list::{DelegationPage, ListError, ListRequest, With};
pub use master_key::{MasterKey, MasterKeyError};
pub use mint::{ExpiryRequest, MintError, MintRequest, Minted};
pub use people::{CreatedMember, MemberPage, NewMember, PeopleError};
pub use proof::{CheckedNodes, Fault, Proof, ProofFrom};
pub use receipt::{HoldReceipt, SpendError, SpendReceipt};
pub use report::{
    Bound, GroupBy, MAX_INTERVALS, ReportError, ReportLine, RollupCheck, RollupDifference, SpendReport,
    SpendReportRequest,
};
pub use revoke::{RevokeError, RevokeReceipt, RevokeRequest};
pub use root_token::{RotateError, RotateRequest, RotatedRoot};
pub use rotate::{RestrictError, RotateDelegationError, RotatedDelegation};
pub use session::{SessionSecret, SignInError, SignedIn};
pub use signup::{SignedUp, SignupError, SignupRequest};
pub use spend::{BatchSpend, SpendRequest};
pub use subgrant_store::{
    audit::{AuditFilter, Order, Recorded},
    delegations::StatusFilter,
    holds::{HoldEntry, HoldStatus},
    people::Member,
};
pub use tree::Branch;
pub use update::{UpdateError, UpdateRequest, Updated};
pub use verify::{Verification, VerifyRequest};
pub use view::DelegationView;
