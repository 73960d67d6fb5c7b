//! Whether one request meets the conditions of a scope.

use std::net::IpAddr;

use jiff::Timestamp;
use subgrant_domain::ServiceId;

use crate::{RequestPath, Scope};

/// What is known about a request. Leave `None` what is not: a caveat about it then refuses the request.
#[derive(Debug, Clone, Copy)]
pub struct RequestContext<'a> {
    /// When the request is judged.
    pub at: Timestamp,
    /// The HTTP method, as received.
    pub method: Option<&'a str>,
    /// The request target in origin form (`/path?query`), as received.
    pub path: Option<&'a str>,
    /// The client's address, from a source that the client cannot choose.
    pub source_ip: Option<IpAddr>,
    /// The service that judges the request, if it is a registered one.
    pub service: Option<ServiceId>,
    /// The name under which the service sells L402 tokens.
    pub l402_service: Option<&'a str>,
    /// The capability, of that service, that the request needs.
    pub l402_capability: Option<&'a str>,
}

/// Which condition a request does not meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CaveatFailure {
    /// The token has expired.
    #[error("the token expired at {at}")]
    Expired {
        /// When it did.
        at: Timestamp,
    },
    /// The token is for another service.
    #[error("the token is for another service")]
    Audience,
    /// The request comes from an address that the token does not permit.
    #[error("the token may not be used from this address")]
    SourceIp,
    /// The token does not permit the method.
    #[error("the token does not permit this method")]
    Method,
    /// The token does not permit the path.
    #[error("the token does not permit this path")]
    Route,
    /// The token restricts paths, and this one has segments or escapes that servers read differently.
    #[error("the path cannot be compared with the token's routes safely")]
    UnsafePath,
    /// The token was not sold for this L402 service.
    #[error("the token was not sold for this service")]
    L402Service,
    /// The token does not carry the L402 capability.
    #[error("the token lacks the capability")]
    L402Capability,
    /// A caveat is about something that is not known of the request.
    #[error("the caveat {caveat} cannot be judged here")]
    MissingContext {
        /// The caveat's name; for those of L402 services without the service.
        caveat: &'static str,
    },
}

impl RequestContext<'_> {
    /// A request of which nothing is known but the time.
    pub const fn at(at: Timestamp) -> Self {
        Self {
            at,
            method: None,
            path: None,
            source_ip: None,
            service: None,
            l402_service: None,
            l402_capability: None,
        }
    }
}

impl CaveatFailure {
    /// The word for this failure in logs, metrics and the shared vectors. Stable.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Expired { .. } => "expired",
            Self::Audience => "audience",
            Self::SourceIp => "source_ip",
            Self::Method => "method",
            Self::Route => "route",
            Self::UnsafePath => "unsafe_path",
            Self::L402Service => "l402_service",
            Self::L402Capability => "l402_capability",
            Self::MissingContext { .. } => "missing_context",
        }
    }
}

impl Scope {
    /// Judges the conditions that concern a request: expiry, audience, source address, method, route and L402.
    /// The first failure in this order is returned. Actions, budget and limits are not judged here.
    pub fn check_request(&self, request: &RequestContext<'_>) -> Result<(), CaveatFailure> {
        self.check_expiry(request.at)?;
        if let Some(audience) = self.audience
            && known(request.service, "audience")? != audience
        {
            return Err(CaveatFailure::Audience);
        }
        if !self.source_ips.is_empty() {
            self.check_source_ip(known(request.source_ip, "source_ip")?)?;
        }
        if !self.methods.is_empty() {
            self.check_method(known(request.method, "method")?)?;
        }
        if !self.routes.is_empty() {
            self.check_path(known(request.path, "route")?)?;
        }
        self.check_l402(request)
    }

    /// Whether the token still works at `at`.
    pub fn check_expiry(&self, at: Timestamp) -> Result<(), CaveatFailure> {
        match self.expires {
            Some(expires) if at >= expires => Err(CaveatFailure::Expired { at: expires }),
            _ => Ok(()),
        }
    }

    /// Whether the token may be used from the address.
    pub fn check_source_ip(&self, address: IpAddr) -> Result<(), CaveatFailure> {
        let is_permitted = self.source_ips.iter().all(|list| list.contains(address));
        is_permitted.then_some(()).ok_or(CaveatFailure::SourceIp)
    }

    fn check_method(&self, method: &str) -> Result<(), CaveatFailure> {
        let is_permitted = self.methods.iter().all(|list| list.contains(method));
        is_permitted.then_some(()).ok_or(CaveatFailure::Method)
    }

    fn check_path(&self, target: &str) -> Result<(), CaveatFailure> {
        let path = RequestPath::new(target).map_err(|_| CaveatFailure::UnsafePath)?;
        let is_permitted = self.routes.iter().all(|list| list.matches(&path));
        is_permitted.then_some(()).ok_or(CaveatFailure::Route)
    }

    /// Judges the conditions of L402 alone. A caveat of an L402 service applies at that service only, and nothing can be told
    /// where the name of the service is not known: that refuses.
    pub fn check_l402(&self, request: &RequestContext<'_>) -> Result<(), CaveatFailure> {
        for services in &self.l402_services {
            if !services.contains(known(request.l402_service, "services")?) {
                return Err(CaveatFailure::L402Service);
            }
        }
        for caveat in &self.l402_valid_until {
            let service = known(request.l402_service, "valid_until")?;
            if service == caveat.service.as_str() && request.at >= caveat.until {
                return Err(CaveatFailure::Expired { at: caveat.until });
            }
        }
        for caveat in &self.l402_capabilities {
            let service = known(request.l402_service, "capabilities")?;
            if service == caveat.service.as_str()
                && !caveat.contains(known(request.l402_capability, "capabilities")?)
            {
                return Err(CaveatFailure::L402Capability);
            }
        }
        Ok(())
    }
}

fn known<T>(fact: Option<T>, caveat: &'static str) -> Result<T, CaveatFailure> {
    fact.ok_or(CaveatFailure::MissingContext { caveat })
}
