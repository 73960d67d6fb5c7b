//! Answers that are for one credential: those that hold a secret, and those to requests that may end the credential that
//! makes them.
//!
//! The record says which token asked: as it was issued, and as it was presented. A secret is shown again to a token that was
//! issued as the same one, narrowed by whatever its holder has appended, because clients narrow a copy for each request; what
//! takes the place of the token that asked is shown to the very same copy alone. A token that its own request has ended
//! finds its answer only if it is, caveat by caveat, the one that asked, and nothing but that request has ended it: everybody
//! else who shows a token that was shut out learns that it was, and nothing more.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};
use subgrant_domain::Status;

use super::ScopedKey;
use crate::{
    AccessError, Principal, ServiceError,
    access::Via,
    credential::{OwnEnd, TokenFacts},
    locked::{Loaded, LockedTenant},
};

/// How long a secret is shown again, and a credential that has ended itself finds the answer.
pub(crate) const SHOWN_AGAIN: SignedDuration = SignedDuration::from_mins(10);

/// Which credential asked. Both are hexadecimal digests.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Asking {
    /// Of the token as it was issued, whatever was appended to it since; of the session.
    issued: String,
    /// Of the token as it was presented; of the session.
    presented: String,
}

/// What is recorded.
#[derive(Serialize, Deserialize)]
struct Bound<T> {
    asking: Asking,
    answer: T,
}

/// An answer that was given before.
pub(crate) struct Repeated<T> {
    answer: T,
    shown_to: ShownTo,
}

/// Who asks again, as far as secrets are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ShownTo {
    /// Another token, or too late.
    Nobody,
    /// The token that asked, as it was issued: narrowed by something else.
    SameToken,
    /// The very one that asked.
    SameCopy,
}

impl<T> Repeated<T> {
    /// The answer, where it leads to a secret.
    pub(crate) fn secret(self) -> Result<T, AccessError> {
        self.shown_from(ShownTo::SameToken)
    }

    /// The answer, where it leads to what takes the place of the token that asked: an older token that somebody found within
    /// its grace, narrowed or not, must not be exchanged for the newest one.
    pub(crate) fn successor(self) -> Result<T, AccessError> {
        self.shown_from(ShownTo::SameCopy)
    }

    fn shown_from(self, least: ShownTo) -> Result<T, AccessError> {
        if self.shown_to >= least { Ok(self.answer) } else { Err(AccessError::SecretShownOnce) }
    }

    /// The answer, where it leads to none.
    pub(crate) fn plain(self) -> T {
        self.answer
    }

    /// Whether this answer leads to a secret is for it to say.
    pub(crate) fn where_secret(self, is_secret: impl FnOnce(&T) -> bool) -> Result<T, AccessError> {
        if is_secret(&self.answer) { self.secret() } else { Ok(self.answer) }
    }
}

impl ScopedKey {
    /// The answer that was recorded with [`record_bound`] under this key.
    pub(crate) async fn find_bound<T: DeserializeOwned>(
        &self,
        principal: &Principal,
        tenant: &mut LockedTenant,
    ) -> Result<Option<Repeated<T>>, AccessError> {
        let Some(record) = self.look_up(tenant).await? else { return Ok(None) };
        if let Ok(bound) = self.replay::<Bound<T>>(&record) {
            let asking = principal.asking();
            let shown_to = match is_recent(record.recorded_at, tenant.head.now) {
                true if bound.asking == asking => ShownTo::SameCopy,
                true if bound.asking.issued == asking.issued => ShownTo::SameToken,
                _ => ShownTo::Nobody,
            };
            return Ok(Some(Repeated { answer: bound.answer, shown_to }));
        }
        // Another request's, or one of before credentials were recorded: then nobody can be shown its secret.
        Ok(Some(Repeated { answer: self.replay(&record)?, shown_to: ShownTo::Nobody }))
    }

