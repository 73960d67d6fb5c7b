//! A server per test, on a port of its own.

use std::{
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use serde_json::json;
use subgrant_server::{
    connections::{ConnectionLimits, Connections, serve},
    delivery::{self, Caller, Mailer, Senders, WebhookTargets},
    http::{HttpOptions, HttpState, keep_count, service},
};
use subgrant_service::{App, AppOptions, MailRoute, MasterKey};
use subgrant_store::{Database, DatabaseOptions, Shares};

use tokio::sync::watch;

use crate::{Api, SmtpServer, TestDatabase};

/// A running server with its database.
pub struct TestServer {
    /// A client without credentials.
    pub api: Api,
    /// The use cases behind it.
    pub app: App,
    /// What it stores into.
    pub database: TestDatabase,
    master_key: MasterKey,
    state: HttpState,
}

/// A tenant that was signed up over HTTP.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// `ten_…`.
    pub id: String,
    /// `dlg_…` of the root.
    pub root_id: String,
    /// The root token.
    pub root_token: String,
    /// The address of the owner, who signed up with it.
    pub email: String,
    /// The value of the session cookie.
    pub session: String,
}

impl TestServer {
    /// Starts a server on a new database.
    pub async fn start() -> Self {
        Self::start_with(HttpOptions::default(), AppOptions::default()).await
    }

    /// The same with other options.
    pub async fn start_with(http: HttpOptions, app: AppOptions) -> Self {
        Self::start_limited(ConnectionLimits::default(), http, app).await
    }

    /// The same with other limits of connections as well.
    pub async fn start_limited(limits: ConnectionLimits, http: HttpOptions, app: AppOptions) -> Self {
        Self::launch(TestDatabase::create().await, MasterKey::generate(), limits, Shares::of(10), http, app)
            .await
    }

    /// The same on a database whose connections are shared in another way.
    pub async fn start_with_shares(http: HttpOptions, app: AppOptions, shares: Shares) -> Self {
        let (database, key) = (TestDatabase::create().await, MasterKey::generate());
        Self::launch(database, key, ConnectionLimits::default(), shares, http, app).await
    }

    /// Counts the servers on its database, as a server in a process of its own does, until the task is aborted.
    pub fn keep_count(&self) -> tokio::task::JoinHandle<()> {
        tokio::spawn(keep_count(self.state.clone()))
    }

    /// Another server process, as it were, on the same database: nothing is shared but PostgreSQL.
    pub async fn replica(&self) -> Self {
        self.replica_with(AppOptions::default()).await
    }

    /// The same with other options.
    pub async fn replica_with(&self, app: AppOptions) -> Self {
        let database = TestDatabase { url: self.database.url.clone() };
        let limits = ConnectionLimits::default();
        Self::launch(database, self.master_key.clone(), limits, Shares::of(10), HttpOptions::default(), app)
            .await
    }

    async fn launch(
        database: TestDatabase,
        master_key: MasterKey,
        limits: ConnectionLimits,
        shares: Shares,
        http: HttpOptions,
        app: AppOptions,
    ) -> Self {
        let options = DatabaseOptions {
            url: database.url.clone(),
            max_connections: 10,
            acquire_timeout: Duration::from_secs(20),
            shares,
        };
        let pool = Database::connect(&options).await.expect("the test database accepts connections");
        let app = App::new(pool, master_key.clone(), app);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let connections = Arc::new(Connections::new(limits, http.trusted_proxies.clone()));
        let state = HttpState::new(app.clone(), http, &connections);
        // Nobody stops it before the test ends.
        let (_, stop) = watch::channel(false);
        tokio::spawn(serve(listener, service(state.clone()), connections, stop, Duration::ZERO));
        let api = Api::new(format!("http://{address}"));
        Self { api, app, database, master_key, state }
    }

    /// A server that mails to `smtp`, whose webhooks may lead to this machine, and that sends what its outbox holds until
    /// the test ends.
    pub async fn start_mailing(smtp: &SmtpServer) -> Self {
        let options = AppOptions { mail: MailRoute::Smtp, ..AppOptions::default() };
        let http = HttpOptions { webhook_targets: WebhookTargets::Any, ..HttpOptions::default() };
        let server = Self::start_with(http, options).await;
        let mailer = Mailer::smtp(&smtp.url, "Subgrant <subgrant@server.example>").expect("a good URL");
        let caller = Caller::new(WebhookTargets::Any).expect("the machine trusts somebody");
        let senders = Senders { mailer, caller: Some(caller) };
        tokio::spawn(delivery::run(server.app.clone(), senders));
        server
    }

    /// What a signal to stop does first.
    pub fn start_draining(&self) {
        self.state.start_draining();
    }

    /// Enters the master key, as the program does when it starts.
    pub async fn enter_master_key(&self) {
        let entered = self.master_key.belongs_to(self.app.database()).await;
        assert!(entered.expect("the database answers"), "the database is new");
    }

    /// The master key, as an operator gives it to a program.
    pub fn master_key_hex(&self) -> String {
        self.master_key.to_hex().to_string()
    }

    /// Signs a new tenant up.
    pub async fn sign_up(&self) -> Tenant {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let email = format!("owner{number}@tenant.example");
        let body = json!({
            "organization": format!("Tenant {number}"),
            "email": email,
            "password": "correct horse battery staple",
        });
        let reply = self.api.post("/signup", &body).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        let cookie = reply.header("set-cookie").expect("a sign-up opens a session");
        let session =
            cookie.split(';').next().and_then(|pair| pair.split_once('=')).expect("a cookie has a value").1;
        Tenant {
            id: reply.text("/tenant/id"),
            root_id: reply.text("/tenant/root_delegation_id"),
            root_token: reply.text("/root_token"),
            email,
            session: session.to_owned(),
        }
    }
}
