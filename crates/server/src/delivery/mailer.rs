//! Hands mail to a mail server.

use std::time::Duration;

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
};
use subgrant_service::Mail;

/// How long a mail server may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Where mail goes.
pub enum Mailer {
    /// To a mail server, from this sender.
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>, Box<Mailbox>),
    /// To the screen. Only for whoever runs the server on a laptop: mails hold secrets.
    Screen,
    /// Nowhere; none is written.
    Nowhere,
}

/// Why a mail was not taken.
#[derive(Debug, thiserror::Error)]
pub enum MailerError {
    /// It never will be: the address is none, or the server says so.
    #[error("{0}")]
    Refused(String),
    /// The server is away, or asks to try again.
    #[error("{0}")]
    Unavailable(String),
}

impl Mailer {
    /// A mail server by its URL: `smtps://user:password@host` (TLS), `smtp://host?tls=required` (STARTTLS), `smtp://host`.
    pub fn smtp(url: &str, from: &str) -> Result<Self, String> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url);
        let transport = transport.map_err(|error| format!("the SMTP URL cannot be used: {error}"))?;
        let from = from.parse::<Mailbox>().map_err(|error| format!("{from} is no sender: {error}"))?;
        Ok(Self::Smtp(Box::new(transport.timeout(Some(TIMEOUT)).build()), Box::new(from)))
    }

    #[expect(clippy::print_stdout, reason = "the screen is where such mail goes")]
    pub(super) async fn send(&self, mail: &Mail) -> Result<(), MailerError> {
        let (transport, from) = match self {
            Self::Smtp(transport, from) => (transport, from),
            Self::Screen => {
                println!("── Mail to {} ──\n{}\n\n{}──", mail.to, mail.subject, mail.body);
                return Ok(());
            }
            Self::Nowhere => return Ok(()),
        };
        let refused = |error: &dyn std::error::Error| MailerError::Refused(error.to_string());
        let to = mail.to.parse().map_err(|error: lettre::address::AddressError| refused(&error))?;
        let message = Message::builder()
            .from(Mailbox::clone(from))
            .to(Mailbox::new(None, to))
            .subject(&mail.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(mail.body.clone())
            .map_err(|error| refused(&error))?;
        // The transport's own time-out ends with the connection being made; a server that then says nothing would be waited
        // for without end.
        let Ok(sent) = tokio::time::timeout(TIMEOUT, transport.send(message)).await else {
            return Err(MailerError::Unavailable("the mail server takes too long".to_owned()));
        };
        match sent {
            Ok(_) => Ok(()),
            Err(error) if is_about_recipient(&error) => Err(refused(&error)),
            Err(error) => Err(MailerError::Unavailable(error.to_string())),
        }
    }
}

/// Whether a server will never take mail for an address. Other permanent errors, such as a wrong password of ours, end when
/// somebody mends the configuration.
fn is_about_recipient(error: &lettre::transport::smtp::Error) -> bool {
    error.status().is_some_and(|code| ["550", "551", "553"].contains(&code.to_string().as_str()))
}
