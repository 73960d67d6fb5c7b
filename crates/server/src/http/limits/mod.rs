//! Rate limits: how often who may ask for what.
//!
//! By address before anything of a request is looked at; by token and tenant as soon as the signature is verified, for a
//! token that is known before its body is read. Each server counts for itself and allows its share, so that nothing
//! waits for a database; `docs/rate-limits.md` says how exact that is.

mod bucket;
mod class;
mod rates;
mod servers;

use std::{
    fmt,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use axum::http::{Extensions, HeaderMap, Method, header};
use subgrant_domain::TenantId;
use subgrant_metrics::{Collector, Counters, DescriptorEncoder, Page};
use subgrant_service::{App, Caller, Principal, Via};
use uuid::Uuid;

pub(crate) use self::class::Class;
use self::{bucket::Buckets, rates::Scope};
pub use self::{
    rates::{Limit, RateChange, Rates},
    servers::{keep_count, leave_count},
};
use super::{
    extract::{bearer_token, session_cookie},
    problem::Problem,
};

/// How many addresses, tenants and tokens are remembered, about a hundred bytes each.
const MOST_ADDRESSES: usize = 50_000;
const MOST_TENANTS: usize = 20_000;
const MOST_TOKENS: usize = 50_000;

/// A limit, and whom of its scope.
type Subject = (Limit, u128);

/// All buckets.
pub(crate) struct RateLimits {
    rates: Rates,
    started: Instant,
    /// What this server is known by among them.
    server: Uuid,
    /// How many servers there are, this one included.
    servers: AtomicU32,
    addresses: Buckets<Subject>,
    tenants: Buckets<Subject>,
    tokens: Buckets<Subject>,
    refused: Counters,
}

/// Says of a request that it was counted already.
#[derive(Debug, Clone, Copy)]
struct Counted;

impl RateLimits {
    pub(super) fn new(rates: Rates) -> Arc<Self> {
        Arc::new(Self {
            rates,
            started: Instant::now(),
            server: Uuid::now_v7(),
            servers: AtomicU32::new(1),
            addresses: Buckets::new(MOST_ADDRESSES),
            tenants: Buckets::new(MOST_TENANTS),
            tokens: Buckets::new(MOST_TOKENS),
            refused: Counters::new(Limit::NAMES),
        })
    }

    /// Judges a request by its head. What was found out is left in its extensions: its class, and its token if that is known.
    pub(super) fn at_the_door(
        &self,
        app: &App,
        (method, template): (&Method, Option<&str>),
        address: Option<IpAddr>,
        headers: &HeaderMap,
        extensions: &mut Extensions,
    ) -> Result<(), Problem> {
        let class = Class::of(method, template);
        extensions.insert(class);
        if class == Class::Exempt {
            return Ok(());
        }
        let network = address.map(network);
        if let Some(network) = network {
            self.take(Limit::AddressRequests, network, 1.0)?;
            if let Some(limit) = class.of_address() {
                self.take(limit, network, 1.0)?;
            }
        }
        if !class.needs_credential() {
            return Ok(());
        }
        // What is wrong with the header is said where it is needed.
        let bearer = bearer_token(headers).ok().flatten();
        if let Some(known) = bearer.and_then(|text| app.known_token(text)) {
            self.admit(class, known.delegation().as_uuid(), known.tenant(), 1.0)?;
            extensions.insert(known);
            extensions.insert(Counted);
            return Ok(());
        }
        let session = if bearer.is_none() { session_cookie(headers) } else { None };
        if let Some(network) = network
            && presents_credential(headers)
            && !session.is_some_and(|session| app.is_known_session(&session))
        {
            self.look(Limit::AddressRefusals, network)?;
        }
        Ok(())
    }

    /// Counts a request whose caller has been verified, unless that was done at the door.
    pub(super) fn admit_principal(
        &self,
        extensions: &Extensions,
        principal: &Principal,
    ) -> Result<(), Problem> {
        let Some(class) = uncounted(extensions) else { return Ok(()) };
        self.admit(class, subject_of(principal), principal.tenant, 1.0)
    }

    /// The same for whoever may ask as a resource server.
    pub(super) fn admit_caller(&self, extensions: &Extensions, caller: &Caller) -> Result<(), Problem> {
        let Some(class) = uncounted(extensions) else { return Ok(()) };
        match caller {
            Caller::Principal(principal) => self.admit(class, subject_of(principal), principal.tenant, 1.0),
            Caller::Service { tenant, service } => self.admit(class, service.as_uuid(), *tenant, 1.0),
        }
    }

    /// Counts the further items of a batch of debits. A batch that is let in may be more than is left.
    pub(crate) fn admit_items(&self, principal: &Principal, items: usize) -> Result<(), Problem> {
        if items <= 1 {
            return Ok(());
        }
        #[expect(clippy::cast_precision_loss, reason = "a batch has some thousand items")]
        let further = (items - 1) as f64;
        self.admit(Class::Spend, subject_of(principal), principal.tenant, further)
    }

    /// Takes note of a credential that was answered with 401.
    pub(super) fn refused(&self, address: Option<IpAddr>) {
        if let Some(address) = address {
            let rate = self.rates.share(Limit::AddressRefusals, self.servers());
            let subject = (Limit::AddressRefusals, network(address));
            // Whoever is refused once more is so already.
            let _ = self.addresses.take(&subject, rate, 1.0, self.started.elapsed());
        }
    }

    fn servers(&self) -> u32 {
        self.servers.load(Ordering::Relaxed)
    }

    /// The token first, so that what it is refused does not count against its tenant.
    fn admit(&self, class: Class, subject: Uuid, tenant: TenantId, many: f64) -> Result<(), Problem> {
        let (of_token, of_tenant) = class.of_credential();
        if let Some(limit) = of_token {
            self.take(limit, subject.as_u128(), many)?;
        }
        of_tenant.map_or(Ok(()), |limit| self.take(limit, tenant.as_uuid().as_u128(), many))
    }

    fn take(&self, limit: Limit, subject: u128, many: f64) -> Result<(), Problem> {
        let rate = self.rates.share(limit, self.servers());
        let now = self.started.elapsed();
        let taken = self.buckets(limit).take(&(limit, subject), rate, many, now);
        taken.map_err(|wait| self.refusal(limit, wait))
    }

    fn look(&self, limit: Limit, subject: u128) -> Result<(), Problem> {
        let rate = self.rates.share(limit, self.servers());
        let looked = self.buckets(limit).look(&(limit, subject), rate, self.started.elapsed());
        looked.map_err(|wait| self.refusal(limit, wait))
    }

    fn buckets(&self, limit: Limit) -> &Buckets<Subject> {
        match limit.scope() {
            Scope::Address => &self.addresses,
            Scope::Tenant => &self.tenants,
            Scope::Token => &self.tokens,
        }
    }

    fn refusal(&self, limit: Limit, wait: Duration) -> Problem {
        self.refused.count(limit.name());
        let rate = self.rates.share(limit, self.servers());
        Problem::rate_limited(limit.name(), &rate.to_string(), (rate.burst, rate.window()), wait)
    }
}

/// The class of a request, unless it was counted at the door.
fn uncounted(extensions: &Extensions) -> Option<Class> {
    let is_counted = extensions.get::<Counted>().is_some();
    extensions.get::<Class>().copied().filter(|_| !is_counted)
}

/// Whether there is something to look up.
pub(super) fn presents_credential(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION) || headers.contains_key(header::COOKIE)
}

