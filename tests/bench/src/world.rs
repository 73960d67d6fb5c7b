//! What every measurement runs on: one durable cluster, one database, tenants with trees of four levels.

use std::{path::Path, sync::Arc, time::Duration};

use embedded_postgres::{Cluster, Installation, Options};
use sqlx::{PgPool, postgres::PgPoolOptions};
use subgrant_domain::{AttributeText, Credits, DelegationId, TenantId};
use subgrant_service::{
    App, AppOptions, Browser, IdempotencyKey, MasterKey, MintRequest, Principal, SignupRequest, SpendRequest,
};
use subgrant_store::{Database, DatabaseOptions, Shares};
use subgrant_tests::{Program, Running, Scratch, attenuate, mint_request};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::large::{Large, Size};

const DATABASE: &str = "bench";

/// How deep the leaves are that are compared.
pub(crate) const DEPTHS: [usize; 4] = [4, 8, 16, 32];

/// The rows of one bare insert.
pub(crate) const BATCH: usize = 1_000;

/// A large pool, because the naive way needs a connection for each client.
const CONNECTIONS: u32 = 80;

/// The cluster, and what runs on it. The fields are in the order in which they end.
pub(crate) struct World {
    pub(crate) servers: Vec<Running>,
    pub(crate) app: App,
    /// As the superuser.
    pub(crate) url: String,
    pub(crate) pool: PgPool,
    /// The tenant with a thousand leaves.
    pub(crate) tenant: Arc<Tenant>,
    /// Further tenants with twenty leaves each.
    pub(crate) others: Vec<Arc<Tenant>>,
    /// One that has a leaf in each of [`DEPTHS`].
    pub(crate) deep: [Arc<Tenant>; DEPTHS.len()],
    /// One that is as large as they come, if asked for.
    pub(crate) large: Option<Arc<Large>>,
    _master_key: Scratch,
    _cluster: Cluster,
}

/// One tenant.
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) team: Agent,
    pub(crate) leaves: Vec<Agent>,
}

/// How much of the log's files there is ahead of it, as on a server that has been busy before: they are used again after a
/// checkpoint. To make a new one holds every commit up, and doubles what is written.
const LOG_AHEAD: &str = "4GB";

/// Writes as much of the log; the files are used again after the checkpoint.
const FILL_LOG: &str = "DO $$ BEGIN
         FOR file IN 1..256 LOOP
             PERFORM pg_logical_emit_message(false, '', '');
             PERFORM pg_switch_wal();
         END LOOP;
     END $$;
     CHECKPOINT";

/// A token, verified once as in a server that has seen it before, and its text.
#[derive(Clone)]
pub(crate) struct Agent {
    pub(crate) principal: Principal,
    pub(crate) token: Zeroizing<String>,
}

impl World {
    /// Makes everything anew in `directory`.
    pub(crate) async fn build(
        directory: &Path,
        server: &Path,
        size: Option<&Size>,
        say: &impl Fn(&str),
    ) -> Self {
        say("starting PostgreSQL, with durable settings as they come");
        let installation = Installation::find().expect("PostgreSQL is installed");
        let mut options = Options::durable(directory);
        // A quarter of a gigabyte is what a small production machine gives it, and no checkpoint falls into a round
        // because of the log's size alone. Nothing else differs from PostgreSQL's defaults.
        for (name, value) in [
            ("shared_buffers", "256MB"),
            ("max_wal_size", "8GB"),
            ("min_wal_size", LOG_AHEAD),
            ("max_connections", "200"),
        ] {
            options.settings.push((name.to_owned(), value.to_owned()));
        }
        let cluster = Cluster::start(&installation, &options).expect("the cluster starts");
        cluster.ensure_database(DATABASE, "postgres").expect("a database can be made");
        let url = cluster.superuser_url(DATABASE);
        subgrant_store::migrate(&url, None).await.expect("the migrations apply");
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(&url).await;
        let pool = pool.expect("the superuser may connect");
        let key = MasterKey::generate();
        let app = app(&url, &key).await;
        say("making a tree of 1,111 delegations, and twenty small ones");
        let root = sign_up(&app, "main").await;
        let tenant = Arc::new(grow(&app, &root, [10, 10, 10]).await);
        let mut others = Vec::new();
        for number in 0..20 {
            let root = sign_up(&app, &format!("small-{number}")).await;
            others.push(Arc::new(grow(&app, &root, [1, 2, 10]).await));
        }
        let deep = chain(&app, DEPTHS).await;
        let large = match size {
            Some(size) => Some(Arc::new(Large::build(&app, &pool, &url, size, say).await)),
            None => None,
        };
        say("making files of the log ahead");
        sqlx::raw_sql(FILL_LOG).execute(&pool).await.expect("the superuser may");
        // As autovacuum does a minute later.
        sqlx::raw_sql("VACUUM ANALYZE").execute(&pool).await.expect("the superuser may");
        say("starting two servers");
        let scratch = Scratch::new();
        let key_file = scratch.path("master-key");
        std::fs::write(&key_file, key.to_hex().as_bytes()).expect("a scratch file can be written");
        let serve = Program::new(
            server.to_str().expect("paths are UTF-8"),
            ["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--rate-limit", "all=off"],
        )
        .env("SUBGRANT_DATABASE_URL", &url)
        .env("SUBGRANT_MASTER_KEY_FILE", &key_file);
        let servers = vec![serve.start(), serve.start()];
        Self { servers, app, url, pool, tenant, others, deep, large, _master_key: scratch, _cluster: cluster }
    }

