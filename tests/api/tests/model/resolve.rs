//! From words to a request: which token, which node, how much, in the state that the reference is in.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    operation::{Amount, Debit, Request, Says, Settings, Time, What, Which, Who},
    reference::{
        call::{Action, Call, Caller, Change, Expiry, Item, Lasts, Mint},
        token::Caveat,
        world::{Limit, Status, World},
    },
};

/// More than any budget that is minted: the unlimited root can afford it, and nothing should use it up.
const PLENTY: u64 = 1_000_000;

fn pick<T: Copy>(list: &[T], number: u16) -> Option<T> {
    list.get(usize::from(number).checked_rem(list.len())?).copied()
}

impl World {
    /// The request; `starts` are the instants at which each step so far began.
    pub(crate) fn resolve(&self, request: &Request, key: Option<String>, starts: &[Timestamp]) -> Call {
        let caller = self.caller(request.who);
        let action = self.action(caller, &request.what, starts);
        // Another tenant can only be told that what it names does not exist.
        let is_pointless = caller == Caller::OtherTenant && !action.names_something();
        let caller = if is_pointless { Caller::Malformed } else { caller };
        // What it asks about itself is not the reference's business.
        let about_itself = matches!(action, Action::Verify { token: Caller::OtherTenant, .. });
        let caller = if about_itself && caller == Caller::OtherTenant { Caller::Malformed } else { caller };
        Call { caller, action, key, at_replica: request.at_replica }
    }

    pub(crate) fn caller(&self, who: Who) -> Caller {
        let newest_root = || {
            let is_root = |token: &usize| self.tokens[*token].caveats.is_empty();
            (0..self.tokens.len()).rev().find(is_root).map_or(Caller::Session, Caller::Token)
        };
        match who {
            Who::Live(number) => {
                let live: Vec<_> = (0..self.tokens.len()).filter(|token| self.is_live(*token)).collect();
                pick(&live, number).map_or_else(newest_root, Caller::Token)
            }
            Who::Any(number) => Caller::Token(usize::from(number) % self.tokens.len()),
            Who::Root => newest_root(),
            Who::Session => Caller::Session,
            Who::Stranger(kind) => [Caller::OtherTenant, Caller::Tampered, Caller::Malformed, Caller::Nobody]
                [usize::from(kind) % 4],
        }
    }

    fn is_live(&self, token: usize) -> bool {
        let mut trial = self.clone();
        let caller = Caller::Token(token);
        trial.check_readable(caller, &Action::Own).is_ok() && trial.standing(caller).is_ok()
    }

    fn action(&self, caller: Caller, what: &What, starts: &[Timestamp]) -> Action {
        let edge = || self.affordable_to(caller);
        match what {
            What::Spend { amount, dry_run } => {
                Action::Spend { amount: written(*amount, edge(), 1), dry_run: *dry_run }
            }
            What::Batch { items, is_lines } => {
                let items = items.iter().map(|item| self.item(caller, item)).collect();
                Action::Batch { items, is_lines: *is_lines }
            }
            What::Hold { amount, lasts } => {
                Action::Hold { amount: written(*amount, edge(), 1), lasts: duration(*lasts) }
            }
            What::Capture { hold, amount } => {
                let hold = self.which_hold(caller, *hold);
                let edge = self.holds.get(hold).map_or(1, |hold| hold.amount);
                Action::Capture { hold, amount: written(*amount, edge, 1) }
            }
            What::Extend { hold, lasts } => {
                Action::Extend { hold: self.which_hold(caller, *hold), lasts: duration(*lasts) }
            }
            What::Release { hold } => Action::Release { hold: self.which_hold(caller, *hold) },
            What::Refund { entry, amount } => {
                let entry = self.which_entry(caller, *entry);
                let edge = if entry < self.entries.len() { self.refundable(entry) } else { 1 };
                Action::Refund { entry, amount: amount.map(|amount| written(amount, edge, 1)) }
            }
            What::Mint { parent, budget, carve, says } => {
                let parent = parent.map(|which| self.which_node(caller, which));
                let at = parent.or(self.node_of(caller)).filter(|at| *at < self.nodes.len());
                let most = |at: usize| match carve {
                    Some(false) => self.nodes[at].budget,
                    _ => self.available(at),
                };
                let edge = at.and_then(most).unwrap_or(PLENTY + 1);
                Action::Mint(self.mint_body_of(parent, written(*budget, edge, 25), *carve, says))
            }
            What::Change { node, version, settings } => {
                Action::Change(self.change_of(self.which_node(caller, *node), *version, settings))
            }
            What::Revoke { node, dry_run, version, descendants } => {
                let node = self.which_node(caller, *node);
                let current = self.nodes.get(node).map_or(1, |node| node.version);
                let if_version = version.map(|change| current + u64::from(change / 2));
                let below = if node < self.nodes.len() { self.descendants(node).count() as u64 } else { 0 };
                let if_descendants = descendants.map(|change| below + u64::from(change / 2));
                Action::Revoke { node, dry_run: *dry_run, if_version, if_descendants }
            }
            What::Freeze { node } => Action::Freeze { node: self.which_node(caller, *node) },
            What::Unfreeze { node } => Action::Unfreeze { node: self.which_frozen(caller, *node) },
            What::Rotate { node, grace } => {
                let node = self.which_node(caller, *node);
                Action::Rotate { node, grace: grace.map(duration) }
            }
            What::Restrict { node, says } => {
                let node = match node {
                    Which::Fit(_) => self.node_of(caller).unwrap_or(usize::MAX),
                    other => self.which_node(caller, *other),
                };
                Action::Restrict { node, caveats: self.caveats_of(says) }
            }
            What::RotateRoot { grace, revoke_before } => Action::RotateRoot {
                grace: grace.map(duration),
                revoke_before: revoke_before.map(|number| self.cut_off_at(number, starts)),
            },
            What::Verify { token, source_ip } => {
                Action::Verify { token: self.caller(*token), source_ip: *source_ip }
            }
            look => self.looked_at(caller, look),
        }
    }

