//! `subgrant report …`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use subgrant_domain::{Tally, TenantId};
use subgrant_service::{App, AppOptions, RollupCheck, RollupDifference, ServiceError};
use subgrant_store::tenants;

use super::{CliError, DatabaseArgs};
use crate::launch::Launched;

/// Subcommands of `subgrant report`.
#[derive(Subcommand)]
pub(super) enum Report {
    /// Add every ledger up again and compare it with the sums that reports read. Prints JSON; fails where a sum is
    /// wrong. Servers may run meanwhile.
    Verify(Verify),
}

/// Options of `subgrant report verify`.
#[derive(Args)]
pub(super) struct Verify {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Only this tenant: `ten_…`.
    #[arg(long, env = "SUBGRANT_TENANT")]
    tenant: Option<TenantId>,
    /// Make sums that are wrong anew from the ledger. Its tenant's spending waits while one day is added up.
    #[arg(long)]
    rebuild: bool,
}

impl Report {
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self {
            Self::Verify(command) => command.run().await,
        }
    }
}

impl Verify {
    async fn run(self) -> Result<(), CliError> {
        let launched = Launched::open(&self.database).await?;
        let app = App::new(launched.database.clone(), launched.master_key.clone(), AppOptions::default());
        let checked = self.check(&app).await;
        launched.close().await?;
        let checked = checked.map_err(|error| CliError::new(error.to_string()))?;
        let wrong = checked.iter().filter(|(_, check)| check.first_difference.is_some()).count();
        let tenants: Vec<_> = checked.iter().map(|(tenant, check)| document(*tenant, check)).collect();
        let document = json!({ "intact": wrong == 0, "tenants": tenants });
        let text =
            serde_json::to_string_pretty(&document).map_err(|error| CliError::new(error.to_string()))?;
        println!("{text}");
        if wrong == 0 {
            return Ok(());
        }
        Err(CliError::new(format!(
            "sums of {wrong} tenants differ from the ledger; --rebuild makes them anew from it"
        )))
    }

    async fn check(&self, app: &App) -> Result<Vec<(TenantId, RollupCheck)>, ServiceError> {
        let tenants = match self.tenant {
            Some(tenant) => vec![tenant],
            None => tenants::all_ids(app.database()).await?,
        };
        let mut checked = Vec::with_capacity(tenants.len());
        for tenant in tenants {
            let check = if self.rebuild {
                app.rebuild_rollups(tenant).await?
            } else {
                app.verify_rollups(tenant).await?
            };
            checked.push((tenant, check));
        }
        Ok(checked)
    }
}

fn document(tenant: TenantId, check: &RollupCheck) -> Value {
    json!({
        "tenant": tenant,
        "intact": check.first_difference.is_none(),
        "entries": check.entries,
        "through": check.through,
        "summarised_through": check.summarised_through,
        "first_difference": check.first_difference.as_ref().map(difference),
    })
}

fn difference(difference: &RollupDifference) -> Value {
    let RollupDifference { level, key, expected, stored } = difference;
    json!({
        "level": level,
        "start": key.bucket,
        "delegation_id": key.delegation,
        "cost_center": key.cost_center,
        "department": key.department,
        "expected": sums(expected),
        "stored": sums(stored),
    })
}

/// As text where a JSON number would be beyond what `serde_json` builds a value of.
fn sums(tally: &Tally) -> Value {
    let number = |sum: u128| u64::try_from(sum).map_or_else(|_| json!(sum.to_string()), |sum| json!(sum));
    json!({
        "gross_credits": number(tally.gross),
        "refunded_credits": number(tally.refunded),
        "entries": tally.entries,
    })
}
