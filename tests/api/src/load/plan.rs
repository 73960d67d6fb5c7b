//! What the loaded tree looks like, in memory: shapes, states and balances that agree with each other.

use subgrant_domain::{Allocation, DelegationId, NodePath};
use uuid::Uuid;

use super::Size;

/// A node that will be written.
pub(super) struct Planned {
    pub(super) id: DelegationId,
    /// `None`: below the top of everything.
    pub(super) parent: Option<usize>,
    pub(super) depth: usize,
    pub(super) label: String,
    pub(super) cost_center: Option<String>,
    pub(super) department: Option<String>,
    pub(super) allocation: Allocation,
    pub(super) state: State,
    pub(super) own_spent: u64,
    pub(super) spent: u64,
    pub(super) budget: u64,
    pub(super) reserved: u64,
    pub(super) capped: u64,
    pub(super) descendants: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Live,
    /// Live, with nothing left of its own.
    Spent,
    Frozen,
    Expired,
    Revoked,
}

/// Parents stand before their children.
pub(super) struct Plan {
    pub(super) nodes: Vec<Planned>,
    pub(super) top: NodePath,
    pub(super) entries: u64,
    /// The nodes that spend.
    spenders: Vec<usize>,
    wide: usize,
    deep: usize,
    team: usize,
}

/// What a live node has left of its own.
const SLACK: u64 = 1_000;

impl Plan {
    pub(super) fn new(top: &NodePath, size: Size) -> Self {
        let nodes = Vec::with_capacity(size.nodes);
        let mut plan = Self {
            nodes,
            top: top.clone(),
            entries: size.entries,
            spenders: Vec::new(),
            wide: 0,
            deep: 0,
            team: 0,
        };
        plan.add_organisation(size.nodes.saturating_sub(size.siblings));
        plan.add_siblings(size.siblings);
        plan.spend();
        plan.balance();
        plan
    }

    pub(super) fn wide(&self) -> DelegationId {
        self.nodes[self.wide].id
    }

    pub(super) fn deep(&self) -> DelegationId {
        self.nodes[self.deep].id
    }

    pub(super) fn team(&self) -> DelegationId {
        self.nodes[self.team].id
    }

    /// From the root to a node.
    pub(super) fn path(&self, index: usize) -> Vec<DelegationId> {
        let mut ids = vec![self.nodes[index].id];
        let mut above = self.nodes[index].parent;
        while let Some(parent) = above {
            ids.push(self.nodes[parent].id);
            above = self.nodes[parent].parent;
        }
        ids.extend(self.top.ids().iter().rev());
        ids.reverse();
        ids
    }

    /// What everything together has spent, set aside and left to cap children.
    pub(super) fn totals(&self) -> (u64, u64, u64) {
        let tops = self.nodes.iter().filter(|node| node.parent.is_none());
        tops.fold((0, 0, 0), |(spent, reserved, capped), node| {
            let (carve, cap) = promised(node);
            (spent + node.spent, reserved + carve, capped + cap)
        })
    }

    /// Who makes the entry at a position, and how much it is.
    pub(super) fn entry(&self, number: u64) -> (usize, u64) {
        let count = self.spenders.len() as u64;
        let index = usize::try_from(number.wrapping_mul(7_919) % count).expect("an index");
        (self.spenders[index], 1 + number % 9)
    }

    fn add(&mut self, parent: Option<usize>, label: String) -> usize {
        let index = self.nodes.len();
        let above = parent.map(|parent| &self.nodes[parent]);
        let node = Planned {
            id: DelegationId::from_uuid(id(index)),
            parent,
            depth: above.map_or(self.top.depth(), |above| above.depth) + 1,
            label,
            cost_center: above.and_then(|above| above.cost_center.clone()),
            department: above.and_then(|above| above.department.clone()),
            allocation: Allocation::Carve,
            state: State::Live,
            own_spent: 0,
            spent: 0,
            budget: 0,
            reserved: 0,
            capped: 0,
            descendants: 0,
        };
        self.nodes.push(node);
        index
    }

