//! Reading the audit log.

use std::collections::HashMap;

use subgrant_domain::Action;
use subgrant_store::{
    audit::{self, AuditFilter, Recorded},
    people,
};
use uuid::Uuid;

use crate::{AccessError, App, Principal};

/// The most entries that a page with filters looks at.
const MOST: i64 = 5_000;

/// A page of the audit log.
#[derive(Debug)]
pub struct AuditPage {
    /// In the order asked for.
    pub entries: Vec<Recorded>,
    /// The addresses of the users who acted, of removed ones too.
    pub emails: HashMap<String, String>,
    /// Where the next page begins.
    pub next: Option<Uuid>,
}

impl App {
    /// Lists who did what. For the tenant's root: entries tell of every node.
    pub async fn audit(
        &self,
        principal: &Principal,
        filter: &AuditFilter,
        limit: u8,
    ) -> Result<AuditPage, AccessError> {
        let mut read = self.read(principal).await?;
        principal.require_for_tenant(Action::Read)?;
        let limit = usize::from(limit);
        let listed = audit::list(&mut read.tx, filter, limit + 1, MOST).await?;
        let mut entries = listed.entries;
        let is_full = entries.len() > limit;
        entries.truncate(limit);
        let next = if is_full { entries.last().map(|entry| entry.id) } else { listed.looked_until };
        let users: Vec<_> = entries.iter().filter_map(|entry| entry.actor.parse().ok()).collect();
        let emails = people::emails(&mut read.tx, &users).await?;
        let emails = emails.into_iter().map(|(id, email)| (id.to_string(), email)).collect();
        Ok(AuditPage { entries, emails, next })
    }
}