    fn change_of(&self, node: usize, version: Option<u8>, settings: &Settings) -> Change {
        let current = self.nodes.get(node).map_or(1, |node| node.version);
        // The most that it could be raised to.
        let edge = self.nodes.get(node).and_then(|it| {
            let more = self.carvable(it.parent?, None);
            Some(if it.carve { it.budget? + more } else { self.nodes[it.parent?].budget? })
        });
        let limits = |limits: &Vec<(_, _)>| {
            limits.iter().map(|(per, credits)| Limit { per: *per, credits: *credits }).collect()
        };
        Change {
            node,
            if_match: version.map(|version| match version {
                0 => 0,
                1 => current + 1,
                _ => current,
            }),
            label: settings.label.map(str::to_owned),
            budget: settings.budget.map(|budget| written(budget, edge.unwrap_or(PLENTY + 1), 10)),
            max_per_spend: settings.max_per_spend,
            limits: settings.limits.as_ref().map(limits),
            expiry: settings.expiry.map(|time| time.map(|time| self.end_of_change(time))),
        }
    }

    /// An instant, which is known beforehand to the microsecond.
    fn end_of_change(&self, time: Time) -> Expiry {
        match time {
            Time::Hostile(_) => Expiry::After(duration(time)),
            other => Expiry::At(self.instant(other)),
        }
    }

    fn looked_at(&self, caller: Caller, what: &What) -> Action {
        match what {
            What::Own => Action::Own,
            What::One { node } => Action::One { node: self.which_node(caller, *node) },
            What::List => Action::List,
            What::Tree { top } => Action::Tree { top: top.map(|which| self.which_node(caller, which)) },
            What::Ledger { node } => {
                Action::Ledger { node: node.map(|which| self.which_node(caller, which)) }
            }
            What::Proof => Action::Proof,
            other => unreachable!("{other:?} is no look"),
        }
    }

    /// The beginning of this step or an earlier one, or an instant in the future, which is refused: of no step so far.
    fn cut_off_at(&self, number: u16, starts: &[Timestamp]) -> (usize, Timestamp) {
        if number.is_multiple_of(8) {
            return (usize::MAX, self.now + SignedDuration::from_hours(1));
        }
        let step = usize::from(number) % starts.len();
        (step, starts[step])
    }

    fn affordable_to(&self, caller: Caller) -> u64 {
        let mut trial = self.clone();
        let node = trial.standing(caller).ok();
        node.map_or(1, |node| trial.affordable(caller, node))
    }

    fn item(&self, caller: Caller, debit: &Debit) -> Item {
        let token = debit
            .who
            .map(|who| self.caller(who))
            .filter(|it| !matches!(it, Caller::Session | Caller::Nobody));
        let edge = self.affordable_to(token.unwrap_or(caller));
        let key = debit.key.map(|key| format!("item-{key}"));
        Item { amount: written(debit.amount, edge, 1), key, token }
    }

    fn sees(&self, caller: Caller, node: usize) -> bool {
        self.node_of(caller).is_some_and(|own| self.is_within(node, own))
    }

    fn which_node(&self, caller: Caller, which: Which) -> usize {
        let all = 0..self.nodes.len();
        let below = |node: &usize| self.sees(caller, *node) && Some(*node) != self.node_of(caller);
        let fits = |node: &usize| {
            let is_live = !matches!(self.status(*node), Status::Revoked(_) | Status::Expired(_));
            below(node) && is_live
        };
        let found = match which {
            Which::Fit(number) => pick(&all.filter(fits).collect::<Vec<_>>(), number),
            // What happens to the root happens to all: that is left to rare cases.
            Which::Below(number) => {
                let seen = all.filter(|node| *node != 0 && self.sees(caller, *node));
                pick(&seen.collect::<Vec<_>>(), number)
            }
            Which::Any(number) => pick(&all.collect::<Vec<_>>(), number),
            Which::Unknown => None,
        };
        found.unwrap_or(usize::MAX)
    }

