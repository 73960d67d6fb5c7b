//! Runs a private cluster until its standard input ends, and prints where to connect: `private-postgres
//! DIRECTORY`. For looking into a data directory by hand, and for the tests that kill the process that owns a
//! cluster.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to its caller this way")]

use std::io::{self, Read};
use std::process::ExitCode;

use embedded_postgres::{Cluster, Installation, Options, Result};

fn main() -> ExitCode {
    let Some(data_dir) = std::env::args_os().nth(1) else {
        eprintln!("usage: private-postgres DIRECTORY");
        return ExitCode::from(2);
    };
    match run(&Options::durable(data_dir)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let cluster = Cluster::start(&Installation::find()?, options)?;
    println!("{}", cluster.superuser_url("postgres"));
    // Whether it ends or cannot be read, it is over.
    drop(io::stdin().read_to_end(&mut Vec::new()));
    cluster.stop()
}
