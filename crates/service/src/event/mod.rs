//! What changed, for those who watch.
//!
//! Changes of the tree, of holds and of people leave a row in the change's own transaction. Spends and refunds leave
//! none: the ledger is read instead, so that watching costs the spend engine nothing. Both are numbered under the
//! tenant's lock, and hence in one order without gaps.

mod hub;
mod page;
mod revocation;
mod revocation_stream;
mod seats;
mod subscription;

use serde_json::Value;
use subgrant_domain::DelegationId;
use subgrant_store::events::{self, NewEvent};

use crate::{App, ServiceError, locked::LockedTenant};

pub(crate) use hub::Hub;
pub use revocation::{FeedCursor, FeedError, Revocation, RevocationKind, RevocationPage};
pub use revocation_stream::RevocationDelivery;
pub use subscription::{Delivery, EventContent, EventView, SpentBy, Start, SubscribeError};

/// What can happen, apart from what the ledger tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventKind {
    DelegationCreated,
    DelegationAdopted,
    DelegationChanged,
    DelegationFrozen,
    DelegationUnfrozen,
    DelegationRevoked,
    DelegationRotated,
    DelegationExpired,
    RootRotated,
    HoldCreated,
    HoldExtended,
    HoldCaptured,
    HoldReleased,
    HoldExpired,
    UserCreated,
    UserChanged,
    UserRemoved,
    UserInvited,
}

impl EventKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::DelegationCreated => "delegation.created",
            Self::DelegationAdopted => "delegation.adopted",
            Self::DelegationChanged => "delegation.changed",
            Self::DelegationFrozen => "delegation.frozen",
            Self::DelegationUnfrozen => "delegation.unfrozen",
            Self::DelegationRevoked => "delegation.revoked",
            Self::DelegationRotated => "delegation.rotated",
            Self::DelegationExpired => "delegation.expired",
            Self::RootRotated => "root.rotated",
            Self::HoldCreated => "hold.created",
            Self::HoldExtended => "hold.extended",
            Self::HoldCaptured => "hold.captured",
            Self::HoldReleased => "hold.released",
            Self::HoldExpired => "hold.expired",
            Self::UserCreated => "user.created",
            Self::UserChanged => "user.changed",
            Self::UserRemoved => "user.removed",
            Self::UserInvited => "user.invited",
        }
    }

    /// An event after the ledger's entry at `ledger_seq`. `data` holds facts that are told nowhere else, no secrets.
    pub(crate) fn at(self, ledger_seq: u64, delegation: Option<DelegationId>, data: &Value) -> NewEvent {
        NewEvent { ledger_seq, kind: self.as_str(), delegation, data: data.to_string() }
    }
}

impl LockedTenant {
    /// Writes an event about a delegation, or about a person (`None`), with the change.
    pub(crate) async fn announce(
        &mut self,
        kind: EventKind,
        delegation: Option<DelegationId>,
        data: &Value,
    ) -> Result<(), ServiceError> {
        let event = kind.at(self.head.seq, delegation, data);
        Ok(events::append(&mut self.tx, &[event], self.head.now).await?)
    }

    /// Keeps what was written, and lets those who watch look.
    pub(crate) async fn commit(self, app: &App) -> Result<(), ServiceError> {
        let tenant = self.tx.tenant();
        self.tx.commit().await?;
        app.shared().hub.wake(tenant);
        Ok(())
    }
}
