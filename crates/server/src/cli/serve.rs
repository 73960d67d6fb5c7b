//! `subgrant serve`.

use std::{
    io::IsTerminal,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use axum_server::Handle;
use clap::{Args, ValueEnum, builder::BoolishValueParser};
use hyper_util::rt::TokioTimer;
use subgrant_service::{App, AppOptions};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::{CliError, DatabaseArgs};
use crate::{
    background, demo,
    http::{self, HttpOptions, HttpState},
    launch::Launched,
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
    /// How log lines look.
    #[arg(long, env = "SUBGRANT_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// Which log lines are written, as `tracing` filters: info, subgrant=debug, …
    #[arg(long, env = "SUBGRANT_LOG", default_value = "warn,subgrant_server=info,subgrant_service=info")]
    log: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

impl Serve {
    pub(super) async fn run(self) -> Result<(), CliError> {
        if self.demo && !self.listen.ip().is_loopback() {
            return Err(CliError::new(
                "--demo prints its secrets: use it with a loopback address such as 127.0.0.1",
            ));
        }
        self.start_logging()?;
        let listener = listen(self.listen)?;
        let address = listener.local_addr().map_err(|error| CliError::new(error.to_string()))?;
        // From here on, so that a signal while things start ends them in order as well.
        let signals = Signals::install()?;
        let launched = Launched::open(&self.database).await?;
        let served = self.serve(listener, address, &launched, signals).await;
        launched.close().await?;
        served
    }

    async fn serve(
        &self,
        listener: TcpListener,
        address: SocketAddr,
        launched: &Launched,
        signals: Signals,
    ) -> Result<(), CliError> {
        let location = self.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let options = AppOptions {
            location: location.clone(),
            max_offline_children: self.max_offline_children,
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
            HttpOptions { open_signup: !self.closed_signup, ..HttpOptions::default() },
        );
        let housekeeping = tokio::spawn(background::keep_house(app));
        let handle = Handle::new();
        let stopping = tokio::spawn(stop_on_signal(signals, handle.clone(), state.clone()));
        eprintln!("Listening on http://{address} (stop with Ctrl-C)");
        let mut server = axum_server::from_tcp(listener)
            .map_err(|error| CliError::new(format!("cannot listen: {error}")))?;
        server
            .http_builder()
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(MAX_HEAD_BYTES);
        let service = http::router(state).into_make_service_with_connect_info::<SocketAddr>();
        let ended = server.handle(handle).serve(service).await;
        housekeeping.abort();
        stopping.abort();
        ended.map_err(|error| CliError::new(format!("the server failed: {error}")))
    }

    fn start_logging(&self) -> Result<(), CliError> {
        let filter = EnvFilter::try_new(&self.log);
        let filter = filter.map_err(|error| CliError::new(format!("--log is not a filter: {error}")))?;
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        let builder = builder.with_ansi(std::io::stderr().is_terminal());
        match self.log_format {
            LogFormat::Text => builder.init(),
            LogFormat::Json => builder.json().init(),
        }
        Ok(())
    }
}

/// Binds before anything else is started, so that a taken port leaves nothing half-made.
fn listen(address: SocketAddr) -> Result<TcpListener, CliError> {
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => CliError::new(format!(
            "{address} is taken: stop the program that listens there, or choose another address with --listen"
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
