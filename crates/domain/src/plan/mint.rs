//! Creating a child: narrower than its parent in every respect, or refused.

use jiff::Timestamp;

use super::funds::check_live;
use crate::{
    ActionSet, Allocation, AttributeText, Credits, DelegationId, Denial, Node, NodePath, PathError, Terms,
    Tree, WindowLimit,
};

/// What the creator asks for. What is absent is inherited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildRequest {
    /// The child's budget.
    pub budget: Credits,
    /// Set aside, or a ceiling only.
    pub allocation: Allocation,
    /// When the child's life ends.
    pub expires_at: Option<Timestamp>,
    /// What the child may do.
    pub actions: Option<ActionSet>,
    /// The largest single spend.
    pub max_per_spend: Option<Credits>,
    /// Window limits of the child's subtree.
    pub limits: Vec<WindowLimit>,
    /// Levels that may be created below the child.
    pub max_depth: Option<u32>,
    /// Attribution; must agree with what the path already carries.
    pub cost_center: Option<AttributeText>,
    /// Attribution; must agree with what the path already carries.
    pub department: Option<AttributeText>,
}

/// On whose behalf a child is created: what its credential leaves of the parent's power.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// What is left of the parent's terms.
    pub terms: Terms,
    /// The most that the parent may have spent, held and set aside when this holder is done; absent: its whole budget.
    pub ceiling: Option<Credits>,
}

impl Holder {
    /// Whoever may do all that the parent may.
    pub const UNRESTRICTED: Self = Self { terms: Terms::UNRESTRICTED, ceiling: None };
}

/// A child that may be created; the parent's reservation has been made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// From the root to the child.
    pub path: NodePath,
    /// The child's restrictions, with what it inherits.
    pub terms: Terms,
}

/// Why a child may not be created. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MintDenial {
    /// The parent is revoked, expired or frozen, or has too little available.
    Denied(Denial),
    /// A field asks for more than the parent has.
    NarrowerThanParent {
        /// The field's name in the API.
        field: &'static str,
        /// What the parent permits, in words.
        permitted: String,
    },
    /// The expiry is not in the future.
    ExpiryInThePast,
    /// The path carries another cost centre.
    CostCenterConflict {
        /// The inherited value.
        inherited: AttributeText,
    },
    /// The path carries another department.
    DepartmentConflict {
        /// The inherited value.
        inherited: AttributeText,
    },
    /// The parent may not have further levels below it.
    TooDeep,
}

