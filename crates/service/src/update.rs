//! Changing a delegation's label, budget and limits.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use subgrant_domain::{
    Action, AttributeText, ChangeDenial, ChangeRequest, DelegationId, Direction, NodePath, direction_of,
    plan_change,
};
use subgrant_store::{
    StoreError, audit,
    delegations::{self, Delegation},
};
use subgrant_token::TokenError;
use zeroize::Zeroizing;

use crate::{
    AccessError, App, DelegationView, IdempotencyKey, Outcome, Principal, ServiceError,
    chain::WriteError,
    event::EventKind,
    idempotency::{self, scoped},
    locked::{Loaded, LockedTenant},
    reissue::reissued,
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
    /// The new budget and limits.
    pub change: ChangeRequest,
}

/// A changed delegation.
pub struct Updated {
    /// The delegation as it is now.
    pub delegation: DelegationView,
    /// A token that may do what was not permitted before, where there is such a thing. Older tokens stay good within
    /// what they say.
    pub token: Option<Zeroizing<String>>,
}

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
}

impl App {
    /// Changes the caller's own delegation or one below it. What narrows binds every token at once; what widens takes a
    /// new token, which the answer holds, and somebody above.
    pub async fn update(
        &self,
        principal: &Principal,
        request: &UpdateRequest,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<Updated>, UpdateError> {
        let key = scoped(principal, ROUTE, key);
        let (_, path) = self.target(principal, request.id, key.as_ref()).await?;
        principal.require(Action::Delegate)?;
        let mut locked =
            LockedTenant::open(&self.shared().database, principal.tenant, &[&principal.path, &path]).await?;
        principal.check_standing(&mut locked).await?;
        // Looked up before the version, which the change itself has moved on.
        if let Some(key) = &key
            && let Some(answer) = key.find::<Answer>(&mut locked).await?
        {
            return Ok(Outcome::replayed(self.updated(principal, &mut locked, &path, answer).await?));
        }
        let answer = self.update_locked(principal, request, &path, &mut locked).await?;
        idempotency::record(&mut locked, key.as_ref(), 200, &answer).await?;
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
        let direction = direction_of(&before.node, &request.change);
        let is_own = principal.credential().is_some() && path.id() == principal.path.id();
        if is_own && direction == Direction::Wider {
            return Err(UpdateError::OwnWidening);
        }
        plan_change(&mut locked.tree, path, &request.change).map_err(UpdateError::Denied)?;
        let node = locked.tree.node(path.id()).cloned().unwrap_or_else(|| before.node.clone());
        let label = request.label.clone().unwrap_or_else(|| before.label.clone());
        let after = Delegation { node, label, ..before.clone() };
        locked.write_changes().await?;
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
        let delegation = DelegationView::new(&locked.tree, &after, principal);
        Ok(Answer { delegation, reissued })
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
        Ok(Updated { delegation: answer.delegation, token })
    }
}

/// What a change can change, for the audit log.
fn settings(row: &Delegation) -> Value {
    let limits: Vec<_> = row.node.terms.limits.iter().map(ToString::to_string).collect();
    json!({
        "label": row.label,
        "budget_credits": row.node.budget,
        "max_per_spend": row.node.terms.max_per_spend,
        "limits": limits,
    })
}