/// All tokens of a delegation count together: its holder can write any number of them.
fn subject_of(principal: &Principal) -> Uuid {
    match &principal.via {
        Via::Token(_) => principal.path.id().as_uuid(),
        Via::Session { user, .. } => user.as_uuid(),
    }
}

/// Whoever has an IPv6 address has a whole /64 of them.
fn network(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits() >> 64 << 64,
    }
}

impl fmt::Debug for RateLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RateLimits").field(&self.rates).finish()
    }
}

/// Writes what was refused.
#[derive(Debug)]
pub(super) struct LimitsCollector(pub(super) Arc<RateLimits>);

impl Collector for LimitsCollector {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let (limits, mut page) = (&self.0, Page::new(encoder));
        let help = "Requests that were refused with 429, by the limit that they were above";
        page.counters("rate_limited_requests", help, "limit", &limits.refused)?;
        let help = "Servers that share the limits, as far as this one knows";
        page.gauge("rate_limit_servers", help, usize::try_from(limits.servers()).unwrap_or(usize::MAX))?;
        let kept = [
            ("address", limits.addresses.len()),
            ("tenant", limits.tenants.len()),
            ("token", limits.tokens.len()),
        ];
        page.gauges("rate_limit_buckets", "Addresses, tenants and tokens that are counted", "of", &kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_ipv6_network_are_counted_together() {
        let network = |text: &str| network(text.parse().unwrap());
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("192.0.2.1"), network("::ffff:192.0.2.1"));
    }
}
