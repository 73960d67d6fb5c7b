//! Changing a delegation's settings.

use axum::extract::State;
use subgrant_api as api;
use subgrant_domain::{ChangeRequest, DelegationId, kind};
use subgrant_service::UpdateRequest;

use super::create::window_limits;
use crate::http::{
    HttpState,
    body::JsonBody,
    convert,
    expiry::parse_expiry,
    extract::{Authenticated, IfMatch, PathId},
    idempotency::Keyed,
    openapi::{BodyProblems, Problems, Refusals},
    problem::{self, Problem},
    respond::Answer,
    validate::Validator,
};

/// Changes a delegation's label, budget, limits or end.
///
/// What narrows binds every token of the delegation at once; what is below ends with it, and so do its open holds. What widens
/// (a raised budget, a limit lifted, a later end) is answered
/// with a new token: older ones stay good, within what they say. Nobody widens itself: it takes a token from further up,
/// or an owner or admin.
#[utoipa::path(
    patch,
    path = "/delegation/{id}",
    tag = "delegation",
    security(("token" = []), ("session" = [])),
    params(
        ("id" = String, Path, description = "`dlg_…`"),
        ("If-Match" = String, Header, description = "The `ETag` of the delegation that the change is based on, or `*`"),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters")
    ),
    request_body = api::UpdateDelegation,
    responses(
        (status = 200, description = "The delegation, with a new token where it was widened", body = api::UpdatedDelegation, headers(("ETag" = String, description = "The new version"))),
        (status = 402, description = "The parent has too little available", body = api::Problem, content_type = "application/problem+json"),
        (status = 409, description = "The delegation is revoked or expired", body = api::Problem, content_type = "application/problem+json"),
        (status = 412, description = "The delegation has changed since", body = api::Problem, content_type = "application/problem+json"),
        (status = 428, description = "There is no `If-Match`", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn update(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    PathId(id): PathId<kind::Delegation>,
    IfMatch(if_versions): IfMatch,
    Keyed(key, JsonBody(body)): Keyed<JsonBody<api::UpdateDelegation>>,
) -> Result<Answer<api::UpdatedDelegation>, Problem> {
    let request = update_request(id, if_versions, &body)?;
    let updated = state.app.update(&principal, &request, key).await;
    let outcome = updated.map_err(|error| problem::of_update(error, &principal, &request.change))?;
    let version = outcome.value.delegation.version;
    let answer = outcome.map(|updated| api::UpdatedDelegation {
        dry_run: request.dry_run,
        effects: updated.effects.map(|effects| api::ChangeEffects {
            descendants_ending: effects.descendants_ending,
            holds_ending: effects.holds_ending,
        }),
        token: updated.token.map(|token| token.to_string()),
        delegation: convert::delegation(updated.delegation),
    });
    Ok(Answer::ok(answer).of_version(version))
}

fn update_request(
    id: DelegationId,
    if_versions: Option<Vec<i64>>,
    body: &api::UpdateDelegation,
) -> Result<UpdateRequest, Problem> {
    let mut validator = Validator::default();
    if (api::UpdateDelegation { dry_run: false, ..body.clone() }) == api::UpdateDelegation::default() {
        validator.refuse("", "empty", "must name at least one setting to change");
    }
    let label = body.label.as_deref().map(|text| validator.text("/label", text));
    let budget = body.budget_credits.map(|value| validator.amount("/budget_credits", value));
    let max_per_spend =
        body.max_per_spend.map(|value| value.map(|value| validator.amount("/max_per_spend", value)));
    let limits = body.limits.as_ref().map(|limits| window_limits(&mut validator, limits));
    let expiry = body.expiry.as_ref().map(|expiry| {
        let parsed = expiry.as_deref().map(parse_expiry);
        parsed.and_then(|parsed| validator.check("/expiry", "invalid_expiry", parsed))
    });
    validator.finish()?;
    let change = ChangeRequest {
        budget: budget.flatten(),
        max_per_spend: max_per_spend.map(Option::flatten),
        limits,
        expires_at: None,
    };
    Ok(UpdateRequest { id, if_versions, label: label.flatten(), change, expiry, dry_run: body.dry_run })
}
