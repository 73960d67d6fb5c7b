//! Decisions: pure functions over a [`Tree`](crate::Tree) that either change it consistently or refuse with facts.

mod change;
mod denial;
mod funds;
mod hold;
mod mint;
mod refund;
mod revoke;
mod spend;
#[cfg(test)]
mod tests;

pub use change::{ChangeDenial, ChangeRequest, Direction, direction_of, plan_change};
pub use denial::{Denial, SpendLimits};
pub use hold::{Hold, plan_capture, plan_expired_hold, plan_extend, plan_hold, plan_release, plan_void_hold};
pub use mint::{Child, ChildRequest, Holder, MintDenial, plan_mint};
pub use refund::plan_refund;
pub use revoke::{Revocation, plan_expired_carve, plan_freeze, plan_revoke, plan_unfreeze};
pub use spend::{check_spend, plan_spend, required_windows};
