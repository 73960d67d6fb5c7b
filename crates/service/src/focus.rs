//! A month's spending as the charges of the FinOps Open Cost and Usage Specification (FOCUS), a day at a time.
//!
//! A charge is what one delegation spent, or was given back, on one day of the tenant's calendar for one cost centre and
//! department. All of an export is seen at one instant, however long it takes.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;
use subgrant_domain::{Action, AttributeText, DelegationId, Month, NodePath, Period, TenantId};
use subgrant_store::{TenantTx, audit, ledger, rollups::corrections, settings::Settings};

use crate::{
    AccessError, App, Bound, GroupBy, Principal, ReportError, ReportLine, ServiceError, SpendReportRequest,
    exports::{ExportPermit, ExportsBusy},
    period::Calendar,
    report,
};

/// How many charges a piece has at most.
const PIECE: usize = 1_000;

/// More charges of one day than there can be delegations that spent.
const MOST_OF_A_DAY: usize = 100_000_000;

/// An export under way: a transaction that sees one instant.
pub struct FocusExport {
    /// Whose month it is.
    pub tenant: TenantId,
    /// Which.
    pub month: Month,
    /// Its first instant.
    pub starts_at: Timestamp,
    /// The first instant after it.
    pub ends_at: Timestamp,
    /// Its organisation, currency and price, as they were when it was closed; as they are now where it is open.
    pub settings: Settings,
    tx: TenantTx,
    within: NodePath,
    /// The instant of the transaction, and the newest entry's position.
    now: Timestamp,
    head: u64,
    /// Where the next day begins.
    next_day: Timestamp,
    former_labels: FormerLabels,
    ready: VecDeque<Charge>,
    _permit: ExportPermit,
}

/// What was spent or given back on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// What it is.
    pub kind: ChargeKind,
    /// The day's first instant.
    pub starts_at: Timestamp,
    /// The first instant after it.
    pub ends_at: Timestamp,
    /// By which delegation.
    pub delegation: DelegationId,
    /// What that was called at the end of the day.
    pub label: String,
    /// For which cost centre.
    pub cost_center: Option<AttributeText>,
    /// For which department.
    pub department: Option<AttributeText>,
    /// How much; negative where it was given back.
    pub credits: i128,
}

