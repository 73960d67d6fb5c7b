//! What must hold after every step, and at the end of a case.

use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Row};
use subgrant_domain::{SpendId, TenantId};
use subgrant_tests::{NODES, Parts, assert_books_balance, attenuate};
use subgrant_token::NodeDigest;

use crate::{
    reference::{
        answer::difference,
        call::{Action, Call, Caller},
        world::World,
    },
    system::System,
};

/// How often the whole ledger is proved, in steps: that takes longer the longer the ledger is.
const PROOF_EVERY: usize = 25;

/// Every node is as the reference says, and both identities hold in the rows themselves.
pub(crate) fn after_step(system: &mut System) -> Result<(), String> {
    agree(system, Action::Tree { top: None })?;
    identities(system)?;
    if system.world.step.is_multiple_of(PROOF_EVERY) {
        agree(system, Action::Proof)?;
    }
    Ok(())
}

/// The ledger is what was done, the chain is whole, and the rows keep every rule that binds them.
pub(crate) fn at_the_end(system: &mut System) -> Result<(), String> {
    // Whoever looks lets what is over end in the rows, too.
    agree(system, Action::Tree { top: None })?;
    agree(system, Action::Proof)?;
    agree(system, Action::List)?;
    agree(system, Action::Ledger { node: None })?;
    let (stage, tenant) = (system.stage, &system.tenant);
    stage.runtime.block_on(assert_books_balance(&stage.server, tenant));
    Ok(())
}

/// Asks as the owner, and compares.
fn agree(system: &mut System, action: Action) -> Result<(), String> {
    let call = Call { caller: Caller::Session, action, key: None, at_replica: false };
    let answered = system.look(&call);
    let mut faults = Vec::new();
    for instant in answered.instants(&system.world) {
        let mut world = system.world.clone();
        (world.read_at, world.now) = (instant, instant);
        let expected = world.answer(&call);
        let found = (answered.reply.status != expected.status).then(|| answered.reply.body.to_string());
        match found.or_else(|| difference(&expected.body, &answered.reply.body, "")) {
            None => {
                learn_beginnings(&mut system.world, &answered.reply.body);
                return Ok(());
            }
            Some(why) => faults.push(format!("at {instant}: {why}")),
        }
    }
    Err(format!("after the step, {:?} is not as it must be: {}", call.action, faults.join("\n")))
}

/// When nodes were created is told by the tree alone, where they were made offline.
fn learn_beginnings(world: &mut World, tree: &Value) {
    let found = world.nodes.iter_mut().find(|node| tree["id"] == node.id.as_str());
    let created = tree["created_at"].as_str().and_then(|text| text.parse().ok());
    if let (Some(node), Some(created)) = (found, created) {
        node.created = created;
    }
    for child in tree["children"].as_array().into_iter().flatten() {
        learn_beginnings(world, child);
    }
}

/// `spent(n) = own(n) + Σ spent(children)` and `Σ ledger = spent(root)`, by PostgreSQL.
fn identities(system: &System) -> Result<(), String> {
    let statement = format!(
        "{NODES}, own AS (
            SELECT delegation_id AS id, sum(CASE kind WHEN 'refund' THEN -amount ELSE amount END) AS spent
            FROM ledger WHERE tenant_id = $1 GROUP BY delegation_id),
        below AS (
            SELECT parent_id AS id, sum(spent) AS spent FROM nodes WHERE tenant_id = $1 GROUP BY parent_id)
        SELECT
            (SELECT count(*) FROM nodes d LEFT JOIN own USING (id) LEFT JOIN below USING (id)
             WHERE d.tenant_id = $1 AND d.spent <> coalesce(own.spent, 0) + coalesce(below.spent, 0)),
            (SELECT coalesce(sum(spent), 0)::bigint FROM own),
            (SELECT spent FROM nodes WHERE tenant_id = $1 AND depth = 0)"
    );
    let tenant = system.tenant.id.parse::<TenantId>().unwrap().as_uuid();
    let query = sqlx::query(AssertSqlSafe(statement)).bind(tenant).fetch_one(&system.stage.observer);
    let row = system.stage.runtime.block_on(query).unwrap();
    let [unequal, ledger, root] = [0, 1, 2].map(|column| row.get::<i64, _>(column));
    if unequal != 0 {
        return Err(format!("spent is not own + the children's at {unequal} nodes"));
    }
    if ledger != root || u64::try_from(root) != Ok(system.world.spent(0)) {
        return Err(format!(
            "the ledger sums up to {ledger}, the root has spent {root}, the reference says {}",
            system.world.spent(0)
        ));
    }
    Ok(())
}

/// The ids of all entries, in the order in which they were entered.
pub(crate) fn ledger_order(system: &System) -> Vec<String> {
    let tenant = system.tenant.id.parse::<TenantId>().unwrap().as_uuid();
    let statement = "SELECT id FROM ledger WHERE tenant_id = $1 ORDER BY seq";
    let query = sqlx::query_scalar(statement).bind(tenant).fetch_all(&system.stage.observer);
    let ids: Vec<uuid::Uuid> = system.stage.runtime.block_on(query).unwrap();
    ids.into_iter().map(|id| SpendId::from_uuid(id).to_string()).collect()
}

/// The id of a node that a plain macaroon library opens with a budget: it follows from the signature behind that.
pub(crate) fn derived_id(parent: &str, budget: &str) -> String {
    let signature = Parts::of(&attenuate(parent, &[budget.as_bytes()])).signature;
    let digest = Sha256::new().chain_update(b"subgrant/node/v1").chain_update(signature).finalize();
    NodeDigest::from_bytes(digest.into()).derived_id().to_string()
}

/// A token with another signature.
pub(crate) fn tampered(token: &str) -> String {
    let mut parts = Parts::of(token);
    parts.signature[0] ^= 1;
    Parts::text(&parts.v2())
}
