//! `subgrant serve`.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    time::Duration,
};

use axum_server::{Handle, Server};
use clap::{Args, builder::BoolishValueParser};
use hyper_util::rt::TokioTimer;
use subgrant_service::{App, AppOptions, MailRoute, background::task};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
};
use tracing_subscriber::EnvFilter;

use super::{CliError, DatabaseArgs, secret};
use crate::{
    background,
    delivery::{self, Caller, Mailer, Senders, WebhookTargets},
    demo,
    http::{self, HttpOptions, HttpState},
    launch::Launched,
    telemetry::{LogFormat, Telemetry},
};

/// How long a client may take to send its headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// The most bytes of a request's head; beyond it the answer is 431.
const MAX_HEAD_BYTES: usize = 256 * 1024;

/// How long requests that are under way may take when the server stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Options of `subgrant serve`.
#[derive(Args)]
pub(super) struct Serve {
    /// Where to listen.
    #[arg(long, env = "SUBGRANT_LISTEN", default_value = "127.0.0.1:8402")]
    listen: SocketAddr,
    /// Where to answer `/metrics` and nothing else; without this it is answered where everything else is.
    #[arg(long, env = "SUBGRANT_METRICS_LISTEN")]
    metrics_listen: Option<SocketAddr>,
    #[command(flatten)]
    database: DatabaseArgs,
    /// The URL under which clients reach this server; written into tokens as a hint.
    #[arg(long, env = "SUBGRANT_PUBLIC_URL")]
    public_url: Option<String>,
    /// Refuse sign-ups: tenants are then made with `subgrant tenant create`.
    #[arg(long, env = "SUBGRANT_CLOSED_SIGNUP", value_parser = BoolishValueParser::new())]
    closed_signup: bool,
    /// Create the demo tenant with its tree, and print tokens and commands to try. For loopback addresses only.
    #[arg(long, env = "SUBGRANT_DEMO", value_parser = BoolishValueParser::new())]
    demo: bool,
    /// How many children that were made offline one delegation may have in the ledger; further ones are refused.
    #[arg(long, env = "SUBGRANT_MAX_OFFLINE_CHILDREN", default_value_t = AppOptions::default().max_offline_children)]
    max_offline_children: u64,
    #[command(flatten)]
    mail: MailArgs,
    /// Let webhooks lead to this machine and to private networks, by `http` as well. So it is without this option with
    /// `--data-dir` where `--listen` is a loopback address.
    #[arg(long, env = "SUBGRANT_WEBHOOK_ALLOW_PRIVATE", value_parser = BoolishValueParser::new())]
    webhook_allow_private: bool,
    /// How log lines look.
    #[arg(long, env = "SUBGRANT_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// Which log lines are written, as `tracing` filters: info, subgrant=debug, …
    #[arg(long, env = "SUBGRANT_LOG", default_value = "warn,subgrant_server=info,subgrant_service=info")]
    log: String,
}

/// How mail is sent.
#[derive(Args)]
struct MailArgs {
    /// A mail server: `smtps://user:password@host`, or `smtp://user:password@host?tls=required` for STARTTLS. Without one,
    /// no mail is sent; with `--data-dir` it is shown on the screen instead.
    #[arg(long, env = "SUBGRANT_SMTP_URL", hide_env_values = true)]
    smtp_url: Option<String>,
    /// A file that holds the URL.
    #[arg(long, env = "SUBGRANT_SMTP_URL_FILE", conflicts_with = "smtp_url")]
    smtp_url_file: Option<PathBuf>,
    /// Whom mail comes from, such as `Subgrant <subgrant@acme.example>`.
    #[arg(long, env = "SUBGRANT_MAIL_FROM")]
    mail_from: Option<String>,
}

impl MailArgs {
    fn mailer(&self, is_embedded: bool) -> Result<(MailRoute, Mailer), CliError> {
        let Some(url) = secret(self.smtp_url.as_deref(), self.smtp_url_file.as_ref())? else {
            let nowhere = (MailRoute::Nowhere, Mailer::Nowhere);
            return Ok(if is_embedded { (MailRoute::Screen, Mailer::Screen) } else { nowhere });
        };
        let from = self.mail_from.as_deref().ok_or_else(|| {
            CliError::new("say whom mail comes from: --mail-from 'Subgrant <subgrant@acme.example>'")
        })?;
        Ok((MailRoute::Smtp, Mailer::smtp(&url, from).map_err(CliError::new)?))
    }
}

impl Serve {
    pub(super) async fn run(self) -> Result<(), CliError> {
        if self.demo && !self.listen.ip().is_loopback() {
            return Err(CliError::new(
                "--demo prints its secrets: use it with a loopback address such as 127.0.0.1",
            ));
        }
        let telemetry = self.start_telemetry()?;
        let served = self.run_observed().await;
        telemetry.close().await;
        served
    }

    async fn run_observed(self) -> Result<(), CliError> {
        let listener = listen(self.listen, "--listen")?;
        let address = address_of(&listener)?;
        let for_metrics =
            self.metrics_listen.map(|address| listen(address, "--metrics-listen")).transpose()?;
        // From here on, so that a signal while things start ends them in order as well.
        let signals = Signals::install()?;
        let launched = Launched::open(&self.database).await?;
        let served = self.serve((listener, address), for_metrics, &launched, signals).await;
        launched.close().await?;
        served
    }

