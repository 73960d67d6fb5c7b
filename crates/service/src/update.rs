//! Changing a delegation's label, budget, limits and end.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use subgrant_domain::{
    Action, AttributeText, ChangeDenial, ChangeRequest, DelegationId, Direction, NodePath, direction_of,
    plan_change,
};
use subgrant_store::{
    StoreError, audit,
    delegations::{self, Delegation},
    holds,
};
use subgrant_token::TokenError;
use zeroize::Zeroizing;

use crate::{
    AccessError, App, DelegationView, ExpiryRequest, IdempotencyKey, Outcome, Principal, ServiceError,
    chain::WriteError,
    event::EventKind,
    idempotency::{bound::record_bound, scoped},
    locked::{Loaded, LockedTenant},
    mint::expiry_instant,
    reissue::{expires_above, reissued, with_end_of_life},
};

const ROUTE: &str = "PATCH /delegation/{id}";

/// Which delegation to change, into what, and on what condition.
#[derive(Debug, Clone)]
pub struct UpdateRequest {
    /// The caller's own or one below it.
    pub id: DelegationId,
    /// Versions on which the change may be based; `None`: any.
    pub if_versions: Option<Vec<i64>>,
    /// The new name.
    pub label: Option<AttributeText>,
    /// The new budget and limits; its expiry is ignored in favour of [`UpdateRequest::expiry`].
    pub change: ChangeRequest,
    /// The new end of its life; `Some(None)`: that of the delegations above.
    pub expiry: Option<Option<ExpiryRequest>>,
    /// Say what would happen, and change nothing.
    pub dry_run: bool,
}

/// A changed delegation.
pub struct Updated {
    /// The delegation as it is now.
    pub delegation: DelegationView,
    /// A token that may do what was not permitted before, where there is such a thing. Older tokens stay good within
    /// what they say.
    pub token: Option<Zeroizing<String>>,
    /// What an earlier end of its life does below it.
    pub effects: Option<Effects>,
}

/// What an earlier end of a delegation's life does to what is below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effects {
    /// Delegations below that lived longer, and end with it now; 250 stands for that many or more.
    pub descendants_ending: u64,
    /// Open holds of the subtree that end with it now.
    pub holds_ending: u64,
}

/// How many delegations are counted.
const MOST_COUNTED: i64 = 250;

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// The caller may not do this, or not here.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The delegation has changed since the caller looked.
    #[error("the delegation's version is {current}")]
    StaleVersion {
        /// Its version now.
        current: i64,
    },
    /// Nobody widens itself.
    #[error("nobody may widen its own delegation")]
    OwnWidening,
    /// The rules of the domain refuse it.
    #[error("the change is refused")]
    Denied(ChangeDenial),
    /// The delegation's new token would exceed a token's limits.
    #[error("the new token would be too long: {0}")]
    TokenTooLong(TokenError),
}

impl From<ServiceError> for UpdateError {
    fn from(error: ServiceError) -> Self {
        Self::Access(error.into())
    }
}

impl From<StoreError> for UpdateError {
    fn from(error: StoreError) -> Self {
        Self::Access(error.into())
    }
}

