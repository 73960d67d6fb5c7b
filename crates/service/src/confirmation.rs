//! A link that is mailed to the address of an account. Whoever opens it and is signed in to the account has proved the address.
//!
//! The link alone proves nothing: strangers sign up with anybody's address, and whoever reads its mail must not make their account
//! good by opening what looks like a link of their own.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use subgrant_store::{
    TenantTx,
    accounts::{self, Account},
    attempts::{self, Bucket},
    audit,
    outbox::{self, Item, Kind},
    people, sessions, tenants,
};
use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    AccessError, App, Mail, MailRoute, PeopleError, Principal, ServiceError, SessionSecret, SignedIn,
    attempts::{per_day_of, subject},
    outbox::mail,
    people::acting,
};

/// How long a link can be used.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// What marks a link's secret.
const PREFIX: &str = "eml_";

/// The most mails to one address in a day, whichever of its accounts ask for them, and how long an account waits for another.
const PER_ADDRESS: i32 = 3;
const PER_ACCOUNT: Bucket = Bucket { size: 1, drains_in: Duration::from_hours(4) };

/// What proves that somebody reads the mail of an account's address: the account, the end, and a code of the server's own. Nothing
/// of it is stored.
#[derive(Clone)]
pub struct ConfirmationSecret {
    account: Uuid,
    expires_at: i64,
    code: [u8; 32],
}

impl ConfirmationSecret {
    /// Reads a text; `None` where it is not one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let (head, code) = text.strip_prefix(PREFIX)?.split_once('.')?;
        let (mut bytes, mut shown) = ([0; 24], [0; 32]);
        hex::decode_to_slice(head, &mut bytes).ok()?;
        hex::decode_to_slice(code, &mut shown).ok()?;
        let (account, end) = bytes.split_at(16);
        let expires_at = i64::from_be_bytes(end.try_into().ok()?);
        Some(Self { account: Uuid::from_slice(account).ok()?, expires_at, code: shown })
    }

    fn to_text(&self) -> Zeroizing<String> {
        let head = hex::encode([&self.account.as_bytes()[..], &self.expires_at.to_be_bytes()].concat());
        Zeroizing::new(format!("{PREFIX}{head}.{}", hex::encode(self.code)))
    }
}

impl App {
    /// Sends whoever asks a mail with which the address of the own account is proved. Nothing is sent where it is proved already, or
    /// where the address was sent enough today. An account whose password somebody else chose is sent a link for a new password
    /// instead, which proves the address as well.
    pub async fn request_confirmation(&self, principal: &Principal) -> Result<(), PeopleError> {
        let mut read = self.read(principal).await?;
        let (user, ..) = acting(principal)?;
        let account = accounts::of_user(&mut read.tx, user).await?.ok_or(AccessError::NoSession)?;
        let is_alone = accounts::proved(&mut read.tx, &account.email).await?.is_none();
        drop(read);
        let route = self.shared().options.mail;
        if account.verified_at.is_some() || route == MailRoute::Nowhere {
            return Ok(());
        }
        let (own, of_address) = (account.id.as_bytes(), account.email.as_bytes());
        for (subject, bucket) in [
            (subject("confirmation", &[own]), PER_ACCOUNT),
            (subject("mail", &[b"confirmation", of_address]), per_day_of(PER_ADDRESS)),
        ] {
            let wait = attempts::count(&self.shared().database, &subject, bucket).await?;
            wait.map_or(Ok(()), |wait| Err(PeopleError::TooMany(wait)))?;
        }
        if account.is_managed && is_alone {
            outbox::insert_reset(&self.shared().database, &account.email).await?;
        } else {
            let mut tx = self.shared().database.begin(principal.tenant).await?;
            outbox::insert(&mut tx, Kind::Confirmation, account.id, Some(&account.email)).await?;
            tx.commit().await?;
        }
        self.wake_senders();
        Ok(())
    }

    /// The mail that proves an address; `None` where nobody needs it any more.
    pub(crate) async fn compose_confirmation(&self, item: &Item) -> Result<Option<Mail>, ServiceError> {
        let database = &self.shared().database;
        let (Some(tenant), Some(recipient)) = (item.tenant, &item.recipient) else { return Ok(None) };
        let account = accounts::by_id(database, item.subject).await?;
        let account = account.filter(|account| account.verified_at.is_none() && account.email == *recipient);
        let (Some(account), end) = (account, item.created_at + LIFETIME) else { return Ok(None) };
        let Some(owner) = tenants::current(&mut database.begin_read_for_stranger(tenant).await?).await?
        else {
            return Ok(None);
        };
        if end <= Timestamp::now() {
            return Ok(None);
        }
        let code = self.confirmation_code(&account.email, account.id, end.as_second());
        let secret = ConfirmationSecret { account: account.id, expires_at: end.as_second(), code };
        Ok(Some(mail::confirmation(recipient, &owner.name, &self.link("confirm", &secret.to_text()))))
    }

