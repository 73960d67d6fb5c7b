//! The caveats of the contract: one variant each, read strictly and written in one way.

mod delegation;
mod expiry;
mod l402;
mod list;
mod method;
mod network;
mod path;
mod route;

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use subgrant_domain::{ActionSet, AttributeText, Credits, ServiceId, WindowLimit};

use crate::CaveatError;
pub use delegation::{DelegationClaim, Nonce};
pub use l402::{L402Capabilities, L402Name, L402Services, L402ValidUntil};
pub use method::MethodSet;
pub use network::NetworkSet;
pub use path::{RequestPath, UnsafePath};
pub use route::{RoutePattern, RouteSet};

/// The longest value, in bytes.
const MAX_VALUE_BYTES: usize = AttributeText::MAX_BYTES;

/// One condition of a token. `Display` writes its canonical text, `FromStr` reads that and optional spaces around `=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caveat {
    /// `delegation = dlg_….<24 hexadecimal digits>`: opens a child's block.
    Delegation(DelegationClaim),
    /// `budget = 1000`: credits; opens a node of the tree with a counter of its own.
    Budget(Credits),
    /// `cost_center = Engineering`: attribution, inherited.
    CostCenter(AttributeText),
    /// `department = R&D`: attribution, inherited.
    Department(AttributeText),
    /// `label = Code reviewer`: names the node.
    Label(AttributeText),
    /// `expires = 2026-12-21T17:00:00Z`: the first instant at which the token no longer works.
    Expires(Timestamp),
    /// `actions = spend,delegate,read`: what the holder may do.
    Actions(ActionSet),
    /// `max_per_spend = 50`: the most credits in one spend or hold.
    MaxPerSpend(Credits),
    /// `limit = 100/day`: a window limit.
    Limit(WindowLimit),
    /// `max_depth = 0`: levels that may still be created below.
    MaxDepth(u32),
    /// `route = /v1/*`: the paths it may be used on.
    Route(RouteSet),
    /// `method = GET,POST`: the HTTP methods it may be used with.
    Method(MethodSet),
    /// `source_ip = 10.0.0.0/8`: where it may be used from.
    SourceIp(NetworkSet),
    /// `audience = svc_…`: the one service at which it may be used.
    Audience(ServiceId),
    /// `services=name:0`: the L402 services that it was sold for.
    L402Services(L402Services),
    /// `<service>_capabilities=read,write`: what it permits at one L402 service.
    L402Capabilities(L402Capabilities),
    /// `<service>_valid_until=1767225600`: until when it works at one L402 service.
    L402ValidUntil(L402ValidUntil),
}

impl Caveat {
    /// Reads a caveat from its name and value.
    ///
    /// [`CaveatError::Malformed`] if the name is not `[a-z_]+`, or the value is not of the form that the name demands;
    /// [`CaveatError::Unknown`] if the name is not one of the contract's.
    pub fn from_parts(name: &str, value: &str) -> Result<Self, CaveatError> {
        let caveat = match name {
            "cost_center" => return Ok(Self::CostCenter(attribute(value)?)),
            "department" => return Ok(Self::Department(attribute(value)?)),
            "label" => return Ok(Self::Label(attribute(value)?)),
            "delegation" => plain(value)?.parse().map(Self::Delegation)?,
            "budget" => Self::Budget(parsed(value)?),
            "expires" => Self::Expires(expiry::parse(value)?),
            "actions" => Self::Actions(parsed(plain(value)?)?),
            "max_per_spend" => Self::MaxPerSpend(parsed(value)?),
            "limit" => Self::Limit(parsed(value)?),
            "max_depth" => Self::MaxDepth(count(value)?),
            "route" => plain(value)?.parse().map(Self::Route)?,
            "method" => plain(value)?.parse().map(Self::Method)?,
            "source_ip" => plain(value)?.parse().map(Self::SourceIp)?,
            "audience" => Self::Audience(parsed(value)?),
            "services" => plain(value)?.parse().map(Self::L402Services)?,
            _ if !is_name(name) => return Err(CaveatError::Malformed),
            _ => return l402::from_parts(name, plain(value)),
        };
        Ok(caveat)
    }

    /// Reads a caveat as it stands in a token.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, CaveatError> {
        str::from_utf8(bytes).map_err(|_| CaveatError::Malformed)?.parse()
    }
}

impl FromStr for Caveat {
    type Err = CaveatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or(CaveatError::Malformed)?;
        Self::from_parts(name.trim_end_matches(' '), value.trim_start_matches(' '))
    }
}

impl fmt::Display for Caveat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delegation(claim) => write!(f, "delegation = {claim}"),
            Self::Budget(credits) => write!(f, "budget = {credits}"),
            Self::CostCenter(text) => write!(f, "cost_center = {text}"),
            Self::Department(text) => write!(f, "department = {text}"),
            Self::Label(text) => write!(f, "label = {text}"),
            Self::Expires(at) => write!(f, "expires = {}", expiry::Written(*at)),
            Self::Actions(actions) => write!(f, "actions = {actions}"),
            Self::MaxPerSpend(credits) => write!(f, "max_per_spend = {credits}"),
            Self::Limit(limit) => write!(f, "limit = {limit}"),
            Self::MaxDepth(levels) => write!(f, "max_depth = {levels}"),
            Self::Route(routes) => write!(f, "route = {routes}"),
            Self::Method(methods) => write!(f, "method = {methods}"),
            Self::SourceIp(networks) => write!(f, "source_ip = {networks}"),
            Self::Audience(service) => write!(f, "audience = {service}"),
            Self::L402Services(services) => write!(f, "services={services}"),
            Self::L402Capabilities(caveat) => write!(f, "{caveat}"),
            Self::L402ValidUntil(caveat) => write!(f, "{caveat}"),
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// A value of attribution: the only kind that may hold more than ASCII.
fn attribute(value: &str) -> Result<AttributeText, CaveatError> {
    // The signature covers the bytes, so that they are kept as they are.
    AttributeText::as_written(value).map_err(|_| CaveatError::Malformed)
}

/// A value of printable ASCII within the length limit, without surrounding spaces.
fn plain(value: &str) -> Result<&str, CaveatError> {
    let is_printable = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let is_trimmed = !value.starts_with(' ') && !value.ends_with(' ');
    if is_printable && is_trimmed && (1..=MAX_VALUE_BYTES).contains(&value.len()) {
        Ok(value)
    } else {
        Err(CaveatError::Malformed)
    }
}

fn parsed<T: FromStr>(value: &str) -> Result<T, CaveatError> {
    value.parse().map_err(|_| CaveatError::Malformed)
}

/// A number of levels in its one spelling: digits, no sign, no leading zero, at most 2^32 − 1.
fn count(value: &str) -> Result<u32, CaveatError> {
    let credits: Credits = parsed(value)?;
    u32::try_from(credits.get()).map_err(|_| CaveatError::Malformed)
}
