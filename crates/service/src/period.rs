//! Months, as finance closes them.
//!
//! The ledger records everything at the instant at which it happens, so that a month that is over can only change in how it
//! is looked at: where it begins and ends, and what a credit costs. Closing it keeps both, notes where the ledger stands, and
//! moves the ledger's newest instant to its end, so that not even a clock that is set back records anything in it.

mod calendar;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use subgrant_domain::{Action, Month, Tally};
use subgrant_store::{
    StoreError, audit, ledger,
    periods::{self, ClosedPeriod},
};

use crate::{
    AccessError, App, IdempotencyKey, Order, Outcome, Principal, ServiceError, Via, idempotency,
    locked::LockedTenant,
};
use calendar::spent_within;

pub(crate) use calendar::Calendar;

/// A month and what it came to. Also what is recorded to answer a repeated request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeriodView {
    /// Which.
    pub month: Month,
    /// Its first instant.
    pub starts_at: Timestamp,
    /// The first instant after it.
    pub ends_at: Timestamp,
    /// The zone by which it begins and ends.
    pub time_zone: String,
    /// In which credits are priced.
    pub currency: String,
    /// What one credit costs.
    pub credit_price: String,
    /// What was spent less what was given back costs.
    pub cost: String,
    /// What its entries add up to.
    pub tally: Tally,
    /// Whether it is over, so that it can be closed.
    pub is_over: bool,
    /// How it was closed; `None` where it is open.
    pub closing: Option<Closing>,
}

/// How a month was closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// When.
    pub at: Timestamp,
    /// The user or delegation that closed it.
    pub by: String,
    /// The position of the newest entry before its end; 0 where there is none.
    pub through_seq: u64,
    /// That entry's hash, in hexadecimal digits.
    pub through_hash: String,
}

/// A page of months.
#[derive(Debug)]
pub struct PeriodPage {
    /// In the order asked for.
    pub periods: Vec<PeriodView>,
    /// The last one on the page, where there are more.
    pub next: Option<Month>,
}

/// What to do with a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeriodChange {
    /// Close it.
    Close,
    /// Open it again.
    Reopen,
}

/// Why a month was not closed or opened.
#[derive(Debug, thiserror::Error)]
pub enum PeriodError {
    /// The caller may not see it, or its idempotency key is refused.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The caller's role may not do this.
    #[error("the role does not permit it")]
    RoleTooLow,
    /// The month is not over.
    #[error("the month ends at {ends_at}")]
    NotOver {
        /// When it can be closed.
        ends_at: Timestamp,
    },
    /// The month was over before there was the tenant.
    #[error("the first month is {first}")]
    BeforeTenant {
        /// The first month that can be closed.
        first: Month,
    },
    /// It is closed.
    #[error("the month is closed already")]
    Closed,
    /// It is open.
    #[error("the month is not closed")]
    Open,
}

impl From<ServiceError> for PeriodError {
    fn from(error: ServiceError) -> Self {
        AccessError::from(error).into()
    }
}

impl From<StoreError> for PeriodError {
    fn from(error: StoreError) -> Self {
        AccessError::from(error).into()
    }
}

impl App {
    /// Lists the months from the tenant's first one to the current one, with what each came to. For the tenant's root.
    pub async fn periods(
        &self,
        principal: &Principal,
        order: Order,
        after: Option<Month>,
        limit: u8,
    ) -> Result<PeriodPage, PeriodError> {
        let mut read = self.read(principal).await?;
        principal.require_for_tenant(Action::Read)?;
        let now = read.tree.now();
        let calendar = Calendar::read(&mut read.tx).await?;
        let mut months = calendar.months(&mut read.tx, now).await?;
        if order == Order::NewestFirst {
            months.reverse();
        }
        let is_further = |month: &Month| match (after, order) {
            (None, _) => true,
            (Some(after), Order::OldestFirst) => *month > after,
            (Some(after), Order::NewestFirst) => *month < after,
        };
        let mut months: Vec<_> = months.into_iter().filter(is_further).take(usize::from(limit) + 1).collect();
        let has_more = months.len() > usize::from(limit);
        months.truncate(usize::from(limit));
        let next = months.last().copied().filter(|_| has_more);
        let mut periods = Vec::with_capacity(months.len());
        for month in months {
            periods.push(calendar.view(&mut read.tx, &principal.path, month, now).await?);
        }
        Ok(PeriodPage { periods, next })
    }

