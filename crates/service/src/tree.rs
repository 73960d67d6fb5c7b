//! A subtree as a nested picture, level by level.

use std::collections::HashMap;

use subgrant_domain::{Action, DelegationId};
use subgrant_store::delegations;

use crate::{
    AccessError, App, DelegationView, Principal, ServiceError, delegation::visible_path, locked::ReadTenant,
};

/// Children shown per node; a list continues them.
const CHILDREN: usize = 50;

/// Nodes shown at most; what is below them is left out.
const NODES: usize = 500;

/// A node with what is below it.
#[derive(Debug)]
pub struct Branch {
    /// The node.
    pub delegation: DelegationView,
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
        let mut level = vec![path.id()];
        let mut children: HashMap<DelegationId, Vec<DelegationId>> = HashMap::new();
        let mut shown = 1;
        for _ in 0..depth {
            let parents = opened(&read, &level, NODES - shown);
            if parents.is_empty() {
                break;
            }
            let limit = i64::try_from(CHILDREN + 1).unwrap_or(i64::MAX);
            let found = delegations::first_children(&mut read.tx, &parents, limit).await?;
            for parent in &parents {
                children.entry(*parent).or_default();
            }
            for (parent, child) in &found {
                children.entry(*parent).or_default().push(*child);
            }
            level = parents.iter().flat_map(|id| children[id].iter().take(CHILDREN)).copied().collect();
            shown += level.len();
            read.load_nodes(&level).await?;
        }
        branch(&read, principal, path.id(), &children)
    }
}

/// The first nodes of a level whose children fit into `room`, whatever they may have; the others are not opened.
fn opened(read: &ReadTenant, level: &[DelegationId], mut room: usize) -> Vec<DelegationId> {
    let most_children = |id: DelegationId| {
        let descendants = read.rows.get(&id).map_or(0, |row| row.node.descendants);
        usize::try_from(descendants).unwrap_or(CHILDREN).min(CHILDREN)
    };
    let fits = |id: &&DelegationId| match room.checked_sub(most_children(**id)) {
        Some(rest) => {
            room = rest;
            true
        }
        None => false,
    };
    level.iter().take_while(fits).copied().collect()
}

fn branch(
    read: &ReadTenant,
    principal: &Principal,
    id: DelegationId,
    children: &HashMap<DelegationId, Vec<DelegationId>>,
) -> Result<Branch, AccessError> {
    let row = read.rows.get(&id).ok_or_else(|| ServiceError::Inconsistent(format!("{id} was not loaded")))?;
    let delegation = DelegationView::new(&read.tree, row, principal);
    let Some(found) = children.get(&id) else {
        return Ok(Branch { delegation, children: None, more_after: None });
    };
    let shown: Vec<_> = found.iter().take(CHILDREN).copied().collect();
    let more_after = shown.last().copied().filter(|_| found.len() > CHILDREN);
    let branches = shown.into_iter().map(|child| branch(read, principal, child, children));
    Ok(Branch { delegation, children: Some(branches.collect::<Result<_, _>>()?), more_after })
}
