//! A mail server: real SMTP over a real socket, which keeps what it is sent.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use mailin::{Action, Handler, Response, Session, SessionBuilder, response};
use mailparse::MailHeaderMap;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::Authority;

/// No mail takes nearly as long, also on a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// A mail server. It ends with the test's process.
pub struct SmtpServer {
    /// Where it listens, as operators write it: `smtp://127.0.0.1:<port>`.
    pub url: String,
    inbox: Arc<Mutex<Inbox>>,
}

/// A mail as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Of the envelope.
    pub from: String,
    /// Of the envelope.
    pub to: Vec<String>,
    /// The subject, decoded.
    pub subject: String,
    /// The text, decoded.
    pub body: String,
    /// Whether it came over TLS.
    pub is_encrypted: bool,
}

/// When a mail server speaks TLS.
#[derive(Clone)]
enum Security {
    Never,
    FromTheStart(Arc<ServerConfig>),
    OnRequest(Arc<ServerConfig>),
}

#[derive(Default)]
struct Inbox {
    mails: Vec<Received>,
    attempts: usize,
    failures: usize,
}

/// One connection.
#[derive(Clone, Default)]
struct Connection {
    inbox: Arc<Mutex<Inbox>>,
    from: String,
    to: Vec<String>,
    data: Vec<u8>,
    is_encrypted: bool,
}

impl SmtpServer {
    /// Starts one on a port of its own.
    pub fn start() -> Self {
        Self::listen(Security::Never, |port| format!("smtp://127.0.0.1:{port}"))
    }

    /// One that speaks TLS from the start, with a certificate of that authority's.
    pub fn start_tls(authority: &Authority) -> Self {
        let security = Security::FromTheStart(authority.config());
        Self::listen(security, |port| format!("smtps://localhost:{port}"))
    }

    /// One that speaks TLS once it is asked to, and whose clients are told to ask.
    pub fn start_starttls(authority: &Authority) -> Self {
        let security = Security::OnRequest(authority.config());
        Self::listen(security, |port| format!("smtp://localhost:{port}?tls=required"))
    }

    /// One that never does, although its clients are told to ask.
    pub fn start_without_starttls() -> Self {
        Self::listen(Security::Never, |port| format!("smtp://localhost:{port}?tls=required"))
    }

    fn listen(security: Security, url: impl Fn(u16) -> String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let connection = Connection::default();
        let inbox = Arc::clone(&connection.inbox);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (connection, security) = (connection.clone(), security.clone());
                std::thread::spawn(move || serve(stream, connection, security));
            }
        });
        Self { url: url(address.port()), inbox }
    }

    /// The next so many mails are refused for now.
    pub fn fail(&self, times: usize) {
        self.inbox().failures = times;
    }

    /// How often somebody tried to hand a mail over.
    pub fn attempts(&self) -> usize {
        self.inbox().attempts
    }

    /// What came so far.
    pub fn mails(&self) -> Vec<Received> {
        self.inbox().mails.clone()
    }

    /// Waits until there are so many mails, and returns all.
    pub async fn wait_for(&self, mails: usize) -> Vec<Received> {
        let started = Instant::now();
        while self.inbox().mails.len() < mails {
            assert!(started.elapsed() < PATIENCE, "only {} of {mails} mails come", self.mails().len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.mails()
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().expect("no connection panics")
    }
}

/// One client, until it goes.
fn serve(stream: TcpStream, connection: Connection, security: Security) -> io::Result<()> {
    let client = stream.peer_addr()?.ip();
    let mut builder = SessionBuilder::new("mail.server.example");
    let encrypted = Connection { is_encrypted: true, ..connection.clone() };
    match security {
        Security::Never => converse(stream, builder.build(client, connection), Greeting::Said).map(drop),
        Security::FromTheStart(config) => {
            converse(tls(stream, config)?, builder.build(client, encrypted), Greeting::Said).map(drop)
        }
        Security::OnRequest(config) => {
            let plain = builder.enable_start_tls().build(client, connection);
            let Some(stream) = converse(stream, plain, Greeting::Said)? else { return Ok(()) };
            // Whatever was said before counts no more.
            let session = SessionBuilder::new("mail.server.example").build(client, encrypted);
            converse(tls(stream, config)?, session, Greeting::Left).map(drop)
        }
    }
}

fn tls(stream: TcpStream, config: Arc<ServerConfig>) -> io::Result<StreamOwned<ServerConnection, TcpStream>> {
    Ok(StreamOwned::new(ServerConnection::new(config).map_err(io::Error::other)?, stream))
}

/// Whether a server speaks first.
#[derive(Clone, Copy, PartialEq)]
enum Greeting {
    Said,
    Left,
}

/// Talks until the client goes, or wants to go on with TLS over this stream.
fn converse<S: Read + Write>(
    mut stream: S,
    mut session: Session<Connection>,
    greeting: Greeting,
) -> io::Result<Option<S>> {
    if greeting == Greeting::Said {
        session.greeting().write_to(&mut stream)?;
    }
    let (mut reader, mut line) = (BufReader::new(stream), Vec::new());
    while reader.read_until(b'\n', &mut line)? > 0 {
        let response = session.process(&line);
        line.clear();
        if response.action != Action::NoReply {
            response.write_to(reader.get_mut())?;
        }
        match response.action {
            Action::Close => break,
            Action::UpgradeTls => return Ok(Some(reader.into_inner())),
            _ => {}
        }
    }
    Ok(None)
}

impl Received {
    /// What follows `#token=` in the mail's link to a page.
    pub fn token(&self, page: &str) -> String {
        let mark = format!("/{page}#token=");
        let found = self.body.split(&mark).nth(1).and_then(|rest| rest.split_whitespace().next());
        found.unwrap_or_else(|| panic!("no link to {page} in {self:?}")).to_owned()
    }

    fn parse(connection: &Connection) -> Self {
        let mail = mailparse::parse_mail(&connection.data).expect("what is sent is a mail");
        Self {
            from: connection.from.clone(),
            to: connection.to.clone(),
            is_encrypted: connection.is_encrypted,
            subject: mail.headers.get_first_value("Subject").expect("a mail has a subject"),
            body: mail.get_body().expect("the body is text"),
        }
    }
}

impl Handler for Connection {
    fn mail(&mut self, _: std::net::IpAddr, _: &str, from: &str) -> Response {
        from.clone_into(&mut self.from);
        self.to.clear();
        response::OK
    }

    fn rcpt(&mut self, to: &str) -> Response {
        self.to.push(to.to_owned());
        response::OK
    }

    fn data_start(&mut self, _: &str, _: &str, _: bool, _: &[String]) -> Response {
        self.data.clear();
        response::OK
    }

    fn data(&mut self, buffer: &[u8]) -> io::Result<()> {
        self.data.extend_from_slice(buffer);
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        let mut inbox = self.inbox.lock().expect("no connection panics");
        inbox.attempts += 1;
        if inbox.failures > 0 {
            inbox.failures -= 1;
            // With any other error the state machine would go on taking what comes for the mail's text.
            return response::NO_SERVICE;
        }
        inbox.mails.push(Received::parse(self));
        response::OK
    }
}
