//! Alerts.

use axum::{Json, extract::State, response::Response};
use subgrant_api as api;
use subgrant_domain::{Credits, Period, UserId, kind};
use subgrant_service::{AlertView, NewAlert, Threshold};

use super::{PageQuery, noted, page_limit, page_start};
use crate::http::{
    HttpState,
    body::{JsonBody, NoBody},
    convert::{period, time},
    extract::{Authenticated, PathId, Query},
    idempotency::Keyed,
    openapi::{BodyProblems, Problems, QueryProblems, Refusals},
    problem::Problem,
    respond::{Answer, no_content},
    validate::Validator,
};

/// Lists alerts with how far they are, oldest first. Every member may.
#[utoipa::path(
    get,
    path = "/alert",
    tag = "alert",
    security(("session" = [])),
    params(PageQuery),
    responses((status = 200, description = "A page", body = api::AlertList), Problems, Refusals, QueryProblems)
)]
pub(in crate::http) async fn list(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    Query(query): Query<PageQuery>,
) -> Result<Json<api::AlertList>, Problem> {
    let mut validator = Validator::default();
    let limit = page_limit(&mut validator, query.limit);
    let after = page_start(&mut validator, query.cursor.as_deref());
    validator.finish()?;
    let page = state.app.alerts(&principal, after, limit).await?;
    Ok(Json(api::AlertList {
        data: page.alerts.into_iter().map(document).collect(),
        next_cursor: page.next.map(subgrant_domain::Id::suffix),
    }))
}

/// Makes an alert. Owners, admins and finance may.
///
/// Alerts are looked at every few seconds. Once its threshold is reached an alert is fired once: its recipients are mailed, and
/// webhooks are told `alert.fired`. It is fired again in the next window, or for another budget.
#[utoipa::path(
    post,
    path = "/alert",
    tag = "alert",
    request_body = api::CreateAlert,
    security(("session" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")),
    responses(
        (status = 201, description = "The alert", body = api::Alert),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn create(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    Keyed(key, JsonBody(body)): Keyed<JsonBody<api::CreateAlert>>,
) -> Result<Answer<api::Alert>, Problem> {
    let outcome = state.app.create_alert(&principal, request(body)?, key).await?;
    let location = format!("/api/cloud/alert/{}", outcome.value.alert.id);
    Ok(Answer::created(location, outcome.map(document)))
}

/// Deletes an alert. Owners, admins and finance may.
#[utoipa::path(
    delete,
    path = "/alert/{id}",
    tag = "alert",
    security(("session" = [])),
    params(
        ("id" = String, Path, description = "`alr_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")
    ),
    responses((status = 204, description = "Deleted"), Problems, Refusals)
)]
pub(in crate::http) async fn delete(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    PathId(id): PathId<kind::Alert>,
    Keyed(key, NoBody): Keyed<NoBody>,
) -> Result<Response, Problem> {
    Ok(no_content(state.app.delete_alert(&principal, id, key).await?))
}

fn request(body: api::CreateAlert) -> Result<NewAlert, Problem> {
    let mut validator = Validator::default();
    let threshold = threshold(&mut validator, &body);
    let recipients = recipients(&mut validator, body.recipients.unwrap_or_default());
    validator.finish()?;
    // What is no id names no delegation.
    let delegation = body.delegation_id.map(|id| id.parse()).transpose().map_err(|_| Problem::not_found())?;
    Ok(NewAlert { delegation, threshold: noted(threshold)?, recipients })
}

fn threshold(validator: &mut Validator, body: &api::CreateAlert) -> Option<Threshold> {
    let per = body.per.map(domain_period);
    match body.kind {
        api::AlertKind::Budget => {
            unexpected(validator, "/credits", body.credits.is_some());
            unexpected(validator, "/per", body.per.is_some());
            percent(validator, body.percent).map(Threshold::Budget)
        }
        api::AlertKind::Limit => {
            unexpected(validator, "/credits", body.credits.is_some());
            let percent = percent(validator, body.percent);
            let per = required(validator, "/per", per);
            Some(Threshold::Limit(per?, percent?))
        }
        api::AlertKind::Spend => {
            unexpected(validator, "/percent", body.percent.is_some());
            let credits = required(validator, "/credits", body.credits)?;
            validator.amount("/credits", credits).map(|credits: Credits| Threshold::Spend(per, credits))
        }
    }
}

fn percent(validator: &mut Validator, percent: Option<u64>) -> Option<u8> {
    let percent = required(validator, "/percent", percent)?;
    let checked = u8::try_from(percent).ok().filter(|percent| (1..=100).contains(percent));
    validator.check("/percent", "out_of_range", checked.ok_or("must be from 1 to 100"))
}

fn required<T>(validator: &mut Validator, pointer: &str, value: Option<T>) -> Option<T> {
    validator.check(pointer, "missing", value.ok_or("is needed for an alert of this kind"))
}

fn unexpected(validator: &mut Validator, pointer: &str, is_given: bool) {
    if is_given {
        validator.refuse(pointer, "unexpected", "means nothing for an alert of this kind");
    }
}

fn recipients(validator: &mut Validator, ids: Vec<String>) -> Vec<UserId> {
    if ids.len() > 50 {
        validator.refuse("/recipients", "too_many", "must be at most 50");
    }
    let mut read = Vec::new();
    for (place, id) in ids.into_iter().enumerate() {
        let checked = id.parse::<UserId>().map_err(|_| "names no member");
        let user = validator.check(&format!("/recipients/{place}"), "unknown_recipient", checked);
        read.extend(user.filter(|user| !read.contains(user)));
    }
    read
}

fn domain_period(period: api::Period) -> Period {
    match period {
        api::Period::Hour => Period::Hour,
        api::Period::Day => Period::Day,
        api::Period::Week => Period::Week,
        api::Period::Month => Period::Month,
    }
}

fn document(view: AlertView) -> api::Alert {
    let AlertView { alert, label, measured, last } = view;
    let (kind, percent, credits, per) = match alert.threshold {
        Threshold::Budget(percent) => (api::AlertKind::Budget, Some(percent), None, None),
        Threshold::Limit(per, percent) => (api::AlertKind::Limit, Some(percent), None, Some(per)),
        Threshold::Spend(per, credits) => (api::AlertKind::Spend, None, Some(credits), per),
    };
    api::Alert {
        id: alert.id.to_string(),
        delegation_id: alert.delegation.to_string(),
        delegation_label: label.to_string(),
        kind,
        percent,
        credits: credits.map(Credits::get),
        per: per.map(period),
        recipients: alert.recipients.iter().map(ToString::to_string).collect(),
        created_by: alert.created_by.to_string(),
        created_at: time(alert.created_at),
        current_credits: measured.map(|(current, ..)| current),
        of_credits: measured.map(|(_, of, _)| of.get()),
        window_start: measured.and_then(|(_, _, start)| start).map(time),
        last_fired_at: last.as_ref().map(|firing| time(firing.at)),
        last_fired_credits: last.map(|firing| firing.current),
    }
}
