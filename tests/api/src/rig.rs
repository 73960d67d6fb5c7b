//! A server in the test's own process, without a socket, on a pool so small that a lost connection is noticed.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test itself does")]

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool, postgres::PgConnectOptions};
use subgrant_domain::{Allocation, AttributeText, ChildRequest, Credits, TenantId};
use subgrant_server::{
    connections::{ConnectionLimits, Connections},
    http::{HttpOptions, HttpService, HttpState, TrustedProxies, service},
};
use subgrant_service::{App, AppOptions, MasterKey, MintRequest, Principal};
use subgrant_store::{Database, DatabaseOptions, Shares};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, UnixStream},
};
use tower::ServiceExt;

use crate::{NODES, TestDatabase};

/// A server in this process, without a socket.
pub struct Rig {
    /// The whole HTTP surface.
    pub service: HttpService,
    /// The use cases behind it.
    pub app: App,
    /// The one tenant.
    pub tenant: TenantId,
    /// The token of a child of the root with a million credits.
    pub token: String,
    /// The root token.
    pub root_token: String,
    /// The value of the owner's session cookie.
    pub session: String,
    observer: PgPool,
    database: (String, MasterKey),
}

impl Rig {
    /// Starts one with a pool of so many connections.
    pub async fn start(max_connections: u32) -> Self {
        let database = TestDatabase::create().await;
        let observer = database.superuser().await;
        let (key, url) = (MasterKey::generate(), relayed(&database.url).await);
        let app = Self::app(&url, max_connections, &key).await;
        let connections = Connections::new(ConnectionLimits::default(), TrustedProxies::default());
        let service = service(HttpState::new(app.clone(), HttpOptions::default(), &Arc::new(connections)));
        let body =
            json!({ "organization": "Acme", "email": "owner@acme.example", "password": "correct horse" });
        let (status, headers, body) = send(&service, post("/signup", None, &body)).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        let cookie = headers[header::SET_COOKIE].to_str().unwrap();
        let session = cookie.split_once('=').unwrap().1.split(';').next().unwrap().to_owned();
        let tenant = body["tenant"]["id"].as_str().unwrap().parse().unwrap();
        let root_token = body["root_token"].as_str().unwrap().to_owned();
        let child = json!({ "label": "team", "budget_credits": 1_000_000 });
        let (status, _, body) = send(&service, post("/delegation", Some(&root_token), &child)).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        let token = body["token"].as_str().unwrap().to_owned();
        Self { service, app, observer, tenant, token, root_token, session, database: (url, key) }
    }

    async fn app(url: &str, max_connections: u32, key: &MasterKey) -> App {
        let (acquire_timeout, shares) = (Duration::from_secs(5), Shares::of(max_connections));
        let options = DatabaseOptions { url: url.to_owned(), max_connections, acquire_timeout, shares };
        App::new(Database::connect(&options).await.unwrap(), key.clone(), AppOptions::default())
    }

    /// The same service as a new process with one connection: nothing is cached.
    pub async fn restarted(&self) -> App {
        Self::app(&self.database.0, 1, &self.database.1).await
    }

    /// Who holds the child's token.
    pub async fn principal(&self) -> Principal {
        self.app.authenticate_token(&self.token, None, None).await.unwrap()
    }

    /// Waits until nothing is under way in the database, then fails unless the books balance and the pool's next
    /// transaction is one that others see.
    pub async fn assert_nothing_is_left_open(&self, what: &str) {
        self.wait_until_quiet(what).await;
        let (status, _, body) =
            send(&self.service, post("/spend", Some(&self.token), &json!({ "amount_credits": 1 }))).await;
        assert_eq!(status, StatusCode::CREATED, "{what}: {body}");
        let id: subgrant_domain::SpendId = body["id"].as_str().unwrap().parse().unwrap();
        let seen: i64 = self.one("SELECT count(*) FROM ledger WHERE id = $1", id.as_uuid()).await;
        assert_eq!(seen, 1, "{what}: the next spend was acknowledged and is not committed");
        let unbalanced: i64 = self.one(format!("{NODES}{UNBALANCED}"), self.tenant.as_uuid()).await;
        assert_eq!(unbalanced, 0, "{what}: the books do not balance");
        self.wait_until_quiet(what).await;
    }

    /// A dropped call may still be rolling back, and a detached one be working; neither takes long.
    async fn wait_until_quiet(&self, what: &str) {
        let mut busy = Vec::new();
        for _ in 0..1_000 {
            busy = sqlx::query_as::<_, (String, String)>(BUSY).fetch_all(&self.observer).await.unwrap();
            if busy.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what}: connections of the pool stay busy: {busy:?}");
    }

    /// A number from the database.
    pub async fn one(&self, statement: impl Into<String>, id: uuid::Uuid) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(statement.into())).bind(id).fetch_one(&self.observer).await.unwrap()
    }
}

const BUSY: &str = "SELECT state, query FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'subgrant' AND state <> 'idle'";

const UNBALANCED: &str = "SELECT count(*) FROM nodes d WHERE d.tenant_id = $1 AND (
    d.spent <> (SELECT coalesce(sum(l.amount), 0) FROM ledger l WHERE l.tenant_id = $1 AND l.delegation_id = d.id)
        + (SELECT coalesce(sum(c.spent), 0) FROM nodes c WHERE c.tenant_id = $1 AND c.parent_id = d.id)
    OR d.reserved <> (SELECT coalesce(sum(c.budget - c.spent), 0) FROM nodes c
        WHERE c.tenant_id = $1 AND c.parent_id = d.id AND NOT c.carve_returned)
    OR d.descendants <> (SELECT count(*) FROM nodes c WHERE c.tenant_id = $1 AND d.id = ANY(c.ancestor_ids)))";

/// The URL of a relay to the database that runs in this test's own, single thread. No answer can arrive before the
/// caller has given way, so that every round trip is an await at which a call can be dropped, on every run.
async fn relayed(url: &str) -> String {
    let options: PgConnectOptions = url.parse().expect("a database URL");
    let directory = options.get_socket().map_or_else(|| options.get_host().into(), Clone::clone);
    let socket = directory.join(format!(".s.PGSQL.{}", options.get_port()));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = listener.local_addr().expect("a bound socket has an address").port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = UnixStream::connect(&socket).await.expect("the test cluster has a socket");
            tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await });
        }
    });
    let (user, database) = (options.get_username(), options.get_database().expect("the database is named"));
    format!("postgres://{user}@127.0.0.1:{port}/{database}?sslmode=disable")
}

/// A request below `/api/cloud`, with or without a bearer token.
pub fn post(path: &str, token: Option<&str>, body: &Value) -> Request<Body> {
    let mut request =
        Request::post(format!("/api/cloud{path}")).header(header::CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    request.body(Body::from(body.to_string())).unwrap()
}

async fn send(service: &HttpService, request: Request<Body>) -> (StatusCode, axum::http::HeaderMap, Value) {
    let response = service.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    (parts.status, parts.headers, serde_json::from_slice(&bytes).unwrap())
}

/// A carve below the caller's own node, with nothing but a label and a budget.
pub fn mint_request(label: &str, budget: u64) -> MintRequest {
    let child = ChildRequest {
        budget: Credits::new(budget).unwrap(),
        allocation: Allocation::Carve,
        expires_at: None,
        actions: None,
        max_per_spend: None,
        limits: Vec::new(),
        max_depth: None,
        cost_center: None,
        department: None,
    };
    let label = AttributeText::new(label).unwrap();
    MintRequest { parent: None, label, child, expiry: None, audience: None, extra_caveats: Vec::new() }
}
