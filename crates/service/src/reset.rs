//! A new password for somebody who has forgotten the old one: a secret that is sent to the account's address, for one use.

use std::{net::IpAddr, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use subgrant_domain::{NodePath, RequestId, UserId};
use subgrant_store::{
    TenantTx, audit, ledger,
    outbox::{self, Item},
    people,
    resets::{self, Reset},
    sessions, tenants,
};
use zeroize::Zeroizing;

use crate::{App, Mail, MailRoute, ServiceError, locked::LockedTenant, outbox::mail, secret::TenantSecret};

/// How long a secret can be used.
const LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// What marks a secret's text.
const PREFIX: &str = "rst_";

/// What somebody is sent to set a new password with.
#[derive(Clone)]
pub struct ResetSecret(TenantSecret);

impl ResetSecret {
    /// Reads a text; `None` where it is not one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        text.strip_prefix(PREFIX).and_then(TenantSecret::parse).map(Self)
    }
}

/// A new password, set with a secret.
pub struct ResetAcceptance {
    /// What the person was sent.
    pub secret: ResetSecret,
    /// The password that the person chooses.
    pub password: Zeroizing<String>,
    /// From where the request came.
    pub source_ip: Option<IpAddr>,
    /// In which request.
    pub request_id: Option<RequestId>,
}

/// Why no password was set, or no mail will be sent.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// Nobody was sent such a secret, or it was used or replaced.
    #[error("there is no such secret")]
    Unknown,
    /// The secret is too old.
    #[error("the secret has expired")]
    Expired,
    /// Too many mails were asked for; how long to wait.
    #[error("too many attempts")]
    TooManyAttempts(Duration),
    /// Not the caller's fault.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl From<subgrant_store::StoreError> for ResetError {
    fn from(error: subgrant_store::StoreError) -> Self {
        Self::Service(error.into())
    }
}

impl App {
    /// Sees to it that whoever has the account of this address is sent a secret. Does the same whether there is one or
    /// not, so that neither answer nor time tells: the account is looked for by whoever sends.
    pub async fn request_reset(&self, email: &str, source_ip: Option<IpAddr>) -> Result<(), ResetError> {
        self.reset_attempt(email, source_ip).await?.map_err(ResetError::TooManyAttempts)?;
        if self.shared().options.mail == MailRoute::Nowhere {
            tracing::warn!("somebody asks for a new password, and no mail server is configured");
            return Ok(());
        }
        outbox::insert_reset(&self.shared().database, email).await?;
        self.wake_senders();
        Ok(())
    }

    /// The mail that was asked for, if the address is somebody's. Makes the secret it carries, which is derived from the
    /// row's id, so that another attempt sends the same one.
    pub(crate) async fn compose_reset(&self, item: &Item) -> Result<Option<Mail>, ServiceError> {
        let database = &self.shared().database;
        let Some(recipient) = &item.recipient else { return Ok(None) };
        let Some((tenant, user)) = tenants::account_by_email(database, recipient).await? else {
            return Ok(None);
        };
        let Some(owner) = tenants::current(&mut database.begin_read(tenant).await?).await? else {
            return Ok(None);
        };
        let mut locked = LockedTenant::open(database, tenant, &[&NodePath::root(owner.root)]).await?;
        let now = locked.head.now;
        // Between the two look-ups the user may have been removed.
        let member = people::by_id(locked.tx.tx(), user).await?.filter(|member| member.email == *recipient);
        if member.is_none() || item.created_at + LIFETIME < Timestamp::now() {
            return Ok(None);
        }
        let secret = self.people_secret(&mut locked, "reset", item.subject.as_bytes()).await?;
        let secret = TenantSecret::new(tenant, secret);
        let reset =
            Reset { id: item.subject, user, created_at: now, expires_at: now + LIFETIME, used_at: None };
        if !resets::insert(&mut locked.tx, &reset, &secret.digest()).await? {
            return Ok(None);
        }
        locked.commit(self).await?;
        Ok(Some(mail::reset(recipient, &self.link("reset", &secret.to_text(PREFIX)))))
    }

    /// Sets a new password. All of the person's sessions end. Whoever does not get the answer may ask again with the same
    /// password.
    pub async fn accept_reset(&self, acceptance: ResetAcceptance) -> Result<(), ResetError> {
        let database = &self.shared().database;
        let (tenant, digest) = (acceptance.secret.0.tenant, acceptance.secret.0.digest());
        let mut read = database.begin_read_for_stranger(tenant).await?;
        let reset = usable(&mut read, &digest).await?;
        let owner = tenants::current(&mut read).await?.ok_or(ResetError::Unknown)?;
        let user = tenants::user_by_id(&mut read, reset.user).await?.ok_or(ResetError::Unknown)?;
        drop(read);
        if reset.used_at.is_some() {
            let is_same = self.is_new_password(acceptance.password, user.password_hash).await?;
            return if is_same { Ok(()) } else { Err(ResetError::Unknown) };
        }
        let hash = self.hash_password(acceptance.password.clone()).await?;
        let mut locked = LockedTenant::open(database, tenant, &[&NodePath::root(owner.root)]).await?;
        // It may have been used or replaced, or the person removed, meanwhile.
        let reset = usable(locked.tx.tx(), &digest).await?;
        let member = people::by_id(locked.tx.tx(), reset.user).await?;
        let member = member.filter(|_| reset.used_at.is_none()).ok_or(ResetError::Unknown)?;
        let now = locked.head.now;
        resets::mark_used(&mut locked.tx, reset.id, now).await?;
        people::set_password(&mut locked.tx, member.id, &hash).await?;
        sessions::end_all(&mut locked.tx, member.id, None).await?;
        audit::append(&mut locked.tx, &entry(&acceptance, member.id)).await?;
        locked.commit(self).await?;
        self.forget_attempts(&member.email).await?;
        Ok(())
    }
}

/// The permission with this digest, used or not; refused where it is too old.
async fn usable(tx: &mut TenantTx, digest: &[u8; 32]) -> Result<Reset, ResetError> {
    let reset = resets::by_digest(tx, digest).await?.ok_or(ResetError::Unknown)?;
    let now = ledger::head(tx).await?.now;
    if reset.expires_at <= now { Err(ResetError::Expired) } else { Ok(reset) }
}

fn entry(acceptance: &ResetAcceptance, user: UserId) -> audit::Entry {
    audit::Entry {
        id: uuid::Uuid::now_v7(),
        actor: user.to_string(),
        action: "user.reset_password",
        target: user.to_string(),
        details: json!({}).to_string(),
        source_ip: acceptance.source_ip,
        request_id: acceptance.request_id,
    }
}
