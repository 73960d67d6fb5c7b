//! Who gets a connection next: waiting happens here, before one is taken.
//!
//! A pool alone serves whoever comes first, and who waits for a tenant's lock waits with a connection in hand: one tenant
//! with many requests would have them all. So each tenant has lanes of its own, each with room for few transactions at a
//! time. A tenant's writers go one after the other anyway, because of its lock.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use subgrant_domain::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Result, StoreError, presence};

/// How many transactions of each kind there may be at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// Of one tenant, that write. Beside these its spend engine has a connection of its own.
    pub writers: usize,
    /// Of one tenant, that read.
    pub readers: usize,
    /// That look a credential up which nobody has proved yet, of all tenants together: whoever presents one may name
    /// any tenant.
    pub strangers: usize,
    /// How many may wait in one lane; beyond it they are refused.
    pub waiting: usize,
}

impl Shares {
    /// For a pool of so many connections.
    pub fn of(max_connections: u32) -> Self {
        let connections = usize::try_from(max_connections).unwrap_or(usize::MAX).max(1);
        // The second writer is at the lock when the first gives it up.
        let writers = connections.min(2);
        let quarter = (connections / 4).max(1);
        Self { writers, readers: quarter, strangers: quarter, waiting: 1_000 }
    }
}

/// How many transactions wait for their turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LaneUse {
    /// Tenants with transactions, under way or waiting.
    pub tenants: usize,
    /// Writers of all tenants.
    pub writers: usize,
    /// Readers of all tenants.
    pub readers: usize,
    /// Look-ups of credentials that nobody has proved.
    pub strangers: usize,
}

/// What kind of transaction asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    Write,
    Read,
    Stranger,
}

/// Leave to have a transaction, until it is dropped.
#[derive(Debug)]
pub(crate) struct Pass {
    /// `None`: of the engine, which has one transaction at a time, or of an export.
    _permit: Option<OwnedSemaphorePermit>,
    /// So that the tenant's lanes are kept for as long as they are used.
    _lanes: Option<Arc<TenantLanes>>,
}

#[derive(Debug)]
pub(crate) struct Lanes {
    shares: Shares,
    tenants: Mutex<HashMap<TenantId, Arc<TenantLanes>>>,
    strangers: Queue,
}

#[derive(Debug)]
struct TenantLanes {
    writers: Queue,
    readers: Queue,
}

/// First come, first served.
#[derive(Debug)]
struct Queue {
    room: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
}

/// Somebody in a queue.
struct Waiting<'a>(&'a Queue);

/// From so many tenants on it is worth looking for those that need no lanes any more.
const MANY_TENANTS: usize = 1_000;

impl Lanes {
    pub(crate) fn new(shares: Shares) -> Self {
        Self { shares, tenants: Mutex::default(), strangers: Queue::new(shares.strangers, shares.waiting) }
    }

    /// Waits for leave to have a transaction.
    pub(crate) async fn enter(&self, tenant: TenantId, lane: Lane) -> Result<Pass> {
        if lane == Lane::Stranger {
            return Ok(Pass { _permit: Some(self.strangers.enter().await?), _lanes: None });
        }
        let lanes = self.of(tenant);
        let queue = if lane == Lane::Write { &lanes.writers } else { &lanes.readers };
        let permit = queue.enter().await?;
        Ok(Pass { _permit: Some(permit), _lanes: Some(lanes) })
    }

    /// How many wait.
    pub(crate) fn lane_use(&self) -> LaneUse {
        let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let none = LaneUse { strangers: self.strangers.waiting(), ..LaneUse::default() };
        tenants.values().filter(|lanes| Arc::strong_count(lanes) > 1).fold(none, |all, lanes| LaneUse {
            tenants: all.tenants + 1,
            writers: all.writers + lanes.writers.waiting(),
            readers: all.readers + lanes.readers.waiting(),
            ..all
        })
    }

