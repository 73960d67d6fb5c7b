//! From the list of caveats to the nodes of the tree.

use std::ops::Range;

use jiff::Timestamp;
use subgrant_domain::{ActionSet, AttributeText, Credits, DelegationId, ServiceId, WindowLimit};

use crate::{
    Caveat, CaveatError, DelegationClaim, Identifier, NodeDigest, Scope, TokenError, caveat_list::CaveatList,
    narrow, signature::Signature,
};

/// A token whose signature is right and whose caveats are all understood and free of contradictions.
#[derive(Debug, Clone)]
pub struct VerifiedToken {
    identifier: Identifier,
    caveats: Vec<Caveat>,
    root_block: Block,
    nodes: Vec<ChainNode>,
    scope: Scope,
}

/// A node that the chain opens: one `budget` caveat and what its block says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainNode {
    /// The node's key in the ledger.
    pub digest: NodeDigest,
    /// Who the block says it belongs to; `None` if a plain macaroon library appended a `budget` without a `delegation`.
    pub claim: Option<DelegationClaim>,
    /// The credits in its `budget` caveat, which may exceed what its ancestors have.
    pub budget: Credits,
    /// Where its `budget` caveat stands in [`VerifiedToken::caveats`].
    pub budget_index: usize,
    /// What else its block says.
    pub block: Block,
}

/// What the caveats of one block say, repeated ones already narrowed. Gateways' conditions (route, method, source
/// address, L402) are not repeated here: they are judged for the chain as a whole, by [`Scope`].
///
/// Caveats that were appended after the node was created stand in the same block. Only the ledger can tell them apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Block {
    /// Where the block stands in [`VerifiedToken::caveats`], its opening caveats included.
    pub caveats: Range<usize>,
    /// The node's name.
    pub label: Option<AttributeText>,
    /// Attribution.
    pub cost_center: Option<AttributeText>,
    /// Attribution.
    pub department: Option<AttributeText>,
    /// The earliest `expires`.
    pub expires: Option<Timestamp>,
    /// The intersection of all `actions`.
    pub actions: Option<ActionSet>,
    /// The least `max_per_spend`.
    pub max_per_spend: Option<Credits>,
    /// Every `limit`, each once.
    pub limits: Vec<WindowLimit>,
    /// The least `max_depth`.
    pub max_depth: Option<u32>,
    /// The one service at which it may be used.
    pub audience: Option<ServiceId>,
}

impl ChainNode {
    /// The node's public id: what its block says, or what follows from its digest.
    pub fn id(&self) -> DelegationId {
        self.claim.map_or_else(|| self.digest.derived_id(), |claim| claim.id)
    }
}

impl VerifiedToken {
    /// Whose token it is, and which key signed it.
    pub const fn identifier(&self) -> &Identifier {
        &self.identifier
    }

    /// Every caveat, in order.
    pub fn caveats(&self) -> &[Caveat] {
        &self.caveats
    }

    /// What the caveats before the first node say: conditions on the whole tenant's root.
    pub const fn root_block(&self) -> &Block {
        &self.root_block
    }

    /// The nodes that the chain opens, from the root down. Empty for a root token.
    pub fn nodes(&self) -> &[ChainNode] {
        &self.nodes
    }

    /// The delegation that the token speaks for and all above it, from the root down, the root itself left out. The token
    /// ends with each of them.
    pub fn delegations(&self) -> impl DoubleEndedIterator<Item = DelegationId> {
        self.nodes.iter().map(ChainNode::id)
    }

    /// The key of the node that the token speaks for; `None` for a root token.
    pub fn last_digest(&self) -> Option<NodeDigest> {
        self.nodes.last().map(|node| node.digest)
    }

    /// What the blocks above a node permit together: whether its parent's holder could have opened it offline
    /// (`delegate`). `node` is an index into [`VerifiedToken::nodes`].
    pub fn actions_above(&self, node: usize) -> ActionSet {
        let above = self.nodes.iter().take(node).map(|node| &node.block);
        std::iter::once(&self.root_block)
            .chain(above)
            .filter_map(|block| block.actions)
            .fold(ActionSet::ALL, ActionSet::intersection)
    }

