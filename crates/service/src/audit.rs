//! Reading the audit log.

use std::collections::HashMap;

use subgrant_domain::Action;
use subgrant_store::{
    audit::{self, Recorded},
    people,
};
use uuid::Uuid;

use crate::{AccessError, App, Principal};

/// A page of the audit log.
#[derive(Debug)]
pub struct AuditPage {
    /// Oldest first.
    pub entries: Vec<Recorded>,
    /// The addresses of the users who acted, of removed ones too.
    pub emails: HashMap<String, String>,
    /// Where the next page begins.
    pub next: Option<Uuid>,
}

impl App {
    /// Lists who did what, oldest first. For the tenant's root: entries tell of every node.
    pub async fn audit(
        &self,
        principal: &Principal,
        after: Option<Uuid>,
        limit: u8,
    ) -> Result<AuditPage, AccessError> {
        let mut read = self.read(principal).await?;
        principal.require(Action::Read)?;
        if principal.path.depth() > 0 {
            return Err(AccessError::NotPermitted(Action::Read));
        }
        let mut entries = audit::list(&mut read.tx, after, i64::from(limit) + 1).await?;
        let has_more = entries.len() > usize::from(limit);
        entries.truncate(usize::from(limit));
        let next = entries.last().map(|entry| entry.id).filter(|_| has_more);
        let users: Vec<_> = entries.iter().filter_map(|entry| entry.actor.parse().ok()).collect();
        let emails = people::emails(&mut read.tx, &users).await?;
        let emails = emails.into_iter().map(|(id, email)| (id.to_string(), email)).collect();
        Ok(AuditPage { entries, emails, next })
    }
}