impl From<Denial> for MintDenial {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

impl From<PathError> for MintDenial {
    fn from(_: PathError) -> Self {
        Self::TooDeep
    }
}

/// Creates `child` below `parent` on behalf of a holder whose credential narrows the parent to `holder`.
pub fn plan_mint(
    tree: &mut Tree,
    parent: &NodePath,
    holder: &Holder,
    child: DelegationId,
    request: &ChildRequest,
) -> Result<Child, MintDenial> {
    check_live(tree, parent)?;
    let path = parent.child(child)?;
    let now = tree.now();
    let node = tree.chain(parent).pop().expect("a path holds at least the root");
    check_budget(node, holder.ceiling, request)?;
    let terms = narrowed(&node.terms, &holder.terms, request, now)?;
    tree.add_child(Node {
        path: path.clone(),
        allocation: request.allocation,
        budget: Some(request.budget),
        spent: Credits::ZERO,
        own_spent: Credits::ZERO,
        held: Credits::ZERO,
        reserved: 0,
        capped: 0,
        counters: tree.new_counters(),
        newest: None,
        descendants: 0,
        terms: terms.clone(),
        frozen_at: None,
        revoked_at: None,
        carve_returned: request.allocation == Allocation::Cap,
        expiry_noted: false,
    });
    Ok(Child { path, terms })
}

fn check_budget(parent: &Node, ceiling: Option<Credits>, request: &ChildRequest) -> Result<(), MintDenial> {
    if let Some(budget) = least(parent.budget, ceiling)
        && request.budget > budget
    {
        return Err(wider("budget_credits", format!("at most the parent's budget of {budget} credits")));
    }
    if request.allocation == Allocation::Cap {
        return Ok(());
    }
    check_carve(parent, ceiling, request.budget).map_err(|max_affordable| {
        let node = parent.id();
        let denial = match ceiling {
            Some(ceiling) if parent.available().is_none_or(|available| request.budget <= available) => {
                Denial::TokenBudget { node, ceiling, max_affordable }
            }
            _ => Denial::BudgetExhausted { node, max_affordable },
        };
        denial.into()
    })
}

/// Refuses, with the most that could be set aside, what `parent` cannot set aside for a child.
pub(super) fn check_carve(parent: &Node, ceiling: Option<Credits>, amount: Credits) -> Result<(), Credits> {
    let most = match parent.available_within(ceiling) {
        Some(available) => available,
        None => Credits::new((Node::MAX_RESERVED - parent.reserved).min(Credits::MAX.get()))
            .unwrap_or(Credits::MAX),
    };
    if amount > most { Err(most) } else { Ok(()) }
}

/// The terms of the child: the parent's, narrowed by the holder's credential and by the request.
fn narrowed(
    parent: &Terms,
    holder: &Terms,
    request: &ChildRequest,
    now: Timestamp,
) -> Result<Terms, MintDenial> {
    Ok(Terms {
        actions: narrowed_actions(parent.actions.intersection(holder.actions), request.actions)?,
        max_per_spend: request.max_per_spend,
        limits: request.limits.clone(),
        max_depth: narrowed_depth(least(parent.max_depth, holder.max_depth), request.max_depth)?,
        expires_at: narrowed_expiry(least(parent.expires_at, holder.expires_at), request.expires_at, now)?,
        cost_center: same(&[&parent.cost_center, &holder.cost_center], request.cost_center.as_ref())
            .map_err(|inherited| MintDenial::CostCenterConflict { inherited })?,
        department: same(&[&parent.department, &holder.department], request.department.as_ref())
            .map_err(|inherited| MintDenial::DepartmentConflict { inherited })?,
    })
}

fn narrowed_actions(permitted: ActionSet, requested: Option<ActionSet>) -> Result<ActionSet, MintDenial> {
    match requested {
        // Each names actions, and they have none in common: nobody could ever use the child.
        _ if permitted.is_empty() => Err(wider("actions", "none of the caller's actions".to_owned())),
        Some(actions) if !actions.is_subset(permitted) => {
            Err(wider("actions", format!("the parent's actions: {permitted}")))
        }
        Some(actions) => Ok(actions),
        None => Ok(permitted),
    }
}

fn narrowed_depth(parent: Option<u32>, requested: Option<u32>) -> Result<Option<u32>, MintDenial> {
    let Some(levels) = parent else {
        return Ok(requested);
    };
    let left = levels.checked_sub(1).ok_or(MintDenial::TooDeep)?;
    match requested {
        Some(depth) if depth > left => {
            Err(wider("max_depth", format!("at most {left}, one less than the parent's {levels}")))
        }
        _ => Ok(Some(requested.unwrap_or(left))),
    }
}

fn narrowed_expiry(
    parent: Option<Timestamp>,
    requested: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<Timestamp>, MintDenial> {
    match (parent, requested) {
        (_, Some(expiry)) if expiry <= now => Err(MintDenial::ExpiryInThePast),
        (Some(end), Some(expiry)) if expiry > end => {
            Err(wider("expiry", format!("no later than the parent's expiry, {end}")))
        }
        (inherited, requested) => Ok(requested.or(inherited)),
    }
}

/// The value that a path carries, given that nobody may change it once set.
fn same(
    inherited: &[&Option<AttributeText>],
    requested: Option<&AttributeText>,
) -> Result<Option<AttributeText>, AttributeText> {
    let inherited = inherited.iter().copied().flatten().next();
    match (inherited, requested) {
        (Some(value), Some(other)) if value != other => Err(value.clone()),
        (value, other) => Ok(value.or(other).cloned()),
    }
}

fn least<T: Ord>(left: Option<T>, right: Option<T>) -> Option<T> {
    left.into_iter().chain(right).min()
}

fn wider(field: &'static str, permitted: String) -> MintDenial {
    MintDenial::NarrowerThanParent { field, permitted }
}
