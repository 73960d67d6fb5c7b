//! `cargo xtask bench`: the spend engine beside the naive way and beside the raw limit, in one run.
//!
//! Every scenario runs for a few seconds in each of several rounds, all of them in turn, so that a slow minute of the
//! machine hits all alike; a line of the table has the medians. Nothing here judges: a ratio that is missed is printed.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks to its terminal")]

mod client;
mod drive;
mod engine;
mod figures;
mod large;
mod meter;
mod naive;
mod scenario;
mod table;
mod verify;
mod world;

use std::{
    io::Read,
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::{Args, Parser, Subcommand};

use client::Job;
use figures::Figures;
use large::Size;
use meter::Meter;
use mimalloc::MiMalloc;
use table::Results;
use world::World;

// As in the server.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures, prints a table and writes the figures as JSON
    Run(Options),
    /// Makes requests as standard input says; `run` starts it
    #[command(hide = true)]
    Client,
}

#[derive(Args)]
struct Options {
    /// The server's program
    #[arg(long)]
    server: PathBuf,
    /// A new directory for the database
    #[arg(long)]
    data_dir: PathBuf,
    /// Where to write the figures
    #[arg(long)]
    json: PathBuf,
    /// How long a scenario runs in each round
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// How often each scenario runs
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only scenarios whose names contain one of these
    #[arg(long, value_delimiter = ';')]
    only: Vec<String>,
    #[command(flatten)]
    size: Size,
}

#[tokio::main]
async fn main() {
    match Cli::parse().command {
        Command::Run(options) => run(&options).await,
        Command::Client => {
            let mut job = Vec::new();
            std::io::stdin().read_to_end(&mut job).expect("standard input can be read");
            let job: Job = serde_json::from_slice(&job).expect("a job");
            println!("{}", serde_json::to_string(&job.execute().await).expect("plain data"));
        }
    }
}

async fn run(options: &Options) {
    let started = Instant::now();
    let say = |what: &str| eprintln!("{:>6.1} s  {what}", started.elapsed().as_secs_f64());
    let size = Some(&options.size).filter(|size| size.is_asked_for());
    let world = World::build(&options.data_dir, &options.server, size, &say).await;
    let meter = Meter::new(&world.pool).await;
    let mut scenarios = scenario::all(&world).await;
    scenarios.retain(|scenario| {
        options.only.is_empty() || options.only.iter().any(|part| scenario.name.contains(part.as_str()))
    });
    let mut rounds: Vec<_> = scenarios.iter().map(|_| Vec::new()).collect();
    let lasts = Duration::from_secs_f64(options.seconds);
    for round in 1..=options.rounds {
        for (scenario, rounds) in scenarios.iter().zip(&mut rounds) {
            say(&format!("round {round} of {}: {}", options.rounds, scenario.name));
            let before = meter.read(&scenario.programs).await;
            let load = scenario.run(lasts).await;
            rounds.push((load, meter.since(&before, &scenario.programs).await));
        }
    }
    let figures = scenarios.iter().zip(&rounds).map(|(scenario, rounds)| Figures::of(scenario.name, rounds));
    let results = Results(figures.collect());
    println!("{}\n\n{}", results.table(), results.verdict());
    let json = serde_json::to_string_pretty(&results.json()).expect("plain data");
    if let Some(directory) = options.json.parent() {
        std::fs::create_dir_all(directory).expect("the figures' directory can be made");
    }
    std::fs::write(&options.json, json + "\n").expect("the figures can be written");
    world.close().await;
}