    /// The root may be among them.
    fn which_frozen(&self, caller: Caller, which: Which) -> usize {
        let frozen =
            (0..self.nodes.len()).filter(|node| self.nodes[*node].frozen && self.sees(caller, *node));
        match which {
            Which::Fit(number) => pick(&frozen.collect::<Vec<_>>(), number).unwrap_or(usize::MAX),
            other => self.which_node(caller, other),
        }
    }

    fn which_hold(&self, caller: Caller, which: Which) -> usize {
        let all = 0..self.holds.len();
        let sees = |hold: &usize| self.sees(caller, self.holds[*hold].node);
        let found = match which {
            Which::Fit(number) => {
                let open = all.filter(|hold| sees(hold) && self.is_open(&self.holds[*hold]));
                pick(&open.collect::<Vec<_>>(), number)
            }
            Which::Below(number) => pick(&all.filter(sees).collect::<Vec<_>>(), number),
            Which::Any(number) => pick(&all.collect::<Vec<_>>(), number),
            Which::Unknown => None,
        };
        found.unwrap_or(usize::MAX)
    }

    fn which_entry(&self, caller: Caller, which: Which) -> usize {
        let all = 0..self.entries.len();
        let sees = |entry: &usize| self.sees(caller, self.entries[*entry].node);
        let fits = |entry: &usize| {
            let it = &self.entries[*entry];
            sees(entry) && it.reverses.is_none() && Some(it.node) != self.node_of(caller)
        };
        let found = match which {
            Which::Fit(number) => pick(&all.filter(fits).collect::<Vec<_>>(), number),
            Which::Below(number) => pick(&all.filter(sees).collect::<Vec<_>>(), number),
            Which::Any(number) => pick(&all.collect::<Vec<_>>(), number),
            Which::Unknown => None,
        };
        found.unwrap_or(usize::MAX)
    }

    fn mint_body_of(&self, parent: Option<usize>, budget: Value, carve: Option<bool>, says: &Says) -> Mint {
        let text = |text: Option<&str>| text.map(str::to_owned);
        Mint {
            parent,
            label: format!("node {}", self.nodes.len()),
            budget,
            carve,
            expiry: says.expires.map(|time| match time {
                Time::Past => Expiry::At("2020-01-01T00:00:00Z".parse().unwrap()),
                Time::TwoHours => Expiry::At("2999-01-01T00:00:00Z".parse().unwrap()),
                other => Expiry::After(duration(other)),
            }),
            actions: says.actions,
            max_per_spend: says.max_per_spend,
            limits: says.limit.map(|(per, credits)| Limit { per, credits }).into_iter().collect(),
            max_depth: says.max_depth,
            cost_center: text(says.cost_center),
            department: text(says.department),
        }
    }

    /// Caveats as somebody appends them.
    pub(crate) fn caveats_of(&self, says: &Says) -> Vec<Caveat> {
        let mut caveats = Vec::new();
        caveats.extend(says.max_per_spend.map(Caveat::MaxPerSpend));
        caveats.extend(says.limit.map(|(per, credits)| Caveat::Limit(Limit { per, credits })));
        caveats.extend(says.actions.map(Caveat::Actions));
        caveats.extend(says.max_depth.map(Caveat::MaxDepth));
        caveats.extend(says.expires.map(|time| Caveat::Expires(self.instant(time))));
        caveats.extend(says.cost_center.map(|text| Caveat::CostCenter(text.to_owned())));
        caveats.extend(says.department.map(|text| Caveat::Department(text.to_owned())));
        caveats.extend(says.label.map(|text| Caveat::Label(text.to_owned())));
        caveats.extend(says.source_ip.map(Caveat::SourceIp));
        caveats.extend(says.route.map(Caveat::Route));
        caveats
    }

    fn instant(&self, time: Time) -> Timestamp {
        match duration(time).duration() {
            Some(lasts) if !matches!(time, Time::Past) => self.now + lasts,
            _ => "2020-01-01T00:00:00Z".parse().unwrap(),
        }
    }
}

fn duration(time: Time) -> Lasts {
    match time {
        Time::Brief => Lasts::Brief,
        Time::Hour => Lasts::Hour,
        Time::TwoHours => Lasts::TwoHours,
        Time::Past => Lasts::Hostile(0),
        Time::Hostile(kind) => Lasts::Hostile(1 + usize::from(kind) % 4),
    }
}

/// An amount as it is written into JSON. `edge` is the most that would pass.
pub(crate) fn written(amount: Amount, edge: u64, scale: u64) -> Value {
    let is_plenty = edge > PLENTY;
    match amount {
        Amount::Small(number) => json!(number * scale),
        Amount::Edge(1) if is_plenty => json!(u64::MAX >> 11),
        Amount::Edge(_) | Amount::Percent(_) if is_plenty => json!(7 * scale),
        Amount::Edge(delta) => json!(edge.saturating_add_signed(i64::from(delta)).max(1)),
        Amount::Percent(share) => json!((edge * share / 100).max(1)),
        Amount::Hostile(kind) => match kind {
            0 => json!(0),
            1 => json!(-1),
            2 => json!(1.5),
            3 => json!("5"),
            4 => json!(1_u64 << 53),
            5 => json!(u64::MAX),
            6 => json!(true),
            _ => json!([7]),
        },
    }
}
