//! What is measured.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use crate::{
    client::{Job, Work},
    engine,
    figures::Load,
    naive::{self, Naive, Written},
    verify,
    world::{BATCH, Tenant, World},
};

type Running = Pin<Box<dyn Future<Output = Load>>>;

/// One line of the table.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// The processes whose CPU time counts, besides the database.
    pub(crate) programs: Vec<u32>,
    run: Box<dyn Fn(Duration) -> Running>,
}

impl Scenario {
    pub(crate) async fn run(&self, lasts: Duration) -> Load {
        (self.run)(lasts).await
    }
}

pub(crate) const NAIVE_8: &str = "naive, 8 clients";
pub(crate) const NAIVE_64: &str = "naive, 64 clients";
pub(crate) const COMMIT: &str = "bare insert, 1 row a commit";
pub(crate) const CEILING: &str = "bare insert, 1,000 rows a commit";
pub(crate) const ENGINE_1: &str = "engine, 1 client";
pub(crate) const ENGINE: &str = "engine, 8,000 clients";
pub(crate) const ALONE: &str = "engine, 8 clients of a small tenant";
pub(crate) const BESIDE: &str = "the same, beside a tenant with 4,000";
pub(crate) const DEPTH_4: &str = "engine, 64 clients, depth 4";
pub(crate) const DEPTH_32: &str = "engine, 64 clients, depth 32";
pub(crate) const LARGE: &str = "engine, 8,000 clients, large tenant";
pub(crate) const REVOKE_LEAF: &str = "revoke a leaf";
pub(crate) const REVOKE_MANY: &str = "revoke the node above all others";
pub(crate) const HTTP_256: &str = "HTTP spend, 256 connections";
pub(crate) const BATCH_MANY: &str = "HTTP batch of 5,000, 1,000 agents";
pub(crate) const VERIFY: &str = "verify, 8 caveats";
pub(crate) const VERIFY_CRATE: &str = "verify with the crate macaroon";

/// Everything, in the order of the table.
pub(crate) async fn all(world: &World) -> Vec<Scenario> {
    let mut all = Vec::new();
    raw(world, &mut all).await;
    without_http(world, &mut all);
    at_size(world, &mut all);
    over_http(world, &mut all);
    let mut add = |name, run: fn(Duration) -> Load| {
        all.push(scenario(name, [], move |lasts| async move { run(lasts) }));
    };
    add(VERIFY, verify::ours);
    add("parse and verify", verify::ours_with_parsing);
    add(VERIFY_CRATE, verify::theirs);
    all
}

fn scenario<A: Future<Output = Load> + 'static>(
    name: &'static str,
    programs: impl Into<Vec<u32>>,
    run: impl Fn(Duration) -> A + 'static,
) -> Scenario {
    Scenario { name, programs: programs.into(), run: Box::new(move |lasts| Box::pin(run(lasts))) }
}

/// The naive way, and the bare inserts.
async fn raw(world: &World, all: &mut Vec<Scenario>) {
    let naive = Arc::new(Naive::new(&world.pool, &world.tenant).await);
    for (name, clients) in [("naive, 1 client", 1), (NAIVE_8, 8), (NAIVE_64, 64)] {
        let naive = Arc::clone(&naive);
        all.push(scenario(name, [std::process::id()], move |lasts| {
            let naive = Arc::clone(&naive);
            async move { naive.run(clients, lasts).await }
        }));
    }
    for (name, rows) in [
        (COMMIT, (1, Written::Entries)),
        (CEILING, (BATCH, Written::Entries)),
        ("the same with their records", (BATCH, Written::EntriesAndRecords)),
    ] {
        let (url, tenant) = (world.url.clone(), Arc::clone(&world.tenant));
        all.push(scenario(name, [std::process::id()], move |lasts| {
            let (url, tenant) = (url.clone(), Arc::clone(&tenant));
            async move { naive::ceiling(&url, &tenant, rows, lasts).await }
        }));
    }
}