    /// Closes a month that is over, or opens one again. For the tenant's root.
    pub async fn change_period(
        &self,
        principal: &Principal,
        month: Month,
        change: PeriodChange,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<PeriodView>, PeriodError> {
        let database = &self.shared().database;
        let mut locked = LockedTenant::open(database, principal.tenant, &[&principal.path]).await?;
        principal.check_standing(&mut locked).await?;
        change.check(principal)?;
        let key = idempotency::scoped(principal, change.route(), key);
        if let Some(key) = &key
            && let Some(view) = key.find(&mut locked).await?
        {
            return Ok(Outcome::replayed(view));
        }
        let view = match change {
            PeriodChange::Close => close(&mut locked, principal, month).await?,
            PeriodChange::Reopen => reopen(&mut locked, principal, month).await?,
        };
        let details = serde_json::to_value(&view).expect("a view is plain data");
        let entry = principal.audit_entry(change.action(), month.to_string(), &details);
        audit::append(&mut locked.tx, &entry).await?;
        idempotency::record(&mut locked, key.as_ref(), 200, &view).await?;
        locked.commit(self).await?;
        Ok(Outcome::fresh(view))
    }
}

impl PeriodChange {
    const fn route(self) -> &'static str {
        match self {
            Self::Close => "POST /period/{month}/close",
            Self::Reopen => "POST /period/{month}/reopen",
        }
    }

    const fn action(self) -> &'static str {
        match self {
            Self::Close => "period.close",
            Self::Reopen => "period.reopen",
        }
    }

    /// Refuses whoever may not.
    fn check(self, principal: &Principal) -> Result<(), PeriodError> {
        match &principal.via {
            Via::Token(_) => Ok(principal.require_for_tenant(Action::Delegate)?),
            Via::Session { role, .. } => {
                let may = match self {
                    Self::Close => role.may_close_periods(),
                    Self::Reopen => role.may_reopen_periods(),
                };
                if may { Ok(()) } else { Err(PeriodError::RoleTooLow) }
            }
        }
    }
}

async fn close(
    locked: &mut LockedTenant,
    principal: &Principal,
    month: Month,
) -> Result<PeriodView, PeriodError> {
    let (now, head) = (locked.head.now, locked.head.seq);
    let tx = locked.tx.tx();
    let calendar = Calendar::read(tx).await?;
    if calendar.closed(month).is_some() {
        return Err(PeriodError::Closed);
    }
    let (starts_at, ends_at) = calendar.bounds(month);
    if ends_at > now {
        return Err(PeriodError::NotOver { ends_at });
    }
    let first = calendar.first_month(tx).await?;
    if month < first {
        return Err(PeriodError::BeforeTenant { first });
    }
    let tally = spent_within(tx, &principal.path, (starts_at, ends_at), now).await?;
    let through_seq = ledger::first_seq_since(tx, ends_at, head).await? - 1;
    let missing = || ServiceError::Inconsistent(format!("the entry at {through_seq} is missing"));
    let through_hash = ledger::hash_at(tx, through_seq).await?.ok_or_else(missing)?;
    let closed = ClosedPeriod {
        month,
        starts_at,
        ends_at,
        settings: calendar.settings.clone(),
        tally,
        through_seq,
        through_hash,
        closed_at: now,
        closed_by: principal.audit_name(),
    };
    periods::close(&mut locked.tx, &closed).await?;
    Ok(calendar::shown(&closed))
}

async fn reopen(
    locked: &mut LockedTenant,
    principal: &Principal,
    month: Month,
) -> Result<PeriodView, PeriodError> {
    let mut calendar = Calendar::read(locked.tx.tx()).await?;
    if calendar.reopen(month).is_none() {
        return Err(PeriodError::Open);
    }
    periods::reopen(&mut locked.tx, month).await?;
    let now = locked.head.now;
    Ok(calendar.view(locked.tx.tx(), &principal.path, month, now).await?)
}
