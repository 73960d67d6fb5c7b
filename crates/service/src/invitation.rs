//! Invitations: a secret that makes whoever was sent it a member, once.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use subgrant_domain::{NodePath, RequestId, Role, TenantId, UserId};
use subgrant_store::{
    TenantTx, audit, outbox,
    people::{self, Invitation, Member},
    tenants,
};
use zeroize::Zeroizing;

use crate::{
    App, Browser, IdempotencyKey, Outcome, PeopleError, Principal, ServiceError, SessionSecret, SignedIn,
    app::fresh_id,
    event::EventKind,
    idempotency::bound::record_bound,
    locked::{Loaded, LockedTenant},
    people::{facts, may_grant, told},
    secret::TenantSecret,
    session,
};

/// How long an invitation can be accepted.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 7);

/// What marks an invitation's text.
const PREFIX: &str = "inv_";

/// What an invitation's text carries.
#[derive(Clone)]
pub struct InvitationSecret(TenantSecret);

impl InvitationSecret {
    /// Reads a text; `None` where it is not one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        text.strip_prefix(PREFIX).and_then(TenantSecret::parse).map(Self)
    }

    /// The text.
    pub fn to_text(&self) -> Zeroizing<String> {
        self.0.to_text(PREFIX)
    }
}

/// An invitation that was just made.
pub struct Invited {
    /// The id that the person will have.
    pub user: UserId,
    /// The address.
    pub email: String,
    /// The role.
    pub role: Role,
    /// From when on it cannot be accepted.
    pub expires_at: Timestamp,
    /// What the person is to be sent. Shown once, and again only to the same request.
    pub secret: InvitationSecret,
}

/// An invitation that somebody accepts.
pub struct Acceptance {
    /// What the person was sent.
    pub secret: InvitationSecret,
    /// The password that the person chooses.
    pub password: Zeroizing<String>,
    /// From where the request came.
    pub browser: Browser,
    /// In which request.
    pub request_id: Option<RequestId>,
}

#[derive(Serialize, Deserialize)]
struct Answer {
    user: UserId,
    email: String,
    role: String,
    expires_at: Timestamp,
}

