//! Members of a tenant and their roles. Only people manage people: a token, the root's too, acts on delegations alone,
//! so that whoever gets hold of one cannot make an account that outlives it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use subgrant_domain::{Role, UserId};
use subgrant_store::{
    StoreError,
    accounts::{self, Account},
    audit,
    people::{self, Member},
    root_keys, sessions,
};
use subgrant_token::derive_secret;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    AccessError, App, IdempotencyKey, Outcome, Principal, ServiceError, SessionSecret, Via,
    app::fresh_id,
    event::EventKind,
    idempotency::{self, ScopedKey, bound::record_bound, scoped},
    locked::{Loaded, LockedTenant},
};

/// Who becomes a member. Validated by the caller: a lower-case address, a password of acceptable length.
#[derive(Clone)]
pub struct NewMember {
    /// The address.
    pub email: String,
    /// What the member may do.
    pub role: Role,
    /// The first password; one is made up where none is given.
    pub password: Option<Zeroizing<String>>,
}

/// Somebody who has become a member.
pub struct CreatedMember {
    /// The member.
    pub member: Member,
    /// The password that was made up. Shown once, and again only to the same request.
    pub password: Option<Zeroizing<String>>,
}

/// A page of members.
#[derive(Debug)]
pub struct MemberPage {
    /// Oldest first.
    pub members: Vec<Member>,
    /// Where the next page begins.
    pub next: Option<UserId>,
}

/// Why nothing was done about people.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// The caller's credential, or its idempotency key, is refused.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The caller is no person.
    #[error("people are managed by people")]
    NoSession,
    /// The caller's role may not do this to somebody with that role.
    #[error("the role does not permit it")]
    RoleTooLow,
    /// The tenant would have no owner any more.
    #[error("the last owner must stay one")]
    LastOwner,
    /// The address is a member's.
    #[error("the address is a member's already")]
    EmailTaken,
    /// The current password is another.
    #[error("the current password is another")]
    WrongPassword,
    /// Too many wrong passwords.
    #[error("too many attempts")]
    TooManyAttempts(std::time::Duration),
    /// Nobody was sent such an invitation, or it was replaced.
    #[error("there is no such invitation")]
    UnknownInvitation,
    /// The invitation is too old.
    #[error("the invitation has expired")]
    InvitationExpired,
    /// The invitation was accepted before.
    #[error("the invitation was used")]
    InvitationUsed,
    /// The account has another address than the one that was invited, or than the one that is to be proved.
    #[error("the account has another address")]
    OtherAddress,
    /// Somebody else chose the account's password, so that it cannot be used beyond its tenant yet.
    #[error("the account has no password of its owner's own")]
    ManagedAccount,
    /// The link that is to prove an address is none of ours.
    #[error("there is no such link")]
    UnknownConfirmation,
    /// It is too old.
    #[error("the link has expired")]
    ConfirmationExpired,
    /// So many are invited, or mailed, that more must wait.
    #[error("too many for now")]
    TooMany(std::time::Duration),
}

impl From<ServiceError> for PeopleError {
    fn from(error: ServiceError) -> Self {
        Self::Access(error.into())
    }
}

impl From<StoreError> for PeopleError {
    fn from(error: StoreError) -> Self {
        Self::Access(error.into())
    }
}

/// What is recorded to answer a repeated request.
#[derive(Serialize, Deserialize)]
struct Answer {
    id: UserId,
    email: String,
    role: String,
    created_at: jiff::Timestamp,
    is_password_made_up: bool,
}

impl Answer {
    fn of(member: &Member, is_password_made_up: bool) -> Self {
        let Member { id, email, role, created_at } = member.clone();
        Self { id, email, role: role.to_string(), created_at, is_password_made_up }
    }

    fn member(self) -> Result<Member, ServiceError> {
        let role = self.role.parse();
        let role = role.map_err(|_| ServiceError::Inconsistent(format!("the role {}", self.role)))?;
        Ok(Member { id: self.id, email: self.email, role, created_at: self.created_at })
    }
}

impl App {
    /// Lists the members. Every member may see the others.
    pub async fn members(
        &self,
        principal: &Principal,
        after: Option<UserId>,
        limit: u8,
    ) -> Result<MemberPage, PeopleError> {
        let mut read = self.read(principal).await?;
        acting(principal)?;
        let mut members = people::list(&mut read.tx, after, i64::from(limit) + 1).await?;
        let has_more = members.len() > usize::from(limit);
        members.truncate(usize::from(limit));
        let next = members.last().map(|member| member.id).filter(|_| has_more);
        Ok(MemberPage { members, next })
    }

    /// One member.
    pub async fn member(&self, principal: &Principal, id: UserId) -> Result<Member, PeopleError> {
        let mut read = self.read(principal).await?;
        acting(principal)?;
        Ok(people::by_id(&mut read.tx, id).await?.ok_or(AccessError::NotFound)?)
    }

