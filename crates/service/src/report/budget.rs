//! Budget against actual: what delegations may spend, beside what they have spent.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::{Timestamp, tz::TimeZone};
use subgrant_domain::{Action, AttributeText, DelegationId, NodePath};
use subgrant_store::budget::{self, Attribute};

use super::{Bound, GroupBy, ReportError, SpendReport, SpendReportRequest};
use crate::{App, DelegationView, Principal, ServiceError, delegation::visible_path, locked::ReadTenant};

/// What the lines are told apart by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BudgetGroup {
    /// One line for each cost centre.
    #[default]
    CostCenter,
    /// One line for each department.
    Department,
    /// One line for each delegation.
    Delegation,
}

/// What to report.
#[derive(Debug, Clone, Default)]
pub struct BudgetReportRequest {
    /// Of this node's subtree; absent: of the caller's.
    pub delegation: Option<DelegationId>,
    /// Spending is told from then on, besides that of the whole life.
    pub from: Option<Bound>,
    /// Until then.
    pub to: Option<Bound>,
    /// One line for each.
    pub group_by: BudgetGroup,
    /// More delegations than these are not added up.
    pub max_delegations: usize,
}

/// Budgets and what became of them, as of one instant.
#[derive(Debug)]
pub struct BudgetReport {
    /// The range's first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
    /// The tenant's time zone, and its name.
    pub time_zone: (TimeZone, String),
    /// The root of the subtree that is reported on.
    pub delegation: DelegationId,
    /// By name; delegations in the order of lists.
    pub lines: Vec<BudgetLine>,
    /// Of the delegation that is reported on.
    pub total: BudgetLine,
    /// The newest entry of the ledger that the report could know of: its time and position.
    pub through: Option<(Timestamp, u64)>,
}

/// Whose budget a line is about.
#[derive(Debug)]
pub enum BudgetOwner {
    /// Of the cost centre or department with this name.
    Named(AttributeText),
    /// Of what has none.
    Unallocated,
    /// Of this delegation.
    Delegation(Box<DelegationView>),
}

/// One line.
#[derive(Debug)]
pub struct BudgetLine {
    /// Whose budget it is.
    pub owner: BudgetOwner,
    /// The figures.
    pub sums: BudgetSums,
}

/// What delegations add up to. Sums of budgets have no bound of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BudgetSums {
    /// How many delegations were added up.
    pub delegations: usize,
    /// What may be spent; `None` where one of them is unlimited, or nothing has a budget.
    pub budget: Option<u128>,
    /// Spent ever, by them and all below.
    pub spent: u128,
    /// Held now.
    pub held: u128,
    /// Set aside for carve children.
    pub reserved: u128,
    /// What cap children may still consume.
    pub capped: u128,
    /// Spent within the range; negative where more was given back.
    pub in_range: i128,
}

impl BudgetSums {
    /// A delegation. Once its life is over, what it did not consume is no budget any more.
    fn of(view: &DelegationView) -> Self {
        let (spent, held) = (u128::from(view.spent.get()), u128::from(view.held.get()));
        let is_over = ["revoked", "expired"].contains(&view.status.as_str());
        let budget = view.budget.map(|budget| if is_over { spent + held } else { u128::from(budget.get()) });
        let [reserved, capped] = if is_over {
            [0, 0]
        } else {
            [u128::from(view.reserved_for_children), u128::from(view.capped_for_children)]
        };
        Self { delegations: 1, budget, spent, held, reserved, capped, in_range: 0 }
    }

    fn add(&mut self, other: Self) {
        self.budget = if self.delegations == 0 {
            other.budget
        } else {
            self.budget.zip(other.budget).map(|(own, other)| own + other)
        };
        self.delegations += other.delegations;
        self.spent += other.spent;
        self.held += other.held;
        self.reserved += other.reserved;
        self.capped += other.capped;
        self.in_range += other.in_range;
    }

    /// `budget − spent − held`.
    pub fn remaining(&self) -> Option<u128> {
        self.budget.map(|budget| budget.saturating_sub(self.spent + self.held))
    }

    /// By how much what the children may still consume exceeds what remains.
    pub fn overcommit(&self) -> Option<u128> {
        self.remaining().map(|remaining| (self.reserved + self.capped).saturating_sub(remaining))
    }

    /// Which part of the budget is spent or held.
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people, and no amount")]
    pub fn utilisation(&self) -> Option<f64> {
        let budget = self.budget.filter(|budget| *budget > 0)?;
        Some((self.spent + self.held) as f64 / budget as f64)
    }
}

