//! The nodes that a batch touches, in memory: plans read and change this, and the store writes back what changed.

use std::collections::BTreeMap;

use foldhash::HashMap;
use jiff::{Timestamp, tz::TimeZone};

use crate::{
    Allocation, Counter, Credits, DelegationId, LedgerEntry, Marks, Node, NodePath, Period, RollupKey,
    SpendLimits, Status, Tally, effective_remaining, status_of,
};

/// Every node on the paths that a decision can touch, as of one instant of the database's clock.
#[derive(Debug, Clone)]
pub struct Tree {
    now: Timestamp,
    zone: TimeZone,
    /// The start and the end of the window of each period, in the order of [`Period::ALL`].
    current: [(Timestamp, Timestamp); Period::ALL.len()],
    nodes: HashMap<DelegationId, Node>,
    /// With the marks that they had before.
    changed_nodes: HashMap<DelegationId, Marks>,
    /// What is to be added to the rollups.
    sums: BTreeMap<RollupKey, Tally>,
}

/// One counter of a window limit. The window's start is part of the key, so no counter is ever reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowKey {
    /// Whose subtree is counted.
    pub delegation: DelegationId,
    /// The window's length.
    pub period: Period,
    /// The window's first instant.
    pub start: Timestamp,
}

/// Nodes as they were: see [`Tree::set_aside`].
pub struct SetAside(Vec<(DelegationId, Option<Node>, Option<Marks>)>);

/// A change of balances along a whole path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Movement {
    pub(crate) spent: i64,
    pub(crate) held: i64,
}

impl Tree {
    /// The tree as locked at `now`, for a tenant in `zone`.
    pub fn new(now: Timestamp, zone: TimeZone, nodes: impl IntoIterator<Item = Node>) -> Self {
        Self {
            now,
            current: Period::ALL.map(|period| period.window(now, &zone)),
            zone,
            nodes: nodes.into_iter().map(|node| (node.id(), node)).collect(),
            changed_nodes: HashMap::default(),
            sums: BTreeMap::new(),
        }
    }

    /// The instant of the decision.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The same tree at another instant of the same tenant's clock, when everything that plans changed was written.
    pub fn advance(&mut self, now: Timestamp) {
        self.forget_changes();
        if !self.go_on(now) {
            self.now = now;
            self.current = Period::ALL.map(|period| period.window(now, &self.zone));
        }
    }

    /// The same tree a little later, if every window is still the same one; otherwise it stays at its instant.
    pub fn go_on(&mut self, now: Timestamp) -> bool {
        let is_same = self.current.iter().all(|(start, end)| (*start..*end).contains(&now));
        if is_same {
            self.now = now;
        }
        is_same
    }

    /// Notes that everything that plans changed was written, or will be.
    pub fn forget_changes(&mut self) {
        self.changed_nodes.clear();
        self.sums.clear();
    }

    /// How many nodes are loaded.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether nothing is loaded.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The nodes of a path as they are, loaded or not, for [`Tree::put_back`].
    pub fn set_aside(&self, path: &NodePath) -> SetAside {
        let aside =
            |id: &DelegationId| (*id, self.nodes.get(id).cloned(), self.changed_nodes.get(id).copied());
        SetAside(path.ids().iter().map(aside).collect())
    }

    /// Undoes what was planned for the nodes of a path since they were set aside.
    pub fn put_back(&mut self, aside: SetAside) {
        for (id, node, marks_before) in aside.0 {
            match node {
                Some(node) => self.nodes.insert(id, node),
                None => self.nodes.remove(&id),
            };
            match marks_before {
                Some(marks) => self.changed_nodes.insert(id, marks),
                None => self.changed_nodes.remove(&id),
            };
        }
    }

    /// A node that was loaded.
    pub fn node(&self, id: DelegationId) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// The loaded nodes of a path, root first. Panics when one is missing: loading whole paths is the caller's part.
    pub fn chain(&self, path: &NodePath) -> Vec<&Node> {
        path.ids().iter().map(|id| &self.nodes[id]).collect()
    }

    /// The state of the node at `path`.
    pub fn status(&self, path: &NodePath) -> Status {
        status_of(&self.chain(path), self.now)
    }