    /// Makes somebody a member at once, with an account of the tenant's own: the password is for this tenant alone, and whoever has
    /// the address keeps whatever accounts there are.
    pub async fn create_member(
        &self,
        principal: &Principal,
        request: NewMember,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<CreatedMember>, PeopleError> {
        self.check_standing(principal).await?;
        // Before the hashing, which is slow, and again under the lock.
        may_grant(principal, request.role)?;
        let id = fresh_id();
        let made_up = match &request.password {
            None => Some(self.made_up_password(principal, id).await?),
            Some(_) => None,
        };
        let password = request.password.clone().or_else(|| made_up.clone());
        let hash = self.hash_password(&request.email, password.expect("one was given or made up")).await?;
        let (mut locked, key) = self.lock_people(principal, "POST /user", key).await?;
        if let Some(key) = &key
            && let Some(repeated) = key.find_bound::<Answer>(principal, &mut locked).await?
        {
            let answer = repeated.where_secret(|answer| answer.is_password_made_up)?;
            let password = if answer.is_password_made_up {
                Some(self.made_up_password_in(&mut locked, answer.id).await?)
            } else {
                None
            };
            return Ok(Outcome::replayed(CreatedMember { member: answer.member()?, password }));
        }
        let NewMember { email, role, .. } = request;
        let member = Member { id, email, role, created_at: locked.head.now };
        let account = managed_account(&member, hash);
        accounts::insert(locked.tx.tx(), &account).await?;
        if !people::insert(&mut locked.tx, &member, account.id).await? {
            return Err(PeopleError::EmailTaken);
        }
        people::withdraw(&mut locked.tx, &member.email).await?;
        let details = json!({ "before": null, "after": facts(&member) });
        let entry = principal.audit_entry("user.create", id.to_string(), &details);
        audit::append(&mut locked.tx, &entry).await?;
        locked.announce(EventKind::UserCreated, None, &told(&member)).await?;
        let answer = Answer::of(&member, made_up.is_some());
        record_bound(&mut locked, key.as_ref(), principal, 201, &answer).await?;
        locked.commit(self).await?;
        Ok(Outcome::fresh(CreatedMember { member, password: made_up }))
    }

    /// Gives a member another role. The member's sessions end; the one that asks, where it is the member's own, goes on
    /// under a new secret.
    pub async fn change_role(
        &self,
        principal: &Principal,
        id: UserId,
        role: Role,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<(Member, Option<SessionSecret>)>, PeopleError> {
        self.check_standing(principal).await?;
        may_manage(principal)?;
        let (mut locked, key) = self.lock_people(principal, "PATCH /user/{id}", key).await?;
        if let Some(key) = &key
            && let Some(answer) = key.find::<Answer>(&mut locked).await?
        {
            return Ok(Outcome::replayed((answer.member()?, None)));
        }
        let before = people::by_id(locked.tx(), id).await?.ok_or(AccessError::NotFound)?;
        may_grant(principal, before.role)?;
        may_grant(principal, role)?;
        if before.role == Role::Owner && role != Role::Owner {
            another_owner(&mut locked).await?;
        }
        let after = Member { role, ..before.clone() };
        people::set_role(&mut locked.tx, id, role).await?;
        let (asking, _, own) = acting(principal)?;
        sessions::end_all(&mut locked.tx, id, Some(&own)).await?;
        let is_own_change = asking == id && role != before.role;
        let renewed = is_own_change.then(|| SessionSecret::fresh(principal.tenant));
        if let Some(renewed) = &renewed {
            sessions::renew(&mut locked.tx, &own, &renewed.digest()).await?;
        }
        let details = json!({ "before": facts(&before), "after": facts(&after) });
        let entry = principal.audit_entry("user.change", id.to_string(), &details);
        audit::append(&mut locked.tx, &entry).await?;
        locked.announce(EventKind::UserChanged, None, &told(&after)).await?;
        idempotency::record(&mut locked, key.as_ref(), 200, &Answer::of(&after, false)).await?;
        locked.commit(self).await?;
        Ok(Outcome::fresh((after, renewed)))
    }

    /// Ends a membership with its sessions. Everybody may leave, except the last owner.
    pub async fn remove_member(
        &self,
        principal: &Principal,
        id: UserId,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<()>, PeopleError> {
        self.check_standing(principal).await?;
        let (own, ..) = acting(principal)?;
        if id != own {
            may_manage(principal)?;
        }
        let (mut locked, key) = self.lock_people(principal, "DELETE /user/{id}", key).await?;
        if let Some(key) = &key
            && key.find::<()>(&mut locked).await?.is_some()
        {
            return Ok(Outcome::replayed(()));
        }
        let member = people::by_id(locked.tx(), id).await?.ok_or(AccessError::NotFound)?;
        if id != own {
            may_grant(principal, member.role)?;
        }
        if member.role == Role::Owner {
            another_owner(&mut locked).await?;
        }
        let now = locked.head.now;
        sessions::end_all(&mut locked.tx, id, None).await?;
        people::remove(&mut locked.tx, id, now).await?;
        let details = json!({ "before": facts(&member), "after": null });
        let entry = principal.audit_entry("user.remove", id.to_string(), &details);
        audit::append(&mut locked.tx, &entry).await?;
        locked.announce(EventKind::UserRemoved, None, &told(&member)).await?;
        idempotency::record(&mut locked, key.as_ref(), 204, &()).await?;
        locked.commit(self).await?;
        Ok(Outcome::fresh(()))
    }

    /// Takes the tenant's lock, after which nobody's role changes, and looks at the caller's session once more.
    pub(crate) async fn lock_people(
        &self,
        principal: &Principal,
        route: &'static str,
        key: Option<IdempotencyKey>,
    ) -> Result<(LockedTenant, Option<ScopedKey>), PeopleError> {
        let database = &self.shared().database;
        let mut locked = LockedTenant::open(database, principal.tenant, &[&principal.path]).await?;
        principal.check_standing(&mut locked).await?;
        let mut key = scoped(principal, route, key);
        if let Some(key) = &mut key {
            // Bodies may hold passwords: what is stored of them must not help anybody to guess.
            let fingerprint = key.fingerprint;
            key.fingerprint = self.people_secret(&mut locked, "fingerprint", &fingerprint).await?;
        }
        Ok((locked, key))
    }

    /// A secret that is derived, so that it can be shown again without being stored. From the tenant's first root key,
    /// which outlives every rotation.
    pub(crate) async fn people_secret(
        &self,
        loaded: &mut impl Loaded,
        purpose: &str,
        subject: &[u8],
    ) -> Result<[u8; 32], ServiceError> {
        let missing = || ServiceError::Inconsistent("a tenant without root key".to_owned());
        let first = root_keys::first(loaded.tx()).await?;
        let key = self.root_key_in(loaded.tx(), first).await?.ok_or_else(missing)?;
        Ok(derive_secret(&key.key, purpose, subject))
    }

    async fn made_up_password(
        &self,
        principal: &Principal,
        id: UserId,
    ) -> Result<Zeroizing<String>, PeopleError> {
        let mut read = self.read(principal).await?;
        Ok(self.made_up_password_in(&mut read, id).await?)
    }

    /// 128 bits in hexadecimal digits.
    async fn made_up_password_in(
        &self,
        loaded: &mut impl Loaded,
        id: UserId,
    ) -> Result<Zeroizing<String>, ServiceError> {
        let secret = Zeroizing::new(self.people_secret(loaded, "password", id.as_uuid().as_bytes()).await?);
        Ok(Zeroizing::new(hex::encode(&secret[..16])))
    }
}

/// The person who asks: id, role, and the digest of the session.
pub(crate) fn acting(principal: &Principal) -> Result<(UserId, Role, [u8; 32]), PeopleError> {
    match &principal.via {
        Via::Session { user, role, secret } => Ok((*user, *role, secret.digest())),
        Via::Token(_) => Err(PeopleError::NoSession),
    }
}

pub(crate) fn may_manage(principal: &Principal) -> Result<(), PeopleError> {
    let (_, role, _) = acting(principal)?;
    if role.may_manage_people() { Ok(()) } else { Err(PeopleError::RoleTooLow) }
}

/// Refuses to give or take a role that is not the caller's to give.
pub(crate) fn may_grant(principal: &Principal, role: Role) -> Result<(), PeopleError> {
    let (_, own, _) = acting(principal)?;
    if own.may_grant(role) { Ok(()) } else { Err(PeopleError::RoleTooLow) }
}

/// Refuses to lose the last owner. Under the lock, so that two owners cannot go at the same time.
async fn another_owner(locked: &mut LockedTenant) -> Result<(), PeopleError> {
    if people::count_owners(&mut locked.tx).await? > 1 { Ok(()) } else { Err(PeopleError::LastOwner) }
}

/// An account whose password whoever adds the member knows. It is the tenant's alone, whoever has the address.
fn managed_account(member: &Member, password_hash: String) -> Account {
    Account {
        id: Uuid::now_v7(),
        email: member.email.clone(),
        password_hash,
        password_version: 1,
        verified_at: None,
        is_managed: true,
        signup_idempotency_key: None,
    }
}

/// For the audit log.
pub(crate) fn facts(member: &Member) -> Value {
    json!({ "email": member.email, "role": member.role.as_str() })
}

/// For those who watch.
pub(crate) fn told(member: &Member) -> Value {
    json!({ "user_id": member.id, "email": member.email, "role": member.role.as_str() })
}
