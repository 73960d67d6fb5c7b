//! Listing holds, and the tokens of a delegation: what may still be spent in its name.

use subgrant_domain::{Action, DelegationId, HoldId};
use subgrant_store::{
    delegations::Place,
    holds::{self, HoldEntry, HoldFilter, HoldStatus},
};

use crate::{AccessError, App, Principal, delegation::visible_path};

/// The most holds of the tenant that a page looks at.
const MOST: i64 = 5_000;

/// Which holds to list.
#[derive(Debug, Clone, Default)]
pub struct HoldListRequest {
    /// Of this node's subtree; absent: of the caller's.
    pub delegation: Option<DelegationId>,
    /// Only in this state.
    pub status: Option<HoldStatus>,
    /// From the one after this on.
    pub after: Option<HoldId>,
    /// At most this many.
    pub limit: u8,
}

/// A page of holds.
#[derive(Debug)]
pub struct HoldPage {
    /// Newest first.
    pub holds: Vec<HoldEntry>,
    /// Where the next page begins.
    pub next: Option<HoldId>,
}

impl App {
    /// Lists the holds of a subtree of the caller's, newest first.
    pub async fn holds(
        &self,
        principal: &Principal,
        request: &HoldListRequest,
    ) -> Result<HoldPage, AccessError> {
        let mut read = self.read(principal).await?;
        principal.require(Action::Read)?;
        let path = visible_path(&mut read, principal, request.delegation).await?;
        let filter = HoldFilter {
            span: Place::of(&path).subtree(),
            id: None,
            status: request.status,
            before: request.after,
            now: read.tree.now(),
        };
        let limit = usize::from(request.limit);
        let listed = holds::list(&mut read.tx, &filter, limit + 1, MOST).await?;
        let mut holds = listed.holds;
        let is_full = holds.len() > limit;
        holds.truncate(limit);
        let next = if is_full { holds.last().map(|hold| hold.id) } else { listed.looked_until };
        Ok(HoldPage { holds, next })
    }

    /// One hold of the caller's delegation or of one below it.
    pub async fn hold_entry(&self, principal: &Principal, id: HoldId) -> Result<HoldEntry, AccessError> {
        let mut read = self.read(principal).await?;
        principal.require(Action::Read)?;
        let span = Place::of(&principal.path).subtree();
        let filter = HoldFilter { span, id: Some(id), status: None, before: None, now: read.tree.now() };
        let mut listed = holds::list(&mut read.tx, &filter, 1, MOST).await?;
        listed.holds.pop().ok_or(AccessError::NotFound)
    }
}
