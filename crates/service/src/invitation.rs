//! Invitations: a secret that makes whoever was sent it a member, once.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use subgrant_domain::{Role, TenantId, UserId};
use subgrant_store::{
    accounts, attempts, audit, outbox,
    people::{self, Invitation, Member},
};
use zeroize::Zeroizing;

use crate::{
    AccessError, App, IdempotencyKey, Outcome, PeopleError, Principal, ServiceError,
    app::fresh_id,
    attempts::{invitation_subjects, per_day_of},
    event::EventKind,
    idempotency::{self, bound::record_bound},
    locked::{Loaded, LockedTenant},
    people::{acting, facts, may_grant, may_manage, told},
    secret::TenantSecret,
};

/// How long an invitation can be accepted.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 7);

/// The most invitations that a tenant makes in a day, and of one address.
const PER_TENANT: i32 = 200;
const PER_ADDRESS: i32 = 10;

/// The most invitations that are mailed to one address in a day, whichever tenants make them.
const MAILS: i32 = 5;

/// The most invitations that are listed.
const MOST_LISTED: i64 = 1_000;

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

    pub(crate) fn digest(&self) -> [u8; 32] {
        self.0.digest()
    }

    pub(crate) fn tenant(&self) -> TenantId {
        self.0.tenant
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
    /// Whether the person is mailed.
    pub is_mailed: bool,
}

#[derive(Serialize, Deserialize)]
struct Answer {
    user: UserId,
    email: String,
    role: String,
    expires_at: Timestamp,
    #[serde(default)]
    is_mailed: bool,
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
        let is_mailed = self.admit_invitation(&mut locked, principal, &email).await?;
        let now = locked.head.now;
        let expires_at = now.saturating_add(LIFETIME).unwrap_or(Timestamp::MAX);
        let invitation =
            Invitation { user: fresh_id(), email, role, created_at: now, expires_at, accepted_at: None };
        let answer = Answer {
            user: invitation.user,
            email: invitation.email.clone(),
            role: role.to_string(),
            expires_at,
            is_mailed: is_mailed && self.mails_people(),
        };
        let secret = self.invitation_secret(&mut locked, invitation.user).await?;
        people::invite(&mut locked.tx, &invitation, &secret.0.digest()).await?;
        let member = future_member(&invitation);
        let details = json!({ "before": null, "after": facts(&member), "expires_at": expires_at });
        let entry = principal.audit_entry("user.invite", invitation.user.to_string(), &details);
        audit::append(&mut locked.tx, &entry).await?;
        locked.announce(EventKind::UserInvited, None, &told(&member)).await?;
        if is_mailed {
            let (subject, recipient) = (invitation.user.as_uuid(), Some(invitation.email.as_str()));
            outbox::insert(locked.tx.tx(), outbox::Kind::Invitation, subject, recipient).await?;
        }
        record_bound(&mut locked, key.as_ref(), principal, 201, &answer).await?;
        let invited = self.invited(&mut locked, answer).await?;
        locked.commit(self).await?;
        self.wake_senders();
        Ok(Outcome::fresh(invited))
    }

    /// Refuses more invitations than a tenant may make in a day. Says whether the person is mailed: where a mail server is
    /// configured, only for somebody who has proved the own address, and not more than a few times a day to one address.
    async fn admit_invitation(
        &self,
        locked: &mut LockedTenant,
        principal: &Principal,
        email: &str,
    ) -> Result<bool, PeopleError> {
        let [of_tenant, of_address, mails] = invitation_subjects(principal.tenant.as_uuid(), email);
        let tx = locked.tx.tx();
        for (subject, per_day) in [(of_tenant, PER_TENANT), (of_address, PER_ADDRESS)] {
            if let Some(wait) = attempts::count_in(tx, &subject, per_day_of(per_day)).await? {
                return Err(PeopleError::TooMany(wait));
            }
        }
        if !self.mails_people() {
            return Ok(self.sends_mail());
        }
        let (inviter, ..) = acting(principal)?;
        let account = accounts::of_user(tx, inviter).await?;
        let is_proved = account.is_some_and(|account| account.verified_at.is_some());
        let full = is_proved && attempts::count_in(tx, &mails, per_day_of(MAILS)).await?.is_some();
        Ok(is_proved && !full)
    }

    /// The invitations that nobody has accepted yet, the newest first.
    pub async fn invitations(&self, principal: &Principal) -> Result<Vec<Invitation>, PeopleError> {
        let mut read = self.read(principal).await?;
        acting(principal)?;
        may_manage(principal)?;
        Ok(people::outstanding_invitations(&mut read.tx, MOST_LISTED).await?)
    }

    /// Takes an invitation back that nobody has accepted yet. Who may make it may.
    pub async fn withdraw_invitation(
        &self,
        principal: &Principal,
        user: UserId,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<()>, PeopleError> {
        self.check_standing(principal).await?;
        may_manage(principal)?;
        let (mut locked, key) = self.lock_people(principal, "DELETE /invite/{id}", key).await?;
        if let Some(key) = &key
            && key.find::<()>(&mut locked).await?.is_some()
        {
            return Ok(Outcome::replayed(()));
        }
        let found = people::outstanding_invitation(locked.tx.tx(), user).await?;
        let invitation = found.ok_or(AccessError::NotFound)?;
        may_grant(principal, invitation.role)?;
        people::withdraw(&mut locked.tx, &invitation.email).await?;
        let details = json!({ "before": facts(&future_member(&invitation)), "after": null });
        let entry = principal.audit_entry("user.withdraw_invitation", user.to_string(), &details);
        audit::append(&mut locked.tx, &entry).await?;
        idempotency::record(&mut locked, key.as_ref(), 204, &()).await?;
        locked.commit(self).await?;
        Ok(Outcome::fresh(()))
    }

    async fn invited(&self, locked: &mut LockedTenant, answer: Answer) -> Result<Invited, ServiceError> {
        let role = answer.role.parse();
        let role = role.map_err(|_| ServiceError::Inconsistent(format!("the role {}", answer.role)))?;
        let secret = self.invitation_secret(locked, answer.user).await?;
        let Answer { user, email, expires_at, is_mailed, .. } = answer;
        Ok(Invited { user, email, role, expires_at, secret, is_mailed })
    }

    pub(crate) async fn invitation_secret(
        &self,
        loaded: &mut impl Loaded,
        user: UserId,
    ) -> Result<InvitationSecret, ServiceError> {
        let secret = self.people_secret(loaded, "invitation", user.as_uuid().as_bytes()).await?;
        Ok(InvitationSecret(TenantSecret::new(loaded.tx().tenant(), secret)))
    }
}

pub(crate) fn future_member(invitation: &Invitation) -> Member {
    let Invitation { user, email, role, created_at, .. } = invitation.clone();
    Member { id: user, email, role, created_at }
}