impl App {
    /// Reports the budgets of a subtree of the caller's beside what was spent of them.
    pub async fn budget_report(
        &self,
        principal: &Principal,
        request: &BudgetReportRequest,
    ) -> Result<BudgetReport, ReportError> {
        let mut read = self.read(principal).await?;
        principal.require(Action::Read)?;
        let within = visible_path(&mut read, principal, request.delegation).await?;
        let views = views(&mut read, principal, &within, request).await?;
        let by_delegation = request.group_by == BudgetGroup::Delegation;
        let group_by = GroupBy {
            cost_center: request.group_by == BudgetGroup::CostCenter,
            department: request.group_by == BudgetGroup::Department,
            delegation: by_delegation,
        };
        let spending = SpendReportRequest {
            delegation: Some(within.id()),
            from: request.from,
            to: request.to,
            group_by,
            interval: None,
            max_lines: request.max_delegations,
        };
        let spending = super::spend_in(&mut read.tx, read.tree.now(), &within, &spending).await?;
        let Views { top, listed } = views;
        let total = BudgetSums { in_range: spending.total.spent(), ..BudgetSums::of(&top) };
        let lines = if by_delegation {
            of_delegations(listed, &spending)
        } else {
            of_attributes(listed, &spending, total, request.group_by)
        };
        let total = BudgetLine { owner: BudgetOwner::Delegation(Box::new(top)), sums: total };
        Ok(BudgetReport {
            from: spending.from,
            to: spending.to,
            time_zone: spending.time_zone,
            delegation: within.id(),
            lines,
            total,
            through: spending.through,
        })
    }
}

/// The delegations to add up, and the one that is reported on.
struct Views {
    top: DelegationView,
    listed: Vec<(NodePath, DelegationView)>,
}

async fn views(
    read: &mut ReadTenant,
    principal: &Principal,
    within: &NodePath,
    request: &BudgetReportRequest,
) -> Result<Views, ReportError> {
    let most = request.max_delegations;
    let limit = i64::try_from(most + 1).unwrap_or(i64::MAX);
    let ids = match request.group_by {
        BudgetGroup::CostCenter => {
            budget::topmost(&mut read.tx, Attribute::CostCenter, within, limit).await?
        }
        BudgetGroup::Department => {
            budget::topmost(&mut read.tx, Attribute::Department, within, limit).await?
        }
        BudgetGroup::Delegation => budget::all(&mut read.tx, within, limit).await?,
    };
    if ids.len() > most {
        return Err(ReportError::TooManyLines { most });
    }
    read.load(&[within]).await?;
    read.load_nodes(&ids).await?;
    // A state may follow from a node in between.
    let between: HashSet<_> =
        ids.iter().filter_map(|id| read.rows.get(id)).flat_map(|row| row.node.path.ids().to_vec()).collect();
    let missing: Vec<_> = between.into_iter().filter(|id| !read.rows.contains_key(id)).collect();
    read.load_nodes(&missing).await?;
    let view = |id: DelegationId| {
        let row = read.rows.get(&id);
        let row = row.ok_or_else(|| ServiceError::Inconsistent(format!("{id} was not loaded")))?;
        Ok((row.node.path.clone(), DelegationView::new(&read.tree, row, principal)))
    };
    let (_, top) = view(within.id())?;
    Ok(Views { top, listed: ids.into_iter().map(view).collect::<Result<_, ServiceError>>()? })
}

/// A line for each delegation. Spending is told by who spent, and counts in all above.
fn of_delegations(listed: Vec<(NodePath, DelegationView)>, spending: &SpendReport) -> Vec<BudgetLine> {
    let own: HashMap<_, _> = spending
        .lines
        .iter()
        .filter_map(|line| Some((line.delegation.as_ref()?.0, line.tally.spent())))
        .collect();
    let mut in_range: HashMap<DelegationId, i128> = HashMap::new();
    for (path, view) in &listed {
        let Some(spent) = own.get(&view.id) else { continue };
        for id in path.ids() {
            *in_range.entry(*id).or_default() += spent;
        }
    }
    let line = |(_, view): (NodePath, DelegationView)| {
        let in_range = in_range.get(&view.id).copied().unwrap_or_default();
        let sums = BudgetSums { in_range, ..BudgetSums::of(&view) };
        BudgetLine { owner: BudgetOwner::Delegation(Box::new(view)), sums }
    };
    listed.into_iter().map(line).collect()
}

/// A line for each name, and one for what has none.
fn of_attributes(
    listed: Vec<(NodePath, DelegationView)>,
    spending: &SpendReport,
    total: BudgetSums,
    group_by: BudgetGroup,
) -> Vec<BudgetLine> {
    let mut named: BTreeMap<AttributeText, BudgetSums> = BTreeMap::new();
    for (_, view) in listed {
        let sums = BudgetSums::of(&view);
        let name = if group_by == BudgetGroup::CostCenter { view.cost_center } else { view.department };
        if let Some(name) = name {
            named.entry(name).or_default().add(sums);
        }
    }
    let mut in_range = 0;
    for line in &spending.lines {
        let name = line.cost_center.as_ref().or(line.department.as_ref());
        match name.and_then(|name| named.get_mut(name)) {
            Some(sums) => sums.in_range += line.tally.spent(),
            None => in_range += line.tally.spent(),
        }
    }
    let sum = |figure: fn(&BudgetSums) -> u128| named.values().map(figure).sum::<u128>();
    let rest = BudgetSums {
        spent: total.spent.saturating_sub(sum(|sums| sums.spent)),
        held: total.held.saturating_sub(sum(|sums| sums.held)),
        in_range,
        ..BudgetSums::default()
    };
    let mut lines: Vec<_> =
        named.into_iter().map(|(name, sums)| BudgetLine { owner: BudgetOwner::Named(name), sums }).collect();
    if rest != BudgetSums::default() {
        lines.push(BudgetLine { owner: BudgetOwner::Unallocated, sums: rest });
    }
    lines
}
