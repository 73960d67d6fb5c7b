//! Accepting an invitation.

use serde_json::json;
use subgrant_domain::{NodePath, RequestId, TenantId};
use subgrant_store::{
    Database, TenantTx,
    accounts::{self, Account},
    audit,
    people::{self, Invitation, Member},
    tenants,
};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    AccessError, App, Browser, InvitationSecret, Opened, Outcome, PeopleError, SessionSecret,
    attempts::Whence,
    event::EventKind,
    invitation::future_member,
    locked::LockedTenant,
    people::{facts, told},
    session::{self, account_of},
};

/// An invitation that somebody accepts.
pub struct Acceptance {
    /// What the person was sent.
    pub secret: InvitationSecret,
    /// Who accepts.
    pub by: Accepting,
    /// From where the request came.
    pub browser: Browser,
    /// In which request.
    pub request_id: Option<RequestId>,
}

/// Who accepts an invitation.
#[derive(Clone)]
pub enum Accepting {
    /// Somebody with a password: of an account that the address has, or for a new one.
    Password(Zeroizing<String>),
    /// Somebody who is signed in.
    Session(SessionSecret),
}

impl App {
    /// Makes the person who was invited a member and opens a session: with the account that is signed in, with the one that the
    /// password opens, or with a new one. Whoever does not get the answer may ask again in the same way.
    pub async fn accept_invitation(&self, acceptance: Acceptance) -> Result<Outcome<Opened>, PeopleError> {
        let database = &self.shared().database;
        let digest = acceptance.secret.digest();
        let tenant = acceptance.secret.tenant();
        let mut read = database.begin_read_for_stranger(tenant).await?;
        let invitation = usable(&mut read, &digest).await?;
        let owner = tenants::current(&mut read).await?.ok_or(PeopleError::UnknownInvitation)?;
        drop(read);
        let accepting = self.accepting(&invitation, &acceptance).await?;
        if invitation.accepted_at.is_some() {
            return self
                .accepted_again(tenant, &invitation, accepting, &acceptance)
                .await
                .map(Outcome::replayed);
        }
        let mut locked = LockedTenant::open(database, tenant, &[&NodePath::root(owner.root)]).await?;
        // It may have been accepted or replaced meanwhile.
        let invitation = usable(locked.tx.tx(), &digest).await?;
        if invitation.accepted_at.is_some() {
            return Err(PeopleError::InvitationUsed);
        }
        let account = settle_account(&mut locked, &invitation, accepting).await?;
        let now = locked.head.now;
        let member = Member { created_at: now, ..future_member(&invitation) };
        if !people::insert(&mut locked.tx, &member, account.id).await? {
            return Err(PeopleError::EmailTaken);
        }
        people::accept(&mut locked.tx, member.id, now).await?;
        let session = session::open(locked.tx.tx(), member.id, &account, &acceptance.browser, now).await?;
        audit::append(&mut locked.tx, &acceptance_entry(&acceptance, &member)).await?;
        locked.announce(EventKind::UserCreated, None, &told(&member)).await?;
        locked.commit(self).await?;
        Ok(Outcome::fresh(self.opened(session, &account, &acceptance.browser).await?))
    }

