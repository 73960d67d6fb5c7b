//! Many debits in one request.

use std::collections::HashMap;

use axum::{
    Json,
    extract::{FromRequest, Request, State},
    http::header,
};
use subgrant_api as api;
use subgrant_domain::Credits;
use subgrant_service::{BatchSpend, IdempotencyKey, Outcome, Principal, SpendError, SpendReceipt, Usage};
use subgrant_store::presence;

use super::spend::spend_request;
use crate::http::{
    HttpState,
    body::{body_bytes, json_bytes, parse_json, parse_unread},
    extract::{IdempotencyHeader, Spending},
    idempotency,
    openapi::{BodyProblems, Problems, Refusals},
    problem::{self, Problem},
    validate::Validator,
};

const MAX_ITEMS: usize = 10_000;

/// The items of a batch, unread: a JSON object with a list, or one item per line (NDJSON).
pub(in crate::http) struct Items(Vec<Box<[u8]>>);

impl FromRequest<HttpState> for Items {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &HttpState) -> Result<Self, Self::Rejection> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_lines =
            content_type.is_some_and(|value| value.to_ascii_lowercase().starts_with("application/x-ndjson"));
        let body = if is_lines { body_bytes(request.into_body()).await } else { json_bytes(request).await }?;
        let items: Vec<Box<[u8]>> = if is_lines {
            let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
            lines.map(Box::from).collect()
        } else {
            let batch: api::SpendBatch = parse_unread(&body)?;
            batch.items.iter().map(|item| Box::from(item.get().as_bytes())).collect()
        };
        if items.is_empty() || items.len() > MAX_ITEMS {
            let mut validator = Validator::default();
            validator.refuse("/items", "out_of_range", format!("must be 1 to {MAX_ITEMS} items"));
            validator.finish()?;
        }
        Ok(Self(items))
    }
}

/// Debits up to 10,000 items, each all or nothing: one outcome per item, in order. A bad item harms no other.
#[utoipa::path(
    post,
    path = "/spend/batch",
    tag = "spend",
    security(("token" = []), ("session" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Stands in, with an item's position, for keys that items lack")),
    request_body(content(
        (api::SpendBatch = "application/json"),
        (api::BatchItem = "application/x-ndjson")
    )),
    responses(
        (status = 200, description = "The outcomes", body = api::SpendBatchResult),
        Problems, Refusals, BodyProblems
    )
)]
pub(in crate::http) async fn spend(
    State(state): State<HttpState>,
    Spending(principal): Spending,
    key: IdempotencyHeader,
    Items(items): Items,
) -> Result<Json<api::SpendBatchResult>, Problem> {
    state.limits.admit_items(&principal, items.len())?;
    state.app.check_standing(&principal).await?;
    let mut spenders = Spenders { own: principal, others: HashMap::new() };
    let mut outcomes = Vec::with_capacity(items.len());
    let mut spends = Vec::with_capacity(items.len());
    for (position, item) in items.into_iter().enumerate() {
        if presence::is_gone() {
            // Or was told that this takes too long. Nothing was spent yet.
            return Err(Problem::unavailable("timeout", "This takes too long. Nothing was spent."));
        }
        let prepared = match prepare(&item, position, key.0.as_deref()) {
            Ok((token, spend)) => spenders.of(&state, token).await.map(|principal| (principal, spend)),
            Err(problem) => Err(problem),
        };
        match prepared {
            Ok((principal, (request, key))) => {
                spends.push(BatchSpend { principal, request, key });
                outcomes.push(None);
            }
            Err(problem) => outcomes.push(Some(problem.outcome())),
        }
    }
    let asked: Vec<_> = spends.iter().map(|spend| (spend.principal.clone(), spend.request.amount)).collect();
    let mut spent = state.app.spend_batch(spends).await.into_iter().zip(asked);
    let data = outcomes.into_iter().map(|outcome| match outcome {
        Some(refused) => refused,
        None => spent.next().map_or_else(api::BatchOutcome::default, |(result, (principal, amount))| {
            outcome_of(result, &principal, amount)
        }),
    });
    Ok(Json(api::SpendBatchResult { data: data.collect() }))
}

type Prepared = (subgrant_service::SpendRequest, Option<IdempotencyKey>);

/// Checks one item by the rules of a single debit.
fn prepare(
    item: &[u8],
    position: usize,
    batch_key: Option<&str>,
) -> Result<(Option<String>, Prepared), Problem> {
    let item: api::BatchItem = parse_json(item)?;
    if item.idempotency_key.as_ref().is_some_and(|key| {
        !(1..=255).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic())
    }) {
        let mut validator = Validator::default();
        validator.refuse("/idempotency_key", "invalid", "must be 1 to 255 visible ASCII characters");
        validator.finish()?;
    }
    let derived = batch_key.map(|key| idempotency::derived(key, position));
    let body = api::CreateSpend {
        amount_credits: item.amount_credits,
        description: item.description,
        metadata: item.metadata,
        dry_run: false,
    };
    // As a single debit has it, so that an item may be sent again alone.
    let header = IdempotencyHeader(item.idempotency_key.or(derived));
    let key = idempotency::key(header, "/api/cloud/spend", &body);
    Ok((item.token, (spend_request(body)?, key)))
}

/// The caller, and whose tokens the items carry.
struct Spenders {
    own: Principal,
    others: HashMap<String, Result<Principal, Problem>>,
}

impl Spenders {
    async fn of(&mut self, state: &HttpState, token: Option<String>) -> Result<Principal, Problem> {
        let Some(token) = token else { return Ok(self.own.clone()) };
        if let Some(known) = self.others.get(&token) {
            return known.clone();
        }
        let (source_ip, request_id) = (self.own.source_ip, self.own.request_id);
        let found = state.app.authenticate_token_for(Usage::Spend, &token, source_ip, request_id).await;
        let found = found.map_err(Problem::from).and_then(|principal| {
            // Another tenant's delegation does not exist here.
            if principal.tenant == self.own.tenant { Ok(principal) } else { Err(Problem::not_found()) }
        });
        self.others.insert(token, found.clone());
        found
    }
}

fn outcome_of(
    result: Result<Outcome<SpendReceipt>, SpendError>,
    principal: &Principal,
    amount: Credits,
) -> api::BatchOutcome {
    match result {
        Ok(Outcome { value, replayed }) => api::BatchOutcome {
            status: 201,
            id: value.id.map(|id| id.to_string()),
            delegation_id: Some(value.delegation.to_string()),
            remaining_credits: value.remaining.map(Credits::get),
            effective_remaining_credits: value.effective_remaining.map(Credits::get),
            replayed,
            ..api::BatchOutcome::default()
        },
        Err(error) => problem::of_spend(error, principal, amount).outcome(),
    }
}
