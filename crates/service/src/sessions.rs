//! The sessions of a person: looked at and ended by the person, and by those who manage people.

use serde_json::json;
use subgrant_domain::{SessionId, UserId};
use subgrant_store::{
    audit, people,
    sessions::{self, Session},
};

use crate::{
    AccessError, App, IdempotencyKey, Outcome, PeopleError, Principal, idempotency,
    people::{acting, may_grant},
};

impl App {
    /// The sessions of a member, newest first, each with whether it is the one that asks.
    pub async fn sessions(
        &self,
        principal: &Principal,
        user: UserId,
    ) -> Result<Vec<(Session, bool)>, PeopleError> {
        let mut read = self.read(principal).await?;
        let (own, _, secret) = acting(principal)?;
        let member = people::by_id(&mut read.tx, user).await?.ok_or(AccessError::NotFound)?;
        if user != own {
            may_grant(principal, member.role)?;
        }
        Ok(sessions::of_user(&mut read.tx, user, &secret).await?)
    }

    /// Ends one session of a member (`Some`), or all but the one that asks.
    pub async fn end_sessions(
        &self,
        principal: &Principal,
        user: UserId,
        session: Option<SessionId>,
        key: Option<IdempotencyKey>,
    ) -> Result<Outcome<()>, PeopleError> {
        self.check_standing(principal).await?;
        let (own, _, secret) = acting(principal)?;
        let (mut locked, key) = self.lock_people(principal, "DELETE /user/{id}/session", key).await?;
        if let Some(key) = &key
            && key.find::<()>(&mut locked).await?.is_some()
        {
            return Ok(Outcome::replayed(()));
        }
        let member = people::by_id(locked.tx.tx(), user).await?.ok_or(AccessError::NotFound)?;
        if user != own {
            may_grant(principal, member.role)?;
        }
        let ended = match session {
            Some(session) if sessions::end_one(&mut locked.tx, user, session).await? => 1,
            Some(_) => return Err(AccessError::NotFound.into()),
            None => sessions::end_all(&mut locked.tx, user, Some(&secret)).await?,
        };
        let entry = principal.audit_entry("session.end", user.to_string(), &json!({ "sessions": ended }));
        audit::append(&mut locked.tx, &entry).await?;
        idempotency::record(&mut locked, key.as_ref(), 204, &()).await?;
        locked.commit(self).await?;
        Ok(Outcome::fresh(()))
    }
}