    /// Whose account it is that accepts. A password is counted like one that somebody signs in with: whoever can invite an address
    /// could guess with it otherwise.
    async fn accepting(
        &self,
        invitation: &Invitation,
        acceptance: &Acceptance,
    ) -> Result<Account, PeopleError> {
        let database = &self.shared().database;
        let password = match &acceptance.by {
            Accepting::Password(password) => password.clone(),
            Accepting::Session(session) => {
                let mut read = database.begin_read(session.tenant).await?;
                let (account, _) = account_of(&mut read, session).await?.ok_or(AccessError::NoSession)?;
                return match account {
                    account if account.email != invitation.email => Err(PeopleError::OtherAddress),
                    account if account.is_managed => Err(PeopleError::ManagedAccount),
                    account => Ok(account),
                };
            }
        };
        let whence = Whence::Network(acceptance.browser.source_ip);
        let attempt = self.attempt(&invitation.email, whence).await?;
        let attempt = attempt.map_err(PeopleError::TooManyAttempts)?;
        let hash = self.hash_password(&invitation.email, password).await?;
        let known = accounts::with_password(database, &invitation.email, &hash, 20).await?;
        // Where it has been accepted, by whomever that was with this password.
        let is_usable = |account: &Account| invitation.accepted_at.is_some() || !account.is_managed;
        let known: Vec<_> = known.into_iter().filter(is_usable).collect();
        if let Some(user) = invitation.accepted_at.map(|_| invitation.user) {
            let tenant = acceptance.secret.tenant();
            let member =
                accounts::of_user(&mut database.begin_read_for_stranger(tenant).await?, user).await?;
            let account = known.into_iter().find(|known| member.as_ref().is_some_and(|of| of.id == known.id));
            let account = account.ok_or(PeopleError::InvitationUsed)?;
            attempt.succeeded(self).await?;
            return Ok(account);
        }
        let is_guess = known.is_empty() && has_accounts(database, &invitation.email).await?;
        if !is_guess {
            attempt.succeeded(self).await?;
        }
        Ok(known.into_iter().next().unwrap_or_else(|| new_account(&invitation.email, hash)))
    }

    /// The same answer for the same request: the secret and the account prove it.
    async fn accepted_again(
        &self,
        tenant: TenantId,
        invitation: &Invitation,
        account: Account,
        acceptance: &Acceptance,
    ) -> Result<Opened, PeopleError> {
        let browser = &acceptance.browser;
        let session = self.open_session_with(tenant, invitation.user, &account, browser, None).await?;
        let session = session.ok_or(PeopleError::InvitationUsed)?;
        Ok(self.opened(session, &account, browser).await?)
    }
}

/// Enters a new account; keeps one that exists as it is until the transaction ends.
async fn settle_account(
    locked: &mut LockedTenant,
    invitation: &Invitation,
    account: Account,
) -> Result<Account, PeopleError> {
    let tx = locked.tx.tx();
    match accounts::lock(tx, account.id).await? {
        // The password may have been changed since it was looked at.
        Some(found) if found.password_version == account.password_version => Ok(found),
        Some(_) => Err(AccessError::NoSession.into()),
        None if account.email == invitation.email => {
            accounts::insert(tx, &account).await?;
            Ok(account)
        }
        None => Err(PeopleError::OtherAddress),
    }
}

/// Whether an address has accounts.
async fn has_accounts(database: &Database, email: &str) -> Result<bool, PeopleError> {
    Ok(!accounts::of_address(database, email, 1).await?.is_empty())
}

fn new_account(email: &str, password_hash: String) -> Account {
    Account {
        id: Uuid::now_v7(),
        email: email.to_owned(),
        password_hash,
        password_version: 1,
        verified_at: None,
        is_managed: false,
        signup_idempotency_key: None,
    }
}

/// The invitation with this digest, accepted or not; refused where it is too old.
async fn usable(tx: &mut TenantTx, digest: &[u8; 32]) -> Result<Invitation, PeopleError> {
    let found = people::invitation_by_digest(tx, digest).await?;
    let invitation = found.ok_or(PeopleError::UnknownInvitation)?;
    let now = subgrant_store::ledger::head(tx).await?.now;
    if invitation.accepted_at.is_none() && invitation.expires_at <= now {
        return Err(PeopleError::InvitationExpired);
    }
    Ok(invitation)
}

fn acceptance_entry(acceptance: &Acceptance, member: &Member) -> audit::Entry {
    audit::Entry {
        id: uuid::Uuid::now_v7(),
        actor: member.id.to_string(),
        action: "user.accept",
        target: member.id.to_string(),
        details: json!({ "before": null, "after": facts(member) }).to_string(),
        source_ip: acceptance.browser.source_ip,
        request_id: acceptance.request_id,
    }
}
