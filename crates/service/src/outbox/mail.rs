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

/// A mail for setting a new password, with a link for each account: the name of the account's first organisation, and the link.
pub(crate) fn reset(to: &str, links: &[(String, String)]) -> Mail {
    let listed = match links {
        [(_, link)] => link.clone(),
        several => {
            let line = |(name, link): &(String, String)| format!("{}:\n{link}", shown(name));
            let lines: Vec<_> = several.iter().map(line).collect();
            format!("There is more than one account of this address.\n\n{}", lines.join("\n\n"))
        }
    };
    Mail {
        to: to.to_owned(),
        subject: "Set a new password for Subgrant".to_owned(),
        body: format!(
            "Somebody, hopefully you, asked for a new password for the Subgrant account of this address.\n\n\
             Set it here within an hour:\n\n{listed}\n\n\
             It ends every session of the account. If you did not ask for this, do nothing: your password stays as it is.\n"
        ),
    }
}

/// A mail with which somebody proves an address.
pub(crate) fn confirmation(to: &str, organization: &str, link: &str) -> Mail {
    Mail {
        to: to.to_owned(),
        subject: "Confirm your address for Subgrant".to_owned(),
        body: format!(
            "Somebody, hopefully you, uses this address for the organisation {} on Subgrant.\n\n\
             Confirm within a day that it is yours, where you are signed in:\n\n{link}\n\n\
             If it was not you, do nothing: nobody can use your address in other organisations.\n",
            shown(organization)
        ),
    }
}

/// A name that strangers chose, as it stands in a mail: in quotes, on one line, short, and without what mail programs make a link
/// of.
pub(crate) fn shown(name: &str) -> String {
    let letters: Vec<char> = name.chars().take(80).collect();
    let is_inner = |at: usize| at > 0 && letters.get(at + 1).is_some_and(|next| !next.is_whitespace());
    let safe = |(at, letter): (usize, &char)| match letter {
        '/' | '@' | '\\' | '<' | '>' => ' ',
        ':' | '.' if is_inner(at) => ' ',
        letter if letter.is_control() || letter.is_whitespace() => ' ',
        letter => *letter,
    };
    format!("“{}”", letters.iter().enumerate().map(safe).collect::<String>().trim())
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
            subject: "You are invited to Subgrant".to_owned(),
            body: format!(
                "You are invited to join {} on Subgrant as {}.\n\n\
                 Accept within seven days, and choose a password:\n\n{link}\n\n\
                 If you do not know why you got this, do nothing.\n",
                shown(organization.as_str()),
                invitation.role
            ),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_without_what_becomes_a_link() {
        for (name, expected) in [
            ("Acme Inc.", "“Acme Inc.”"),
            ("Équipe données", "“Équipe données”"),
            ("pay at evil.example/now", "“pay at evil example now”"),
            ("https://evil.example", "“https   evil example”"),
            ("mail me@evil.example", "“mail me evil example”"),
            ("a\nSubject: b", "“a Subject: b”"),
            ("www.evil.example", "“www evil example”"),
        ] {
            assert_eq!(shown(name), expected, "{name:?}");
        }
        assert!(shown(&"x".repeat(500)).chars().count() <= 82);
    }
}
