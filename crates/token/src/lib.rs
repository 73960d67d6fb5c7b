//! Tokens: macaroons whose caveats delegate a budget. Mint, attenuate, parse, verify; the effective scope of a chain.
//!
//! Invariants held here:
//! - Nothing of a token is believed before its signature has been compared in constant time: [`Macaroon`] is what was
//!   read, [`VerifiedToken`] what was proven, and caveats are parsed only in between.
//! - Denied is the default. An unknown caveat, a malformed value, a conflict or missing context refuses the token.
//! - An appended caveat can only narrow. The one structural exception is stated at [`CaveatError::DelegationWithoutBudget`].
//! - One token has one binary form: whatever [`Macaroon::parse`] accepts is re-encoded to the same bytes.
//! - Attenuation never writes what verification would refuse as malformed or too large.
//! - Root keys, signatures and nonces are wiped or redacted; no signature leaves the crate, except inside a token's text.
//!
//! Deliberately absent: I/O, clocks, randomness and async (time and random bytes are arguments); the macaroon formats
//! V1 and JSON; third-party caveats and discharges; storage of keys; everything that only the ledger knows, such as
//! whether a node is live or a budget is used up. Hence [`Scope`] is what the token permits at most: the database row
//! stays authoritative.
//!
//! A resource server needs [`verify`] and its [`VerificationKey`], and no network.
//!
//! The text format, the caveats and the rules from chain to ledger are shared with the Python and TypeScript
//! implementations through `testdata/vectors.json`.

mod armor;
mod caveat;
mod caveat_list;
mod chain;
mod codec;
mod error;
mod hmac_key;
mod identifier;
mod key;
mod macaroon;
mod narrow;
mod request;
mod scope;
mod service;
mod signature;

pub use armor::{MAX_TEXT_BYTES, PREFIX};
pub use caveat::{
    Caveat, DelegationClaim, L402Capabilities, L402Name, L402Services, L402ValidUntil, MethodSet, NetworkSet,
    Nonce, RequestPath, RoutePattern, RouteSet, UnsafePath,
};
pub use chain::{Block, ChainNode, VerifiedToken};
pub use codec::MAX_CAVEATS;
pub use error::{CaveatError, ErrorClass, TokenError};
pub use identifier::Identifier;
pub use key::{RootKey, derive_nonce, derive_rotated_nonce, derive_secret};
pub use macaroon::Macaroon;
pub use request::{CaveatFailure, RequestContext};
pub use scope::{Scope, ScopedLimit};
pub use service::{KeyTextError, Refusal, VERIFICATION_KEY_PREFIX, VerificationKey, verify};
pub use signature::NodeDigest;
