//! What the server should know, as plain lists, and every sum counted anew from the entries and holds.
//!
//! Nothing here is kept up to date step by step: a mistake in the server's arithmetic cannot be repeated.

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan, Unit, ZonedRound, civil::Weekday, tz::TimeZone};
use serde_json::Value;

use super::token::Token;

/// The largest amount.
pub(crate) const MOST: u64 = (1 << 53) - 1;

pub(crate) const SPEND: u8 = 1;
pub(crate) const DELEGATE: u8 = 2;
pub(crate) const READ: u8 = 4;
pub(crate) const ALL: u8 = 7;

/// A tenant, as it should be.
#[derive(Clone)]
pub(crate) struct World {
    /// The instant of the decision.
    pub(crate) now: Timestamp,
    /// When the caller was judged, where that comes before the decision and is not judged again.
    pub(crate) read_at: Timestamp,
    /// Counts requests; what is issued in a request is as old as it.
    pub(crate) step: usize,
    pub(crate) zone: TimeZone,
    /// The root is the first; parents stand before their children.
    pub(crate) nodes: Vec<Node>,
    pub(crate) seals: Vec<Seal>,
    pub(crate) tokens: Vec<Token>,
    pub(crate) root_keys: Vec<Issue>,
    pub(crate) holds: Vec<Hold>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) recorded: BTreeMap<Key, Recorded>,
    /// Another tenant's root token, and one of this tenant whose signature is wrong.
    pub(crate) strangers: [String; 2],
    /// Tokens that were issued in an earlier step are refused.
    pub(crate) cut_off: usize,
}

/// A delegation's settings. Balances are functions of [`World`].
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each says something of its own about a delegation")]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) parent: Option<usize>,
    pub(crate) label: String,
    /// `None`: the unlimited root.
    pub(crate) budget: Option<u64>,
    /// Whether the parent sets the budget aside.
    pub(crate) carve: bool,
    pub(crate) actions: u8,
    pub(crate) max_per_spend: Option<u64>,
    pub(crate) limits: Vec<Limit>,
    pub(crate) max_depth: Option<u64>,
    pub(crate) cost_center: Option<String>,
    pub(crate) department: Option<String>,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) created: Timestamp,
    pub(crate) frozen: bool,
    /// In which step it was frozen last.
    pub(crate) frozen_in: usize,
    pub(crate) revoked: bool,
    pub(crate) version: u64,
    /// What the server would write as the node's token.
    pub(crate) canonical: Token,
    /// Whether its row does not say what its block does.
    pub(crate) made_offline: bool,
}

/// The opening of a node in a token's chain. All copies of the token share it; a rotation makes another.
#[derive(Clone)]
pub(crate) struct Seal {
    /// The public id that the opening claims, or that follows from its digest.
    pub(crate) id: String,
    pub(crate) budget: u64,
    /// How many caveats its token was issued with; what follows was appended by its holder.
    pub(crate) issued: usize,
    /// What the ledger knows of it; `None`: made offline and not used yet.
    pub(crate) registered: Option<(usize, Issue)>,
    /// Whether a plain macaroon library wrote the budget alone.
    pub(crate) is_plain: bool,
    /// Whether the server can write the opening again.
    pub(crate) derived: bool,
    /// What its node was called by the token with which it was entered, if it was made offline.
    pub(crate) first_label: Option<String>,
}

/// When a token was issued, and until when it is good.
#[derive(Clone, Copy)]
pub(crate) struct Issue {
    pub(crate) step: usize,
    pub(crate) until: Option<Timestamp>,
}

#[derive(Clone)]
pub(crate) struct Hold {
    pub(crate) id: String,
    pub(crate) node: usize,
    pub(crate) amount: u64,
    pub(crate) expires: Timestamp,
    pub(crate) closed: bool,
}

/// One line of the ledger.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) node: usize,
    pub(crate) amount: u64,
    /// The debit that it gives back.
    pub(crate) reverses: Option<usize>,
    pub(crate) at: Timestamp,
    pub(crate) key: Option<String>,
    pub(crate) cost_center: Option<String>,
    pub(crate) department: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Period {
    Hour,
    Day,
    Week,
    Month,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) per: Period,
    pub(crate) credits: u64,
}

/// Whose key, for which call.
pub(crate) type Key = (Option<usize>, &'static str, String);

/// An answer that the same request gets again.
#[derive(Clone)]
pub(crate) struct Recorded {
    /// Target and body.
    pub(crate) request: String,
    pub(crate) status: u16,
    pub(crate) body: Value,
    /// The token that asked.
    pub(crate) by: Option<usize>,
    /// In which step.
    pub(crate) step: usize,
    /// Until when it let older tokens be good, where it has ended any.
    pub(crate) until: Option<Timestamp>,
    /// Before which step it let no token be issued any more, where it did.
    pub(crate) cut_off: Option<usize>,
}

/// What a node is, and because of which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Active,
    Exhausted(usize),
    Frozen(usize),
    Expired(usize),
    Revoked(usize),
}

