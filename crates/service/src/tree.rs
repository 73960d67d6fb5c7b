//! A subtree as a nested picture, level by level.

use std::collections::HashMap;

use subgrant_domain::{Action, Credits, DelegationId};
use subgrant_store::delegations;

use crate::{
    AccessError, App, DelegationView, Principal, ServiceError, delegation::visible_path, locked::ReadTenant,
};

/// Children shown per node; a list continues them.
const CHILDREN: usize = 50;

/// Nodes shown at most; what is below them is left out.
const NODES: usize = 2_000;

/// A node with what is below it.
#[derive(Debug)]
pub struct Branch {
    /// The node.
    pub delegation: DelegationView,
    /// What it has spent itself, without its children.
    pub own_spent: Credits,
    /// Its first children; `None` where the picture ends.
    pub children: Option<Vec<Branch>>,
    /// The last child shown, where there are more.
    pub more_after: Option<DelegationId>,
}

impl App {
    /// The subtree at `top` (absent: the caller's own), `depth` levels down.
    pub async fn tree(
        &self,
        principal: &Principal,
        top: Option<DelegationId>,
        depth: usize,
    ) -> Result<Branch, AccessError> {
        let mut read = self.read(principal).await?;
        principal.require(Action::Read)?;
        let path = visible_path(&mut read, principal, top).await?;
        read.load(&[&path]).await?;
        let mut levels = vec![vec![path.id()]];
        let mut children: HashMap<DelegationId, Vec<DelegationId>> = HashMap::new();
        let mut shown = 1;
        while levels.len() <= depth && shown < NODES {
            let parents = levels.last().expect("there is at least the top's level");
            let limit = i64::try_from(CHILDREN + 1).unwrap_or(i64::MAX);
            let found = delegations::first_children(&mut read.tx, parents, limit).await?;
            for parent in parents {
                children.entry(*parent).or_default();
            }
            for (parent, child) in &found {
                children.entry(*parent).or_default().push(*child);
            }
            let level: Vec<_> =
                parents.iter().flat_map(|id| children[id].iter().take(CHILDREN)).copied().collect();
            if level.is_empty() {
                break;
            }
            shown += level.len();
            read.load_nodes(&level).await?;
            levels.push(level);
        }
        let all: Vec<_> = levels.concat();
        let below: HashMap<_, _> =
            delegations::spent_by_children(&mut read.tx, &all).await?.into_iter().collect();
        branch(&read, principal, path.id(), &children, &below)
    }
}

fn branch(
    read: &ReadTenant,
    principal: &Principal,
    id: DelegationId,
    children: &HashMap<DelegationId, Vec<DelegationId>>,
    below: &HashMap<DelegationId, Credits>,
) -> Result<Branch, AccessError> {
    let row = read.rows.get(&id).ok_or_else(|| ServiceError::Inconsistent(format!("{id} was not loaded")))?;
    let delegation = DelegationView::new(&read.tree, row, principal);
    let own_spent = delegation.spent.saturating_sub(below.get(&id).copied().unwrap_or(Credits::ZERO));
    let Some(found) = children.get(&id) else {
        return Ok(Branch { delegation, own_spent, children: None, more_after: None });
    };
    let shown: Vec<_> = found.iter().take(CHILDREN).copied().collect();
    let more_after = shown.last().copied().filter(|_| found.len() > CHILDREN);
    let branches = shown.into_iter().map(|child| branch(read, principal, child, children, below));
    Ok(Branch { delegation, own_spent, children: Some(branches.collect::<Result<_, _>>()?), more_after })
}
