//! Which error of reports, months and exports is which problem.

use axum::http::StatusCode;
use subgrant_service::{
    ExportError, ExportsBusy, FocusError, MAX_INTERVALS, PeopleError, PeriodError, ReportError,
};

use super::Problem;

impl From<ReportError> for Problem {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Access(error) => error.into(),
            ReportError::EmptyRange { from, to } => Self::field(
                "invalid_range",
                "?to",
                format!("must be after the beginning: the range would be {from} to {to}"),
            ),
            ReportError::OutsideCalendar => {
                Self::field("invalid_range", "?from", "lies outside of the calendar".to_owned())
            }
            ReportError::TooManyIntervals => Self::field(
                "report_too_large",
                "?interval",
                format!(
                    "gives more than {MAX_INTERVALS} intervals: narrow from and to, or take a longer interval"
                ),
            ),
            ReportError::TooManyLines { most } => Self::field(
                "report_too_large",
                "?group_by",
                format!(
                    "gives more than {most} lines: narrow from and to, take a longer interval or none, group by less, or \
                     name a delegation_id"
                ),
            ),
        }
    }
}

impl From<PeriodError> for Problem {
    fn from(error: PeriodError) -> Self {
        let conflict = |code, detail: String| Self::new(StatusCode::CONFLICT, code, detail);
        match error {
            PeriodError::Access(error) => error.into(),
            PeriodError::RoleTooLow => PeopleError::RoleTooLow.into(),
            PeriodError::NotOver { ends_at } => {
                let detail = format!("The month ends at {ends_at}, and cannot be closed before.");
                let mut problem = conflict("period_not_over", detail);
                problem.facts.retry_at = Some(ends_at);
                problem
            }
            PeriodError::BeforeTenant { first } => {
                let detail = format!("There was no organisation in that month: its first one is {first}.");
                conflict("period_before_tenant", detail)
            }
            PeriodError::Closed => conflict("period_closed", "The month is closed already.".to_owned()),
            PeriodError::Open => conflict("period_open", "The month is not closed.".to_owned()),
        }
    }
}

impl From<FocusError> for Problem {
    fn from(error: FocusError) -> Self {
        match error {
            FocusError::Access(error) => error.into(),
            FocusError::Busy(error) => error.into(),
            FocusError::NotBegun { starts_at } => {
                Self::field("invalid_month", "?period", format!("has not begun: it begins at {starts_at}"))
            }
        }
    }
}

impl From<ExportError> for Problem {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Access(error) => error.into(),
            ExportError::Busy(error) => error.into(),
        }
    }
}

impl From<ExportsBusy> for Problem {
    fn from(error: ExportsBusy) -> Self {
        let (status, detail) = match error {
            ExportsBusy::Tenant => (
                StatusCode::TOO_MANY_REQUESTS,
                "The organisation has too many exports under way: wait for one to end.",
            ),
            ExportsBusy::Server => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Other organisations' exports keep the server busy: try again soon.",
            ),
        };
        Self::new(status, "too_many_exports", detail).retry_after(5)
    }
}