impl Period {
    pub(crate) const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// The calendar's window around an instant.
    pub(crate) fn window(self, at: Timestamp, zone: &TimeZone) -> (Timestamp, Timestamp) {
        let local = at.to_zoned(zone.clone());
        let midnight = local.start_of_day().unwrap();
        let (start, length) = match self {
            Self::Hour => {
                let hour = ZonedRound::new().smallest(Unit::Hour).mode(jiff::RoundMode::Trunc);
                (local.round(hour).unwrap(), 1.hour())
            }
            Self::Day => (midnight, 1.day()),
            Self::Week => {
                let days = local.weekday().since(Weekday::Monday);
                (midnight.checked_sub(i64::from(days).days()).unwrap(), 1.week())
            }
            Self::Month => (midnight.first_of_month().unwrap(), 1.month()),
        };
        (start.timestamp(), start.checked_add(length).unwrap().timestamp())
    }
}

impl World {
    /// A tenant that has just signed up.
    pub(crate) fn new(tenant: &subgrant_tests::Tenant, zone: TimeZone, strangers: [String; 2]) -> Self {
        let (now, root_token) = (Timestamp::now(), Token::default());
        let root = Node {
            id: tenant.root_id.clone(),
            parent: None,
            label: "Root Key".to_owned(),
            budget: None,
            carve: true,
            actions: ALL,
            max_per_spend: None,
            limits: Vec::new(),
            max_depth: None,
            cost_center: None,
            department: None,
            expires: None,
            created: now,
            frozen: false,
            frozen_in: 0,
            revoked: false,
            version: 1,
            canonical: root_token.clone(),
            made_offline: false,
        };
        Self {
            now,
            read_at: now,
            step: 0,
            zone,
            nodes: vec![root],
            seals: Vec::new(),
            tokens: vec![Token { text: tenant.root_token.clone(), ..root_token }],
            root_keys: vec![Issue { step: 0, until: None }],
            holds: Vec::new(),
            entries: Vec::new(),
            recorded: BTreeMap::new(),
            strangers,
            cut_off: 0,
        }
    }

    /// From the node up to the root.
    pub(crate) fn upwards(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(Some(node), |at| self.nodes[*at].parent)
    }

    /// From the root down to the node.
    pub(crate) fn path(&self, node: usize) -> Vec<usize> {
        let mut path: Vec<_> = self.upwards(node).collect();
        path.reverse();
        path
    }

    pub(crate) fn is_within(&self, node: usize, top: usize) -> bool {
        self.upwards(node).any(|above| above == top)
    }

    pub(crate) fn depth(&self, node: usize) -> usize {
        self.upwards(node).count() - 1
    }