    fn of(&self, tenant: TenantId) -> Arc<TenantLanes> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lanes) = tenants.get(&tenant) {
            return Arc::clone(lanes);
        }
        if tenants.len() >= MANY_TENANTS && tenants.len() == tenants.capacity() {
            // Before the table grows: those that nobody is in.
            tenants.retain(|_, lanes| Arc::strong_count(lanes) > 1);
        }
        let Shares { writers, readers, waiting, .. } = self.shares;
        let lanes =
            TenantLanes { writers: Queue::new(writers, waiting), readers: Queue::new(readers, waiting) };
        Arc::clone(tenants.entry(tenant).insert_entry(Arc::new(lanes)).get())
    }
}

impl Pass {
    /// For whoever is bounded otherwise and stands in no lane: the engine, exports.
    pub(crate) fn of_nobody() -> Self {
        Self { _permit: None, _lanes: None }
    }
}

impl Queue {
    fn new(room: usize, most_waiting: usize) -> Self {
        Self { room: Arc::new(Semaphore::new(room)), waiting: AtomicUsize::new(0), most_waiting }
    }

    async fn enter(&self) -> Result<OwnedSemaphorePermit> {
        // Free room goes to those who wait first, so that nobody gets past them here.
        if let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() {
            return Ok(permit);
        }
        let _waiting = self.wait()?;
        tokio::select! {
            biased;
            permit = Arc::clone(&self.room).acquire_owned() => {
                Ok(permit.expect("the semaphore is never closed"))
            }
            () = presence::gone() => Err(StoreError::CallerGone),
        }
    }

    fn wait(&self) -> Result<Waiting<'_>> {
        let waiting = Waiting(self);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.most_waiting {
            return Err(StoreError::Overloaded);
        }
        Ok(waiting)
    }

    fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use subgrant_domain::Id;
    use uuid::Uuid;

    const SHARES: Shares = Shares { writers: 1, readers: 2, strangers: 1, waiting: 3 };

    fn tenant(number: u128) -> TenantId {
        Id::from_uuid(Uuid::from_u128(number))
    }

    #[tokio::test]
    async fn a_tenant_that_waits_keeps_nobody_else_waiting() {
        let lanes = Arc::new(Lanes::new(SHARES));
        let first = lanes.enter(tenant(1), Lane::Write).await.unwrap();
        let waits = |number| {
            let lanes = Arc::clone(&lanes);
            tokio::spawn(async move { lanes.enter(tenant(number), Lane::Write).await.map(drop) })
        };
        let waiting: Vec<_> = (0..3).map(|_| waits(1)).collect();
        while lanes.lane_use().writers < 3 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(lanes.enter(tenant(1), Lane::Write).await, Err(StoreError::Overloaded)));
        assert!(lanes.enter(tenant(1), Lane::Read).await.is_ok());
        assert!(lanes.enter(tenant(1), Lane::Stranger).await.is_ok());
        assert!(lanes.enter(tenant(2), Lane::Write).await.is_ok());
        drop(first);
        for waited in waiting {
            waited.await.unwrap().unwrap();
        }
        assert_eq!(lanes.lane_use(), LaneUse::default());
    }

    #[tokio::test]
    async fn whoever_goes_away_leaves_the_queue() {
        let lanes = Lanes::new(SHARES);
        let first = lanes.enter(tenant(1), Lane::Write).await.unwrap();
        let presence = presence::Presence::begin();
        let work = presence.attend(lanes.enter(tenant(1), Lane::Write));
        let (left, ()) = tokio::join!(work, async {
            while lanes.lane_use().writers < 1 {
                tokio::task::yield_now().await;
            }
            drop(presence);
        });
        assert!(matches!(left, Err(StoreError::CallerGone)));
        assert_eq!(lanes.lane_use().writers, 0);
        drop(first);
        assert!(lanes.enter(tenant(1), Lane::Write).await.is_ok());
    }

    #[tokio::test]
    async fn lanes_that_nobody_is_in_are_forgotten() {
        let lanes = Lanes::new(SHARES);
        let kept = lanes.enter(tenant(0), Lane::Read).await.unwrap();
        for number in 1..20_000 {
            drop(lanes.enter(tenant(number), Lane::Read).await.unwrap());
        }
        let tenants = lanes.tenants.lock().unwrap();
        assert!(tenants.contains_key(&tenant(0)), "somebody is in it");
        assert!(tenants.len() <= 2 * MANY_TENANTS, "{} tenants have lanes", tenants.len());
        drop(kept);
    }
}
