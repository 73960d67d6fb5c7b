//! What a chain of caveats permits at most.

use jiff::Timestamp;
use subgrant_domain::{Action, ActionSet, AttributeText, Credits, ServiceId, WindowLimit};

use crate::{
    Caveat, CaveatError, L402Capabilities, L402Services, L402ValidUntil, MethodSet, NetworkSet, RouteSet,
    narrow,
};

/// The effective scope of a whole chain: every caveat of every block, narrowed.
///
/// The ledger's row may permit less, never more. Conditions on the request are judged by [`Scope::check_request`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scope {
    /// The least `budget` of the chain; `None` for a root token.
    pub budget: Option<Credits>,
    /// The most credits in one spend or hold.
    pub max_per_spend: Option<Credits>,
    /// What the holder may do.
    pub actions: ActionSet,
    /// Every window limit, with the node that it counts on.
    pub limits: Vec<ScopedLimit>,
    /// Levels that may still be created below the last node; `None` if no caveat says so.
    pub remaining_depth: Option<u32>,
    /// Attribution, inherited.
    pub cost_center: Option<AttributeText>,
    /// Attribution, inherited.
    pub department: Option<AttributeText>,
    /// The name of the last node; of the root, for a root token.
    pub label: Option<AttributeText>,
    /// The one service at which the token may be used.
    pub audience: Option<ServiceId>,
    /// Lists of paths; the request must match one pattern of each list.
    pub routes: Vec<RouteSet>,
    /// Lists of HTTP methods; the request's must be in each list.
    pub methods: Vec<MethodSet>,
    /// Lists of networks; the request's address must be in each list.
    pub source_ips: Vec<NetworkSet>,
    /// Lists of L402 services; the one at hand must be in each list.
    pub l402_services: Vec<L402Services>,
    /// What may be done at one L402 service.
    pub l402_capabilities: Vec<L402Capabilities>,
    /// Until when the token works at one L402 service.
    pub l402_valid_until: Vec<L402ValidUntil>,
    pub(crate) expires: Option<Timestamp>,
}

/// A window limit and the node on whose counter it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScopedLimit {
    /// The node's index in [`crate::VerifiedToken::nodes`]; `None` for a limit before any `budget`: the tenant's root.
    pub node: Option<usize>,
    /// What may be spent within one window.
    pub limit: WindowLimit,
}

impl Scope {
    /// Whether the holder may do `action`.
    pub const fn permits(&self, action: Action) -> bool {
        self.actions.contains(action)
    }

    /// The first instant at which the token no longer works, at any service. `<service>_valid_until` is not in it.
    pub const fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// The scope of a root token without caveats.
    pub(crate) const fn unrestricted() -> Self {
        Self {
            budget: None,
            max_per_spend: None,
            actions: ActionSet::ALL,
            limits: Vec::new(),
            remaining_depth: None,
            cost_center: None,
            department: None,
            label: None,
            audience: None,
            routes: Vec::new(),
            methods: Vec::new(),
            source_ips: Vec::new(),
            l402_services: Vec::new(),
            l402_capabilities: Vec::new(),
            l402_valid_until: Vec::new(),
            expires: None,
        }
    }

    /// Descends one level. Fails where an earlier `max_depth` permits none.
    pub(crate) fn open_node(&mut self, budget: Credits) -> Result<(), CaveatError> {
        if let Some(levels) = &mut self.remaining_depth {
            *levels = levels.checked_sub(1).ok_or(CaveatError::TooDeep)?;
        }
        narrow::to_minimum(&mut self.budget, budget);
        self.label = None;
        Ok(())
    }

    /// Adds a caveat of the block of `node` that opens nothing.
    pub(crate) fn narrow(&mut self, caveat: &Caveat, node: Option<usize>) -> Result<(), CaveatError> {
        match caveat {
            // Opening caveats go through `open_node`.
            Caveat::Delegation(_) | Caveat::Budget(_) => {}
            Caveat::CostCenter(text) => narrow::to_equal_text(&mut self.cost_center, text)?,
            Caveat::Department(text) => narrow::to_equal_text(&mut self.department, text)?,
            Caveat::Label(text) => narrow::to_equal_text(&mut self.label, text)?,
            Caveat::Expires(at) => narrow::to_minimum(&mut self.expires, *at),
            Caveat::Actions(actions) => self.actions = self.actions.intersection(*actions),
            Caveat::MaxPerSpend(credits) => narrow::to_minimum(&mut self.max_per_spend, *credits),
            Caveat::Limit(limit) => {
                let limit = *limit;
                narrow::to_all(&mut self.limits, ScopedLimit { node, limit });
            }
            Caveat::MaxDepth(levels) => narrow::to_minimum(&mut self.remaining_depth, *levels),
            Caveat::Audience(service) => narrow::to_equal(&mut self.audience, service)?,
            Caveat::Route(routes) => self.routes.push(routes.clone()),
            Caveat::Method(methods) => self.methods.push(methods.clone()),
            Caveat::SourceIp(networks) => self.source_ips.push(networks.clone()),
            Caveat::L402Services(services) => self.l402_services.push(services.clone()),
            Caveat::L402Capabilities(caveat) => self.l402_capabilities.push(caveat.clone()),
            Caveat::L402ValidUntil(caveat) => self.l402_valid_until.push(caveat.clone()),
        }
        Ok(())
    }
}
