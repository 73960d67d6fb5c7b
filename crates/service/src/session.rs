//! Dashboard sessions: a random secret in a cookie, its digest in the database.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use subgrant_domain::{TenantId, UserId};
use subgrant_store::{
    TenantTx,
    tenants::{self, Tenant, User},
};
use zeroize::Zeroizing;

use crate::{App, ServiceError};

/// How long a session lasts.
const LIFETIME: SignedDuration = SignedDuration::from_hours(12);

/// What the cookie carries: the tenant, so that its shard can be found, and 32 random bytes.
#[derive(Clone)]
pub struct SessionSecret {
    tenant: TenantId,
    secret: Zeroizing<[u8; 32]>,
}

impl SessionSecret {
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

/// Opens a session for a user of the transaction's tenant.
pub(crate) async fn open(
    tx: &mut TenantTx,
    user: UserId,
    now: Timestamp,
) -> Result<SessionSecret, ServiceError> {
    let session = SessionSecret { tenant: tx.tenant(), secret: Zeroizing::new(rand::random()) };
    tenants::insert_session(tx, user, &session.digest(), now + LIFETIME).await?;
    Ok(session)
}

/// Who is signed in.
pub struct SignedIn {
    /// The tenant.
    pub tenant: Tenant,
    /// The user.
    pub user: User,
}

impl App {
    /// Opens a session, if address and password belong together.
    pub async fn sign_in(
        &self,
        email: &str,
        password: Zeroizing<String>,
    ) -> Result<Option<(SignedIn, SessionSecret)>, ServiceError> {
        let account = tenants::account_by_email(&self.shared().database, email).await?;
        let Some((id, user)) = account else {
            // Who tries addresses learns nothing from the time that the answer takes.
            self.hash_password(password).await?;
            return Ok(None);
        };
        let inconsistent =
            || ServiceError::Inconsistent(format!("the directory names an unknown account in {id}"));
        let mut tx = self.shared().database.begin_read(id).await?;
        let user = tenants::user_by_id(&mut tx, user).await?.ok_or_else(inconsistent)?;
        drop(tx);
        if !self.is_password(password, user.password_hash.clone()).await? {
            return Ok(None);
        }
        let mut tx = self.shared().database.begin(id).await?;
        let tenant = tenants::current(&mut tx).await?.ok_or_else(inconsistent)?;
        let now = subgrant_store::ledger::head(&mut tx).await?.now;
        let session = open(&mut tx, user.id, now).await?;
        tx.commit().await?;
        Ok(Some((SignedIn { tenant, user }, session)))
    }

    /// Who is signed in with a session.
    pub async fn signed_in(&self, session: &SessionSecret) -> Result<Option<SignedIn>, ServiceError> {
        Ok(self.session_user(session).await?.map(|(tenant, user)| SignedIn { tenant, user }))
    }

    /// Ends a session; says whether there was one.
    pub async fn sign_out(&self, session: &SessionSecret) -> Result<bool, ServiceError> {
        let mut tx = self.shared().database.begin(session.tenant).await?;
        let ended = tenants::delete_session(&mut tx, &session.digest()).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// The user of a session that has not ended.
    pub(crate) async fn session_user(
        &self,
        session: &SessionSecret,
    ) -> Result<Option<(Tenant, User)>, ServiceError> {
        let mut tx = self.shared().database.begin_read(session.tenant).await?;
        let Some(user) = tenants::user_by_session(&mut tx, &session.digest()).await? else { return Ok(None) };
        Ok(tenants::current(&mut tx).await?.map(|tenant| (tenant, user)))
    }
}
