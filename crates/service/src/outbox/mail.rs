//! What mails say: plain text, one link at most.

use subgrant_domain::UserId;
use subgrant_store::{outbox::Item, people, settings};

use crate::{App, ServiceError, locked::ReadTenant};

/// A mail as it is handed to a mail server.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// The address.
    pub to: String,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub body: String,
}

/// Links in mails are secrets.
impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail").field("subject", &self.subject).finish_non_exhaustive()
    }
}

pub(crate) fn reset(to: &str, link: &str) -> Mail {
    Mail {
        to: to.to_owned(),
        subject: "Set a new password for Subgrant".to_owned(),
        body: format!(
            "Somebody, hopefully you, asked for a new password for the Subgrant account of this address.\n\n\
             Set it here within an hour:\n\n{link}\n\n\
             It ends every session of the account. If you did not ask for this, do nothing: your password stays as it is.\n"
        ),
    }
}

impl App {
    /// The mail that invites somebody; `None` once the invitation was accepted, replaced or too old.
    pub(crate) async fn compose_invitation(&self, item: &Item) -> Result<Option<Mail>, ServiceError> {
        let (Some(tenant), Some(recipient)) = (item.tenant, &item.recipient) else { return Ok(None) };
        let mut read = ReadTenant::open(&self.shared().database, tenant, &[]).await?;
        let user = UserId::from_uuid(item.subject);
        let found = people::outstanding_invitation(&mut read.tx, user).await?;
        let Some(invitation) = found.filter(|invitation| invitation.expires_at > read.tree.now()) else {
            return Ok(None);
        };
        let organization = settings::current(&mut read.tx).await?.organization;
        let secret = self.invitation_secret(&mut read, user).await?;
        let link = self.link("invite", &secret.to_text());
        Ok(Some(Mail {
            to: recipient.clone(),
            subject: format!("{organization} invites you to Subgrant"),
            body: format!(
                "You are invited to join {organization} on Subgrant as {}.\n\n\
                 Accept within seven days, and choose a password:\n\n{link}\n\n\
                 If you do not know why you got this, do nothing.\n",
                invitation.role
            ),
        }))
    }
}
