//! When a budget runs out.

use axum::{Json, extract::State};
use serde::Deserialize;
use subgrant_api as api;
use subgrant_domain::Credits;
use subgrant_service::{Forecast, ForecastReason, RunOutAt};
use utoipa::IntoParams;

use crate::http::{
    HttpState,
    convert::time,
    extract::{Authenticated, Query},
    openapi::{Problems, QueryProblems, Refusals},
    problem::Problem,
};

/// Of what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct ForecastQuery {
    /// Of this delegation; absent: of the caller's own.
    delegation_id: Option<String>,
}

/// Foresees when a delegation's budget runs out, if spending goes on as it did on the last 28 complete days, or as many as
/// there are since it was made, but not fewer than three.
///
/// What a day consumes is taken as random, with the mean and the variance of these days; `early` and `late` are where what
/// is consumed by then, with quantiles of 90 % and 10 %, reaches what remains: `(μt − R)² = z²σ²(t + t²/n)`. Weekends and
/// holidays are not told apart from other days: they are part of the variance.
#[utoipa::path(
    get,
    path = "/report/forecast",
    tag = "report",
    security(("token" = []), ("session" = [])),
    params(ForecastQuery),
    responses((status = 200, description = "The forecast", body = api::Forecast), Problems, Refusals, QueryProblems)
)]
pub(in crate::http) async fn forecast(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    Query(query): Query<ForecastQuery>,
) -> Result<Json<api::Forecast>, Problem> {
    // What is no id names no delegation.
    let delegation =
        query.delegation_id.map(|id| id.parse()).transpose().map_err(|_| Problem::not_found())?;
    Ok(Json(document(&state.app.forecast(&principal, delegation).await?)))
}

fn document(forecast: &Forecast) -> api::Forecast {
    let expected = forecast.run_out.ok().map(|run_out| run_out.expected);
    api::Forecast {
        delegation_id: forecast.delegation.to_string(),
        as_of: time(forecast.as_of),
        time_zone: forecast.time_zone.clone(),
        remaining_credits: forecast.remaining.map(Credits::get),
        expires_at: forecast.expires_at.map(time),
        basis: basis(forecast),
        run_out: forecast.run_out.ok().map(run_out),
        expires_first: expected
            .map(|expected| forecast.expires_at.is_some_and(|expires_at| expires_at < expected)),
        reason: forecast.run_out.err().map(reason),
        days: forecast
            .days
            .iter()
            .map(|(date, spent)| api::DaySpent { date: date.to_string(), spent_credits: *spent })
            .collect(),
    }
}

fn basis(forecast: &Forecast) -> Option<api::ForecastBasis> {
    let (rate, first, last) = (forecast.rate?, forecast.days.first()?, forecast.days.last()?);
    Some(api::ForecastBasis {
        from: first.0.to_string(),
        to: last.0.to_string(),
        days: forecast.days.len(),
        spent_credits: forecast.days.iter().map(|(_, spent)| spent).sum(),
        daily_credits: api::DailyCredits { low: rate.low, expected: rate.expected, high: rate.high },
    })
}

fn run_out(at: RunOutAt) -> api::RunOut {
    api::RunOut { early: time(at.early), expected: time(at.expected), late: at.late.map(time) }
}

fn reason(reason: ForecastReason) -> api::ForecastReason {
    match reason {
        ForecastReason::Unlimited => api::ForecastReason::Unlimited,
        ForecastReason::NotLive => api::ForecastReason::NotLive,
        ForecastReason::Exhausted => api::ForecastReason::Exhausted,
        ForecastReason::TooLittleHistory => api::ForecastReason::TooLittleHistory,
        ForecastReason::NoSpend => api::ForecastReason::NoSpend,
        ForecastReason::NotForeseeable => api::ForecastReason::NotForeseeable,
    }
}