    /// The least that the budgets on a path leave: see [`effective_remaining`].
    pub fn effective_remaining(&self, path: &NodePath, ceiling: Option<Credits>) -> Option<Credits> {
        effective_remaining(&self.chain(path), ceiling)
    }

    /// The least that budgets and window limits on a path leave, those of the presented token included. A limit whose counter
    /// was not supplied is left out.
    pub fn effective_remaining_now(&self, path: &NodePath, limits: &SpendLimits) -> Option<Credits> {
        let windows = path.ids().iter().flat_map(|id| {
            let node = &self.nodes[id];
            let all = node.terms.limits.iter().chain(limits.windows_of(*id));
            all.filter_map(|limit| {
                let used = self.window(self.window_key(*id, limit.period).0)?;
                Some(limit.credits.saturating_sub(used).saturating_sub(node.held))
            })
        });
        let budgets = self.effective_remaining(path, limits.ceiling_of(path.id()));
        budgets.into_iter().chain(windows).min()
    }

    /// Adds a node that the tree does not hold yet; one that it holds stays as it is.
    pub fn insert(&mut self, node: Node) {
        self.nodes.entry(node.id()).or_insert(node);
    }

    /// The counter that a limit of `period` on `delegation` uses now, and when its window ends.
    pub fn window_key(&self, delegation: DelegationId, period: Period) -> (WindowKey, Timestamp) {
        let (start, end) = self.current[period as usize];
        (WindowKey { delegation, period, start }, end)
    }

    /// Supplies a counter of a loaded node that has none for the window, as summed up from what was spent.
    pub fn set_window(&mut self, key: WindowKey, spent: Credits) {
        let node = self.nodes.get_mut(&key.delegation).expect("only loaded nodes have counters");
        node.counters[key.period as usize] = Some(Counter { start: key.start, spent });
    }

    /// What was spent within a window, if there is a counter for it.
    pub fn window(&self, key: WindowKey) -> Option<Credits> {
        let counter = self.nodes.get(&key.delegation)?.counters[key.period as usize]?;
        (counter.start == key.start).then_some(counter.spent)
    }

    /// The nodes whose balances or state were changed by plans, root first: the order in which they are locked.
    pub fn changed_nodes(&self) -> Vec<&Node> {
        let mut nodes: Vec<_> = self.changed_nodes.keys().map(|id| &self.nodes[id]).collect();
        nodes.sort_by_key(|node| (node.path.depth(), node.id()));
        nodes
    }

    /// Those of them whose marks are others than before.
    pub fn marked_nodes(&self) -> Vec<&Node> {
        let nodes = self.changed_nodes.iter().map(|(id, before)| (&self.nodes[id], before));
        let mut nodes: Vec<_> =
            nodes.filter(|(node, before)| node.marks() != **before).map(|(node, _)| node).collect();
        nodes.sort_by_key(|node| (node.path.depth(), node.id()));
        nodes
    }

    /// Counts an entry of a loaded node in its sums, once it is certain that it will be written.
    pub fn sum_up(&mut self, entry: &LedgerEntry) {
        for (key, tally) in self.change(entry.delegation, |node| node.sum_up(entry)) {
            self.sums.entry(key).or_default().add(tally);
        }
    }

    /// What is to be added to the rollups; the newest sum of each node stands beside its balances.
    pub fn sums(&self) -> &BTreeMap<RollupKey, Tally> {
        &self.sums
    }

    pub(crate) fn change<T>(&mut self, id: DelegationId, change: impl FnOnce(&mut Node) -> T) -> T {
        let node = self.nodes.get_mut(&id).expect("only loaded nodes are changed");
        self.changed_nodes.entry(id).or_insert_with(|| node.marks());
        change(node)
    }

