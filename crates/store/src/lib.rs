//! Everything Subgrant knows about PostgreSQL: SQL, row types, the migrator.
//!
//! Invariants: every statement on a tenant's tables runs in a transaction that was opened for that tenant, and
//! filters on it besides; whoever writes balances, settings or the ledger holds the tenant's lock, which only
//! [`LockedTx`] can express; rows are locked root first.
//!
//! Deliberately absent: decisions. What may be written is decided by `subgrant-domain`.

pub mod accounts;
pub mod alerts;
pub mod attempts;
pub mod audit;
pub mod books;
pub mod budget;
mod database;
pub mod delegations;
mod error;
pub mod events;
pub mod holds;
pub mod idempotency;
mod lanes;
pub mod ledger;
pub mod maintenance;
mod migrator;
mod order;
pub mod outbox;
pub mod people;
pub mod periods;
pub mod presence;
pub mod resets;
pub mod revocations;
pub mod rollups;
pub mod root_keys;
pub mod servers;
pub mod service_routes;
pub mod services;
pub mod sessions;
pub mod settings;
pub mod tenants;
pub mod tokens;
pub mod webhooks;
pub mod windows;

pub use database::{Database, DatabaseOptions, LockedTx, PoolUse, TenantTx};
pub use error::{Result, StoreError};
pub use lanes::{LaneUse, Shares};
pub use migrator::{MigrateError, migrate, schema_fingerprint};
pub use order::Order;
