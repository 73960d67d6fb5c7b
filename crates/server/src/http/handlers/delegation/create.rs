//! From the body of `POST /delegation` to a request that may be planned.

use subgrant_api as api;
use subgrant_domain::{Action, ActionSet, Allocation, ChildRequest, Credits, Period, ServiceId, WindowLimit};
use subgrant_service::{ExpiryRequest, MintRequest};
use subgrant_token::{Caveat, CaveatError};

use crate::http::{expiry::parse_expiry, handlers::noted, problem::Problem, validate::Validator};

/// How many window limits one request may set.
const MAX_LIMITS: usize = 8;

/// Checks every field, and says of all that are wrong what is wrong with them.
pub(super) fn mint_request(body: api::CreateDelegation) -> Result<MintRequest, Problem> {
    let mut validator = Validator::default();
    let budget = validator.amount("/budget_credits", body.budget_credits);
    let label = validator.text("/label", &body.label);
    let cost_center = body.cost_center.as_deref().map(|text| validator.text("/cost_center", text));
    let department = body.department.as_deref().map(|text| validator.text("/department", text));
    let expiry =
        body.expiry.as_deref().map(|text| validator.check("/expiry", "invalid_expiry", parse_expiry(text)));
    let max_per_spend = body.max_per_spend.map(|value| validator.amount("/max_per_spend", value));
    let limits = window_limits(&mut validator, &body.limits);
    let actions = body.actions.as_deref().map(|words| action_set(&mut validator, words));
    let audience = body.audience.as_deref().map(str::parse::<ServiceId>).transpose();
    let audience = validator.check("/audience", "invalid_id", audience).flatten();
    let child = ChildRequest {
        budget: budget.unwrap_or(Credits::ZERO),
        allocation: match body.allocation {
            Some(api::Allocation::Cap) => Allocation::Cap,
            Some(api::Allocation::Carve) | None => Allocation::Carve,
        },
        expires_at: None,
        actions,
        max_per_spend: max_per_spend.flatten(),
        limits,
        max_depth: body.max_depth,
        cost_center: cost_center.flatten(),
        department: department.flatten(),
    };
    let mut request = (child, expiry.flatten());
    let mut extra_caveats = Vec::new();
    for (index, text) in body.caveats.iter().enumerate() {
        let pointer = format!("/caveats/{index}");
        if let Some(caveat) = validator.check(&pointer, "invalid_caveat", parse_caveat(text)) {
            extra_caveats.extend(fold(&mut validator, &pointer, &mut request, caveat));
        }
    }
    validator.finish()?;
    // What is no id names no delegation.
    let parent = body.parent_id.map(|id| id.parse()).transpose().map_err(|_| Problem::not_found())?;
    let (child, expiry) = request;
    Ok(MintRequest { parent, label: noted(label)?, child, expiry, audience, extra_caveats })
}

pub(super) fn parse_caveat(text: &str) -> Result<Caveat, &'static str> {
    text.parse().map_err(|error| match error {
        CaveatError::Unknown => {
            "names a caveat that Subgrant does not know, so that every use would be denied"
        }
        _ => "must be a caveat such as route = /v1/*",
    })
}

/// Takes a caveat that has a field of its own into that field, where it narrows what the field says; the ledger then
/// enforces it too. Returns those that only the token carries.
fn fold(
    validator: &mut Validator,
    pointer: &str,
    (child, expiry): &mut (ChildRequest, Option<ExpiryRequest>),
    caveat: Caveat,
) -> Option<Caveat> {
    match caveat {
        Caveat::MaxPerSpend(most) => child.max_per_spend = least(child.max_per_spend, most),
        Caveat::MaxDepth(most) => child.max_depth = least(child.max_depth, most),
        Caveat::Limit(limit) => child.limits.push(limit),
        Caveat::Actions(actions) => {
            child.actions = Some(child.actions.map_or(actions, |set| set.intersection(actions)));
        }
        Caveat::Expires(instant) if expiry.is_none() => *expiry = Some(ExpiryRequest::At(instant)),
        Caveat::CostCenter(text) if child.cost_center.as_ref().is_none_or(|own| *own == text) => {
            child.cost_center = Some(text);
        }
        Caveat::Department(text) if child.department.as_ref().is_none_or(|own| *own == text) => {
            child.department = Some(text);
        }
        Caveat::Route(_) | Caveat::Method(_) | Caveat::SourceIp(_) => return Some(caveat),
        Caveat::Expires(_) | Caveat::CostCenter(_) | Caveat::Department(_) => {
            validator.refuse(pointer, "conflict", "says something else than the field of the same name");
        }
        Caveat::Delegation(_) | Caveat::Budget(_) | Caveat::Label(_) | Caveat::Audience(_) => {
            validator.refuse(pointer, "not_allowed", "must be given as a field of the request");
        }
        Caveat::L402Services(_) | Caveat::L402Capabilities(_) | Caveat::L402ValidUntil(_) => {
            validator.refuse(pointer, "not_allowed", "belongs to tokens that are sold, not delegated");
        }
    }
    None
}

fn least<T: Ord>(current: Option<T>, other: T) -> Option<T> {
    current.into_iter().chain([other]).min()
}

pub(super) fn window_limits(validator: &mut Validator, limits: &[api::Limit]) -> Vec<WindowLimit> {
    if limits.len() > MAX_LIMITS {
        validator.refuse("/limits", "too_many", format!("must be at most {MAX_LIMITS}"));
        return Vec::new();
    }
    let mut checked = Vec::new();
    for (index, limit) in limits.iter().enumerate() {
        let period = match limit.per {
            api::Period::Hour => Period::Hour,
            api::Period::Day => Period::Day,
            api::Period::Week => Period::Week,
            api::Period::Month => Period::Month,
        };
        let credits = validator.amount(&format!("/limits/{index}/credits"), limit.credits);
        checked.extend(credits.map(|credits| WindowLimit { period, credits }));
    }
    checked
}

fn action_set(validator: &mut Validator, words: &[api::Action]) -> ActionSet {
    if words.is_empty() {
        validator.refuse("/actions", "empty", "must name at least one action; leave it out to inherit all");
    }
    let actions = words.iter().map(|word| match word {
        api::Action::Spend => Action::Spend,
        api::Action::Delegate => Action::Delegate,
        api::Action::Read => Action::Read,
    });
    actions.collect()
}
