//! The first two steps of every use case: lock (where it writes) and read.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use subgrant_domain::{DelegationId, NodePath, Status, TenantId, Tree, plan_expired_hold, plan_expiry};
use subgrant_store::{
    Database, LockedTx, TenantTx,
    books::{self, Posting},
    delegations::{self, Delegation},
    events::{self, NewEvent},
    holds::{self, HoldStatus, StoredHold},
    ledger::{self, Head},
    tenants,
};

use crate::{
    ServiceError,
    adoption::{self, Adopted},
    event::EventKind,
};

/// How many expired holds and nodes are settled per round trip.
const SETTLE_PAGE: i64 = 1_000;

/// Nodes read at one instant, with the transaction that read them.
pub(crate) trait Loaded {
    fn tx(&mut self) -> &mut TenantTx;
    fn tree(&self) -> &Tree;
    fn rows(&self) -> &HashMap<DelegationId, Delegation>;
    fn tree_mut(&mut self) -> &mut Tree;
    /// The transaction and the tree.
    fn parts(&mut self) -> (&mut TenantTx, &mut Tree);
    /// Takes nodes in that were made offline and are used for the first time.
    fn take_in(&mut self, adopted: Vec<Adopted>);

    fn row(&self, id: DelegationId) -> Result<&Delegation, ServiceError> {
        self.rows().get(&id).ok_or_else(|| ServiceError::Inconsistent(format!("{id} was not loaded")))
    }
}

/// A tenant under its lock: nothing of it changes until this ends.
pub(crate) struct LockedTenant {
    pub(crate) tx: LockedTx,
    pub(crate) head: Head,
    pub(crate) tree: Tree,
    pub(crate) rows: HashMap<DelegationId, Delegation>,
    /// Nodes that were made offline and are written with the write that first uses them.
    adopted: Vec<Adopted>,
}

/// A tenant as seen by a read-only transaction.
pub(crate) struct ReadTenant {
    pub(crate) tx: TenantTx,
    pub(crate) tree: Tree,
    pub(crate) rows: HashMap<DelegationId, Delegation>,
}

impl Loaded for LockedTenant {
    fn parts(&mut self) -> (&mut TenantTx, &mut Tree) {
        (self.tx.tx(), &mut self.tree)
    }

    fn tree_mut(&mut self) -> &mut Tree {
        &mut self.tree
    }

    fn take_in(&mut self, adopted: Vec<Adopted>) {
        self.rows.extend(adopted.iter().map(|adopted| (adopted.row.node.id(), adopted.row.clone())));
        self.adopted.extend(adopted);
    }

    fn tx(&mut self) -> &mut TenantTx {
        self.tx.tx()
    }

    fn tree(&self) -> &Tree {
        &self.tree
    }

    fn rows(&self) -> &HashMap<DelegationId, Delegation> {
        &self.rows
    }
}

impl Loaded for ReadTenant {
    fn parts(&mut self) -> (&mut TenantTx, &mut Tree) {
        (&mut self.tx, &mut self.tree)
    }

    fn tree_mut(&mut self) -> &mut Tree {
        &mut self.tree
    }

    /// A reader sees them as they would be; the ledger learns of them when they are first used.
    fn take_in(&mut self, adopted: Vec<Adopted>) {
        self.rows.extend(adopted.into_iter().map(|adopted| (adopted.row.node.id(), adopted.row)));
    }

    fn tx(&mut self) -> &mut TenantTx {
        &mut self.tx
    }

    fn tree(&self) -> &Tree {
        &self.tree
    }

    fn rows(&self) -> &HashMap<DelegationId, Delegation> {
        &self.rows
    }
}

impl LockedTenant {
    /// A tenant that was locked with what is known of it already.
    pub(crate) fn known(tx: LockedTx, head: Head, tree: Tree) -> Self {
        Self { tx, head, tree, rows: HashMap::new(), adopted: Vec::new() }
    }

    /// Locks the tenant, reads every node of the given paths by the database's clock, and notes every node that has expired, so that what is decided next sees those credits with the parent.
    pub(crate) async fn open(
        database: &Database,
        tenant: TenantId,
        paths: &[&NodePath],
    ) -> Result<Self, ServiceError> {
        let ids = ids_of(paths);
        let (mut tx, standing) = delegations::lock(database.begin_often(tenant).await?).await?;
        let zone = tenants::time_zone(tx.tx()).await?;
        let head = Head { now: standing.now, zone, seq: standing.seq, hash: standing.hash };
        let rows = delegations::by_ids(tx.tx(), &ids).await?;
        let tree = Tree::new(head.now, head.zone.clone(), rows.iter().map(|row| row.node.clone()));
        let rows = rows.into_iter().map(|row| (row.node.id(), row)).collect();
        let mut locked = Self { tx, head, tree, rows, adopted: Vec::new() };
        locked.settle().await?;
        Ok(locked)
    }

    /// Settles what has come to its end. Returns when the next hold or node will, and whether anything was settled.
    pub(crate) async fn settle(&mut self) -> Result<(Option<Timestamp>, bool), ServiceError> {
        let next_due = delegations::next_due(self.tx.tx()).await?;
        if next_due.is_none_or(|due| due > self.head.now) {
            return Ok((next_due, false));
        }
        self.settle_expired_holds().await?;
        self.note_expiries().await?;
        Ok((delegations::next_due(self.tx.tx()).await?, true))
    }