    /// Moves balances of every node from `path` up to the root, and what each parent reserves for a carve child or
    /// leaves to a cap child. The caller has checked that every balance stays within its bounds.
    pub(crate) fn move_balances(&mut self, path: &NodePath, movement: Movement) {
        self.change(path.id(), |node| node.own_spent = shifted(node.own_spent, movement.spent));
        let consumed = movement.spent + movement.held;
        let (mut carved_child, mut capped_child) = (false, false);
        for &id in path.ids().iter().rev() {
            self.change(id, |node| {
                node.spent = shifted(node.spent, movement.spent);
                node.held = shifted(node.held, movement.held);
                if carved_child {
                    // What the child consumed is no longer set aside for it.
                    node.reserved = node
                        .reserved
                        .checked_add_signed(-consumed)
                        .expect("a carve child never consumes more than was set aside for it");
                }
                if capped_child {
                    node.capped = node
                        .capped
                        .checked_add_signed(-i128::from(consumed))
                        .expect("a cap child never consumes more than its budget");
                }
                (carved_child, capped_child) = (node.is_carved(), node.is_capped());
            });
        }
    }

    /// Counts a spend in every window of the path that has a counter. What is given back can be spent again within the window, so
    /// that more may be counted than any amount can be: a counter that is full leaves nothing under any limit.
    pub(crate) fn count_in_windows(&mut self, path: &NodePath, amount: Credits) {
        let current = self.current;
        for &id in path.ids() {
            self.change(id, |node| {
                for (counter, (start, _)) in node.counters.iter_mut().zip(current) {
                    if let Some(counter) = counter.as_mut().filter(|counter| counter.start == start) {
                        counter.spent = counter.spent.checked_add(amount).unwrap_or(Credits::MAX);
                    }
                }
            });
        }
    }

    /// Takes a node whose life ends out of what its parent has promised: gives an unspent carve back, once, and returns
    /// it. The caller then marks the node as revoked or its expiry as noted.
    pub(crate) fn return_share(&mut self, path: &NodePath) -> Credits {
        let node = &self.nodes[&path.id()];
        let (is_carved, is_capped) = (node.is_carved(), node.is_capped());
        let unspent = node.remaining().unwrap_or(Credits::ZERO);
        let (Some(parent), true) = (path.parent_id(), is_carved || is_capped) else { return Credits::ZERO };
        self.change_promise(parent, node.allocation, -i128::from(unspent.get()));
        if !is_carved {
            return Credits::ZERO;
        }
        self.change(path.id(), |node| node.carve_returned = true);
        unspent
    }

    /// Gives a node another budget, and its parent what that sets aside or leaves to it. The caller has checked that the
    /// budget covers what is spent, held and set aside below it, and that the parent has it available.
    pub(crate) fn change_budget(&mut self, path: &NodePath, budget: Credits) {
        let node = self.nodes.get(&path.id()).expect("only loaded nodes are changed");
        let before = node.budget.expect("the root's budget never changes");
        let counts = node.is_carved() || node.is_capped();
        let allocation = node.allocation;
        self.change(path.id(), |node| node.budget = Some(budget));
        if let (Some(parent), true) = (path.parent_id(), counts) {
            self.change_promise(parent, allocation, i128::from(budget.get()) - i128::from(before.get()));
        }
    }

    /// Moves what a parent has promised to its children of one kind.
    fn change_promise(&mut self, parent: DelegationId, allocation: Allocation, by: i128) {
        self.change(parent, |node| match allocation {
            Allocation::Carve => {
                let reserved = i128::from(node.reserved) + by;
                node.reserved = u64::try_from(reserved).expect("plans check what is set aside");
            }
            Allocation::Cap => {
                node.capped =
                    node.capped.checked_add_signed(by).expect("only what was promised is taken back");
            }
        });
    }

    /// The counters of a new node, which has spent nothing in any window.
    pub(crate) fn new_counters(&self) -> [Option<Counter>; Period::ALL.len()] {
        self.current.map(|(start, _)| Some(Counter { start, spent: Credits::ZERO }))
    }

    /// Enters a new child: its parent sets the budget aside, and every ancestor counts one more descendant.
    pub(crate) fn add_child(&mut self, child: Node) {
        let parent = child.path.parent_id().expect("only the root has no parent, and it is never added");
        let budget = child.budget.expect("only the root is unlimited");
        self.change_promise(parent, child.allocation, i128::from(budget.get()));
        for &ancestor in child.path.ancestors() {
            self.change(ancestor, |node| node.descendants += 1);
        }
        self.insert(child);
    }
}

fn shifted(balance: Credits, delta: i64) -> Credits {
    balance
        .get()
        .checked_add_signed(delta)
        .and_then(|value| Credits::new(value).ok())
        .expect("plans check every balance before they move it")
}
