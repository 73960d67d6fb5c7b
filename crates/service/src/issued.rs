//! The tokens that were issued for a delegation. None can be shown again: of each only a digest is kept.

use jiff::Timestamp;
use subgrant_domain::{Action, DelegationId};
use subgrant_store::tokens;

use crate::{AccessError, App, Principal, delegation::visible_path, locked::Loaded};

/// How many are told of. Older ones have long been replaced.
const MOST: i64 = 100;

/// A token, by what may be told of it.
#[derive(Debug, Clone)]
pub struct IssuedToken {
    /// When it was issued, or first used where it was made offline.
    pub issued_at: Timestamp,
    /// From when on it is refused although its delegation may live on.
    pub valid_until: Option<Timestamp>,
    /// Whether it has been replaced for good.
    pub is_replaced: bool,
}

impl App {
    /// The tokens of a node of the caller's subtree, newest first.
    pub async fn issued_tokens(
        &self,
        principal: &Principal,
        id: DelegationId,
    ) -> Result<Vec<IssuedToken>, AccessError> {
        let mut read = self.read(principal).await?;
        principal.require(Action::Read)?;
        let path = visible_path(&mut read, principal, Some(id)).await?;
        read.load(&[&path]).await?;
        let (now, valid_from) = (read.tree.now(), read.row(path.root_id())?.tokens_valid_from);
        let stored = tokens::of_delegation(&mut read.tx, path.id(), MOST).await?;
        Ok(stored
            .into_iter()
            .map(|token| IssuedToken {
                issued_at: token.issued_at,
                valid_until: token.valid_until,
                is_replaced: token.valid_until.is_some_and(|until| until <= now)
                    || valid_from.is_some_and(|from| token.issued_at < from),
            })
            .collect())
    }
}
