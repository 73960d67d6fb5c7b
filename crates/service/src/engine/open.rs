//! Taking a tenant's lock, and reading everything that deciding on some commands takes and that is not known yet.

use std::{
    collections::{BTreeSet, HashMap, HashSet, hash_map::Entry},
    time::Instant,
};

use subgrant_domain::{Credits, HoldId, SpendId, Tree};
use subgrant_store::{
    LockedTx, TenantTx,
    delegations::{self, Standing},
    holds::{self, StoredHold},
    idempotency::{self, Key},
    ledger::{self, Head},
    root_keys, tenants, tokens,
};

use super::{
    Command, Item, Operation,
    draft::{Clock, Draft, Known},
};
use crate::{
    ServiceError,
    adoption::AdoptionFacts,
    credential::Credential,
    locked::{Loaded, LockedTenant},
    window_counters,
};

/// A tenant under its lock, while it is read.
struct Opened<'a> {
    tenant: LockedTenant,
    standing: Standing,
    known: Known,
    commands: &'a [Command],
}

/// Locks the tenant and reads. What was known counts if nobody has written since. Returns an empty draft that covers the
/// commands, and the transaction that holds the lock. Of the idempotency keys, those given are looked up.
pub(super) async fn open(
    tx: TenantTx,
    known: Option<Draft>,
    commands: &[Command],
    keys: HashSet<Key>,
) -> Result<(Draft, LockedTx), ServiceError> {
    let asked = Instant::now();
    let (mut tx, standing) = delegations::lock(tx).await?;
    let clock = match &known {
        Some(draft) => draft.clock.confirmed(standing.now, asked),
        None => Clock::read(standing.now, asked),
    };
    let (mut tree, known) = if let Some(draft) = known.filter(|draft| draft.still_counts(&standing)) {
        (draft.tree, draft.known)
    } else {
        let zone = tenants::time_zone(tx.tx()).await?;
        (Tree::new(standing.now, zone.clone(), []), Known::nothing(zone))
    };
    tree.advance(standing.now);
    let head = Head { now: standing.now, zone: known.zone.clone(), seq: standing.seq, hash: standing.hash };
    let tenant = LockedTenant::known(tx, head, tree);
    let mut opened = Opened { tenant, standing, known, commands };
    let has_settled = opened.load_nodes().await?;
    opened.load_tokens().await?;
    opened.load_windows().await?;
    let adoption = AdoptionFacts::read(opened.tenant.tx(), credentials(commands)).await?;
    let (holds, refunded) = opened.operands().await?;
    let sessions = opened.good_sessions().await?;
    let looked_up: Vec<_> = keys.iter().cloned().collect();
    let recorded = idempotency::by_keys(&mut opened.tenant.tx, &looked_up).await?.into_iter().collect();
    let LockedTenant { tx, tree, .. } = opened.tenant;
    let mut draft = Draft {
        holds,
        refunded,
        recorded,
        looked_up: keys,
        adoption,
        sessions,
        ..Draft::new(standing, clock, tree, opened.known)
    };
    draft.writes.has_settled = has_settled;
    Ok((draft, tx))
}

impl Opened<'_> {
    fn items(&self) -> impl Iterator<Item = &Item> + Clone {
        self.commands.iter().map(|command| &*command.item)
    }

    /// Reads the nodes of all paths, and settles what has come to its end; returns whether there was anything.
    async fn load_nodes(&mut self) -> Result<bool, ServiceError> {
        let ids: BTreeSet<_> = self.items().flat_map(|item| item.path.ids()).copied().collect();
        let missing: Vec<_> = ids.into_iter().filter(|id| self.tenant.tree.node(*id).is_none()).collect();
        if !missing.is_empty() {
            for row in delegations::by_ids(self.tenant.tx(), &missing).await? {
                self.tenant.tree.insert(row.node.clone());
                if row.node.path.depth() == 0 {
                    self.known.root = Some(row);
                }
            }
        }
        let mut has_settled = false;
        if self.known.next_due.is_some_and(|due| due <= self.standing.now) {
            (self.known.next_due, has_settled) = self.tenant.settle().await?;
        }
        Ok(has_settled)
    }

    /// Reads what the ledger knows of the presented tokens.
    async fn load_tokens(&mut self) -> Result<(), ServiceError> {
        let digests: BTreeSet<_> = credentials(self.commands).filter_map(Credential::digest).collect();
        let missing: Vec<_> =
            digests.into_iter().filter(|digest| !self.known.tokens.contains_key(digest)).collect();
        self.known.tokens.extend(tokens::by_digests(self.tenant.tx(), &missing).await?);
        for credential in credentials(self.commands).filter(|credential| credential.digest().is_none()) {
            let id = credential.root_key.id;
            if !self.known.root_keys.contains_key(&id)
                && let Some(key) = root_keys::by_id(self.tenant.tx(), id).await?
            {
                self.known.root_keys.insert(id, key);
            }
        }
        Ok(())
    }

    /// Sums the counters up that a limit needs and that do not exist yet.
    async fn load_windows(&mut self) -> Result<(), ServiceError> {
        let mut required = BTreeSet::new();
        for item in self.items() {
            let tree = &self.tenant.tree;
            required.extend(window_counters::on_path(tree, &item.known_path(tree), item.limits()));
        }
        let newest_at = Some(self.standing.newest_at);
        let LockedTenant { tx, tree, .. } = &mut self.tenant;
        window_counters::supply(tx.tx(), tree, required, newest_at).await
    }

    /// Looks again at the sessions with which items were asked for.
    async fn good_sessions(&mut self) -> Result<HashSet<[u8; 32]>, ServiceError> {
        let mut looked_at: HashMap<_, bool> = HashMap::new();
        for session in self.commands.iter().filter_map(|command| command.item.session.as_ref()) {
            if let Entry::Vacant(place) = looked_at.entry(session.digest()) {
                place.insert(session.is_good(self.tenant.tx()).await?);
            }
        }
        Ok(looked_at.into_iter().filter_map(|(session, is_good)| is_good.then_some(session)).collect())
    }

    /// Reads the holds that items change, and what was given back of the debits that they refund.
    async fn operands(
        &mut self,
    ) -> Result<(HashMap<HoldId, StoredHold>, HashMap<SpendId, Credits>), ServiceError> {
        let holds: Vec<_> = self.items().filter_map(|item| item.operation.hold()).collect();
        let holds = holds::by_ids(self.tenant.tx(), &holds).await?;
        let refunds: Vec<_> = self.items().filter_map(refunded_entry).collect();
        let refunded = ledger::refunded(self.tenant.tx(), &refunds).await?;
        Ok((holds.into_iter().map(|stored| (stored.id, stored)).collect(), refunded.into_iter().collect()))
    }
}

fn refunded_entry(item: &Item) -> Option<SpendId> {
    match &item.operation {
        Operation::Refund { entry, .. } => Some(entry.id),
        _ => None,
    }
}

fn credentials(commands: &[Command]) -> impl Iterator<Item = &Credential> + Clone {
    commands.iter().filter_map(|command| command.item.credential.as_deref())
}