    /// Stops the servers, then the connections, then the database.
    pub(crate) async fn close(mut self) {
        self.servers.clear();
        self.app.database().close().await;
        self.pool.close().await;
    }
}

async fn app(url: &str, key: &MasterKey) -> App {
    let acquire_timeout = Duration::from_secs(30);
    let (url, shares) = (url.to_owned(), Shares::of(20));
    let options = DatabaseOptions { url, max_connections: 20, acquire_timeout, shares };
    let database = Database::connect(&options).await.expect("the server's role exists");
    assert!(key.belongs_to(&database).await.expect("the database answers"), "a fresh database takes any key");
    let options = AppOptions::default();
    App::new(database, key.clone(), options)
}

/// Signs a tenant up. Returns its root.
pub(crate) async fn sign_up(app: &App, name: &str) -> Agent {
    let request = SignupRequest {
        organization: AttributeText::new(name).expect("a plain name"),
        email: format!("{name}@bench.example"),
        password: Zeroizing::new("bench-password".to_owned()),
        idempotency_key: None,
        browser: Browser::default(),
        request_id: None,
    };
    let Ok(signed_up) = app.sign_up(request).await else {
        panic!("the address {name}@bench.example is free")
    };
    agent(app, signed_up.value.root_token).await
}

/// Makes departments, teams and agents below a root. Departments and agents have a limit per day.
pub(crate) async fn grow(app: &App, root: &Agent, [departments, teams, agents]: [usize; 3]) -> Tenant {
    let limits = vec!["1000000000000/day".parse().expect("a limit")];
    let (mut leaves, mut first_team) = (Vec::new(), None);
    for department in 0..departments {
        let name = format!("Department {department}");
        let mut request = mint_request(&name, 1 << 48);
        let attribution = Some(AttributeText::new(&name).expect("a plain name"));
        request.child.limits.clone_from(&limits);
        request.child.cost_center.clone_from(&attribution);
        request.child.department = attribution;
        let below_root = mint(app, root, &request).await;
        for team in 0..teams {
            let team = mint(app, &below_root, &mint_request(&format!("Team {team}"), 1 << 44)).await;
            for number in 0..agents {
                let mut request = mint_request(&format!("Agent {number}"), 1 << 40);
                request.child.limits.clone_from(&limits);
                leaves.push(mint(app, &team, &request).await);
            }
            first_team.get_or_insert(team);
        }
    }
    let team = first_team.expect("there is a team");
    Tenant { id: root.principal.tenant, team, leaves }
}

/// A tenant with one chain of nodes down to the greatest depth; returns those that are so deep. They are made offline,
/// because the caveats that a mint adds do not fit into a token so often.
async fn chain<const N: usize>(app: &App, depths: [usize; N]) -> [Arc<Tenant>; N] {
    let root = sign_up(app, "chain").await;
    let mut tokens = vec![root.token.clone()];
    for depth in 1..=depths.into_iter().max().unwrap_or_default() {
        let id = DelegationId::from_uuid(Uuid::now_v7());
        let block =
            [format!("delegation = {id}.{depth:024x}"), format!("budget = {}", (1_u64 << 50) - depth as u64)];
        let block = block.each_ref().map(String::as_bytes);
        tokens.push(Zeroizing::new(attenuate(&tokens[depth - 1], &block)));
    }
    let deepest = agent(app, tokens.last().expect("there is the root's").clone()).await;
    app.spend(&deepest.principal, debit(), None).await.expect("that enters all of them");
    let mut tenants = Vec::new();
    for depth in depths {
        let leaf = agent(app, tokens[depth].clone()).await;
        tenants.push(Arc::new(Tenant { id: root.principal.tenant, team: leaf.clone(), leaves: vec![leaf] }));
    }
    tenants.try_into().unwrap_or_else(|_| unreachable!("one for each depth"))
}

pub(crate) async fn mint(app: &App, parent: &Agent, request: &MintRequest) -> Agent {
    let minted = app.mint(&parent.principal, request, None).await.expect("the parent can mint");
    agent(app, minted.value.token).await
}

pub(crate) async fn agent(app: &App, token: Zeroizing<String>) -> Agent {
    let principal = app.authenticate_token(&token, None, None).await.expect("the token was just written");
    Agent { principal, token }
}

impl Agent {
    pub(crate) fn delegation(&self) -> DelegationId {
        self.principal.path.id()
    }
}

/// A debit of one credit.
pub(crate) fn debit() -> SpendRequest {
    SpendRequest {
        amount: Credits::new(1).expect("an amount"),
        description: None,
        metadata: None,
        dry_run: false,
    }
}

/// A fresh key, as most clients make them.
pub(crate) fn key() -> IdempotencyKey {
    IdempotencyKey { key: Uuid::now_v7().to_string(), fingerprint: rand::random() }
}
