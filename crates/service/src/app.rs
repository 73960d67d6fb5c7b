//! What every use case works with.

use std::{sync::Arc, time::Duration};

use quick_cache::sync::Cache;
use subgrant_domain::{DelegationId, Id, IdKind, RootKeyId, ServiceId, TenantId};
use subgrant_store::{
    Database, StoreError, TenantTx, root_keys, tenants,
    tokens::{self, Digest, Issued},
};
use subgrant_token::{RootKey, VerificationKey};
use uuid::Uuid;

use crate::{
    AttemptLimits, HashingOptions, MailRoute, MasterKey, Metrics, credential::Credential, engine::Engine,
    event::Hub, exports::Exports, master_key::UnsealError, outbox::Filled, password::Hashing,
};

/// How an [`App`] is set up.
#[derive(Debug, Clone)]
pub struct AppOptions {
    /// The service's public URL, written into tokens as a hint.
    pub location: String,
    /// The most debits of one tenant that may wait.
    pub queue_capacity: usize,
    /// The most debits decided in one transaction.
    pub batch_size: usize,
    /// The most children made offline that one delegation may have in the ledger.
    pub max_offline_children: u64,
    /// The most streams of events of one tenant at once.
    pub max_streams: usize,
    /// The most entries, and the most other events, that are read at once. More of them come summed up.
    pub event_page: i64,
    /// How many events may wait for the reader of a stream.
    pub stream_buffer: usize,
    /// How long the reader of a stream may take nothing while that many wait.
    pub stream_patience: Duration,
    /// The most exports at once. Each keeps a connection to the database.
    pub max_exports: usize,
    /// The most of one tenant.
    pub max_exports_per_tenant: usize,
    /// How many passwords are hashed at once, and how many may wait.
    pub hashing: HashingOptions,
    /// How often a password may be guessed.
    pub attempts: AttemptLimits,
    /// Where mail goes.
    pub mail: MailRoute,
    /// The most entries that one proof of the books verifies, and about how many nodes it checks.
    pub proof_measure: u64,
}

impl Default for AppOptions {
    fn default() -> Self {
        Self {
            location: "http://localhost:8402".to_owned(),
            queue_capacity: 20_000,
            batch_size: 10_000,
            max_offline_children: 10_000,
            max_streams: 100,
            event_page: 1_000,
            stream_buffer: 64,
            stream_patience: Duration::from_secs(10),
            max_exports: 6,
            max_exports_per_tenant: 2,
            hashing: HashingOptions::default(),
            attempts: AttemptLimits::default(),
            mail: MailRoute::Nowhere,
            proof_measure: 20_000,
        }
    }
}

/// The running service: shared by all requests, cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) database: Database,
    pub(crate) options: AppOptions,
    pub(crate) engine: Engine,
    pub(crate) hub: Hub,
    pub(crate) metrics: Metrics,
    /// Password hashing is made to be slow and memory-hungry; this bounds how much of it runs at once.
    pub(crate) hashing: Hashing,
    pub(crate) exports: Arc<Exports>,
    pub(crate) master_key: MasterKey,
    pub(crate) outbox: Filled,
    /// Keys and where tokens lead never change, so entries are never invalidated, only evicted.
    root_keys: Cache<(TenantId, RootKeyId), Arc<TenantKey>>,
    service_keys: Cache<(TenantId, ServiceId), Arc<VerificationKey>>,
    issued: Cache<(TenantId, Digest), Issued>,
    /// Tokens that were read and verified, by the digest of their text; of those that the ledger knows, nothing that was
    /// found out then can change.
    credentials: Cache<[u8; 32], Arc<Credential>>,
    /// Sessions that were good lately, by tenant and digest; whether they still are is looked up each time.
    sessions: Cache<(TenantId, [u8; 32]), ()>,
}

/// An unsealed root key with what belongs to it for good.
pub(crate) struct TenantKey {
    pub(crate) id: RootKeyId,
    pub(crate) key: RootKey,
    pub(crate) root: DelegationId,
}

/// Something that is not the caller's fault.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A root key cannot be unsealed.
    #[error(transparent)]
    Unseal(#[from] UnsealError),
    /// The token of a delegation that was made offline cannot be written again: its nonce is not ours.
    #[error("the delegation, or one above it, was made offline")]
    MadeOffline,
    /// The service that a delegation is for was deleted, so that no further token is written for it.
    #[error("the service that the delegation is for was deleted")]
    AudienceDeleted,
    /// Too much of the same kind is waiting. Nothing was begun.
    #[error("too much of the same kind is waiting")]
    Overloaded,
    /// A stored token chain or answer cannot be used.
    #[error("stored data is inconsistent: {0}")]
    Inconsistent(String),
}