impl App {
    /// Invites somebody, in place of an earlier invitation. An address that has an account in another tenant is invited
    /// like any other: who invites must not learn of it. The person does, with the acceptance.
    pub async fn invite(
        &self,
        principal: &Principal,
        email: String,
        role: Role,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<Invited>, PeopleError> {
        self.check_standing(principal).await?;
        may_grant(principal, role)?;
        let (mut locked, key) = self.lock_people(principal, "POST /invite", key).await?;
        if let Some(key) = &key
            && let Some(repeated) = key.find_bound::<Answer>(principal, &mut locked).await?
        {
            let answer = repeated.secret()?;
            return Ok(Outcome::replayed(self.invited(&mut locked, answer).await?));
        }
        if people::is_member(locked.tx.tx(), &email).await? {
            return Err(PeopleError::EmailTaken);
        }
        let now = locked.head.now;
        let expires_at = now.saturating_add(LIFETIME).unwrap_or(Timestamp::MAX);
        let invitation =
            Invitation { user: fresh_id(), email, role, created_at: now, expires_at, accepted_at: None };
        let answer = Answer {
            user: invitation.user,
            email: invitation.email.clone(),
            role: role.to_string(),
            expires_at,
        };
        let secret = self.invitation_secret(&mut locked, invitation.user).await?;
        people::invite(&mut locked.tx, &invitation, &secret.0.digest()).await?;
        let member = future_member(&invitation);
        let details = json!({ "before": null, "after": facts(&member), "expires_at": expires_at });
        let entry = principal.audit_entry("user.invite", invitation.user.to_string(), &details);
        audit::append(&mut locked.tx, &entry).await?;
        locked.announce(EventKind::UserInvited, None, &told(&member)).await?;
        if self.sends_mail() {
            let (subject, recipient) = (invitation.user.as_uuid(), Some(invitation.email.as_str()));
            outbox::insert(locked.tx.tx(), outbox::Kind::Invitation, subject, recipient).await?;
        }
        record_bound(&mut locked, key.as_ref(), principal, 201, &answer).await?;
        let invited = self.invited(&mut locked, answer).await?;
        locked.commit(self).await?;
        self.wake_senders();
        Ok(Outcome::fresh(invited))
    }

    async fn invited(&self, locked: &mut LockedTenant, answer: Answer) -> Result<Invited, ServiceError> {
        let role = answer.role.parse();
        let role = role.map_err(|_| ServiceError::Inconsistent(format!("the role {}", answer.role)))?;
        let secret = self.invitation_secret(locked, answer.user).await?;
        let Answer { user, email, expires_at, .. } = answer;
        Ok(Invited { user, email, role, expires_at, secret })
    }

    pub(crate) async fn invitation_secret(
        &self,
        loaded: &mut impl Loaded,
        user: UserId,
    ) -> Result<InvitationSecret, ServiceError> {
        let secret = self.people_secret(loaded, "invitation", user.as_uuid().as_bytes()).await?;
        Ok(InvitationSecret(TenantSecret::new(loaded.tx().tenant(), secret)))
    }

    /// Makes the person who was invited a member and opens a session. Whoever does not get the answer may ask again with
    /// the same password.
    pub async fn accept_invitation(
        &self,
        acceptance: Acceptance,
    ) -> Result<Outcome<(SignedIn, SessionSecret)>, PeopleError> {
        let database = &self.shared().database;
        let digest = acceptance.secret.0.digest();
        let tenant = acceptance.secret.0.tenant;
        let mut read = database.begin_read_for_stranger(tenant).await?;
        let invitation = usable(&mut read, &digest).await?;
        let owner = tenants::current(&mut read).await?.ok_or(PeopleError::UnknownInvitation)?;
        drop(read);
        if invitation.accepted_at.is_some() {
            return self.accepted_again(tenant, &invitation, acceptance).await.map(Outcome::replayed);
        }
        let hash = self.hash_password(acceptance.password.clone()).await?;
        let mut locked = LockedTenant::open(database, tenant, &[&NodePath::root(owner.root)]).await?;
        // It may have been accepted or replaced meanwhile.
        let invitation = usable(locked.tx.tx(), &digest).await?;
        if invitation.accepted_at.is_some() {
            return Err(PeopleError::InvitationUsed);
        }
        let now = locked.head.now;
        let member = Member { created_at: now, ..future_member(&invitation) };
        if !people::insert(&mut locked.tx, &member, &hash).await? {
            return Err(PeopleError::EmailTaken);
        }
        people::accept(&mut locked.tx, member.id, now).await?;
        let session = session::open(locked.tx.tx(), member.id, &acceptance.browser, now).await?;
        audit::append(&mut locked.tx, &acceptance_entry(&acceptance, &member)).await?;
        locked.announce(EventKind::UserCreated, None, &told(&member)).await?;
        let user = tenants::user_by_id(locked.tx.tx(), member.id).await?;
        let user = user.ok_or_else(|| ServiceError::Inconsistent("a new user is missing".to_owned()))?;
        locked.commit(self).await?;
        Ok(Outcome::fresh((SignedIn { tenant: owner, user }, session)))
    }

    /// The same answer for the same request: secret and password prove it.
    async fn accepted_again(
        &self,
        tenant: TenantId,
        invitation: &Invitation,
        acceptance: Acceptance,
    ) -> Result<(SignedIn, SessionSecret), PeopleError> {
        let mut read = self.shared().database.begin_read(tenant).await?;
        let user = tenants::user_by_id(&mut read, invitation.user).await?;
        let owner = tenants::current(&mut read).await?;
        drop(read);
        let (Some(user), Some(owner)) = (user, owner) else { return Err(PeopleError::InvitationUsed) };
        if !self.is_new_password(acceptance.password, user.password_hash.clone()).await? {
            return Err(PeopleError::InvitationUsed);
        }
        let session = self.open_session(tenant, user.id, &acceptance.browser).await?;
        Ok((SignedIn { tenant: owner, user }, session))
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

fn future_member(invitation: &Invitation) -> Member {
    let Invitation { user, email, role, created_at, .. } = invitation.clone();
    Member { id: user, email, role, created_at }
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
