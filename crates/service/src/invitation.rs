//! Invitations: a secret that makes whoever was sent it a member, once.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use subgrant_domain::{NodePath, RequestId, Role, TenantId, UserId};
use subgrant_store::{
    TenantTx, audit,
    people::{self, Invitation, Member},
    tenants,
};
use zeroize::Zeroizing;

use crate::{
    App, IdempotencyKey, Outcome, PeopleError, Principal, ServiceError, SessionSecret, SignedIn,
    app::fresh_id,
    event::EventKind,
    idempotency,
    locked::LockedTenant,
    people::{digest, facts, may_grant, told},
    session,
};

/// How long an invitation can be accepted.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 7);

/// What marks an invitation's text.
const PREFIX: &str = "inv_";

/// What an invitation's text carries: the tenant, so that its shard can be found, and 32 secret bytes.
#[derive(Clone)]
pub struct InvitationSecret {
    tenant: TenantId,
    secret: Zeroizing<[u8; 32]>,
}

impl InvitationSecret {
    /// Reads a text; `None` where it is not one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let (tenant, hex) = text.strip_prefix(PREFIX)?.split_once('.')?;
        let mut secret = Zeroizing::new([0; 32]);
        hex::decode_to_slice(hex, &mut *secret).ok()?;
        Some(Self { tenant: TenantId::from_suffix(tenant).ok()?, secret })
    }

    /// The text.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{PREFIX}{}.{}", self.tenant.suffix(), hex::encode(*self.secret)))
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
    pub source_ip: Option<IpAddr>,
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
            && let Some(answer) = key.find::<Answer>(&mut locked).await?
        {
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
        people::invite(&mut locked.tx, &invitation, &digest(&secret.secret)).await?;
        let member = future_member(&invitation);
        let details = json!({ "before": null, "after": facts(&member), "expires_at": expires_at });
        let entry = principal.audit_entry("user.invite", invitation.user.to_string(), &details);
        audit::append(&mut locked.tx, &entry).await?;
        locked.announce(EventKind::UserInvited, None, &told(&member)).await?;
        idempotency::record(&mut locked, key.as_ref(), 201, &answer).await?;
        let invited = self.invited(&mut locked, answer).await?;
        locked.commit(self).await?;
        Ok(Outcome::fresh(invited))
    }

    async fn invited(&self, locked: &mut LockedTenant, answer: Answer) -> Result<Invited, ServiceError> {
        let role = answer.role.parse();
        let role = role.map_err(|_| ServiceError::Inconsistent(format!("the role {}", answer.role)))?;
        let secret = self.invitation_secret(locked, answer.user).await?;
        let Answer { user, email, expires_at, .. } = answer;
        Ok(Invited { user, email, role, expires_at, secret })
    }

    async fn invitation_secret(
        &self,
        locked: &mut LockedTenant,
        user: UserId,
    ) -> Result<InvitationSecret, ServiceError> {
        let secret = self.people_secret(locked, "invitation", user.as_uuid().as_bytes()).await?;
        Ok(InvitationSecret { tenant: locked.tx.tenant(), secret: Zeroizing::new(secret) })
    }

    /// Makes the person who was invited a member and opens a session. Whoever does not get the answer may ask again with
    /// the same password.
    pub async fn accept_invitation(
        &self,
        acceptance: Acceptance,
    ) -> Result<Outcome<(SignedIn, SessionSecret)>, PeopleError> {
        let database = &self.shared().database;
        let digest = digest(&acceptance.secret.secret);
        let tenant = acceptance.secret.tenant;
        let mut read = database.begin_read(tenant).await?;
        let invitation = usable(&mut read, &digest).await?;
        let owner = tenants::current(&mut read).await?.ok_or(PeopleError::UnknownInvitation)?;
        drop(read);
        if invitation.accepted_at.is_some() {
            return self
                .accepted_again(tenant, &invitation, acceptance.password)
                .await
                .map(Outcome::replayed);
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
        let session = session::open(locked.tx.tx(), member.id, now).await?;
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
        password: Zeroizing<String>,
    ) -> Result<(SignedIn, SessionSecret), PeopleError> {
        let mut read = self.shared().database.begin_read(tenant).await?;
        let user = tenants::user_by_id(&mut read, invitation.user).await?;
        let owner = tenants::current(&mut read).await?;
        drop(read);
        let (Some(user), Some(owner)) = (user, owner) else { return Err(PeopleError::InvitationUsed) };
        if !self.is_password(password, user.password_hash.clone()).await? {
            return Err(PeopleError::InvitationUsed);
        }
        let session = self.open_session(tenant, user.id).await?;
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
        source_ip: acceptance.source_ip,
        request_id: acceptance.request_id,
    }
}
