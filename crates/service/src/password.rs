//! Passwords: argon2id, off the async threads, a bounded number at once.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use subgrant_store::accounts;
use zeroize::Zeroizing;

use crate::{App, ServiceError};

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
        self.hash_with_salt(password, &salt).await
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
            self.hash_with_salt(password, &STANDARD_NO_PAD.encode([0; 16])).await?;
            return Ok(None);
        };
        Ok(Some((email, self.hash_with_salt(password, &salt).await?)))
    }

    /// Whether a password is the one that was hashed.
    pub(crate) async fn is_password(
        &self,
        password: Zeroizing<String>,
        hash: String,
    ) -> Result<bool, ServiceError> {
        self.hashing(move || {
            let hash =
                PasswordHash::new(&hash).map_err(|error| ServiceError::Inconsistent(error.to_string()))?;
            Ok(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
        })
        .await?
    }

    async fn hash_with_salt(&self, password: Zeroizing<String>, salt: &str) -> Result<String, ServiceError> {
        let salt = STANDARD_NO_PAD.decode(salt);
        let salt = salt.map_err(|error| ServiceError::Inconsistent(format!("a salt: {error}")))?;
        self.hashing(move || {
            let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
            hash.map(|hash| hash.to_string()).map_err(|error| ServiceError::Inconsistent(error.to_string()))
        })
        .await?
    }

    async fn hashing<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ServiceError> {
        let _permit = self.shared().password_hashing.acquire().await.expect("the semaphore is never closed");
        let joined = tokio::task::spawn_blocking(work).await;
        joined.map_err(|error| ServiceError::Inconsistent(error.to_string()))
    }
}
