//! Tokens, as far as their holders and the rules know them: a list of caveats.

use jiff::Timestamp;

use super::world::{ALL, DELEGATE, Limit, READ, SPEND, Seal, World};

/// The most caveats that a token may have.
pub(crate) const MOST_CAVEATS: usize = 64;

/// A token. The root token has no caveats.
#[derive(Clone, Default)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// Under which of the tenant's root keys it was signed.
    pub(crate) root_key: usize,
    pub(crate) caveats: Vec<Caveat>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Caveat {
    /// `delegation` and `budget`, or a plain library's `budget` alone: see [`super::world::Seal`].
    Opens(usize),
    Label(String),
    CostCenter(String),
    Department(String),
    Expires(Timestamp),
    Actions(u8),
    MaxPerSpend(u64),
    Limit(Limit),
    MaxDepth(u64),
    SourceIp(&'static str),
    Route(&'static str),
}

impl Caveat {
    /// The name that it gives its node.
    pub(crate) fn label(&self) -> Option<&String> {
        if let Self::Label(text) = self { Some(text) } else { None }
    }
}

/// What all caveats of a token say together.
pub(crate) struct Scope {
    /// Whether they contradict each other, so that nothing can ever be done with the token.
    pub(crate) is_contradictory: bool,
    pub(crate) actions: u8,
    pub(crate) max_per_spend: Option<u64>,
    /// Each with the level, from the root's 0, whose spending it counts.
    pub(crate) limits: Vec<(usize, Limit)>,
    pub(crate) levels_left: Option<u64>,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) cost_center: Option<String>,
    pub(crate) department: Option<String>,
    pub(crate) is_for_elsewhere: bool,
    pub(crate) is_for_a_route: bool,
}

pub(crate) fn least<T: Ord>(left: Option<T>, right: Option<T>) -> Option<T> {
    left.into_iter().chain(right).min()
}

impl Token {
    /// The openings of its nodes, root first.
    pub(crate) fn seals(&self) -> impl Iterator<Item = usize> + '_ {
        self.caveats.iter().filter_map(|caveat| match caveat {
            Caveat::Opens(seal) => Some(*seal),
            _ => None,
        })
    }

    pub(crate) fn expiries(&self) -> impl Iterator<Item = Timestamp> + '_ {
        self.caveats.iter().filter_map(|caveat| match caveat {
            Caveat::Expires(at) => Some(*at),
            _ => None,
        })
    }

    /// The caveats of the block of each level: the root's, then one per node.
    pub(crate) fn blocks(&self) -> Vec<&[Caveat]> {
        let starts = self.caveats.iter().enumerate().filter(|(_, it)| matches!(it, Caveat::Opens(_)));
        let starts: Vec<_> = std::iter::once(0).chain(starts.map(|(index, _)| index)).collect();
        let ends = starts.iter().skip(1).copied().chain([self.caveats.len()]);
        starts.iter().zip(ends).map(|(start, end)| &self.caveats[*start..end]).collect()
    }

    /// What the blocks above a level permit together.
    pub(crate) fn actions_above(&self, level: usize) -> u8 {
        let above = self.blocks().into_iter().take(level).flatten();
        above.fold(ALL, |all, caveat| if let Caveat::Actions(some) = caveat { all & some } else { all })
    }

    /// A repeated caveat narrows; where both cannot hold, the token is good for nothing.
    pub(crate) fn scope(&self) -> Scope {
        let mut scope = Scope {
            is_contradictory: false,
            actions: ALL,
            max_per_spend: None,
            limits: Vec::new(),
            levels_left: None,
            expires: None,
            cost_center: None,
            department: None,
            is_for_elsewhere: false,
            is_for_a_route: false,
        };
        let (mut level, mut label) = (0, None);
        for caveat in &self.caveats {
            match caveat {
                Caveat::Opens(_) => {
                    scope.is_contradictory |= scope.levels_left == Some(0);
                    scope.levels_left = scope.levels_left.map(|left| left.saturating_sub(1));
                    (level, label) = (level + 1, None);
                }
                Caveat::Label(text) => scope.is_contradictory |= *label.get_or_insert(text) != text,
                Caveat::CostCenter(text) => {
                    scope.is_contradictory |= scope.cost_center.get_or_insert_with(|| text.clone()) != text;
                }
                Caveat::Department(text) => {
                    scope.is_contradictory |= scope.department.get_or_insert_with(|| text.clone()) != text;
                }
                Caveat::Expires(at) => scope.expires = least(scope.expires, Some(*at)),
                Caveat::Actions(actions) => scope.actions &= actions,
                Caveat::MaxPerSpend(most) => scope.max_per_spend = least(scope.max_per_spend, Some(*most)),
                Caveat::Limit(limit) => scope.limits.push((level, *limit)),
                Caveat::MaxDepth(levels) => scope.levels_left = least(scope.levels_left, Some(*levels)),
                Caveat::SourceIp(network) => scope.is_for_elsewhere |= !network.starts_with("127."),
                Caveat::Route(_) => scope.is_for_a_route = true,
            }
        }
        scope
    }
}

/// `spend,delegate,read`.
pub(crate) fn action_words(actions: u8) -> Vec<&'static str> {
    let words = [(SPEND, "spend"), (DELEGATE, "delegate"), (READ, "read")];
    words.into_iter().filter(|(bit, _)| actions & bit != 0).map(|(_, word)| word).collect()
}

impl World {
    /// A caveat as tokens write it, without the secret part of an opening.
    pub(crate) fn caveat_texts(&self, caveat: &Caveat) -> Vec<String> {
        let one = |text: String| vec![text];
        match caveat {
            Caveat::Opens(seal) => {
                let Seal { id, budget, .. } = &self.seals[*seal];
                let opening = format!("delegation = {id}");
                let budget = format!("budget = {budget}");
                if self.seals[*seal].is_plain { vec![budget] } else { vec![opening, budget] }
            }
            Caveat::Label(text) => one(format!("label = {text}")),
            Caveat::CostCenter(text) => one(format!("cost_center = {text}")),
            Caveat::Department(text) => one(format!("department = {text}")),
            Caveat::Expires(at) => one(format!("expires = {at}")),
            Caveat::Actions(actions) => one(format!("actions = {}", action_words(*actions).join(","))),
            Caveat::MaxPerSpend(most) => one(format!("max_per_spend = {most}")),
            Caveat::Limit(limit) => one(format!("limit = {}/{}", limit.credits, limit.per.word())),
            Caveat::MaxDepth(levels) => one(format!("max_depth = {levels}")),
            Caveat::SourceIp(network) => one(format!("source_ip = {network}")),
            Caveat::Route(route) => one(format!("route = {route}")),
        }
    }

    pub(crate) fn is_too_long(&self, token: &Token) -> bool {
        self.texts(&token.caveats).len() > MOST_CAVEATS
    }

    pub(crate) fn texts(&self, caveats: &[Caveat]) -> Vec<String> {
        caveats.iter().flat_map(|caveat| self.caveat_texts(caveat)).collect()
    }
}
