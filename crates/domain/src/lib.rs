//! The rules of delegated budgets, as pure functions and types.
//!
//! Invariants held here: an amount is always a whole number of credits that JSON can carry exactly; an id always
//! carries the prefix of its kind; a caveat's text never holds control or direction-override characters; a plan
//! either changes every node of a path consistently or nothing at all.
//!
//! Deliberately absent: I/O, clocks, randomness and async. Time and fresh ids are arguments.

mod action;
mod credits;
mod email;
mod event;
mod forecast;
mod id;
mod ledger;
mod month;
mod node;
mod path;
mod plan;
mod price;
mod role;
mod rollup;
mod text;
mod tree;
mod window;

pub use action::{Action, ActionSet, UnknownAction};
pub use credits::{Credits, CreditsError};
pub use email::{NotAnAddress, parse_email};
pub use event::EventPosition;
pub use forecast::{DailyRate, RunOut};
pub use id::{
    AlertId, DelegationId, EventId, HoldId, Id, IdError, IdKind, RequestId, RootKeyId, ServiceId, SessionId,
    SpendId, TenantId, UserId, WebhookId, kind,
};
pub use iso_currency::Currency;
pub use ledger::{EntryHash, EntryKind, LedgerEntry};
pub use month::{Month, NotAMonth};
pub use node::{Allocation, Marks, Node, Status, Terms, UnknownAllocation, effective_remaining, status_of};
pub use path::{NodePath, PathError};
pub use plan::{
    ChangeDenial, ChangeRequest, Child, ChildRequest, Denial, Direction, Hold, Holder, MintDenial,
    Revocation, SpendLimits, check_spend, direction_of, plan_capture, plan_change, plan_expired_hold,
    plan_expiry, plan_extend, plan_freeze, plan_hold, plan_mint, plan_refund, plan_release, plan_revoke,
    plan_spend, plan_unfreeze, plan_void_hold, required_windows,
};
pub use price::{CreditPrice, NotAPrice};
pub use role::{Role, UnknownRole};
pub use rollup::{Newest, RollupKey, Tally, quarter_of};
pub use text::{AttributeText, ProseError, TextError, prose};
pub use tree::{SetAside, Tree, WindowKey};
pub use window::{Counter, Period, WindowLimit, WindowLimitError};