    /// Departments with teams with agents; every 20th team a chain down to the greatest depth instead.
    fn add_organisation(&mut self, nodes: usize) {
        let agents = (nodes / 1_000).clamp(20, 200);
        let mut department = None;
        let mut teams = 0;
        while self.nodes.len() + agents + 2 < nodes {
            if teams % 50 == 0 {
                let number = teams / 50;
                let index = self.add(None, format!("Department {number}"));
                self.nodes[index].cost_center = Some(format!("Centre {}", number % 40));
                department = Some(index);
            }
            let team = self.add(department, format!("Team {teams}"));
            self.nodes[team].department = Some(format!("Team {teams}"));
            self.nodes[team].state = if teams % 97 == 96 { State::Revoked } else { State::Live };
            let mut above = team;
            for agent in 0..agents {
                let index = self.add(Some(above), format!("agent-{teams:05}-{agent:04}"));
                if teams % 20 == 0 {
                    let is_last = self.nodes[index].depth == NodePath::MAX_DEPTH;
                    above = if is_last { team } else { index };
                    self.deep = team;
                } else {
                    self.vary(index);
                    self.team = team;
                }
            }
            teams += 1;
        }
    }

    /// One node with very many children, the last of which is unlike the others.
    fn add_siblings(&mut self, siblings: usize) {
        self.wide = self.add(None, "Wide".to_owned());
        for number in 1..siblings {
            let index = self.add(Some(self.wide), format!("sibling-{number:07}"));
            self.nodes[index].cost_center = Some(format!("Sibling centre {}", number % 5));
            self.vary(index);
        }
        let last = self.add(Some(self.wide), "the needle in the haystack".to_owned());
        self.nodes[last].cost_center = Some("Rare centre".to_owned());
        self.nodes[last].department = Some("Rare department".to_owned());
        self.nodes[last].state = State::Frozen;
    }

    /// Gives a leaf one of the states.
    fn vary(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        node.allocation = if index.is_multiple_of(5) { Allocation::Cap } else { Allocation::Carve };
        node.state = match index % 100 {
            17 => State::Revoked,
            37 | 38 => State::Expired,
            77 => State::Spent,
            // Frozen ones are rare: a handful of all.
            99 if index % 100_000 < 100 => State::Frozen,
            _ => State::Live,
        };
    }

    fn spend(&mut self) {
        let has_children: std::collections::HashSet<_> =
            self.nodes.iter().filter_map(|node| node.parent).collect();
        self.spenders = (0..self.nodes.len()).filter(|index| !has_children.contains(index)).collect();
        for number in 0..self.entries {
            let (index, amount) = self.entry(number);
            self.nodes[index].own_spent += amount;
        }
    }

    /// From the leaves up: sums, and budgets that cover them.
    fn balance(&mut self) {
        for index in (0..self.nodes.len()).rev() {
            let node = &mut self.nodes[index];
            node.spent += node.own_spent;
            let left = if node.state == State::Spent && node.spent > 0 { 0 } else { SLACK };
            node.budget = node.spent + node.reserved + left;
            let (spent, descendants) = (node.spent, node.descendants + 1);
            let (carve, cap) = promised(node);
            if let Some(parent) = node.parent {
                let parent = &mut self.nodes[parent];
                parent.spent += spent;
                parent.descendants += descendants;
                parent.reserved += carve;
                parent.capped += cap;
            }
        }
    }
}

/// What a node's parent sets aside for it, and what it leaves to it.
fn promised(node: &Planned) -> (u64, u64) {
    let left = node.budget - node.spent;
    match (node.state, node.allocation) {
        (State::Revoked | State::Expired, _) => (0, 0),
        (_, Allocation::Carve) => (left, 0),
        (_, Allocation::Cap) => (0, left),
    }
}

/// A `UUIDv7` of some time ago; greater than those before it.
fn id(index: usize) -> Uuid {
    let index = index as u64;
    let millis =
        jiff::Timestamp::now().as_millisecond().unsigned_abs() / 86_400_000 * 86_400_000 - 86_400_000;
    let mut random = [0; 10];
    random[2..].copy_from_slice(&(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(index + 1)).to_be_bytes());
    uuid::Builder::from_unix_timestamp_millis(millis + index, &random).into_uuid()
}