    /// What the whole chain permits at most.
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }
}

/// Reads the caveats of a token whose signature has been checked. `after_caveat[i]` is the signature right after
/// caveat `i`.
pub(crate) fn read(
    identifier: Identifier,
    caveats: &CaveatList,
    after_caveat: &[Signature],
) -> Result<VerifiedToken, TokenError> {
    let mut token = VerifiedToken {
        identifier,
        caveats: Vec::with_capacity(caveats.len()),
        root_block: Block::default(),
        nodes: Vec::new(),
        scope: Scope::unrestricted(),
    };
    let mut claim = None;
    for (index, (bytes, signature)) in caveats.iter().zip(after_caveat).enumerate() {
        let refused = |reason| TokenError::Caveat { index, reason };
        let caveat = Caveat::from_bytes(bytes).map_err(refused)?;
        match (&caveat, claim.take()) {
            (Caveat::Budget(budget), claim) => {
                token.open_node(index, *budget, claim, signature).map_err(refused)?;
            }
            (_, Some(_)) => return Err(unopened(index - 1)),
            (Caveat::Delegation(opened), None) => claim = Some(*opened),
            (other, None) => token.narrow(index, other).map_err(refused)?,
        }
        token.caveats.push(caveat);
    }
    if claim.is_some() {
        return Err(unopened(caveats.len() - 1));
    }
    Ok(token)
}

fn unopened(index: usize) -> TokenError {
    TokenError::Caveat { index, reason: CaveatError::DelegationWithoutBudget }
}

impl VerifiedToken {
    fn open_node(
        &mut self,
        budget_index: usize,
        budget: Credits,
        claim: Option<DelegationClaim>,
        signature: &Signature,
    ) -> Result<(), CaveatError> {
        self.scope.open_node(budget)?;
        let first = budget_index - usize::from(claim.is_some());
        self.nodes.push(ChainNode {
            digest: signature.node_digest(),
            claim,
            budget,
            budget_index,
            block: Block { caveats: first..budget_index + 1, ..Block::default() },
        });
        Ok(())
    }

    fn narrow(&mut self, index: usize, caveat: &Caveat) -> Result<(), CaveatError> {
        let node = self.nodes.len().checked_sub(1);
        let block = match self.nodes.last_mut() {
            Some(node) => &mut node.block,
            None => &mut self.root_block,
        };
        block.caveats.end = index + 1;
        block.record(caveat)?;
        self.scope.narrow(caveat, node)
    }
}

impl Block {
    fn record(&mut self, caveat: &Caveat) -> Result<(), CaveatError> {
        match caveat {
            // One node has one name: a block that was given a second one is not what the first signer named.
            Caveat::Label(text) => narrow::to_equal_text(&mut self.label, text)?,
            Caveat::CostCenter(text) => narrow::to_equal_text(&mut self.cost_center, text)?,
            Caveat::Department(text) => narrow::to_equal_text(&mut self.department, text)?,
            Caveat::Expires(at) => narrow::to_minimum(&mut self.expires, *at),
            Caveat::Actions(actions) => narrow::to_intersection(&mut self.actions, *actions),
            Caveat::MaxPerSpend(credits) => narrow::to_minimum(&mut self.max_per_spend, *credits),
            Caveat::Limit(limit) => narrow::to_all(&mut self.limits, *limit),
            Caveat::MaxDepth(levels) => narrow::to_minimum(&mut self.max_depth, *levels),
            Caveat::Audience(service) => narrow::to_equal(&mut self.audience, service)?,
            Caveat::Delegation(_)
            | Caveat::Budget(_)
            | Caveat::Route(_)
            | Caveat::Method(_)
            | Caveat::SourceIp(_)
            | Caveat::L402Services(_)
            | Caveat::L402Capabilities(_)
            | Caveat::L402ValidUntil(_) => {}
        }
        Ok(())
    }
}
