//! Writes that may be sent again: the answer is recorded in the write's own transaction.
//!
//! A record belongs to a node or a person, and to nobody of another kind whose id is the same: a key is looked up in the
//! scope of a digest of both. A node's records are found with each of its tokens, so that who narrows a copy for each
//! request, or has a new token, does not spend twice. An answer that holds a secret is shown again for ten minutes, and only to
//! the token that it was given to, or a copy of it ([`bound`](crate::idempotency::bound)).

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use subgrant_store::idempotency::{self, Key, Record};

use crate::{AccessError, Principal, ServiceError, locked::LockedTenant};

pub(crate) mod bound;

/// The caller's key, with a digest of what it was sent with.
#[derive(Debug, Clone)]
pub struct IdempotencyKey {
    /// 1–255 visible ASCII characters.
    pub key: String,
    /// SHA-256 of method, path and body.
    pub fingerprint: [u8; 32],
}

/// An answer, and whether it was given before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome<T> {
    /// The answer.
    pub value: T,
    /// Whether the same request had been answered already.
    pub replayed: bool,
}

impl<T> Outcome<T> {
    pub(crate) fn fresh(value: T) -> Self {
        Self { value, replayed: false }
    }

    pub(crate) fn replayed(value: T) -> Self {
        Self { value, replayed: true }
    }

    /// The same outcome with another answer.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Outcome<U> {
        Outcome { value: change(self.value), replayed: self.replayed }
    }
}

/// A key in the scope of its principal and route.
#[derive(Debug, Clone)]
pub(crate) struct ScopedKey {
    pub(crate) key: Key,
    pub(crate) fingerprint: [u8; 32],
}

/// The caller's key in the scope of its principal and of `route`, where it sent one.
pub(crate) fn scoped(
    principal: &Principal,
    route: &'static str,
    key: Option<IdempotencyKey>,
) -> Option<ScopedKey> {
    key.map(|key| ScopedKey { key: principal.idempotency_key(route, key.key), fingerprint: key.fingerprint })
}

impl ScopedKey {
    /// The answer that was recorded under this key.
    pub(crate) async fn find<T: DeserializeOwned>(
        &self,
        tenant: &mut LockedTenant,
    ) -> Result<Option<T>, AccessError> {
        match self.look_up(tenant).await? {
            Some(record) => self.replay(&record).map(Some),
            None => Ok(None),
        }
    }

    async fn look_up(&self, tenant: &mut LockedTenant) -> Result<Option<Record>, ServiceError> {
        let found = idempotency::by_keys(&mut tenant.tx, std::slice::from_ref(&self.key)).await?.pop();
        Ok(found.map(|(_, record)| record))
    }

    /// Reads a recorded answer, if it was given to the same request.
    pub(crate) fn replay<T: DeserializeOwned>(&self, record: &Record) -> Result<T, AccessError> {
        if record.fingerprint != self.fingerprint {
            return Err(AccessError::IdempotencyMismatch);
        }
        let answer = serde_json::from_str(&record.response);
        Ok(answer.map_err(|error| ServiceError::Inconsistent(format!("a recorded answer: {error}")))?)
    }

    /// What to store with the write.
    pub(crate) fn record(
        &self,
        status: u16,
        answer: &impl Serialize,
        recorded_at: Timestamp,
    ) -> (Key, Record) {
        let response = serde_json::to_string(answer).expect("answers are plain structs");
        (self.key.clone(), Record { fingerprint: self.fingerprint, status, response, recorded_at })
    }
}

/// Records an answer under a key, where the caller sent one.
pub(crate) async fn record(
    tenant: &mut LockedTenant,
    key: Option<&ScopedKey>,
    status: u16,
    answer: &impl Serialize,
) -> Result<(), ServiceError> {
    if let Some(key) = key {
        let record = key.record(status, answer, tenant.head.now);
        idempotency::insert(&mut tenant.tx, &[record]).await?;
    }
    Ok(())
}