    /// The same, as long as it concerns a credential that is no longer good.
    async fn find_own<T: DeserializeOwned>(
        &self,
        principal: &Principal,
        tenant: &mut LockedTenant,
    ) -> Result<Option<(T, Timestamp)>, ServiceError> {
        let Some(record) = self.look_up(tenant).await? else { return Ok(None) };
        let is_same =
            record.fingerprint == self.fingerprint && is_recent(record.recorded_at, tenant.head.now);
        let bound = serde_json::from_str::<Bound<T>>(&record.response).ok().filter(|_| is_same);
        let own = bound.filter(|bound| bound.asking == principal.asking());
        Ok(own.map(|bound| (bound.answer, record.recorded_at)))
    }
}

fn is_recent(recorded_at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(recorded_at) < SHOWN_AGAIN
}

/// Records an answer for the credential that asked, where it sent a key.
pub(crate) async fn record_bound(
    tenant: &mut LockedTenant,
    key: Option<&ScopedKey>,
    principal: &Principal,
    status: u16,
    answer: &impl Serialize,
) -> Result<(), ServiceError> {
    super::record(tenant, key, status, &Bound { asking: principal.asking(), answer }).await
}

impl Principal {
    fn asking(&self) -> Asking {
        let hex = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
        match &self.via {
            Via::Session { secret, .. } => {
                let digest = hex(&secret.digest());
                Asking { issued: digest.clone(), presented: digest }
            }
            Via::Token(token) => {
                let credential = &token.0;
                let issued = match credential.token.last_digest() {
                    Some(digest) => hex(digest.as_bytes()),
                    None => hex(credential.root_key.id.as_uuid().as_bytes()),
                };
                let presented = zeroize::Zeroizing::new(credential.macaroon.to_text());
                Asking { issued, presented: hex(presented.as_bytes()) }
            }
        }
    }

    /// Refuses unless the principal's credential is good, or was good until the very request that is repeated here has
    /// ended it. Returns that request's answer. `ended` says how an answer's request may have ended its own credential,
    /// given when it was made.
    ///
    /// Of a credential that is not good no record is looked at but the one of the request that has ended it.
    pub(crate) async fn repeated<T: DeserializeOwned>(
        &self,
        tenant: &mut LockedTenant,
        key: Option<&ScopedKey>,
        ended: impl FnOnce(&T, Timestamp) -> OwnEnd,
    ) -> Result<Option<Repeated<T>>, AccessError> {
        let Err(refused) = self.check_standing(tenant).await else {
            return match key {
                Some(key) => key.find_bound(self, tenant).await,
                None => Ok(None),
            };
        };
        let found = match key {
            Some(key) => key.find_own::<T>(self, tenant).await?,
            None => None,
        };
        let Some((answer, at)) = found else { return Err(refused) };
        let end = ended(&answer, at);
        if self.was_ended_by(tenant, &end).await? {
            Ok(Some(Repeated { answer, shown_to: ShownTo::SameCopy }))
        } else {
            Err(refused)
        }
    }

    /// Whether the principal's token would be good, were it not for a request of its own.
    async fn was_ended_by(&self, tenant: &mut LockedTenant, end: &OwnEnd) -> Result<bool, ServiceError> {
        let Some(credential) = self.credential().filter(|credential| credential.is_registered()) else {
            return Ok(false);
        };
        let root = tenant.row(self.path.root_id())?.clone();
        let Some(facts) = TokenFacts::read(tenant.tx(), credential, &root).await? else { return Ok(false) };
        if credential.check(&facts.but_for(end), tenant.tree.now()).is_err() {
            return Ok(false);
        }
        let own = tenant.tree.node(self.path.id());
        let is_own_doing = |node, mark: Option<Timestamp>| node == self.path.id() && mark == Some(end.at);
        Ok(match tenant.tree.status(&self.path) {
            Status::Active | Status::Exhausted(_) => true,
            Status::Revoked(node) => is_own_doing(node, own.and_then(|own| own.revoked_at)),
            Status::Frozen(node) => is_own_doing(node, own.and_then(|own| own.frozen_at)),
            Status::Expired(_) => false,
        })
    }
}
