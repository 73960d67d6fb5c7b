//! What bounds a movement of money, and why it is refused.

use jiff::Timestamp;

use crate::{Credits, DelegationId, WindowLimit};

/// What the presented token adds to the limits stored with the nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpendLimits {
    /// The least `max_per_spend` of the whole chain.
    pub max_per_spend: Option<Credits>,
    /// Window limits of the chain, each with the node whose counter it uses.
    pub windows: Vec<(DelegationId, WindowLimit)>,
    /// The token's own node, and what the token says that its budget is: the node's budget may have been raised since. What
    /// tokens of nodes above say does not bind here, since a carve was set aside for good.
    pub ceiling: Option<(DelegationId, Credits)>,
    /// The earliest `expires` of the whole chain.
    pub expires_at: Option<Timestamp>,
}

impl SpendLimits {
    /// Nothing is added.
    pub const NONE: Self = Self { max_per_spend: None, windows: Vec::new(), ceiling: None, expires_at: None };

    /// What the token says the budget of `node` is.
    pub fn ceiling_of(&self, node: DelegationId) -> Option<Credits> {
        self.ceiling.filter(|(owner, _)| *owner == node).map(|(_, ceiling)| ceiling)
    }

    /// The window limits that the token adds to those of `node`.
    pub fn windows_of(&self, node: DelegationId) -> impl Iterator<Item = &WindowLimit> {
        self.windows.iter().filter(move |(owner, _)| *owner == node).map(|(_, limit)| limit)
    }
}

/// Why money may not move. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// A node of the path was revoked.
    Revoked {
        /// The revoked node nearest to the root.
        node: DelegationId,
    },
    /// A node of the path, or the presented token, has expired.
    Expired {
        /// The expired node nearest to the root.
        node: DelegationId,
    },
    /// A node of the path is frozen.
    Frozen {
        /// The frozen node nearest to the root.
        node: DelegationId,
    },
    /// The budget of a node does not suffice.
    BudgetExhausted {
        /// The refusing node nearest to the spender.
        node: DelegationId,
        /// What would pass every level.
        max_affordable: Credits,
    },
    /// The budget that the presented token speaks of does not suffice, though the node's own would.
    TokenBudget {
        /// The token's node.
        node: DelegationId,
        /// What the token says that the node's budget is.
        ceiling: Credits,
        /// What would pass every level.
        max_affordable: Credits,
    },
    /// The amount exceeds what one spend or hold may be.
    MaxPerSpend {
        /// The refusing node nearest to the spender.
        node: DelegationId,
        /// What would pass every level.
        max_affordable: Credits,
    },
    /// A window limit does not permit the amount now.
    WindowLimit {
        /// The refusing node nearest to the spender.
        node: DelegationId,
        /// The limit.
        limit: WindowLimit,
        /// What would pass every level.
        max_affordable: Credits,
        /// When the last of the windows ends that refuse, where nothing else does and the amount fits each once it is empty.
        retry_at: Option<Timestamp>,
    },
    /// The hold was captured, released or voided before.
    HoldClosed,
    /// The hold expired before.
    HoldExpired,
    /// More was to be given back than is left of the debit.
    RefundExceedsSpend {
        /// What is left of it.
        refundable: Credits,
    },
    /// More was to be captured than is held.
    CaptureExceedsHold {
        /// What is held.
        held: Credits,
    },
}