fn without_http(world: &World, all: &mut Vec<Scenario>) {
    let one = vec![Arc::clone(&world.tenant)];
    let others = |count: usize| world.others[..count].to_vec();
    let deep = |index: usize| vec![Arc::clone(&world.deep[index])];
    let [small, flooding] = [others(1), others(2)[1..].to_vec()];
    for (name, clients, tenants) in [
        (ENGINE_1, 1, one.clone()),
        ("engine, 8 clients", 8, one.clone()),
        ("engine, 64 clients", 64, one.clone()),
        (ENGINE, 8_000, one.clone()),
        (DEPTH_4, 64, deep(0)),
        ("engine, 64 clients, depth 8", 64, deep(1)),
        ("engine, 64 clients, depth 16", 64, deep(2)),
        (DEPTH_32, 64, deep(3)),
        (ALONE, 8, small.clone()),
        ("engine, 8,000 clients, 2 tenants", 8_000, others(2)),
        ("engine, 8,000 clients, 20 tenants", 8_000, others(20)),
    ] {
        let app = world.app.clone();
        all.push(scenario(name, [std::process::id()], move |lasts| {
            let (app, tenants) = (app.clone(), tenants.clone());
            async move { engine::spend(&app, &tenants, clients, lasts).await }
        }));
    }
    let app = world.app.clone();
    all.push(scenario(BESIDE, [std::process::id()], move |lasts| {
        let (app, small, flooding) = (app.clone(), small.clone(), flooding.clone());
        async move {
            let flood = engine::spend(&app, &flooding, 4_000, lasts);
            tokio::join!(engine::spend(&app, &small, 8, lasts), flood).0
        }
    }));
}

/// What must not depend on how large a tenant is.
fn at_size(world: &World, all: &mut Vec<Scenario>) {
    let Some(large) = &world.large else { return };
    let (app, tenants) = (world.app.clone(), vec![Arc::clone(&large.tenant)]);
    all.push(scenario(LARGE, [std::process::id()], move |lasts| {
        let (app, tenants) = (app.clone(), tenants.clone());
        async move { engine::spend(&app, &tenants, 8_000, lasts).await }
    }));
    for name in [REVOKE_LEAF, REVOKE_MANY] {
        let (app, pool, large) = (world.app.clone(), world.pool.clone(), Arc::clone(large));
        all.push(scenario(name, [std::process::id()], move |lasts| {
            let (app, pool, large) = (app.clone(), pool.clone(), Arc::clone(&large));
            async move {
                match name {
                    REVOKE_LEAF => large.revoke_leaf(&app, &pool, lasts).await,
                    _ => large.revoke_many(&app, &pool, lasts).await,
                }
            }
        }));
    }
}

fn over_http(world: &World, all: &mut Vec<Scenario>) {
    let addresses: Vec<_> =
        world.servers.iter().map(|server| server.origin.trim_start_matches("http://").to_owned()).collect();
    let pids: Vec<_> = world.servers.iter().map(subgrant_tests::Running::pid).collect();
    let leaves =
        |tenant: &Tenant| tenant.leaves.iter().map(|leaf| leaf.token.to_string()).collect::<Vec<_>>();
    let many = leaves(&world.tenant);
    let team = vec![world.tenant.team.token.to_string()];
    let of_many = |items| Work::Batch { items, is_of_many: true };
    for (name, connections, servers, work, tokens) in [
        ("HTTP alone, 256 connections", 256, 1, Work::Nothing, &many),
        ("HTTP spend, 1 connection", 1, 1, Work::Spend, &many),
        ("HTTP spend, 64 connections", 64, 1, Work::Spend, &many),
        (HTTP_256, 256, 1, Work::Spend, &many),
        ("HTTP spend, 256 connections, 2 servers", 256, 2, Work::Spend, &many),
        ("HTTP batch of 5,000, 1 agent", 4, 1, Work::Batch { items: 5_000, is_of_many: false }, &many),
        (BATCH_MANY, 4, 1, of_many(5_000), &many),
        ("HTTP hold and capture, 64 connections", 64, 1, Work::HoldAndCapture, &many),
        ("HTTP mint, 16 connections", 16, 1, Work::Mint, &team),
    ] {
        let job = Job {
            servers: addresses[..servers].to_vec(),
            connections,
            lasts: Duration::ZERO,
            work,
            tokens: tokens.clone(),
        };
        all.push(scenario(name, &pids[..servers], move |lasts| {
            let job = Job { lasts, ..job.clone() };
            async move { job.run().await }
        }));
    }
}
