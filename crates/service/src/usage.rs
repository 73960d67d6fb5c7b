//! What a token is presented for at Subgrant itself, and whether it may be.

use std::net::IpAddr;

use jiff::Timestamp;
use subgrant_token::{Caveat, CaveatFailure, RequestContext, RequestPath};

use crate::{CredentialError, credential::Credential};

/// What a token is presented for at Subgrant itself. Says which of its conditions on requests concern Subgrant.
#[derive(Debug, Clone, Copy)]
pub enum Usage<'a> {
    /// Spending, holding, and being told what it is itself: by its holder, or by a service on the holder's behalf. `route` and
    /// `method` speak of the request at that service, which judges them.
    Spend,
    /// Everything else, in this request; `None`: in one of which nothing is known.
    Manage(Option<Asked<'a>>),
}

/// A request to Subgrant itself.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The request target.
    pub target: &'a str,
}

impl Credential {
    /// Refuses a token that may not be used so at Subgrant itself.
    ///
    /// A token whose node is for a service is for spending alone, by its holder or by the service that was shown it. An audience
    /// that a holder appended to another token says where alone it may be used, and that is not here.
    pub(crate) fn check_use_here(
        &self,
        usage: Usage<'_>,
        source_ip: Option<IpAddr>,
    ) -> Result<(), CredentialError> {
        let scope = self.scope();
        if scope.audience != self.audience {
            return Err(CaveatFailure::Audience.into());
        }
        if scope.audience.is_some() && matches!(usage, Usage::Manage(_)) {
            let why = "the token is for a service, and so for nothing but spending".to_owned();
            return Err(CredentialError::Caveat(why));
        }
        match source_ip {
            Some(address) => scope.check_source_ip(address)?,
            None if scope.source_ips.is_empty() => {}
            None => return Err(CaveatFailure::MissingContext { caveat: "source_ip" }.into()),
        }
        // Subgrant is none of the services that L402 knows by name; the instant is judged under the lock.
        scope.check_l402(&RequestContext::at(Timestamp::MIN))?;
        match usage {
            Usage::Spend => Ok(()),
            Usage::Manage(asked) => Ok(self.check_target_here(asked)?),
        }
    }

    /// Judges a request to Subgrant by the `route` and `method` that the token's holder appended: whoever gets such a copy gets
    /// it for one request. Those that a delegation was issued with speak of its requests at services, whatever else it may do.
    fn check_target_here(&self, asked: Option<Asked<'_>>) -> Result<(), CaveatFailure> {
        let unknown = |caveat| CaveatFailure::MissingContext { caveat };
        let (_, appended) = self.issued_and_appended();
        for caveat in appended {
            match caveat {
                Caveat::Route(routes) => {
                    let target = asked.ok_or_else(|| unknown("route"))?.target;
                    let path = RequestPath::new(target).map_err(|_| CaveatFailure::UnsafePath)?;
                    if !routes.matches(&path) {
                        return Err(CaveatFailure::Route);
                    }
                }
                Caveat::Method(methods)
                    if !methods.contains(asked.ok_or_else(|| unknown("method"))?.method) =>
                {
                    return Err(CaveatFailure::Method);
                }
                _ => {}
            }
        }
        Ok(())
    }
}