    /// Returns the credits of holds whose time has come. Before the nodes, whose carve gives back what is not held.
    async fn settle_expired_holds(&mut self) -> Result<(), ServiceError> {
        loop {
            let due = holds::due(self.tx.tx(), self.head.now, SETTLE_PAGE).await?;
            if due.is_empty() {
                return Ok(());
            }
            self.load_nodes(&due.iter().map(|stored| &stored.hold.path).collect::<Vec<_>>()).await?;
            let mut closed = Vec::with_capacity(due.len());
            for stored in &due {
                let voided = matches!(self.tree.status(&stored.hold.path), Status::Revoked(_));
                plan_expired_hold(&mut self.tree, &stored.hold);
                closed.push((stored.id, if voided { HoldStatus::Voided } else { HoldStatus::Expired }));
            }
            holds::close(&mut self.tx, &closed, self.head.now).await?;
            let told: Vec<_> = due.iter().map(|stored| expired_hold(self.head.seq, stored)).collect();
            events::append(&mut self.tx, &told, self.head.now).await?;
            self.write_balances().await?;
        }
    }

    async fn note_expiries(&mut self) -> Result<(), ServiceError> {
        loop {
            let due = delegations::due_expiries(&mut self.tx, self.head.now, SETTLE_PAGE).await?;
            if due.is_empty() {
                return Ok(());
            }
            let nodes: Vec<_> =
                due.iter().flat_map(|path| path.parent_id().into_iter().chain([path.id()])).collect();
            for row in delegations::by_ids(self.tx.tx(), &nodes).await? {
                self.tree.insert(row.node);
            }
            for path in &due {
                plan_expiry(&mut self.tree, path);
            }
            let told = due.iter().map(|path| {
                EventKind::DelegationExpired.at(self.head.seq, Some(path.id()), &serde_json::json!({}))
            });
            events::append(&mut self.tx, &told.collect::<Vec<_>>(), self.head.now).await?;
            // Written at once, so that the next round finds only what is still due.
            self.write_balances().await?;
        }
    }

    /// Reads the nodes of further paths into the tree.
    pub(crate) async fn load_nodes(&mut self, paths: &[&NodePath]) -> Result<(), ServiceError> {
        for row in delegations::by_ids(self.tx.tx(), &ids_of(paths)).await? {
            self.tree.insert(row.node);
        }
        Ok(())
    }

    async fn write_balances(&mut self) -> Result<(), ServiceError> {
        let posting = Posting::new(&self.tree, Vec::new(), Vec::new());
        books::post(&mut self.tx, &posting, self.head.now).await?;
        self.tree.forget_changes();
        Ok(())
    }

    /// Writes every balance and counter that plans changed.
    pub(crate) async fn write_changes(&mut self) -> Result<(), ServiceError> {
        let adopted = std::mem::take(&mut self.adopted);
        adoption::enter(&mut self.tx, &adopted, self.head.seq, self.head.now).await?;
        self.write_balances().await
    }
}

impl ReadTenant {
    /// Reads every node of the given paths at one instant. What has expired is settled first, where there are any, so
    /// that readers see what writers would.
    pub(crate) async fn open(
        database: &Database,
        tenant: TenantId,
        paths: &[&NodePath],
    ) -> Result<Self, ServiceError> {
        let mut tx = database.begin_read(tenant).await?;
        let mut head = ledger::head(&mut tx).await?;
        if delegations::next_due(&mut tx).await?.is_some_and(|due| due <= head.now) {
            drop(tx);
            let mut locked = LockedTenant::open(database, tenant, paths).await?;
            locked.write_changes().await?;
            locked.tx.commit().await?;
            tx = database.begin_read(tenant).await?;
            head = ledger::head(&mut tx).await?;
        }
        let mut read = Self { tx, tree: Tree::new(head.now, head.zone, []), rows: HashMap::new() };
        read.load(paths).await?;
        Ok(read)
    }

    /// Reads further nodes, whose ancestors are read already, at the same instant.
    pub(crate) async fn load_nodes(&mut self, ids: &[DelegationId]) -> Result<(), ServiceError> {
        for row in delegations::by_ids(&mut self.tx, ids).await? {
            self.tree.insert(row.node.clone());
            self.rows.insert(row.node.id(), row);
        }
        Ok(())
    }

    /// Reads the nodes of further paths, at the same instant.
    pub(crate) async fn load(&mut self, paths: &[&NodePath]) -> Result<(), ServiceError> {
        let missing: Vec<_> = ids_of(paths).into_iter().filter(|id| !self.rows.contains_key(id)).collect();
        self.load_nodes(&missing).await
    }
}

fn expired_hold(ledger_seq: u64, stored: &StoredHold) -> NewEvent {
    let told = serde_json::json!({ "hold_id": stored.id, "amount_credits": stored.hold.amount });
    EventKind::HoldExpired.at(ledger_seq, Some(stored.hold.path.id()), &told)
}

fn ids_of(paths: &[&NodePath]) -> Vec<DelegationId> {
    let ids: HashSet<_> = paths.iter().flat_map(|path| path.ids()).copied().collect();
    ids.into_iter().collect()
}