    /// Notes that an address is proved: the link was mailed to it, and whoever opens it is signed in to the account. Every other
    /// session of the account ends; this one goes on under a new secret. Where another account has proved the address, both become
    /// one, with the password of the one that came first; so they do where that one is signed in.
    pub async fn confirm_address(
        &self,
        principal: &Principal,
        secret: Option<ConfirmationSecret>,
    ) -> Result<(SignedIn, SessionSecret), PeopleError> {
        let (user, _, own) = acting(principal)?;
        let secret = secret.ok_or(PeopleError::UnknownConfirmation)?;
        let (mut locked, _) = self.lock_people(principal, "POST /email/confirm/accept", None).await?;
        let asking = accounts::of_user(locked.tx.tx(), user).await?.ok_or(AccessError::NoSession)?;
        let meant = self.meant(&asking, &secret, locked.head.now)?;
        let now = locked.head.now;
        settle(locked.tx.tx(), &asking, meant, now).await?;
        let session = SessionSecret::fresh(principal.tenant);
        sessions::renew(&mut locked.tx, &own, &session.digest()).await?;
        let member = people::by_id(locked.tx.tx(), user).await?.ok_or(AccessError::NoSession)?;
        let details = json!({ "email": member.email });
        let entry = principal.audit_entry("user.confirm", user.to_string(), &details);
        audit::append(&mut locked.tx, &entry).await?;
        locked.commit(self).await?;
        let signed_in = self.signed_in(&session).await?.ok_or(AccessError::NoSession)?;
        Ok((signed_in, session))
    }

    /// The account that a link is about.
    fn meant(
        &self,
        asking: &Account,
        secret: &ConfirmationSecret,
        now: Timestamp,
    ) -> Result<Uuid, PeopleError> {
        let code = self.confirmation_code(&asking.email, secret.account, secret.expires_at);
        if !bool::from(code.ct_eq(&secret.code)) {
            // Also a link that was mailed to another address.
            return Err(PeopleError::UnknownConfirmation);
        }
        if secret.expires_at <= now.as_second() {
            return Err(PeopleError::ConfirmationExpired);
        }
        Ok(secret.account)
    }

    fn confirmation_code(&self, email: &str, account: Uuid, expires_at: i64) -> [u8; 32] {
        let message =
            [b"subgrant/confirm/v1", &account.as_bytes()[..], &expires_at.to_be_bytes(), email.as_bytes()];
        self.shared().master_key.code(&message.concat())
    }
}

/// Proves the address for the account that asks, or joins two accounts of the address to one.
async fn settle(tx: &mut TenantTx, asking: &Account, meant: Uuid, now: Timestamp) -> Result<(), PeopleError> {
    accounts::lock_address(tx, &asking.email).await?;
    let asking = accounts::lock(tx, asking.id).await?.ok_or(AccessError::NoSession)?;
    let meant = accounts::lock(tx, meant).await?;
    match (accounts::proved(tx, &asking.email).await?, meant) {
        // Proved before, or joined before: whoever did not get the answer asks again.
        (Some(proved), meant) if proved.id == asking.id => match meant {
            Some(meant) if meant.id != proved.id => Ok(accounts::merge(tx, meant.id, proved.id).await?),
            _ => Ok(()),
        },
        (_, Some(meant)) if meant.id != asking.id => Err(PeopleError::OtherAddress),
        (_, None) => Err(PeopleError::UnknownConfirmation),
        // Whoever chose the password may know it still.
        (_, Some(meant)) if meant.is_managed => Err(PeopleError::ManagedAccount),
        (Some(proved), Some(meant)) => Ok(accounts::merge(tx, meant.id, proved.id).await?),
        (None, Some(meant)) => {
            let password_version = meant.password_version + 1;
            let proved = Account { verified_at: Some(now), password_version, ..meant };
            Ok(accounts::update(tx, &proved).await?)
        }
    }
}