/// What a charge is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChargeKind {
    /// Credits that were spent.
    Usage,
    /// Credits that were given back, of what was spent in the same month.
    Refund,
    /// Credits that were given back, of what was spent in a month before.
    Correction,
}

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum FocusError {
    /// The caller may not see it.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// There are too many just now.
    #[error(transparent)]
    Busy(#[from] ExportsBusy),
    /// The month has not begun.
    #[error("the month begins at {starts_at}")]
    NotBegun {
        /// When it does.
        starts_at: Timestamp,
    },
}

impl From<ServiceError> for FocusError {
    fn from(error: ServiceError) -> Self {
        Self::Access(error.into())
    }
}

impl From<subgrant_store::StoreError> for FocusError {
    fn from(error: subgrant_store::StoreError) -> Self {
        Self::Access(error.into())
    }
}

impl App {
    /// Begins an export of what the caller's subtree has spent in a month.
    pub async fn export_focus(&self, principal: &Principal, month: Month) -> Result<FocusExport, FocusError> {
        let read = self.read(principal).await?;
        principal.require(Action::Read)?;
        drop(read);
        let permit = self.shared().exports.begin(principal.tenant)?;
        let mut tx = self.database().begin_read_for_export(principal.tenant).await?;
        let (calendar, head) = (Calendar::read(&mut tx).await?, ledger::head(&mut tx).await?);
        let (starts_at, ends_at) = calendar.bounds(month);
        if starts_at > head.now {
            return Err(FocusError::NotBegun { starts_at });
        }
        let former_labels = FormerLabels::read(&mut tx, starts_at).await?;
        Ok(FocusExport {
            tenant: principal.tenant,
            month,
            starts_at,
            ends_at,
            settings: calendar.settings_of(month).clone(),
            within: principal.path.clone(),
            now: head.now,
            head: head.seq,
            next_day: starts_at,
            former_labels,
            ready: VecDeque::new(),
            tx,
            _permit: permit,
        })
    }
}

impl FocusExport {
    /// The next charges; `None` after the last ones.
    pub async fn next(&mut self) -> Result<Option<Vec<Charge>>, ServiceError> {
        while self.ready.is_empty() {
            if self.next_day >= self.ends_at || self.next_day > self.now {
                return Ok(None);
            }
            let (_, end) = Period::Day.window(self.next_day, &self.settings.time_zone);
            let day = (self.next_day, end.min(self.ends_at));
            self.ready = self.charges_of(day).await?;
            self.next_day = day.1;
        }
        let count = self.ready.len().min(PIECE);
        Ok(Some(self.ready.drain(..count).collect()))
    }

    async fn charges_of(
        &mut self,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<VecDeque<Charge>, ServiceError> {
        let request = SpendReportRequest {
            from: Some(Bound::At(from)),
            to: Some(Bound::At(to)),
            group_by: GroupBy { cost_center: true, department: true, delegation: true },
            max_lines: MOST_OF_A_DAY,
            ..SpendReportRequest::default()
        };
        let report = report::spend_in(&mut self.tx, self.now, &self.within, &request).await;
        let lines = report.map_err(ReportError::unexpected)?.lines;
        let mut corrected = HashMap::new();
        if lines.iter().any(|line| line.tally.refunded > 0) {
            let range = (from, to);
            for sum in corrections::of(&mut self.tx, range, self.starts_at, self.head).await? {
                corrected.insert((sum.delegation, sum.cost_center, sum.department), sum.refunded);
            }
        }
        let mut charges = VecDeque::with_capacity(lines.len());
        for line in lines {
            let ReportLine { cost_center, department, delegation, tally, .. } = line;
            let Some((delegation, label)) = delegation else { continue };
            let label = self.former_labels.at(delegation, to).unwrap_or(label);
            let key = (delegation, cost_center, department);
            let correction = corrected.get(&key).copied().unwrap_or_default();
            let (_, cost_center, department) = key;
            let amounts = [
                (ChargeKind::Usage, signed(tally.gross)),
                (ChargeKind::Refund, -signed(tally.refunded.saturating_sub(correction))),
                (ChargeKind::Correction, -signed(correction)),
            ];
            charges.extend(amounts.into_iter().filter(|(_, credits)| *credits != 0).map(
                |(kind, credits)| Charge {
                    kind,
                    starts_at: from,
                    ends_at: to,
                    delegation,
                    label: label.clone(),
                    cost_center: cost_center.clone(),
                    department: department.clone(),
                    credits,
                },
            ));
        }
        Ok(charges)
    }
}

fn signed(credits: u128) -> i128 {
    i128::try_from(credits).expect("2^64 entries of 2^53 credits fit 127 bits")
}

/// What delegations were called before they were called otherwise: a charge names what there was then.
struct FormerLabels(HashMap<DelegationId, Vec<(Timestamp, String)>>);

impl FormerLabels {
    async fn read(tx: &mut TenantTx, since: Timestamp) -> Result<Self, ServiceError> {
        let mut labels = HashMap::<_, Vec<_>>::new();
        for renaming in audit::renamings(tx, since).await? {
            labels.entry(renaming.delegation).or_default().push((renaming.at, renaming.former_label));
        }
        Ok(Self(labels))
    }

    /// What a delegation was called at an instant; `None`: what it is called now.
    fn at(&self, delegation: DelegationId, at: Timestamp) -> Option<String> {
        let renamings = self.0.get(&delegation)?;
        renamings.iter().find(|(renamed_at, _)| *renamed_at >= at).map(|(_, label)| label.clone())
    }
}
