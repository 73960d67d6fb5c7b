//! A tenant as large as they come, beside thousands of others.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use sqlx::PgPool;
use subgrant_service::{App, RevokeRequest};
use subgrant_tests::{load, mint_request};
use tokio::task::JoinSet;

use crate::{
    drive::micros,
    figures::Load,
    world::{Agent, Tenant, agent, debit, grow, mint, sign_up},
};

/// How many tenants are signed up at a time.
const AT_A_TIME: usize = 8;

/// How large.
#[derive(Args)]
pub(crate) struct Size {
    /// Also measure in a tenant with so many delegations
    #[arg(long, default_value_t = 0)]
    nodes: usize,
    /// How many entries its ledger has before
    #[arg(long, default_value_t = 0)]
    entries: u64,
    /// How many further tenants there are
    #[arg(long, default_value_t = 0)]
    tenants: usize,
}

impl Size {
    pub(crate) fn is_asked_for(&self) -> bool {
        self.nodes > 0
    }
}

/// The large tenant.
pub(crate) struct Large {
    root: Agent,
    /// A tree of a thousand leaves in it, as in the small tenant.
    pub(crate) tenant: Arc<Tenant>,
    /// The node above nearly all, and one of its children.
    above_many: [Agent; 2],
    /// A leaf at the same place.
    leaf: Agent,
}

impl Large {
    pub(crate) async fn build(app: &App, pool: &PgPool, url: &str, size: &Size, say: &impl Fn(&str)) -> Self {
        say(&format!("signing {} further tenants up", size.tenants));
        let mut signing_up = JoinSet::new();
        for number in 0..size.tenants {
            if signing_up.len() == AT_A_TIME {
                signing_up.join_next().await;
            }
            let app = app.clone();
            signing_up.spawn(async move { sign_up(&app, &format!("further-{number}")).await });
            if number % 1_000 == 999 {
                say(&format!("{} of {}", number + 1, size.tenants));
            }
        }
        signing_up.join_all().await;
        let root = sign_up(app, "large").await;
        let (nodes, entries) = (size.nodes, size.entries);
        let rows = subgrant_tests::Size { nodes, siblings: nodes / 5, entries };
        let loaded = load(app, url, &root.principal, rows).await;
        // The server reads what was written behind its back.
        sqlx::raw_sql("UPDATE ledger_heads SET revision = revision + 1")
            .execute(pool)
            .await
            .expect("the owner may");
        let above_many = agent(app, loaded.everything_token.into()).await;
        let below = mint(app, &above_many, &mint_request("below", 10)).await;
        let tenant = Arc::new(grow(app, &root, [10, 10, 10]).await);
        let leaf = agent(app, loaded.tiny_token.into()).await;
        Self { root, tenant, above_many: [above_many, below], leaf }
    }

    /// Revokes the node above nearly all, again and again.
    pub(crate) async fn revoke_many(&self, app: &App, pool: &PgPool, lasts: Duration) -> Load {
        let [node, below] = &self.above_many;
        self.revoke(app, pool, node, below, lasts).await
    }

    /// The same with the leaf.
    pub(crate) async fn revoke_leaf(&self, app: &App, pool: &PgPool, lasts: Duration) -> Load {
        self.revoke(app, pool, &self.leaf, &self.leaf, lasts).await
    }

    /// Revokes a child of the root; the next spend of `spender` must be refused. Then makes everything as it was, which
    /// no caller could.
    async fn revoke(&self, app: &App, pool: &PgPool, node: &Agent, spender: &Agent, lasts: Duration) -> Load {
        let started = Instant::now();
        let mut latencies = Vec::new();
        while started.elapsed() < lasts {
            let reserved: i64 = sqlx::query_scalar("SELECT reserved FROM balances WHERE delegation_id = $1")
                .bind(self.root.delegation().as_uuid())
                .fetch_one(pool)
                .await
                .expect("a root has balances");
            let request = RevokeRequest {
                id: node.delegation(),
                dry_run: false,
                if_version: None,
                if_descendants: None,
                reason: None,
            };
            let asked = Instant::now();
            let revoked = app.revoke(&self.root.principal, &request, None).await;
            latencies.push(micros(asked.elapsed()));
            assert!(revoked.is_ok(), "the root may revoke");
            let spent = app.spend(&spender.principal, debit(), None).await;
            assert!(spent.is_err(), "the very next spend is refused");
            let undo = "WITH node AS (UPDATE delegations SET revoked_at = NULL, carve_returned = false WHERE id = $1),
                    parent AS (UPDATE balances SET reserved = $3 WHERE delegation_id = $2)
                UPDATE ledger_heads SET revision = revision + 1 WHERE tenant_id = $4";
            sqlx::query(undo)
                .bind(node.delegation().as_uuid())
                .bind(self.root.delegation().as_uuid())
                .bind(reserved)
                .bind(self.root.principal.tenant.as_uuid())
                .execute(pool)
                .await
                .expect("the superuser may");
        }
        Load::of(latencies.len() as u64, started.elapsed(), latencies)
    }
}
