//! The reference: what the server must do, written from the product's rules and not from the server's code.
//!
//! - [`world`]: the things there are, and every balance as a sum over ledger entries and open holds;
//! - [`token`]: what a token's caveats say together;
//! - [`call`]: one request, and how it is written in HTTP;
//! - [`standing`]: who may ask, and when offline children are entered;
//! - [`money`], [`delegating`], [`changing`], [`rewriting`]: one function per kind of request;
//! - [`view`]: what callers are shown;
//! - [`rules`]: from a request to its answer; [`answer`]: how that is compared, and what is learned from it.

pub(crate) mod answer;
pub(crate) mod call;
mod changing;
mod delegating;
mod money;
mod rewriting;
mod rules;
mod standing;
pub(crate) mod token;
mod view;
pub(crate) mod world;
