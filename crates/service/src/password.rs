//! Passwords: argon2id, off the async threads, a bounded number at once.
//!
//! Whoever signs in stands in another queue than whoever sets a password, so that a flood of strangers who sign up keeps
//! nobody from signing in. Both queues are bounded, and are left by those whose callers have gone.

use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use subgrant_store::{StoreError, accounts, presence};
use tokio::sync::{Semaphore, SemaphorePermit};
use zeroize::Zeroizing;

use crate::{App, ServiceError};

/// How many passwords are hashed at once, and how many may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashingOptions {
    /// Of those who sign in.
    pub known_at_once: usize,
    /// Of those who sign up, accept an invitation or set a new password.
    pub new_at_once: usize,
    /// In either queue; beyond it the answer is to come again later.
    pub most_waiting: usize,
}

impl Default for HashingOptions {
    /// New passwords take half of the machine's processors at most.
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self { known_at_once: processors, new_at_once: (processors / 2).max(1), most_waiting: 200 }
    }
}

/// The queues.
#[derive(Debug)]
pub(crate) struct Hashing {
    known: Queue,
    new: Queue,
}

/// How many passwords wait in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HashingUse {
    pub(crate) known: usize,
    pub(crate) new: usize,
}

#[derive(Debug)]
struct Queue {
    room: Semaphore,
    waiting: AtomicUsize,
    most_waiting: usize,
}

/// A password in a queue.
struct Waiting<'a>(&'a Queue);

impl Hashing {
    pub(crate) fn new(options: HashingOptions) -> Self {
        let queue = |room: usize| Queue {
            room: Semaphore::new(room.max(1)),
            waiting: AtomicUsize::new(0),
            most_waiting: options.most_waiting,
        };
        Self { known: queue(options.known_at_once), new: queue(options.new_at_once) }
    }

    pub(crate) fn hashing_use(&self) -> HashingUse {
        let waiting = |queue: &Queue| queue.waiting.load(Ordering::Relaxed);
        HashingUse { known: waiting(&self.known), new: waiting(&self.new) }
    }
}

impl Queue {
    async fn enter(&self) -> Result<SemaphorePermit<'_>, ServiceError> {
        if let Ok(permit) = self.room.try_acquire() {
            return Ok(permit);
        }
        let _waiting = Waiting(self);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.most_waiting {
            return Err(ServiceError::Overloaded);
        }
        tokio::select! {
            biased;
            () = presence::gone() => Err(StoreError::CallerGone.into()),
            permit = self.room.acquire() => Ok(permit.expect("the semaphore is never closed")),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl App {
    /// Hashes a password that somebody chooses for an account of an address, into PHC format. All passwords of an address have one
    /// salt, so that whoever signs in costs one hash, however many accounts the address has.
    pub(crate) async fn hash_password(
        &self,
        email: &str,
        password: Zeroizing<String>,
    ) -> Result<String, ServiceError> {
        let fresh = STANDARD_NO_PAD.encode(rand::random::<[u8; 16]>());
        let salt = accounts::ensure_salt(&self.shared().database, email, &fresh).await?;
        self.hash_with_salt(&self.shared().hashing.new, password, &salt).await
    }

    /// Hashes a password that somebody signs in with: the spelling of the address that has accounts, and the hash. An address that
    /// has none costs as much, so that whoever tries addresses learns nothing from the time that the answer takes.
    pub(crate) async fn hash_attempt(
        &self,
        spellings: &[String],
        password: Zeroizing<String>,
    ) -> Result<Option<(String, String)>, ServiceError> {
        let found = accounts::salt(&self.shared().database, spellings).await?;
        let Some((email, salt)) = found else {
            self.hash_with_salt(&self.shared().hashing.known, password, &STANDARD_NO_PAD.encode([0; 16]))
                .await?;
            return Ok(None);
        };
        Ok(Some((email, self.hash_with_salt(&self.shared().hashing.known, password, &salt).await?)))
    }

    /// Whether a password is the one that was hashed, of somebody who signs in.
    pub(crate) async fn is_password(
        &self,
        password: Zeroizing<String>,
        hash: String,
    ) -> Result<bool, ServiceError> {
        hashing(&self.shared().hashing.known, move || is_hashed(&password, &hash)).await?
    }

    /// The same of somebody who has just set it, and repeats the request.
    pub(crate) async fn is_new_password(
        &self,
        password: Zeroizing<String>,
        hash: String,
    ) -> Result<bool, ServiceError> {
        hashing(&self.shared().hashing.new, move || is_hashed(&password, &hash)).await?
    }

    async fn hash_with_salt(
        &self,
        queue: &Queue,
        password: Zeroizing<String>,
        salt: &str,
    ) -> Result<String, ServiceError> {
        let salt = STANDARD_NO_PAD.decode(salt);
        let salt = salt.map_err(|error| ServiceError::Inconsistent(format!("a salt: {error}")))?;
        hashing(queue, move || hash(&password, &salt)).await?
    }
}

fn hash(password: &str, salt: &[u8]) -> Result<String, ServiceError> {
    let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), salt);
    hash.map(|hash| hash.to_string()).map_err(|error| ServiceError::Inconsistent(error.to_string()))
}

fn is_hashed(password: &str, hash: &str) -> Result<bool, ServiceError> {
    let hash = PasswordHash::new(hash).map_err(|error| ServiceError::Inconsistent(error.to_string()))?;
    Ok(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

async fn hashing<T: Send + 'static>(
    queue: &Queue,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ServiceError> {
    let _permit = queue.enter().await?;
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| ServiceError::Inconsistent(error.to_string()))
}
