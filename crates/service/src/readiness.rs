//! Whether requests can be served.

use subgrant_store::{StoreError, maintenance};

use crate::App;

/// What stands in the way, if anything does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Nothing.
    Ready,
    /// The schema is older than the program.
    NotMigrated,
    /// The ledger takes no entries of this month.
    NoPartition,
    /// The database's root keys are sealed with another master key than this process has.
    OtherKey,
}

impl App {
    /// Looks at what may have changed since the start: somebody may have put another database in this one's place.
    pub async fn readiness(&self) -> Result<Readiness, StoreError> {
        let database = self.database();
        if !maintenance::is_migrated(database).await? {
            return Ok(Readiness::NotMigrated);
        }
        if !maintenance::has_ledger_partition(database).await? {
            return Ok(Readiness::NoPartition);
        }
        let is_right_key = self.shared().master_key.is_that_of(database).await?;
        Ok(if is_right_key { Readiness::Ready } else { Readiness::OtherKey })
    }
}
