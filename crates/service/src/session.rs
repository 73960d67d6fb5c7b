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

    fn digest(&self) -> [u8; 32] {
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

impl App {
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
