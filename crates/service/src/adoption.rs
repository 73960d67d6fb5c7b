//! Children that were made offline: entered into the ledger when they are first used.
//!
//! Only what the digest commits to binds every copy: the id and the budget, as a ceiling below what the parent has. Whatever
//! else the token says is judged at each use, so that whoever narrowed a copy does not narrow everybody's. It is kept all the
//! same, as the chain of the tokens that are written later: none of them says less than the one that was first used, and so
//! none less than what the child's maker wrote.

use std::collections::HashMap;

use jiff::Timestamp;
use subgrant_domain::{
    Action, Allocation, AttributeText, ChildRequest, DelegationId, Denial, Holder, MintDenial, Tree,
    plan_mint,
};
use subgrant_store::{
    LockedTx, TenantTx, audit,
    delegations::{self, Delegation},
    events::{self, NewEvent},
    tokens::{self, Digest, Issued, NewToken, Token},
};
use subgrant_token::ChainNode;

use crate::{CredentialError, ServiceError, chain, credential::Credential, event::EventKind};

/// What the ledger says about blocks that it may not know.
#[derive(Debug, Clone, Default)]
pub(crate) struct AdoptionFacts {
    tokens: HashMap<Digest, Token>,
    offline_children: HashMap<DelegationId, u64>,
    /// How often the tokens of the known nodes above were written again.
    generations: HashMap<DelegationId, u32>,
    /// What nodes were called by the tokens with which they were entered meanwhile.
    labels: HashMap<DelegationId, AttributeText>,
}

/// A node that is entered with the write that first uses it.
#[derive(Debug, Clone)]
pub(crate) struct Adopted {
    pub(crate) row: Delegation,
    pub(crate) token: NewToken,
}

impl AdoptionFacts {
    /// Reads, under the lock where there is one, what the adoption of the given tokens' nodes depends on.
    pub(crate) async fn read(
        tx: &mut TenantTx,
        credentials: impl Iterator<Item = &Credential> + Clone,
    ) -> Result<Self, ServiceError> {
        let unknown = credentials.filter(|credential| !credential.is_registered());
        let blocks = |credential: &Credential| credential.token.nodes()[credential.registered..].to_vec();
        let digests: Vec<_> = unknown.clone().flat_map(blocks).map(|node| *node.digest.as_bytes()).collect();
        if digests.is_empty() {
            return Ok(Self::default());
        }
        let above: Vec<_> =
            unknown.clone().flat_map(|credential| credential.path.ancestors().to_vec()).collect();
        let parents: Vec<_> =
            unknown.flat_map(|credential| credential.path.ids()[credential.registered..].to_vec()).collect();
        let above = delegations::by_ids(tx, &above).await?.into_iter();
        Ok(Self {
            generations: above.map(|row| (row.node.id(), row.token_generation)).collect(),
            labels: tokens::issued(tx, &digests).await?.into_values().filter_map(first_label).collect(),
            tokens: tokens::by_digests(tx, &digests).await?,
            offline_children: delegations::count_made_offline(tx, &parents).await?.into_iter().collect(),
        })
    }
}

fn first_label(issued: Issued) -> Option<(DelegationId, AttributeText)> {
    Some((issued.path.id(), issued.first_label?))
}

/// Writes nodes that are new to the ledger, after its entry `ledger_seq`.
pub(crate) async fn enter(
    tx: &mut LockedTx,
    adopted: &[Adopted],
    ledger_seq: u64,
    now: Timestamp,
) -> Result<(), ServiceError> {
    if adopted.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = adopted.iter().map(|adopted| &adopted.row).collect();
    delegations::insert_all(tx, &rows).await?;
    let registered: Vec<_> = adopted.iter().map(|adopted| (&adopted.token, adopted.row.node.id())).collect();
    tokens::insert_all(tx, &registered, now).await?;
    audit::append_all(tx, &rows.iter().map(|row| audit_entry(row)).collect::<Vec<_>>()).await?;
    let told: Vec<_> = rows.iter().map(|row| told(row, ledger_seq)).collect();
    Ok(events::append(tx, &told, now).await?)
}

fn told(row: &Delegation, ledger_seq: u64) -> NewEvent {
    let told = serde_json::json!({ "budget_credits": row.node.budget, "label": row.label });
    EventKind::DelegationAdopted.at(ledger_seq, Some(row.node.id()), &told)
}

fn audit_entry(row: &Delegation) -> audit::Entry {
    let details = serde_json::json!({ "budget_credits": row.node.budget, "label": row.label });
    audit::Entry {
        id: uuid::Uuid::now_v7(),
        actor: row.node.path.parent_id().map(|id| id.to_string()).unwrap_or_default(),
        action: "delegation.adopt",
        target: row.node.id().to_string(),
        details: details.to_string(),
        source_ip: None,
        request_id: None,
    }
}

