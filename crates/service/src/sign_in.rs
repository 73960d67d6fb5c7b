//! Signing in, and going on in another tenant.

use std::time::Duration;

use jiff::Timestamp;
use subgrant_domain::{TenantId, UserId, parse_email};
use subgrant_store::{
    StoreError,
    accounts::{self, Account},
    delegations, sessions,
};
use zeroize::Zeroizing;

use crate::{
    App, Browser, Opened, ServiceError, SessionSecret,
    attempts::Whence,
    session::{LIFETIME, account_of, open_until},
};

/// The most accounts of an address that one password is looked for among.
const MOST_ACCOUNTS: i64 = 20;

/// Why a session does not go on in another tenant.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// The account does not belong to it, or there is none.
    #[error("the account does not belong to the tenant")]
    NotAMember,
    /// Not the caller's fault.
    #[error(transparent)]
    Service(#[from] ServiceError),
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

impl From<StoreError> for SignInError {
    fn from(error: StoreError) -> Self {
        Self::Service(error.into())
    }
}

impl App {
    /// Opens a session, if address and password belong together: in `tenant` if it is named, or else in the one that the account has
    /// belonged to for longest. Of several accounts that the password opens, the one that has proved the address comes first.
    pub async fn sign_in(
        &self,
        email: &str,
        password: Zeroizing<String>,
        tenant: Option<TenantId>,
        browser: &Browser,
    ) -> Result<Opened, SignInError> {
        let refused = SignInError::TooManyAttempts;
        let lower = email.trim().to_lowercase();
        let spellings: Vec<String> = parse_email(email).into_iter().chain([lower]).collect();
        let device = browser.device.as_deref().and_then(|cookie| self.known_device(cookie));
        let mut attempts = Vec::with_capacity(2);
        let mut is_known = false;
        if let Some(device) = &device
            && let Ok(attempt) = self.attempt(&spellings[0], Whence::Device(device)).await?
        {
            attempts.push(attempt);
            is_known = true;
        }
        let from_network = Whence::Network(browser.source_ip);
        if !is_known {
            attempts.push(self.attempt(&spellings[0], from_network).await?.map_err(refused)?);
        }
        let hashed = self.hash_attempt(&spellings, password).await?;
        let mut found = match &hashed {
            Some((email, hash)) => {
                accounts::with_password(&self.shared().database, email, hash, MOST_ACCOUNTS).await?
            }
            None => Vec::new(),
        };
        if let Some(device) = device.filter(|_| is_known) {
            let (own, others): (Vec<_>, Vec<_>) =
                found.into_iter().partition(|account| account.id == device.account);
            found = own;
            if found.is_empty() {
                // For any other account of the address the browser is a stranger's.
                let attempt = self.attempt(&spellings[0], Whence::Network(browser.source_ip)).await?;
                attempts.push(attempt.map_err(refused)?);
                found = others;
            }
        }
        let (opened, account) = self.open_first(&found, tenant, browser).await?.ok_or(SignInError::Wrong)?;
        let others = accounts::of_address(&self.shared().database, &account.email, 2).await?;
        let is_alone = matches!(others.as_slice(), [only] if only.id == account.id);
        for attempt in attempts {
            if is_alone {
                attempt.succeeded_alone(self).await?;
            } else {
                attempt.succeeded(self).await?;
            }
        }
        Ok(opened)
    }

    /// Opens a session with the first of the accounts that belongs to the tenant, or to any.
    async fn open_first(
        &self,
        found: &[Account],
        tenant: Option<TenantId>,
        browser: &Browser,
    ) -> Result<Option<(Opened, Account)>, ServiceError> {
        let database = &self.shared().database;
        for account in found {
            let membership = match tenant {
                None => accounts::memberships(database, account.id, 1).await?.pop(),
                Some(tenant) => {
                    accounts::membership(database, account.id, tenant).await?.map(|user| (tenant, user))
                }
            };
            let Some((tenant, user)) = membership else { continue };
            if let Some(session) = self.open_session_with(tenant, user, account, browser, None).await? {
                return Ok(Some((self.opened(session, account, browser).await?, account.clone())));
            }
        }
        Ok(None)
    }

    /// A session that was opened, with what there is to say of it.
    pub(crate) async fn opened(
        &self,
        session: SessionSecret,
        account: &Account,
        browser: &Browser,
    ) -> Result<Opened, ServiceError> {
        let missing = || ServiceError::Inconsistent("a session that was just opened is missing".to_owned());
        let signed_in = self.signed_in(&session).await?.ok_or_else(missing)?;
        let known = browser.device.as_deref().and_then(|cookie| self.known_device(cookie));
        let is_known = known.is_some_and(|device| device.account == account.id);
        let device = (!is_known).then(|| self.device_cookie(account.id));
        Ok(Opened { signed_in, session, device })
    }

    /// Opens a session for a user whose password was looked at a while ago: `None` where it was changed, or the user removed, since
    /// then. Under the lock, so that no session survives the change that was to end it.
    pub(crate) async fn open_session_with(
        &self,
        tenant: TenantId,
        user: UserId,
        account: &Account,
        browser: &Browser,
        until: Option<Timestamp>,
    ) -> Result<Option<SessionSecret>, ServiceError> {
        let tx = self.shared().database.begin(tenant).await?;
        let (mut tx, standing) = delegations::lock(tx).await?;
        let current = accounts::of_user(tx.tx(), user).await?;
        let is_same = current.is_some_and(|current| {
            (current.id, current.password_version) == (account.id, account.password_version)
        });
        if !is_same {
            return Ok(None);
        }
        let until = until.unwrap_or(standing.now + LIFETIME);
        let session = open_until(tx.tx(), user, account, browser, (standing.now, until)).await?;
        tx.commit().await?;
        Ok(Some(session))
    }

    /// Goes on in another tenant that the account belongs to: the session here ends, and one there is opened that lasts as long.
    /// `None`: the session has ended.
    pub async fn switch_tenant(
        &self,
        session: &SessionSecret,
        tenant: TenantId,
        browser: &Browser,
    ) -> Result<Option<Opened>, SwitchError> {
        let database = &self.shared().database;
        let mut read = database.begin_read(session.tenant).await.map_err(ServiceError::from)?;
        let Some((account, _)) = account_of(&mut read, session).await? else { return Ok(None) };
        let until = sessions::expires_at(&mut read, &session.digest()).await.map_err(ServiceError::from)?;
        drop(read);
        let user = accounts::membership(database, account.id, tenant).await.map_err(ServiceError::from)?;
        let user = user.ok_or(SwitchError::NotAMember)?;
        let opened = self.open_session_with(tenant, user, &account, browser, until).await?;
        let Some(opened) = opened else { return Err(SwitchError::NotAMember) };
        self.sign_out(session).await?;
        Ok(Some(self.opened(opened, &account, browser).await?))
    }
}
