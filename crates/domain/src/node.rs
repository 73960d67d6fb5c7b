//! One node of the tree as the planner sees it: settings and balances, read under the tenant's lock.

use std::{fmt, str::FromStr};

use jiff::Timestamp;

use crate::{
    ActionSet, AttributeText, Counter, Credits, DelegationId, Newest, NodePath, Period, WindowLimit,
};

/// Where a child's budget comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Allocation {
    /// Set aside out of the parent's available credits; no sibling can touch it.
    Carve,
    /// A ceiling only: siblings compete for what the parent has available at spend time.
    Cap,
}

impl Allocation {
    /// The word used in JSON and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Carve => "carve",
            Self::Cap => "cap",
        }
    }
}

impl fmt::Display for Allocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word is neither `carve` nor `cap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an allocation is carve or cap")]
pub struct UnknownAllocation;

impl FromStr for Allocation {
    type Err = UnknownAllocation;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Carve, Self::Cap].into_iter().find(|one| one.as_str() == text).ok_or(UnknownAllocation)
    }
}

/// What the holder's credential adds to the state of a node: only ever narrower than the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// What the holder may do.
    pub actions: ActionSet,
    /// The largest single spend or hold.
    pub max_per_spend: Option<Credits>,
    /// Window limits; each counts the whole subtree.
    pub limits: Vec<WindowLimit>,
    /// Levels that may still be created below.
    pub max_depth: Option<u32>,
    /// When the node stops being valid.
    pub expires_at: Option<Timestamp>,
    /// Stamped on every ledger entry; fixed once set along a path.
    pub cost_center: Option<AttributeText>,
    /// Stamped on every ledger entry; fixed once set along a path.
    pub department: Option<AttributeText>,
}

impl Terms {
    /// No restriction at all: the terms of a new root.
    pub const UNRESTRICTED: Self = Self {
        actions: ActionSet::ALL,
        max_per_spend: None,
        limits: Vec::new(),
        max_depth: None,
        expires_at: None,
        cost_center: None,
        department: None,
    };
}

/// A delegation: settings that the owner chooses and balances that spending moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// From the root to this node.
    pub path: NodePath,
    /// How the budget relates to the parent's. The root's is meaningless.
    pub allocation: Allocation,
    /// The most that may ever be spent; `None` only for the unlimited root.
    pub budget: Option<Credits>,
    /// Spent by the node and its whole subtree.
    pub spent: Credits,
    /// Spent by the node itself: `spent = own_spent + Σ spent of the children`.
    pub own_spent: Credits,
    /// Held by the node and its whole subtree.
    pub held: Credits,
    /// Unspent and unheld credits of live carve children, in plain credits: below an unlimited root the sum may
    /// exceed what a single amount can be.
    pub reserved: u64,
    /// Unspent and unheld credits of live cap children. No budget bounds it: where it and `reserved` exceed what
    /// remains, the node is overcommitted.
    pub capped: u128,
    /// The newest counter of each period, in the order of [`Period::ALL`]. Once a window is over, its counter is of no use.
    pub counters: [Option<Counter>; Period::ALL.len()],
    /// The node's own newest entry, and the newest sum of its entries; `None` before the first.
    pub newest: Option<Newest>,
    /// How many nodes were ever created below this one. Lets a revocation say what it ends without a walk.
    pub descendants: u64,
    /// Restrictions, with attribution.
    pub terms: Terms,
    /// When the node was frozen, if it is.
    pub frozen_at: Option<Timestamp>,
    /// When the node was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
    /// Whether the parent no longer sets anything aside for this node (revoked or expired carve, or never carved).
    pub carve_returned: bool,
    /// Whether it was noted that the node's own life is over: from then on nothing of it counts in its parent.
    pub expiry_noted: bool,
}

/// What follows from a node's balances and past, by which nodes are found, and which changes far more rarely than the
/// balances do. Stored apart from them, so that a spend writes little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a column of its own, found by an index of its own"
)]
pub struct Marks {
    /// [`Node::descendants`].
    pub descendants: u64,
    /// [`Node::carve_returned`].
    pub carve_returned: bool,
    /// [`Node::expiry_noted`].
    pub expiry_noted: bool,
    /// Nothing remains, and so nothing is left for anything below either.
    pub is_exhausted: bool,
    /// Something remains, but all of it is set aside: cap children are left with nothing.
    pub is_starving: bool,
}

impl Node {
    /// The largest sum of reservations: what a signed 64-bit column holds.
    pub const MAX_RESERVED: u64 = i64::MAX.unsigned_abs();

    /// A new tenant's root: unlimited and unrestricted.
    pub fn root(id: DelegationId) -> Self {
        Self {
            path: NodePath::root(id),
            allocation: Allocation::Carve,
            budget: None,
            spent: Credits::ZERO,
            own_spent: Credits::ZERO,
            held: Credits::ZERO,
            reserved: 0,
            capped: 0,
            counters: [None; Period::ALL.len()],
            newest: None,
            descendants: 0,
            terms: Terms::UNRESTRICTED,
            frozen_at: None,
            revoked_at: None,
            carve_returned: true,
            expiry_noted: false,
        }
    }

    /// The node's id.
    pub fn id(&self) -> DelegationId {
        self.path.id()
    }

    /// `budget − spent − held`; `None` for the unlimited root.
    pub fn remaining(&self) -> Option<Credits> {
        self.budget.map(|budget| {
            budget
                .checked_sub(self.spent)
                .and_then(|left| left.checked_sub(self.held))
                .expect("spent + held never exceed the budget")
        })
    }

    /// What the node can still spend or carve itself: `remaining − reserved`; `None` for the unlimited root.
    pub fn available(&self) -> Option<Credits> {
        self.remaining().map(|remaining| {
            let available =
                remaining.get().checked_sub(self.reserved).expect("reservations never exceed what remains");
            Credits::new(available).expect("less than the budget")
        })
    }

    /// The node's marks as its balances have it.
    pub fn marks(&self) -> Marks {
        let is_exhausted = self.remaining() == Some(Credits::ZERO);
        Marks {
            descendants: self.descendants,
            carve_returned: self.carve_returned,
            expiry_noted: self.expiry_noted,
            is_exhausted,
            is_starving: !is_exhausted && self.available() == Some(Credits::ZERO) && self.capped > 0,
        }
    }

    /// What remains for a holder whose credential says that the node's budget is `ceiling`.
    pub fn remaining_within(&self, ceiling: Option<Credits>) -> Option<Credits> {
        let under_ceiling =
            ceiling.map(|ceiling| ceiling.saturating_sub(self.spent).saturating_sub(self.held));
        self.remaining().into_iter().chain(under_ceiling).min()
    }

    /// What such a holder has available.
    pub fn available_within(&self, ceiling: Option<Credits>) -> Option<Credits> {
        let reserved = Credits::new(self.reserved).unwrap_or(Credits::MAX);
        let under_ceiling =
            ceiling.and_then(|_| self.remaining_within(ceiling)).map(|left| left.saturating_sub(reserved));
        self.available().into_iter().chain(under_ceiling).min()
    }

    /// Whether the parent currently sets credits aside for this node.
    pub fn is_carved(&self) -> bool {
        self.allocation == Allocation::Carve && !self.carve_returned
    }

    /// Whether the parent counts this node among those that compete for what it has.
    pub fn is_capped(&self) -> bool {
        self.allocation == Allocation::Cap && self.revoked_at.is_none() && !self.expiry_noted
    }

    /// What the children may still consume, as a multiple of what remains: above 1 they cannot all have it. `None` for the
    /// unlimited root, where nothing remains, and where no child is live.
    #[expect(clippy::cast_precision_loss, reason = "a ratio is a hint to people, nothing is decided by it")]
    pub fn overcommit_ratio(&self) -> Option<f64> {
        let remaining = self.remaining().filter(|remaining| !remaining.is_zero())?;
        let promised = self.capped + u128::from(self.reserved);
        (promised > 0).then(|| promised as f64 / remaining.get() as f64)
    }

    /// Whether the node's own life has ended at `now`. A node is dead at the very instant it expires.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.terms.expires_at.is_some_and(|expiry| expiry <= now)
    }
}

/// What a node is at an instant, and which ancestor made it so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Usable.
    Active,
    /// Usable, but nothing is left to spend: of its own budget, or at the named ancestor that it draws on.
    Exhausted(Option<DelegationId>),
    /// Stopped until unfrozen, by itself or the named ancestor.
    Frozen(DelegationId),
    /// Past the expiry of itself or the named ancestor.
    Expired(DelegationId),
    /// Revoked for good, by itself or the named ancestor.
    Revoked(DelegationId),
}

impl Status {
    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Exhausted(_) => "exhausted",
            Self::Frozen(_) => "frozen",
            Self::Expired(_) => "expired",
            Self::Revoked(_) => "revoked",
        }
    }

    /// The node of the path that caused the state, where one did.
    pub const fn cause(self) -> Option<DelegationId> {
        match self {
            Self::Active => None,
            Self::Exhausted(cause) => cause,
            Self::Frozen(id) | Self::Expired(id) | Self::Revoked(id) => Some(id),
        }
    }
}

/// The state of the last node of `chain` (root first), by the rule: revoked beats expired beats frozen beats
/// exhausted, and among equals the node nearest to the root is named.
pub fn status_of(chain: &[&Node], now: Timestamp) -> Status {
    let revoked = chain.iter().find(|node| node.revoked_at.is_some());
    let expired = chain.iter().find(|node| node.is_expired(now));
    let frozen = chain.iter().find(|node| node.frozen_at.is_some());
    match (revoked, expired, frozen) {
        (Some(node), _, _) => Status::Revoked(node.id()),
        (None, Some(node), _) => Status::Expired(node.id()),
        (None, None, Some(node)) => Status::Frozen(node.id()),
        (None, None, None) => exhaustion(chain).unwrap_or(Status::Active),
    }
}

/// The state of the last node of `chain` where nothing is left for it, with the ancestor that has nothing available.
fn exhaustion(chain: &[&Node]) -> Option<Status> {
    if chain.last().and_then(|node| node.remaining()) == Some(Credits::ZERO) {
        return Some(Status::Exhausted(None));
    }
    let mut above = drawn_on(chain);
    above.find(|node| node.available() == Some(Credits::ZERO)).map(|node| Status::Exhausted(Some(node.id())))
}

/// The ancestors out of whose available credits the last node of `chain` is supplied: those above a `cap` edge.
fn drawn_on<'a>(chain: &'a [&Node]) -> impl Iterator<Item = &'a Node> {
    chain.windows(2).filter(|pair| !pair[1].is_carved()).map(|pair| pair[0])
}

/// The most that the last node of `chain` (root first) and its subtree can still consume: what remains of its own
/// budget, or below the `ceiling` of the holder's credential, and, above every `cap` edge, what the parent has available.
/// `None`: unlimited.
pub fn effective_remaining(chain: &[&Node], ceiling: Option<Credits>) -> Option<Credits> {
    let own = chain.last().and_then(|node| node.remaining_within(ceiling));
    own.into_iter().chain(drawn_on(chain).filter_map(Node::available)).min()
}