impl App {
    /// Sets the service up on an open database.
    pub fn new(database: Database, master_key: MasterKey, options: AppOptions) -> Self {
        let exports = Arc::new(Exports::new(options.max_exports, options.max_exports_per_tenant));
        Self(Arc::new(Shared {
            database,
            engine: Engine::new(options.queue_capacity, options.batch_size),
            hub: Hub::new(),
            metrics: Metrics::new(),
            hashing: Hashing::new(options.hashing),
            options,
            exports,
            master_key,
            outbox: Filled::default(),
            root_keys: Cache::new(10_000),
            service_keys: Cache::new(10_000),
            issued: Cache::new(100_000),
            credentials: Cache::new(20_000),
            sessions: Cache::new(20_000),
        }))
    }

    /// The database that the service works on.
    pub fn database(&self) -> &Database {
        &self.0.database
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }

    /// A root key by its id; `None` where the tenant has no such key.
    pub(crate) async fn root_key(
        &self,
        tenant: TenantId,
        id: RootKeyId,
    ) -> Result<Option<Arc<TenantKey>>, ServiceError> {
        if let Some(key) = self.0.root_keys.get(&(tenant, id)) {
            return Ok(Some(key));
        }
        // Nothing is known yet of who asks, who may name any tenant and key.
        let mut tx = self.0.database.begin_read_for_stranger(tenant).await?;
        self.root_key_in(&mut tx, id).await
    }

    /// The same within a transaction. Whoever holds a lock must read this way: to wait for a second connection while
    /// others wait for the lock with theirs would starve the pool.
    pub(crate) async fn root_key_in(
        &self,
        tx: &mut TenantTx,
        id: RootKeyId,
    ) -> Result<Option<Arc<TenantKey>>, ServiceError> {
        let tenant = tx.tenant();
        if let Some(key) = self.0.root_keys.get(&(tenant, id)) {
            return Ok(Some(key));
        }
        let (Some(owner), Some(sealed)) = (tenants::current(tx).await?, root_keys::by_id(tx, id).await?)
        else {
            return Ok(None);
        };
        let key = self.0.master_key.unseal(tenant, id, &sealed.sealed)?;
        let key = Arc::new(TenantKey { id, key, root: owner.root });
        self.0.root_keys.insert((tenant, id), Arc::clone(&key));
        Ok(Some(key))
    }

    /// Makes and stores a new root key in the given transaction.
    pub(crate) async fn create_root_key(
        &self,
        tx: &mut TenantTx,
        created_at: jiff::Timestamp,
    ) -> Result<(RootKeyId, RootKey), ServiceError> {
        let id = fresh_id();
        let bytes = zeroize::Zeroizing::new(rand::random::<[u8; 32]>());
        let sealed = self.0.master_key.seal(tx.tenant(), id, &bytes);
        root_keys::insert(tx, id, &sealed, created_at).await?;
        Ok((id, RootKey::from_bytes(*bytes)))
    }

    /// The keys of services that were seen before, deleted ones too.
    pub(crate) fn service_keys(&self) -> &Cache<(TenantId, ServiceId), Arc<VerificationKey>> {
        &self.0.service_keys
    }

    /// The credentials of tokens that were seen before.
    pub(crate) fn credentials(&self) -> &Cache<[u8; 32], Arc<Credential>> {
        &self.0.credentials
    }

    /// Sessions that were good lately.
    pub(crate) fn known_sessions(&self) -> &Cache<(TenantId, [u8; 32]), ()> {
        &self.0.sessions
    }

    /// What the last of the digests leads to that is registered, and which one that is. One look-up, however many there are.
    pub(crate) async fn deepest_issued(
        &self,
        tenant: TenantId,
        digests: &[Digest],
    ) -> Result<Option<(Issued, usize)>, ServiceError> {
        let cached = |index: usize| Some((self.0.issued.get(&(tenant, digests[index]))?, index));
        let known = (0..digests.len()).rev().find_map(cached);
        let unknown = &digests[known.as_ref().map_or(0, |(_, index)| index + 1)..];
        if unknown.is_empty() {
            return Ok(known);
        }
        let mut tx = self.0.database.begin_read(tenant).await?;
        let found = tokens::issued(&mut tx, unknown).await?;
        let deepest = digests.iter().enumerate().rev().find_map(|(index, digest)| {
            let issued = found.get(digest)?.clone();
            self.0.issued.insert((tenant, *digest), issued.clone());
            Some((issued, index))
        });
        Ok(deepest.or(known))
    }
}

/// A new id, ordered by time.
pub(crate) fn fresh_id<K: IdKind>() -> Id<K> {
    Id::from_uuid(Uuid::now_v7())
}
