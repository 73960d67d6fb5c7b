//! Dashboard sessions: a random secret in a cookie, its digest in the database.

use std::{net::IpAddr, time::Duration};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use subgrant_domain::{TenantId, UserId};
use subgrant_store::{
    TenantTx, audit, delegations, people, resets,
    sessions::{self, Session},
    tenants::{self, Tenant, User},
};
use zeroize::Zeroizing;

use crate::{App, PeopleError, Principal, ServiceError, app::fresh_id, people::acting};

/// How long a session lasts.
const LIFETIME: SignedDuration = SignedDuration::from_hours(12);

/// What the cookie carries: the tenant, so that its shard can be found, and 32 random bytes.
#[derive(Clone)]
pub struct SessionSecret {
    tenant: TenantId,
    secret: Zeroizing<[u8; 32]>,
}

impl SessionSecret {
    pub(crate) fn fresh(tenant: TenantId) -> Self {
        Self { tenant, secret: Zeroizing::new(rand::random()) }
    }

    /// Reads a cookie's value; `None` where it is not one of ours.
    pub fn parse(cookie: &str) -> Option<Self> {
        let (tenant, hex) = cookie.split_once('.')?;
        let mut secret = Zeroizing::new([0; 32]);
        hex::decode_to_slice(hex, &mut *secret).ok()?;
        Some(Self { tenant: TenantId::from_suffix(tenant).ok()?, secret })
    }

    /// The cookie's value.
    pub fn to_cookie(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}.{}", self.tenant.suffix(), hex::encode(*self.secret)))
    }

    pub(crate) fn digest(&self) -> [u8; 32] {
        Sha256::digest(*self.secret).into()
    }
}

/// Where a session is opened, so that its user knows it again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Browser {
    /// From where the request came.
    pub source_ip: Option<IpAddr>,
    /// What the browser calls itself; at most 256 bytes.
    pub user_agent: Option<String>,
}

/// Opens a session for a user of the transaction's tenant.
pub(crate) async fn open(
    tx: &mut TenantTx,
    user: UserId,
    browser: &Browser,
    now: Timestamp,
) -> Result<SessionSecret, ServiceError> {
    let secret = SessionSecret::fresh(tx.tenant());
    let Browser { source_ip, user_agent } = browser.clone();
    let (id, expires_at) = (fresh_id(), now + LIFETIME);
    let session = Session { id, user, created_at: now, expires_at, source_ip, user_agent };
    sessions::insert(tx, &session, &secret.digest()).await?;
    Ok(secret)
}

