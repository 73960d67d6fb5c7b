//! A new password for somebody who has forgotten the old one: a secret that is sent to the account's address, for one use.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use subgrant_domain::{NodePath, RequestId, TenantId, UserId};
use subgrant_store::{
    TenantTx,
    accounts::{self, Account},
    audit, ledger,
    outbox::{self, Item},
    people,
    resets::{self, Reset},
    sessions, tenants,
};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{App, Mail, MailRoute, ServiceError, locked::LockedTenant, outbox::mail, secret::TenantSecret};

/// How long a secret can be used.
const LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// The most links of one mail.
const MOST_LINKS: i64 = 10;

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
    /// not, so that neither answer nor time tells: the account is looked for by whoever sends. An address that was sent enough
    /// mails today is sent no more, and nobody is told.
    pub async fn request_reset(&self, email: &str, source_ip: Option<IpAddr>) -> Result<(), ResetError> {
        self.asked_from(source_ip).await?;
        let is_wanted = self.may_mail("reset", email, self.shared().options.attempts.resets_per_day).await?;
        if self.shared().options.mail == MailRoute::Nowhere {
            tracing::warn!("somebody asks for a new password, and no mail server is configured");
            return Ok(());
        }
        if is_wanted {
            outbox::insert_reset(&self.shared().database, email).await?;
            self.wake_senders();
        }
        Ok(())
    }

    /// The mail that was asked for, if the address is somebody's. Makes the secrets it carries, which are derived from the
    /// row's id, so that another attempt sends the same ones. An address that nobody has proved may have several accounts, each
    /// with a link of its own.
    pub(crate) async fn compose_reset(&self, item: &Item) -> Result<Option<Mail>, ServiceError> {
        let database = &self.shared().database;
        let Some(recipient) = &item.recipient else { return Ok(None) };
        if item.created_at + LIFETIME < Timestamp::now() {
            return Ok(None);
        }
        let mut links = Vec::new();
        for account in accounts::of_address(database, recipient, MOST_LINKS).await? {
            let membership = accounts::memberships(database, account.id, 1).await?.pop();
            let Some((tenant, user)) = membership else { continue };
            links.extend(self.reset_link(item, tenant, user, account.password_version).await?);
        }
        Ok((!links.is_empty()).then(|| mail::reset(recipient, &links)))
    }

    /// The name of a tenant, and the link that sets the password of one of its members.
    async fn reset_link(
        &self,
        item: &Item,
        tenant: TenantId,
        user: UserId,
        password_version: i32,
    ) -> Result<Option<(String, String)>, ServiceError> {
        let database = &self.shared().database;
        let Some(owner) = tenants::current(&mut database.begin_read_for_stranger(tenant).await?).await?
        else {
            return Ok(None);
        };
        let mut locked = LockedTenant::open(database, tenant, &[&NodePath::root(owner.root)]).await?;
        let now = locked.head.now;
        // Between the two look-ups the user may have been removed.
        let member = people::by_id(locked.tx.tx(), user).await?;
        if member.is_none_or(|member| Some(&member.email) != item.recipient.as_ref()) {
            return Ok(None);
        }
        let secret = self.people_secret(&mut locked, "reset", item.subject.as_bytes()).await?;
        let secret = TenantSecret::new(tenant, secret);
        let reset = Reset {
            id: item.subject,
            user,
            password_version: Some(password_version),
            created_at: now,
            expires_at: now + LIFETIME,
            used_at: None,
        };
        if !resets::insert(&mut locked.tx, &reset, &secret.digest()).await? {
            return Ok(None);
        }
        locked.commit(self).await?;
        Ok(Some((owner.name, self.link("reset", &secret.to_text(PREFIX)))))
    }

    /// Sets a new password. All of the person's sessions end, in all tenants, and the address is proved: nobody else reads its
    /// mail. Whoever does not get the answer may ask again with the same password.
    pub async fn accept_reset(&self, acceptance: ResetAcceptance) -> Result<(), ResetError> {
        let database = &self.shared().database;
        let (tenant, digest) = (acceptance.secret.0.tenant, acceptance.secret.0.digest());
        let mut read = database.begin_read_for_stranger(tenant).await?;
        let reset = usable(&mut read, &digest).await?;
        let owner = tenants::current(&mut read).await?.ok_or(ResetError::Unknown)?;
        let account = accounts::of_user(&mut read, reset.user).await?.ok_or(ResetError::Unknown)?;
        drop(read);
        if reset.used_at.is_some() {
            let is_same = self.is_new_password(acceptance.password, account.password_hash).await?;
            return if is_same { Ok(()) } else { Err(ResetError::Unknown) };
        }
        let hash = self.hash_password(&account.email, acceptance.password.clone()).await?;
        let mut locked = LockedTenant::open(database, tenant, &[&NodePath::root(owner.root)]).await?;
        // It may have been used or replaced, or the person removed, meanwhile.
        let reset = usable(locked.tx.tx(), &digest).await?;
        let member = people::by_id(locked.tx.tx(), reset.user).await?;
        let member = member.filter(|_| reset.used_at.is_none()).ok_or(ResetError::Unknown)?;
        let now = locked.head.now;
        resets::mark_used(&mut locked.tx, reset.id, now).await?;
        prove_with(locked.tx.tx(), (account.id, &account.email), hash, (reset.password_version, now)).await?;
        sessions::end_all(&mut locked.tx, member.id, None).await?;
        audit::append(&mut locked.tx, &entry(&acceptance, member.id)).await?;
        locked.commit(self).await?;
        Ok(self.forget_attempts(&member.email, acceptance.source_ip).await?)
    }
}

/// Sets the password of an account whose owner reads the address's mail, and notes that. Refused where another account has proved
/// the address meanwhile: whoever asks again is sent a link for that one.
async fn prove_with(
    tx: &mut TenantTx,
    (account, email): (Uuid, &str),
    password_hash: String,
    (replaced, now): (Option<i32>, Timestamp),
) -> Result<(), ResetError> {
    accounts::lock_address(tx, email).await?;
    let account = accounts::lock(tx, account).await?.ok_or(ResetError::Unknown)?;
    // The password was changed since the link was mailed, maybe in another tenant.
    if replaced.is_some_and(|replaced| replaced != account.password_version) {
        return Err(ResetError::Unknown);
    }
    if accounts::proved(tx, &account.email).await?.is_some_and(|proved| proved.id != account.id) {
        return Err(ResetError::Unknown);
    }
    let (password_version, verified_at) = (account.password_version + 1, account.verified_at.or(Some(now)));
    let changed = Account { password_hash, password_version, verified_at, is_managed: false, ..account };
    Ok(accounts::update(tx, &changed).await?)
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
