//! The rules of delegated budgets, as pure functions and types.
//!
//! Invariants held here: an amount is always a whole number of credits that JSON can carry exactly; an id always
//! carries the prefix of its kind; a caveat's text never holds control or direction-override characters; a plan
//! either changes every node of a path consistently or nothing at all.
//!
//! Deliberately absent: I/O, clocks, randomness and async. Time and fresh ids are arguments.

mod action;
mod credits;
mod id;
mod text;
mod window;

pub use action::{Action, ActionSet, UnknownAction};
pub use credits::{Credits, CreditsError};
pub use id::{
    DelegationId, Id, IdError, IdKind, RequestId, RootKeyId, ServiceId, SpendId, TenantId, UserId, kind,
};
pub use text::{AttributeText, TextError};
pub use window::{Period, WindowLimit, WindowLimitError};