/// Enters the nodes of a token that the ledger does not know into `tree`; returns them, root first, to be written.
pub(crate) fn adopt(
    tree: &mut Tree,
    facts: &mut AdoptionFacts,
    credential: &Credential,
) -> Result<Vec<Adopted>, CredentialError> {
    let mut adopted = Vec::new();
    for (index, node) in credential.token.nodes().iter().enumerate().skip(credential.registered) {
        let (id, digest) = (credential.path.ids()[index + 1], *node.digest.as_bytes());
        match facts.tokens.get(&digest) {
            // Another process entered it, and may have rotated it, since the token was read.
            Some(token) if token.valid_until.is_some_and(|end| end <= tree.now()) => {
                return Err(CredentialError::Revoked);
            }
            Some(token) if token.delegation == id => {
                check_same(tree, facts, credential, node, id)?;
                continue;
            }
            Some(_) => return Err(CredentialError::Forged),
            None => {}
        }
        if tree.node(id).is_some() {
            // The id belongs to a node under another digest.
            return Err(CredentialError::Forged);
        }
        let row = adopted_row(tree, facts, credential, index, node)?;
        let token = Token { delegation: id, issued_at: tree.now(), valid_until: None };
        facts.tokens.insert(digest, token);
        facts.labels.extend(node.block.label.clone().map(|label| (id, label)));
        let service_digest = credential.service_digests.get(index).map(|digest| *digest.as_bytes());
        let (caveats, first_label) = (node.budget_index + 1, node.block.label.clone());
        let token = NewToken { digest, service_digest, caveats, first_label };
        adopted.push(Adopted { row, token });
    }
    Ok(adopted)
}

/// Refuses a token that says of a node what the one with which it was entered says otherwise.
fn check_same(
    tree: &Tree,
    facts: &AdoptionFacts,
    credential: &Credential,
    node: &ChainNode,
    id: DelegationId,
) -> Result<(), CredentialError> {
    let Some(terms) = tree.node(id).map(|known| &known.terms) else { return Ok(()) };
    let (scope, block) = (credential.scope(), &node.block);
    for (name, said, known) in [
        ("cost_center", scope.cost_center.as_ref(), terms.cost_center.as_ref()),
        ("department", scope.department.as_ref(), terms.department.as_ref()),
        ("label", block.label.as_ref(), facts.labels.get(&id)),
    ] {
        if said.zip(known).is_some_and(|(said, known)| said != known) {
            return Err(contradiction(name));
        }
    }
    Ok(())
}

/// Two children that a plain library made of the same token with the same budget are one node, which has one name and is
/// attributed in one way.
pub(crate) fn contradiction(name: &str) -> CredentialError {
    CredentialError::Caveat(format!(
        "its {name} is another than that with which its delegation was first used"
    ))
}

/// Plans one node as a `cap` child of the one before it.
fn adopted_row(
    tree: &mut Tree,
    facts: &mut AdoptionFacts,
    credential: &Credential,
    index: usize,
    node: &ChainNode,
) -> Result<Delegation, CredentialError> {
    let refused = |why: &str| CredentialError::Caveat(why.to_owned());
    let (parent, id) = (credential.path.prefix(index), credential.path.ids()[index + 1]);
    let parent_node = tree.node(parent.id()).ok_or(CredentialError::Forged)?;
    let may_delegate = credential.token.actions_above(index).contains(Action::Delegate)
        && parent_node.terms.actions.contains(Action::Delegate);
    if !may_delegate {
        return Err(refused("its parent may not delegate"));
    }
    let children = facts.offline_children.entry(parent.id()).or_default();
    if *children >= credential.max_offline_children {
        return Err(refused("its parent has too many children that were made offline"));
    }
    if node.budget.is_zero() {
        return Err(refused("it has a budget of nothing"));
    }
    let request = ChildRequest {
        // A ceiling above the parent's would be no ceiling.
        budget: parent_node.budget.map_or(node.budget, |budget| budget.min(node.budget)),
        allocation: Allocation::Cap,
        expires_at: None,
        actions: None,
        max_per_spend: None,
        limits: Vec::new(),
        max_depth: None,
        cost_center: node.block.cost_center.clone(),
        department: node.block.department.clone(),
    };
    plan_mint(tree, &parent, &Holder::UNRESTRICTED, id, &request).map_err(|denial| match denial {
        MintDenial::Denied(Denial::Revoked { .. }) => CredentialError::Revoked,
        MintDenial::Denied(Denial::Expired { .. }) => CredentialError::Expired,
        MintDenial::Denied(Denial::Frozen { .. }) => CredentialError::Frozen,
        MintDenial::TooDeep => refused("no further level may be created here"),
        _ => refused("it is wider than its parent"),
    })?;
    *children += 1;
    let newest = |id| facts.generations.get(&id).copied().unwrap_or_default();
    let whole = &credential.token.caveats()[..node.block.caveats.end];
    let root_key = &credential.root_key;
    Ok(Delegation {
        node: tree.node(id).ok_or(CredentialError::Forged)?.clone(),
        label: node.block.label.clone().unwrap_or_else(unnamed),
        // The child's own nonce is not ours, but a rotation replaces it; those above may be.
        caveats: whole.iter().map(|caveat| chain::stored_text(&root_key.key, caveat, newest)).collect(),
        token_generation: 0,
        root_key: root_key.id,
        audience: credential.audience,
        made_offline: true,
        first_block_unknown: false,
        tokens_valid_from: None,
        version: 1,
        created_at: tree.now(),
    })
}

fn unnamed() -> AttributeText {
    AttributeText::new("offline child").expect("a plain label")
}
