//! `subgrant serve`.

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use clap::{Args, builder::BoolishValueParser};
use subgrant_service::{App, AppOptions, MailRoute, background::task};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    task::JoinHandle,
};
use tracing_subscriber::EnvFilter;

use super::{CliError, DatabaseArgs, network::NetworkArgs, secret};
use crate::{
    background,
    connections::{self, Connections},
    delivery::{self, Caller, Mailer, Senders, WebhookTargets},
    demo,
    http::{self, HttpOptions, HttpState, RateChange, Rates},
    launch::Launched,
    telemetry::{LogFormat, Telemetry},
};

/// How long requests that are under way may take when the server stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Options of `subgrant serve`.
#[derive(Args)]
pub(super) struct Serve {
    /// Where to listen.
    #[arg(long, env = "SUBGRANT_LISTEN", default_value = "127.0.0.1:8402")]
    listen: SocketAddr,
    /// Where to answer `/metrics` and nothing else; without this it is answered where everything else is, to processes of this
    /// machine.
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
    /// Another rate for a limit, such as `address-signups=2:200` (two a second, 200 at once) or `address-signups=off`; `all` names
    /// every limit. May be given several times; `docs/rate-limits.md` has the names.
    #[arg(long = "rate-limit", env = "SUBGRANT_RATE_LIMITS", value_name = "LIMIT", value_delimiter = ',')]
    rate_limits: Vec<RateChange>,
    #[command(flatten)]
    network: NetworkArgs,
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
            max_exports: exports_of(self.database.max_connections),
            mail,
            ..AppOptions::default()
        };
        let app = App::new(launched.database.clone(), launched.master_key.clone(), options);
        if self.demo {
            let demo =
                demo::ensure(&app).await.map_err(|error| CliError::new(format!("the demo: {error}")))?;
            println!("{}", demo.instructions(&format!("http://localhost:{}", address.port())));
        }
        let limits = self.network.connection_limits(self.database.max_connections);
        let connections = Arc::new(Connections::new(limits, self.network.trusted_proxies()));
        let http = self.network.http_options(for_metrics.is_some(), self.public_url.as_deref());
        let http = HttpOptions {
            open_signup: !self.closed_signup,
            webhook_targets: targets,
            rates: Rates::default().changed(&self.rate_limits),
            ..http
        };
        let state = HttpState::new(app.clone(), http, &connections);
        let counting = tokio::spawn(http::keep_count(state.clone()));
        let housekeeping = supervised(&app, task::HOUSEKEEPING, background::keep_house);
        let alerts = supervised(&app, task::ALERTS, background::watch_alerts);
        let caller = Caller::new(targets);
        let caller = caller.inspect_err(|error| tracing::warn!(%error, "webhooks cannot be called")).ok();
        let delivery = tokio::spawn(delivery::run(app, Senders { mailer, caller }));
        let (stop, stopping) = watch::channel(false);
        // Until the very end, so that a server that stops can still be watched.
        let (_never, running) = watch::channel(false);
        let metrics = for_metrics.map(|listener| {
            let (http, connections) = (http::metrics_service(state.clone()), Arc::clone(&connections));
            eprintln!("Metrics on http://{}/metrics", address_of(&listener)?);
            let listener = accepting(listener)?;
            Ok(tokio::spawn(connections::serve(listener, http, connections, running, Duration::ZERO)))
        });
        let metrics = metrics.transpose()?;
        let watching = tokio::spawn(stop_on_signal(signals, stop, state.clone()));
        eprintln!("Listening on http://{address} (stop with Ctrl-C)");
        let listener = accepting(listener)?;
        let service = http::service(state.clone());
        connections::serve(listener, service, connections, stopping, DRAIN_TIMEOUT).await;
        counting.abort();
        http::leave_count(&state).await;
        for task in [housekeeping, alerts, delivery, watching].into_iter().chain(metrics) {
            task.abort();
        }
        Ok(())
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

/// How many exports there may be: together they keep three tenths of the connections to the database.
fn exports_of(max_connections: u32) -> usize {
    usize::try_from(max_connections.saturating_mul(3) / 10).unwrap_or(usize::MAX).max(1)
}

/// The socket as the runtime has it.
fn accepting(listener: TcpListener) -> Result<tokio::net::TcpListener, CliError> {
    let listener = tokio::net::TcpListener::from_std(listener);
    listener.map_err(|error| CliError::new(format!("cannot listen: {error}")))
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
async fn stop_on_signal(mut signals: Signals, stop: watch::Sender<bool>, state: HttpState) {
    signals.received().await;
    eprintln!("Stopping: waiting for requests that are under way");
    state.start_draining();
    stop.send_replace(true);
}
