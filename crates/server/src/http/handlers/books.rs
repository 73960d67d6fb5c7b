//! What auditors ask for: the proof and the audit log.

use std::collections::HashMap;

use axum::{Json, extract::State, response::Response};
use serde::Deserialize;
use subgrant_api as api;
use subgrant_domain::{EventId, Id};
use subgrant_service::{AuditFilter, Fault, Proof, ProofFrom, Recorded};
use utoipa::IntoParams;

use super::{page_limit, page_start};
use crate::http::{
    HttpState,
    convert::{self, time},
    download::download,
    extract::{Authenticated, Query},
    openapi::{Problems, QueryProblems, Refusals},
    problem::Problem,
    validate::Validator,
};
use crate::ledger_export::Lines;

/// Longer than any id or action.
const MAX_WORD_BYTES: usize = 64;

/// Which proof to make.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct ProofQuery {
    /// `true`: forget what was proved before, and begin at the first entry.
    #[serde(default)]
    full: bool,
}

/// Recomputes the hash chain of the tenant's ledger and checks both identities of its books, at one instant.
///
/// A call verifies a bounded number of entries: first those that are new since the last call, then, with what is left of
/// its measure, it goes on with a round that verifies all of them once more. `complete` says whether that was everything;
/// where it is `false`, call again. Only for the root's token or a session.
#[utoipa::path(
    get,
    path = "/ledger/proof",
    tag = "spend",
    security(("token" = []), ("session" = [])),
    params(ProofQuery),
    responses((status = 200, description = "What was checked and found", body = api::LedgerProof), Problems, Refusals, QueryProblems)
)]
pub(in crate::http) async fn proof(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    Query(query): Query<ProofQuery>,
) -> Result<Json<api::LedgerProof>, Problem> {
    let from = if query.full { ProofFrom::Start } else { ProofFrom::Checkpoint };
    let proof = state.app.proof(&principal, from).await?;
    Ok(Json(document(&proof)))
}

fn document(proof: &Proof) -> api::LedgerProof {
    api::LedgerProof {
        intact: proof.first_fault.is_none(),
        entries: proof.entries,
        through: proof.through.map(time),
        head_hash: hex::encode(proof.head_hash.0),
        identities: api::Identities {
            ledger_equals_root: proof.ledger_equals_root,
            nodes_equal_own_plus_children: proof.nodes.unequal.is_none(),
            nodes_checked: proof.nodes.checked,
            nodes: proof.nodes.all,
        },
        complete: proof.is_complete(),
        ledger_entries: proof.ledger_entries,
        newly_verified: stretch(proof.new),
        verified_again: stretch(proof.again),
        rounds: proof.rounds.0,
        last_round_at: proof.rounds.1.map(time),
        first_fault: proof.first_fault.map(fault),
    }
}

/// Positions after one and up to another.
fn stretch((after, through): (u64, u64)) -> Option<api::LedgerStretch> {
    (after < through).then(|| api::LedgerStretch { from: after + 1, through })
}

fn fault(fault: Fault) -> api::LedgerFault {
    let (kind, seq) = match fault {
        Fault::HashMismatch { seq } => ("hash_mismatch", Some(seq)),
        Fault::Gap { seq } => ("gap", Some(seq)),
        Fault::Truncated { head_seq } => ("truncated", Some(head_seq)),
        Fault::CheckpointForged => ("checkpoint_forged", None),
        Fault::LedgerUnequalRoot => ("ledger_unequal_root", None),
        Fault::NodeUnequalChildren { .. } => ("node_unequal_children", None),
        Fault::PeriodChanged { seq, .. } => ("period_changed", Some(seq)),
    };
    let (delegation_id, month) = match fault {
        Fault::NodeUnequalChildren { node } => (Some(node.to_string()), None),
        Fault::PeriodChanged { month, .. } => (None, Some(month.to_string())),
        _ => (None, None),
    };
    api::LedgerFault { kind: kind.to_owned(), seq, delegation_id, month }
}

/// Exports the whole ledger with every delegation's balance, as of one instant: one JSON object per line.
///
/// The lines are described in `docs/ledger-format.md`; `subgrant ledger verify` checks them offline. An export that does not
/// end with a line of the type `end` was cut off: whoever reads too slowly is. Only for the root's token or a session.
#[utoipa::path(
    get,
    path = "/ledger/export",
    tag = "spend",
    security(("token" = []), ("session" = [])),
    responses(
        (status = 200, description = "One `ExportLine` per line", body = api::ExportLine, content_type = "application/x-ndjson"),
        (status = 429, description = "The organisation has too many exports under way: see `Retry-After`", body = api::Problem, content_type = "application/problem+json"),
        Problems, Refusals
    )
)]
pub(in crate::http) async fn export(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
) -> Result<Response, Problem> {
    let lines = Lines::of(state.app.export_ledger(&principal).await?);
    Ok(download(lines, "application/x-ndjson", state.options.piece_timeout))
}

/// Which entries to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct AuditQuery {
    /// Oldest or newest first; oldest where nothing is said.
    #[serde(default)]
    #[param(inline)]
    order: api::Order,
    /// Only this action (`delegation.revoke`), or all on such a thing (`delegation`).
    action: Option<String>,
    /// Only by this user or delegation.
    actor: Option<String>,
    /// Only what was done to this.
    target: Option<String>,
    /// 1–100; 50 where nothing is said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u64>,
    /// `next_cursor` of the page before, in the same order.
    cursor: Option<String>,
}

/// Lists who did what to what, when and from where. Only for the root's token or a session.
///
/// A page may hold fewer than `limit`, even none, and yet not be the last: that one has no `next_cursor`.
#[utoipa::path(
    get,
    path = "/audit",
    tag = "tenant",
    security(("token" = []), ("session" = [])),
    params(AuditQuery),
    responses((status = 200, description = "A page", body = api::AuditList), Problems, Refusals, QueryProblems)
)]
pub(in crate::http) async fn audit(
    State(state): State<HttpState>,
    Authenticated(principal): Authenticated,
    Query(query): Query<AuditQuery>,
) -> Result<Json<api::AuditList>, Problem> {
    let mut validator = Validator::default();
    let limit = page_limit(&mut validator, query.limit);
    let after: Option<EventId> = page_start(&mut validator, query.cursor.as_deref());
    let action = validator.free_text("?action", query.action, MAX_WORD_BYTES);
    let actor = validator.free_text("?actor", query.actor, MAX_WORD_BYTES);
    let target = validator.free_text("?target", query.target, MAX_WORD_BYTES);
    validator.finish()?;
    let filter = AuditFilter {
        order: convert::order(query.order),
        after: after.map(Id::as_uuid),
        action,
        actor,
        target,
    };
    let page = state.app.audit(&principal, &filter, limit).await?;
    Ok(Json(api::AuditList {
        data: page.entries.into_iter().map(|recorded| entry(recorded, &page.emails)).collect(),
        next_cursor: page.next.map(|id| EventId::from_uuid(id).suffix()),
    }))
}

fn entry(entry: Recorded, emails: &HashMap<String, String>) -> api::AuditEntry {
    api::AuditEntry {
        id: EventId::from_uuid(entry.id).to_string(),
        at: time(entry.at),
        actor_email: emails.get(&entry.actor).cloned(),
        actor: entry.actor,
        action: entry.action,
        target: entry.target,
        details: serde_json::from_str(&entry.details).unwrap_or_default(),
        source_ip: entry.source_ip.map(|address| address.to_string()),
        request_id: entry.request_id.map(|id| id.to_string()),
    }
}
