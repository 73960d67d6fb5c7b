//! Passwords: argon2id, off the async threads, a bounded number at once.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use zeroize::Zeroizing;

use crate::{App, ServiceError};

impl App {
    /// Hashes a password into PHC format.
    pub(crate) async fn hash_password(&self, password: Zeroizing<String>) -> Result<String, ServiceError> {
        self.hashing(move || {
            let hash = Argon2::default().hash_password(password.as_bytes());
            hash.map(|hash| hash.to_string()).map_err(|error| ServiceError::Inconsistent(error.to_string()))
        })
        .await?
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

    async fn hashing<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ServiceError> {
        let _permit = self.shared().password_hashing.acquire().await.expect("the semaphore is never closed");
        let joined = tokio::task::spawn_blocking(work).await;
        joined.map_err(|error| ServiceError::Inconsistent(error.to_string()))
    }
}