/// Who is signed in.
pub struct SignedIn {
    /// The tenant.
    pub tenant: Tenant,
    /// The user.
    pub user: User,
}

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Address and password do not belong together.
    #[error("address and password do not belong together")]
    Wrong,
    /// Too many attempts have failed; how long to wait.
    #[error("too many attempts")]
    TooManyAttempts(Duration),
    /// Not the caller's fault.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl App {
    /// Opens a session, if address and password belong together.
    pub async fn sign_in(
        &self,
        email: &str,
        password: Zeroizing<String>,
        browser: &Browser,
    ) -> Result<(SignedIn, SessionSecret), SignInError> {
        let attempt = self.attempt(email, browser.source_ip).await?.map_err(SignInError::TooManyAttempts)?;
        let signed_in = self.check_password(email, password, browser).await?.ok_or(SignInError::Wrong)?;
        attempt.succeeded(self).await?;
        Ok(signed_in)
    }

    async fn check_password(
        &self,
        email: &str,
        password: Zeroizing<String>,
        browser: &Browser,
    ) -> Result<Option<(SignedIn, SessionSecret)>, ServiceError> {
        let account = tenants::account_by_email(&self.shared().database, email).await?;
        let Some((id, user)) = account else {
            // Who tries addresses learns nothing from the time that the answer takes.
            self.hash_in_vain(password).await?;
            return Ok(None);
        };
        let inconsistent =
            || ServiceError::Inconsistent(format!("the directory names an unknown account in {id}"));
        let mut tx = self.shared().database.begin_read_for_stranger(id).await?;
        // Between the two look-ups the user may have been removed.
        let user = tenants::user_by_id(&mut tx, user).await?;
        drop(tx);
        let Some(user) = user else {
            self.hash_in_vain(password).await?;
            return Ok(None);
        };
        if !self.is_password(password, user.password_hash.clone()).await? {
            return Ok(None);
        }
        let mut tx = self.shared().database.begin_read(id).await?;
        let tenant = tenants::current(&mut tx).await?.ok_or_else(inconsistent)?;
        drop(tx);
        let Some(session) = self.open_session_with(&tenant, &user, browser).await? else { return Ok(None) };
        Ok(Some((SignedIn { tenant, user }, session)))
    }

    /// Opens a session in a transaction of its own.
    pub(crate) async fn open_session(
        &self,
        tenant: TenantId,
        user: UserId,
        browser: &Browser,
    ) -> Result<SessionSecret, ServiceError> {
        let mut tx = self.shared().database.begin(tenant).await?;
        let now = subgrant_store::ledger::head(&mut tx).await?.now;
        let session = open(&mut tx, user, browser, now).await?;
        tx.commit().await?;
        Ok(session)
    }

    /// The same for a user whose password was looked at a while ago: `None` where it was changed, or the user removed,
    /// since then. Under the lock, so that no session survives the change that was to end it.
    async fn open_session_with(
        &self,
        tenant: &Tenant,
        user: &User,
        browser: &Browser,
    ) -> Result<Option<SessionSecret>, ServiceError> {
        let tx = self.shared().database.begin(tenant.id).await?;
        let (mut tx, standing) = delegations::lock(tx).await?;
        let current = tenants::user_by_id(tx.tx(), user.id).await?;
        if current.is_none_or(|current| current.password_hash != user.password_hash) {
            return Ok(None);
        }
        let session = open(tx.tx(), user.id, browser, standing.now).await?;
        tx.commit().await?;
        Ok(Some(session))
    }

    /// Replaces the password of the user who is signed in. Every other session of the user ends, and this one goes on
    /// under a new secret.
    pub async fn change_password(
        &self,
        principal: &Principal,
        current: Zeroizing<String>,
        new: Zeroizing<String>,
    ) -> Result<(SignedIn, SessionSecret), PeopleError> {
        let mut read = self.read(principal).await?;
        let (id, _, own) = acting(principal)?;
        let inconsistent = || ServiceError::Inconsistent("a session without user".to_owned());
        let user = tenants::user_by_id(&mut read.tx, id).await?.ok_or_else(inconsistent)?;
        drop(read);
        let attempt = self.attempt(&user.email, principal.source_ip).await?;
        let attempt = attempt.map_err(PeopleError::TooManyAttempts)?;
        if !self.is_password(current, user.password_hash.clone()).await? {
            return Err(PeopleError::WrongPassword);
        }
        attempt.succeeded(self).await?;
        let hash = self.hash_password(new).await?;
        let (mut locked, _) = self.lock_people(principal, "POST /password", None).await?;
        people::set_password(&mut locked.tx, id, &hash).await?;
        sessions::end_all(&mut locked.tx, id, Some(&own)).await?;
        resets::withdraw(&mut locked.tx, id).await?;
        let session = SessionSecret::fresh(principal.tenant);
        sessions::renew(&mut locked.tx, &own, &session.digest()).await?;
        let entry = principal.audit_entry("user.password", id.to_string(), &serde_json::json!({}));
        audit::append(&mut locked.tx, &entry).await?;
        let user = tenants::user_by_id(locked.tx.tx(), id).await?.ok_or_else(inconsistent)?;
        let tenant = tenants::current(locked.tx.tx()).await?.ok_or_else(inconsistent)?;
        locked.commit(self).await?;
        Ok((SignedIn { tenant, user }, session))
    }

    /// Who is signed in with a session.
    pub async fn signed_in(&self, session: &SessionSecret) -> Result<Option<SignedIn>, ServiceError> {
        Ok(self.session_user(session).await?.map(|(tenant, user)| SignedIn { tenant, user }))
    }

    /// Ends a session; says whether there was one.
    pub async fn sign_out(&self, session: &SessionSecret) -> Result<bool, ServiceError> {
        if self.session_user(session).await?.is_none() {
            return Ok(false);
        }
        let mut tx = self.shared().database.begin(session.tenant).await?;
        let ended = sessions::end(&mut tx, &session.digest()).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// The user of a session that has not ended.
    pub(crate) async fn session_user(
        &self,
        session: &SessionSecret,
    ) -> Result<Option<(Tenant, User)>, ServiceError> {
        let (database, key) = (&self.shared().database, (session.tenant, session.digest()));
        let mut tx = if self.is_known_session(session) {
            database.begin_read(session.tenant).await?
        } else {
            database.begin_read_for_stranger(session.tenant).await?
        };
        let Some(user) = sessions::user_by_digest(&mut tx, &key.1).await? else { return Ok(None) };
        self.known_sessions().insert(key, ());
        Ok(tenants::current(&mut tx).await?.map(|tenant| (tenant, user)))
    }

    /// Whether a session was good lately. Whether it still is, only the database knows.
    pub fn is_known_session(&self, session: &SessionSecret) -> bool {
        self.known_sessions().get(&(session.tenant, session.digest())).is_some()
    }
}
