//! Dashboard sessions: a random secret in a cookie, its digest in the database.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use subgrant_domain::{Role, TenantId, UserId};
use subgrant_store::{
    TenantTx,
    accounts::{self, Account},
    audit, resets,
    sessions::{self, Session},
    tenants::{self, Tenant, User},
};
use zeroize::Zeroizing;

use crate::{
    AccessError, App, PeopleError, Principal, ServiceError, app::fresh_id, attempts::Whence, people::acting,
};

/// How long a session lasts.
pub(crate) const LIFETIME: SignedDuration = SignedDuration::from_hours(12);

/// The most tenants of an account that are listed.
const MOST_MEMBERSHIPS: i64 = 50;

/// What the cookie carries: the tenant, so that its shard can be found, and 32 random bytes.
#[derive(Clone)]
pub struct SessionSecret {
    pub(crate) tenant: TenantId,
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
    /// What it was given when it signed in before.
    pub device: Option<String>,
}

/// Opens a session for a user of the transaction's tenant, whose account this is.
pub(crate) async fn open(
    tx: &mut TenantTx,
    user: UserId,
    account: &Account,
    browser: &Browser,
    now: Timestamp,
) -> Result<SessionSecret, ServiceError> {
    open_until(tx, user, account, browser, (now, now + LIFETIME)).await
}

pub(crate) async fn open_until(
    tx: &mut TenantTx,
    user: UserId,
    account: &Account,
    browser: &Browser,
    (created_at, expires_at): (Timestamp, Timestamp),
) -> Result<SessionSecret, ServiceError> {
    let secret = SessionSecret::fresh(tx.tenant());
    let Browser { source_ip, user_agent, .. } = browser.clone();
    let session = Session {
        id: fresh_id(),
        user,
        account: account.id,
        password_version: account.password_version,
        created_at,
        expires_at,
        source_ip,
        user_agent,
    };
    sessions::insert(tx, &session, &secret.digest()).await?;
    Ok(secret)
}

/// Who is signed in.
pub struct SignedIn {
    /// The tenant.
    pub tenant: Tenant,
    /// The user.
    pub user: User,
    /// Whether whoever has the account has proved the address.
    pub is_confirmed: bool,
    /// The tenants that the account belongs to, this one included, the oldest membership first.
    pub memberships: Vec<Membership>,
}

/// A tenant that an account belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The tenant.
    pub tenant: TenantId,
    /// The organisation's name.
    pub organization: String,
    /// What the person may do there.
    pub role: Role,
}

/// A session that was just opened, or goes on under another secret.
pub struct Opened {
    /// Who is signed in.
    pub signed_in: SignedIn,
    /// What the browser shows from now on.
    pub session: SessionSecret,
    /// By which the browser is known the next time; `None`: it is known already.
    pub device: Option<Zeroizing<String>>,
}

impl App {
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
        let account = accounts::of_user(&mut read.tx, id).await?.ok_or_else(inconsistent)?;
        drop(read);
        // Counted for the session alone: no stranger keeps a person from a new password.
        let attempt = self.attempt(&account.email, Whence::Session(own)).await?;
        let attempt = attempt.map_err(PeopleError::TooManyAttempts)?;
        if !self.is_password(current, account.password_hash.clone()).await? {
            return Err(PeopleError::WrongPassword);
        }
        attempt.succeeded(self).await?;
        let hash = self.hash_password(&account.email, new).await?;
        let (mut locked, _) = self.lock_people(principal, "POST /password", None).await?;
        let locked_account = accounts::lock(locked.tx.tx(), account.id).await?;
        let Some(before) = locked_account.filter(|now| now.password_version == account.password_version)
        else {
            return Err(AccessError::NoSession.into());
        };
        let password_version = before.password_version + 1;
        let account = Account { password_hash: hash, password_version, ..before };
        accounts::update(locked.tx.tx(), &account).await?;
        sessions::end_all(&mut locked.tx, id, Some(&own)).await?;
        resets::withdraw(&mut locked.tx, id).await?;
        let session = SessionSecret::fresh(principal.tenant);
        sessions::renew(&mut locked.tx, &own, &session.digest()).await?;
        let entry = principal.audit_entry("user.password", id.to_string(), &serde_json::json!({}));
        audit::append(&mut locked.tx, &entry).await?;
        locked.commit(self).await?;
        let signed_in = self.signed_in(&session).await?.ok_or(AccessError::NoSession)?;
        Ok((signed_in, session))
    }

    /// Who is signed in with a session, and where else.
    pub async fn signed_in(&self, session: &SessionSecret) -> Result<Option<SignedIn>, ServiceError> {
        let database = &self.shared().database;
        let mut read = database.begin_read(session.tenant).await?;
        let Some((account, user)) = account_of(&mut read, session).await? else { return Ok(None) };
        let Some(tenant) = tenants::current(&mut read).await? else { return Ok(None) };
        drop(read);
        let mut memberships = Vec::new();
        for (id, member) in accounts::memberships(database, account.id, MOST_MEMBERSHIPS).await? {
            if id == tenant.id {
                let organization = tenant.name.clone();
                memberships.push(Membership { tenant: id, organization, role: user.role });
                continue;
            }
            let mut read = database.begin_read(id).await?;
            let (member, there) =
                (tenants::user_by_id(&mut read, member).await?, tenants::current(&mut read).await?);
            if let (Some(member), Some(there)) = (member, there) {
                memberships.push(Membership { tenant: id, organization: there.name, role: member.role });
            }
        }
        let is_confirmed = account.verified_at.is_some();
        Ok(Some(SignedIn { tenant, user, is_confirmed, memberships }))
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

/// The account and the user of a session that has not ended.
pub(crate) async fn account_of(
    tx: &mut TenantTx,
    session: &SessionSecret,
) -> Result<Option<(Account, User)>, ServiceError> {
    let Some(user) = sessions::user_by_digest(tx, &session.digest()).await? else { return Ok(None) };
    Ok(accounts::of_user(tx, user.id).await?.map(|account| (account, user)))
}