impl From<WriteError> for UpdateError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::TokenTooLong(why) => Self::TokenTooLong(why),
            WriteError::Service(error) => error.into(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Answer {
    delegation: DelegationView,
    /// The new token's chain, as it is stored.
    reissued: Option<Vec<String>>,
    #[serde(default)]
    effects: Option<Effects>,
}

impl App {
    /// Changes the caller's own delegation or one below it, or says what that would do. What narrows binds every token at once; what widens takes a
    /// new token, which the answer holds, and somebody above.
    pub async fn update(
        &self,
        principal: &Principal,
        request: &UpdateRequest,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<Updated>, UpdateError> {
        let key = scoped(principal, ROUTE, key.filter(|_| !request.dry_run));
        let (_, path) = self.target(principal, request.id, None).await?;
        principal.require(Action::Delegate)?;
        let mut locked =
            LockedTenant::open(&self.shared().database, principal.tenant, &[&principal.path, &path]).await?;
        principal.check_standing(&mut locked).await?;
        // Looked up before the version, which the change itself has moved on.
        if let Some(key) = &key
            && let Some(repeated) = key.find_bound::<Answer>(principal, &mut locked).await?
        {
            let answer = repeated.where_secret(|answer| answer.reissued.is_some())?;
            return Ok(Outcome::replayed(self.updated(principal, &mut locked, &path, answer).await?));
        }
        let answer = self.update_locked(principal, request, &path, &mut locked).await?;
        if request.dry_run {
            let Answer { delegation, effects, .. } = answer;
            return Ok(Outcome::fresh(Updated { delegation, token: None, effects }));
        }
        record_bound(&mut locked, key.as_ref(), principal, 200, &answer).await?;
        let updated = self.updated(principal, &mut locked, &path, answer).await?;
        locked.commit(self).await?;
        Ok(Outcome::fresh(updated))
    }

    async fn update_locked(
        &self,
        principal: &Principal,
        request: &UpdateRequest,
        path: &NodePath,
        locked: &mut LockedTenant,
    ) -> Result<Answer, UpdateError> {
        let before = locked.row(path.id())?.clone();
        if request.if_versions.as_ref().is_some_and(|versions| !versions.contains(&before.version)) {
            return Err(UpdateError::StaleVersion { current: before.version });
        }
        let change =
            ChangeRequest { expires_at: new_end(locked, &before, request)?, ..request.change.clone() };
        let direction = direction_of(&before.node, &change);
        let is_own = principal.credential().is_some() && path.id() == principal.path.id();
        if is_own && direction == Direction::Wider {
            return Err(UpdateError::OwnWidening);
        }
        plan_change(&mut locked.tree, path, &change).map_err(UpdateError::Denied)?;
        let node = locked.tree.node(path.id()).cloned().unwrap_or_else(|| before.node.clone());
        let label = request.label.clone().unwrap_or_else(|| before.label.clone());
        let mut after = Delegation { node, label, ..before.clone() };
        if change.expires_at.is_some() && direction == Direction::Wider {
            after = with_end_of_life(after)?;
        }
        locked.write_changes().await?;
        let effects = match change.expires_at.flatten() {
            Some(end) => Some(end_below(locked, path, end).await?),
            None => None,
        };
        if after.label != before.label {
            delegations::forget_label(&mut locked.tx, path, &before.label).await?;
            delegations::index_label(&mut locked.tx, path, &after.label).await?;
        }
        // The root's token has no caveats: its row alone says what it may do.
        let (after, reissued) = match direction {
            Direction::Wider if path.depth() > 0 => {
                let next = reissued(&after)?;
                let (_, version) = self.register(locked, &next).await?;
                let chain = next.caveats.clone();
                (Delegation { version, ..next }, Some(chain))
            }
            _ => {
                let version = delegations::update_settings(&mut locked.tx, &after).await?;
                (Delegation { version, ..after }, None)
            }
        };
        let details = json!({ "before": settings(&before), "after": settings(&after) });
        locked.announce(EventKind::DelegationChanged, Some(path.id()), &details).await?;
        let entry = principal.audit_entry("delegation.update", path.id().to_string(), &details);
        audit::append(&mut locked.tx, &entry).await?;
        let delegation = DelegationView::of_one(locked, &after, principal).await?;
        Ok(Answer { delegation, reissued, effects })
    }

    async fn updated(
        &self,
        principal: &Principal,
        locked: &mut LockedTenant,
        path: &NodePath,
        answer: Answer,
    ) -> Result<Updated, AccessError> {
        let token = match answer.reissued {
            Some(caveats) => Some(self.reissued_token(principal, locked, path, caveats).await?),
            None => None,
        };
        Ok(Updated { delegation: answer.delegation, token, effects: answer.effects })
    }
}

/// The end of a node's life that is asked for. Without one of its own it lives as long as what is above it: the nodes, and
/// what the blocks above say in the node's own tokens, which no later token of it can be without.
#[expect(clippy::option_option, reason = "nothing is asked for, no end of its own, or an end")]
fn new_end(
    locked: &LockedTenant,
    row: &Delegation,
    request: &UpdateRequest,
) -> Result<Option<Option<Timestamp>>, UpdateError> {
    let (Some(asked), Some(parent)) = (request.expiry, row.node.path.parent_id()) else {
        return Ok(request.expiry.map(|_| None));
    };
    let asked = match asked {
        Some(expiry) => Some(expiry_instant(expiry, locked.row(parent)?, locked.head.now)),
        None => None,
    };
    let said = expires_above(row)?;
    if let (Some(asked), Some(said)) = (asked, said)
        && asked > said
    {
        let permitted = format!("a life that ends no later than {said}, which the tokens above say");
        let denial = ChangeDenial::NarrowerThanParent { field: "expiry", permitted };
        return Err(UpdateError::Denied(denial));
    }
    let above = row.node.path.ancestors().iter().filter_map(|id| locked.tree.node(*id)?.terms.expires_at);
    Ok(Some(asked.or_else(|| above.chain(said).min())))
}

/// Lets the open holds of a subtree end with it, as none outlives its node, and counts what else does.
async fn end_below(
    locked: &mut LockedTenant,
    path: &NodePath,
    end: Timestamp,
) -> Result<Effects, UpdateError> {
    let holds_ending = holds::shorten_within(&mut locked.tx, path, end).await?;
    let descendants_ending = delegations::count_outliving(locked.tx.tx(), path, end, MOST_COUNTED).await?;
    Ok(Effects { descendants_ending, holds_ending })
}

/// What a change can change, for the audit log.
fn settings(row: &Delegation) -> Value {
    let limits: Vec<_> = row.node.terms.limits.iter().map(ToString::to_string).collect();
    json!({
        "label": row.label,
        "budget_credits": row.node.budget,
        "max_per_spend": row.node.terms.max_per_spend,
        "limits": limits,
        "expires_at": row.node.terms.expires_at,
    })
}