    pub(crate) fn children(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.nodes.len()).filter(move |child| self.nodes[*child].parent == Some(node))
    }

    pub(crate) fn descendants(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.nodes.len()).filter(move |below| *below != node && self.is_within(*below, node))
    }

    /// The node's own entries: debits less what was given back.
    pub(crate) fn own(&self, node: usize) -> u64 {
        self.sum(|entry| entry.node == node)
    }

    /// The same of the whole subtree.
    pub(crate) fn spent(&self, node: usize) -> u64 {
        self.sum(|entry| self.is_within(entry.node, node))
    }

    fn sum(&self, counts: impl Fn(&Entry) -> bool) -> u64 {
        let (mut debits, mut refunds) = (0, 0);
        for entry in self.entries.iter().filter(|entry| counts(entry)) {
            let kind = if entry.reverses.is_none() { &mut debits } else { &mut refunds };
            *kind += entry.amount;
        }
        debits - refunds
    }

    /// Spent in the subtree within the current window. What was given back does not count: it left within the window.
    pub(crate) fn spent_in_window(&self, node: usize, per: Period) -> u64 {
        let start = per.window(self.now, &self.zone).0;
        let debits = self.entries.iter().filter(|entry| entry.reverses.is_none() && entry.at >= start);
        debits.filter(|entry| self.is_within(entry.node, node)).map(|entry| entry.amount).sum()
    }

    pub(crate) fn is_open(&self, hold: &Hold) -> bool {
        !hold.closed && hold.expires > self.now
    }

    /// The open holds of the subtree.
    pub(crate) fn open_holds(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.holds.len()).filter(move |index| {
            let hold = &self.holds[*index];
            self.is_open(hold) && self.is_within(hold.node, node)
        })
    }

    pub(crate) fn held(&self, node: usize) -> u64 {
        self.open_holds(node).map(|hold| self.holds[hold].amount).sum()
    }

    /// Whether the parent still sets credits aside for the node.
    pub(crate) fn is_set_aside(&self, node: usize) -> bool {
        let at = &self.nodes[node];
        at.carve && at.parent.is_some() && !at.revoked && !self.is_over(node)
    }

    /// Whether the node's own life has ended.
    pub(crate) fn is_over(&self, node: usize) -> bool {
        self.nodes[node].expires.is_some_and(|end| end <= self.now)
    }

    /// What live carve children have not consumed. A revocation returns what the whole subtree had set aside.
    pub(crate) fn reserved(&self, node: usize) -> u64 {
        if matches!(self.status(node), Status::Revoked(_)) {
            return 0;
        }
        let carved = self.children(node).filter(|child| self.is_set_aside(*child));
        carved.map(|child| self.remaining(child).unwrap()).sum()
    }

    pub(crate) fn remaining(&self, node: usize) -> Option<u64> {
        Some(self.nodes[node].budget? - self.spent(node) - self.held(node))
    }

    pub(crate) fn available(&self, node: usize) -> Option<u64> {
        Some(self.remaining(node)? - self.reserved(node))
    }

    /// What remains for somebody whose token says that the budget is no more than a ceiling.
    pub(crate) fn remaining_within(&self, node: usize, ceiling: Option<u64>) -> Option<u64> {
        let under = ceiling.map(|ceiling| ceiling.saturating_sub(self.spent(node) + self.held(node)));
        self.remaining(node).into_iter().chain(under).min()
    }

    pub(crate) fn available_within(&self, node: usize, ceiling: Option<u64>) -> Option<u64> {
        let left = self.remaining_within(node, ceiling)?;
        Some(left.saturating_sub(self.reserved(node)))
    }

    /// The ancestors out of whose available credits the node is supplied, nearest first.
    pub(crate) fn draws_on(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        self.upwards(node).filter(|at| !self.is_set_aside(*at)).filter_map(|at| self.nodes[at].parent)
    }

    pub(crate) fn effective_remaining(&self, node: usize, ceiling: Option<u64>) -> Option<u64> {
        if matches!(self.status(node), Status::Revoked(_)) {
            return self.remaining(node);
        }
        let above = self.draws_on(node).filter_map(|at| self.available(at));
        self.remaining_within(node, ceiling).into_iter().chain(above).min()
    }

    /// The same under every window limit of the path, and under those of the caller's token, where the node is its own.
    pub(crate) fn effective_now(&self, by: super::call::Caller, node: usize) -> Option<u64> {
        let budgets = self.effective_remaining(node, self.ceiling_at(by, node));
        if matches!(self.status(node), Status::Revoked(_)) {
            return budgets;
        }
        let said = self.limits_said(by, node);
        let windows = self.path(node).into_iter().enumerate().flat_map(|(level, at)| {
            let appended = said.iter().filter(move |(owner, _)| *owner == level).map(|(_, limit)| *limit);
            let all: Vec<_> = self.nodes[at].limits.iter().copied().chain(appended).collect();
            all.into_iter().map(move |limit| {
                let used = self.spent_in_window(at, limit.per) + self.held(at);
                limit.credits.saturating_sub(used)
            })
        });
        budgets.into_iter().chain(windows).min()
    }

    /// The window limits that the caller's token says, each with its level, where the node is its own.
    pub(crate) fn limits_said(&self, by: super::call::Caller, node: usize) -> Vec<(usize, Limit)> {
        let scope = self.scope_of(by).filter(|_| self.node_of(by) == Some(node));
        scope.map(|scope| scope.limits).unwrap_or_default()
    }

    /// Revoked beats expired beats frozen beats exhausted; among equals, the node nearest to the root is the cause.
    pub(crate) fn status(&self, node: usize) -> Status {
        let path = self.path(node);
        let first = |is: &dyn Fn(usize) -> bool| path.iter().copied().find(|at| is(*at));
        if let Some(cause) = first(&|at| self.nodes[at].revoked) {
            return Status::Revoked(cause);
        }
        if let Some(cause) = first(&|at| self.is_over(at)) {
            return Status::Expired(cause);
        }
        if let Some(cause) = first(&|at| self.nodes[at].frozen) {
            return Status::Frozen(cause);
        }
        if self.remaining(node) == Some(0) {
            return Status::Exhausted(node);
        }
        let dry = self.draws_on(node).filter(|at| self.available(*at) == Some(0)).last();
        dry.map_or(Status::Active, Status::Exhausted)
    }

    /// What is left of a debit.
    pub(crate) fn refundable(&self, entry: usize) -> u64 {
        let given_back = self.entries.iter().filter(|other| other.reverses == Some(entry));
        self.entries[entry].amount - given_back.map(|refund| refund.amount).sum::<u64>()
    }

    /// Every instant at which something ends by itself.
    pub(crate) fn deadlines(&self) -> Vec<Timestamp> {
        let nodes = self.nodes.iter().filter_map(|node| node.expires);
        let holds = self.holds.iter().filter(|hold| !hold.closed).map(|hold| hold.expires);
        let seals = self.seals.iter().filter_map(|seal| seal.registered?.1.until);
        let keys = self.root_keys.iter().filter_map(|key| key.until);
        let tokens = self.tokens.iter().flat_map(Token::expiries);
        nodes.chain(holds).chain(seals).chain(keys).chain(tokens).collect()
    }
}
