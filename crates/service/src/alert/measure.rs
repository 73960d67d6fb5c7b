//! How far an alert is: from balances, counters and sums, never from the ledger itself.

use jiff::Timestamp;
use subgrant_domain::{AttributeText, Credits, Node, NodePath, Period};
use subgrant_store::{
    alerts::{Alert, Threshold},
    delegations, tenants,
};

use crate::{
    Bound, ServiceError,
    locked::ReadTenant,
    report::{self, GroupBy, ReportError, SpendReport, SpendReportRequest},
};

/// A delegation, and how far an alert about it is.
pub(super) struct Measured {
    pub(super) label: AttributeText,
    /// `None` where what the alert watches is gone.
    pub(super) figures: Option<Figures>,
}

/// How far an alert is.
pub(super) struct Figures {
    /// What was consumed.
    pub(super) current: u128,
    /// Of so much.
    pub(super) of: Credits,
    /// From so much on the alert is fired.
    pub(super) threshold: u128,
    /// Since when it counts; `None`: ever.
    pub(super) window_start: Option<Timestamp>,
    /// For each it is fired once.
    pub(super) occasion: String,
}

impl Figures {
    pub(super) fn is_reached(&self) -> bool {
        self.current >= self.threshold
    }
}

pub(super) async fn measure(read: &mut ReadTenant, alert: &Alert) -> Result<Measured, ServiceError> {
    let missing = || ServiceError::Inconsistent(format!("{} is missing", alert.delegation));
    let path = delegations::path_by_id(&mut read.tx, alert.delegation).await?.ok_or_else(missing)?;
    read.load(&[&path]).await?;
    let row = read.rows.get(&path.id()).ok_or_else(missing)?;
    let (label, node) = (row.label.clone(), row.node.clone());
    let figures = match alert.threshold {
        Threshold::Budget(percent) => node.budget.map(|budget| Figures {
            current: u128::from(node.spent.get()) + u128::from(node.held.get()),
            of: budget,
            threshold: part(percent, budget),
            window_start: None,
            // Another budget is another occasion.
            occasion: format!("budget={budget}"),
        }),
        Threshold::Limit(period, percent) => {
            match node.terms.limits.iter().find(|limit| limit.period == period) {
                None => None,
                Some(limit) => {
                    let start = start(read, period).await?;
                    Some(Figures {
                        current: counted(read, &node, period, start).await?,
                        of: limit.credits,
                        threshold: part(percent, limit.credits),
                        window_start: Some(start),
                        occasion: format!("{period}={start}"),
                    })
                }
            }
        }
        Threshold::Spend(None, credits) => Some(Figures {
            current: u128::from(node.spent.get()),
            of: credits,
            threshold: u128::from(credits.get()),
            window_start: None,
            occasion: "ever".to_owned(),
        }),
        Threshold::Spend(Some(period), credits) => {
            let start = start(read, period).await?;
            let spent = spent_since(read, &path, start).await?.total.spent();
            Some(Figures {
                current: u128::try_from(spent).unwrap_or_default(),
                of: credits,
                threshold: u128::from(credits.get()),
                window_start: Some(start),
                occasion: format!("{period}={start}"),
            })
        }
    };
    Ok(Measured { label, figures })
}

/// So many percent, rounded up.
fn part(percent: u8, of: Credits) -> u128 {
    (u128::from(of.get()) * u128::from(percent)).div_ceil(100)
}

async fn start(read: &mut ReadTenant, period: Period) -> Result<Timestamp, ServiceError> {
    let zone = tenants::time_zone(&mut read.tx).await?;
    Ok(period.window(read.tree.now(), &zone).0)
}

/// What counts against a window limit: its counter, or the sums where there is none of this window.
async fn counted(
    read: &mut ReadTenant,
    node: &Node,
    period: Period,
    start: Timestamp,
) -> Result<u128, ServiceError> {
    let counter = node.counters[period as usize].filter(|counter| counter.start == start);
    match counter {
        Some(counter) => Ok(u128::from(counter.spent.get())),
        // Refunds do not give a limit back.
        None => Ok(spent_since(read, &node.path, start).await?.total.gross),
    }
}

async fn spent_since(
    read: &mut ReadTenant,
    path: &NodePath,
    start: Timestamp,
) -> Result<SpendReport, ServiceError> {
    let request = SpendReportRequest {
        delegation: None,
        from: Some(Bound::At(start)),
        to: None,
        group_by: GroupBy::default(),
        interval: None,
        max_lines: 1,
    };
    report::spend_in(&mut read.tx, read.tree.now(), path, &request).await.map_err(ReportError::unexpected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_rounded_up_so_that_nobody_is_told_too_early() {
        let part = |percent, credits| part(percent, Credits::new(credits).unwrap());
        assert_eq!((part(80, 5_000), part(80, 1), part(33, 10), part(100, 7)), (4_000, 1, 4, 7));
        assert_eq!(part(99, 9_007_199_254_740_991), 8_917_127_262_193_582);
    }
}