    async fn serve(
        &self,
        (listener, address): (TcpListener, SocketAddr),
        for_metrics: Option<TcpListener>,
        launched: &Launched,
        signals: Signals,
    ) -> Result<(), CliError> {
        let targets = self.webhook_targets();
        let (mail, mailer) = self.mail.mailer(self.database.data_dir.is_some())?;
        let location = self.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let options = AppOptions {
            location: location.clone(),
            max_offline_children: self.max_offline_children,
            mail,
            ..AppOptions::default()
        };
        let app = App::new(launched.database.clone(), launched.master_key.clone(), options);
        if self.demo {
            let demo =
                demo::ensure(&app).await.map_err(|error| CliError::new(format!("the demo: {error}")))?;
            println!("{}", demo.instructions(&format!("http://localhost:{}", address.port())));
        }
        let state = HttpState::new(
            app.clone(),
            HttpOptions {
                open_signup: !self.closed_signup,
                webhook_targets: targets,
                metrics_elsewhere: for_metrics.is_some(),
                ..HttpOptions::default()
            },
        );
        let housekeeping = supervised(&app, task::HOUSEKEEPING, background::keep_house);
        let alerts = supervised(&app, task::ALERTS, background::watch_alerts);
        let caller = Caller::new(targets);
        let caller = caller.inspect_err(|error| tracing::warn!(%error, "webhooks cannot be called")).ok();
        let delivery = tokio::spawn(delivery::run(app, Senders { mailer, caller }));
        let metrics = for_metrics.map(|listener| serve_metrics(listener, state.clone())).transpose()?;
        let handle = Handle::new();
        let stopping = tokio::spawn(stop_on_signal(signals, handle.clone(), state.clone()));
        eprintln!("Listening on http://{address} (stop with Ctrl-C)");
        let server = server_on(listener)?.handle(handle);
        let ended = server.serve(http::service(state).per_connection()).await;
        housekeeping.abort();
        alerts.abort();
        delivery.abort();
        stopping.abort();
        // Up to here, so that a server that stops can still be watched.
        metrics.inspect(JoinHandle::abort);
        ended.map_err(|error| CliError::new(format!("the server failed: {error}")))
    }

    /// Where webhooks may lead. On a laptop anywhere, because whoever makes one sits there; a server that others reach is
    /// asked to call its own network by nobody but its operator.
    fn webhook_targets(&self) -> WebhookTargets {
        let is_own = self.database.data_dir.is_some() && self.listen.ip().is_loopback();
        if self.webhook_allow_private || is_own { WebhookTargets::Any } else { WebhookTargets::Public }
    }

    fn start_telemetry(&self) -> Result<Telemetry, CliError> {
        let filter = EnvFilter::try_new(&self.log);
        let filter = filter.map_err(|error| CliError::new(format!("--log is not a filter: {error}")))?;
        Telemetry::start(filter, self.log_format).map_err(CliError::new)
    }
}

/// Does something in the background until the task is aborted.
fn supervised<F>(
    app: &App,
    name: &'static str,
    work: impl Fn(App) -> F + Send + Sync + 'static,
) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let app = app.clone();
    tokio::spawn(async move { app.supervise(name, || work(app.clone())).await })
}

/// Answers `/metrics` until the task is aborted.
fn serve_metrics(listener: TcpListener, state: HttpState) -> Result<JoinHandle<io::Result<()>>, CliError> {
    let address = address_of(&listener)?;
    eprintln!("Metrics on http://{address}/metrics");
    let server = server_on(listener)?;
    Ok(tokio::spawn(async move {
        let ended = server.serve(http::metrics_service(state).per_connection()).await;
        tracing::error!(?ended, "metrics are not answered any more");
        ended
    }))
}

/// Limits what a client may send before a request begins.
fn server_on(listener: TcpListener) -> Result<Server<SocketAddr>, CliError> {
    let server = axum_server::from_tcp(listener);
    let mut server = server.map_err(|error| CliError::new(format!("cannot listen: {error}")))?;
    let mut http = server.http_builder().http1();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(MAX_HEAD_BYTES);
    Ok(server)
}

fn address_of(listener: &TcpListener) -> Result<SocketAddr, CliError> {
    listener.local_addr().map_err(|error| CliError::new(error.to_string()))
}

/// Binds before anything else is started, so that a taken port leaves nothing half-made.
fn listen(address: SocketAddr, option: &str) -> Result<TcpListener, CliError> {
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => CliError::new(format!(
            "{address} is taken: stop the program that listens there, or choose another address with {option}"
        )),
        _ => CliError::new(format!("cannot listen on {address}: {error}")),
    })
}

/// Ctrl-C and SIGTERM, remembered from the moment of installation.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn install() -> Result<Self, CliError> {
        let install =
            |kind| signal(kind).map_err(|error| CliError::new(format!("cannot handle signals: {error}")));
        Ok(Self {
            interrupt: install(SignalKind::interrupt())?,
            terminate: install(SignalKind::terminate())?,
        })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// On a signal: stop accepting, let what is under way finish.
async fn stop_on_signal(mut signals: Signals, handle: Handle<SocketAddr>, state: HttpState) {
    signals.received().await;
    eprintln!("Stopping: waiting for requests that are under way");
    state.start_draining();
    handle.graceful_shutdown(Some(DRAIN_TIMEOUT));
}
