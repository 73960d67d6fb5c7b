//! Random sequences of every operation on money and credentials, by several callers, against the real server and a
//! simple reference: every answer, every node and both identities of the books must agree after every step.
//!
//! - [`operation`]: what may happen, and how likely it is; [`machine`]: the state machine that proptest draws from;
//! - [`reference`]: what the server must answer, written from the rules;
//! - [`resolve`]: from words to a request; [`system`]: sends it and compares; [`burst`]: several at once;
//! - [`append`]: what holders do without the server; [`check`]: what holds after every step;
//! - [`stage`]: the server's two processes; [`tally`]: what was done, so that nothing is left out unnoticed.
//!
//! A case is one seed. The fixed seeds are the same in every run, the fresh ones never; both are printed. A failure prints
//! the command that repeats it. Nothing is kept in `proptest-regressions`: a seed means another sequence as soon as the
//! generator changes. What a fresh seed finds becomes a test of its own, in the suite that it belongs to.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test itself does")]
#![expect(clippy::option_option, reason = "an absent setting and one that is taken away are two requests")]
#![expect(clippy::print_stderr, reason = "the seeds and the progress are for whoever runs the tests")]

mod append;
mod burst;
mod check;
mod machine;
mod operation;
mod reference;
mod resolve;
mod shrink;
mod stage;
mod system;
mod tally;

use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};

use crate::{
    machine::{Course, Machine},
    operation::Transition,
    system::System,
    tally::Seeds,
};

/// Steps per case; all but the waits send a request.
const STEPS: usize = 125;

/// Requests per test, of which there are two.
const OPERATIONS: u64 = 25_000;

/// Enough cases for that.
const CASES: u64 = 190;

/// Cases that run at the same time: some of them wait for something to expire.
const WORKERS: usize = 6;

/// Proptest's strategies lie on the stack, and ours is large.
const STACK_BYTES: usize = 32 << 20;

/// A seed, or a range `first..end` of them, to be run instead.
const SEED: &str = "SUBGRANT_MODEL_SEED";

#[test]
fn the_server_agrees_with_the_reference_on_fixed_seeds() {
    if std::env::var_os(SEED).is_some() {
        return;
    }
    run(Seeds::Fixed, 1..1 + CASES);
    assert!(tally::operations() >= OPERATIONS, "only {} operations", tally::operations());
    tally::assert_nothing_is_missing();
}

#[test]
fn the_server_agrees_with_the_reference_on_fresh_seeds() {
    if let Ok(seeds) = std::env::var(SEED) {
        return run(Seeds::Fresh, parse(&seeds));
    }
    let first = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap() * 1_000;
    run(Seeds::Fresh, first..first + CASES);
    assert!(tally::operations() >= OPERATIONS, "only {} operations", tally::operations());
}

fn parse(seeds: &str) -> Range<u64> {
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("{SEED} is a number, or first..end"));
    match seeds.split_once("..") {
        Some((first, end)) => number(first)..number(end),
        None => number(seeds)..number(seeds) + 1,
    }
}

/// Runs a case per seed, several at a time; stops at the first that fails.
fn run(which: Seeds, seeds: Range<u64>) {
    tally::count_for(which);
    eprintln!("seeds {}..{} ({SEED}={}..{} repeats them)", seeds.start, seeds.end, seeds.start, seeds.end);
    hush_workers();
    let (next, failures, began) = (AtomicU64::new(seeds.start), Mutex::new(Vec::new()), Instant::now());
    let work = || {
        tally::count_for(which);
        while failures.lock().unwrap().is_empty() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            if let Err(found) = case(seed) {
                failures.lock().unwrap().push(found);
            }
            let done = seed - seeds.start + 1;
            if done.is_multiple_of(10) {
                let (operations, seconds) = (tally::operations(), began.elapsed().as_secs());
                eprintln!(
                    "{done} of {} cases, {operations} operations, {seconds} s",
                    seeds.end - seeds.start
                );
            }
        }
    };
    std::thread::scope(|scope| {
        for number in 0..WORKERS {
            let worker =
                std::thread::Builder::new().name(format!("{WORKER}{number}")).stack_size(STACK_BYTES);
            worker.spawn_scoped(scope, work).unwrap();
        }
    });
    eprintln!("{} operations in {} s\n{}", tally::operations(), began.elapsed().as_secs(), tally::report());
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

const WORKER: &str = "model-";

/// While a failure is shrunk, cases fail many times; only the last is told.
fn hush_workers() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !std::thread::current().name().is_some_and(|name| name.starts_with(WORKER)) {
            usual(panic);
        }
    }));
}

/// Runs one case; a failure is shrunk first.
fn case(seed: u64) -> Result<(), String> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let drawn = Machine::sequential_strategy(STEPS..=STEPS).new_tree(&mut runner);
    let (course, steps, _) = drawn.map_err(|why| format!("seed {seed}: {why}"))?.current();
    let fails = |steps: &[Transition]| failure_of(&course, steps);
    let Some(fault) = fails(&steps) else { return Ok(()) };
    eprintln!("seed {seed} fails; shrinking:\n{}", fault.lines().next().unwrap_or_default());
    let (steps, fault) = shrink::shrunk(steps, fault, fails);
    let count = steps.len();
    Err(format!(
        "seed {seed} fails; shrunk to {count} steps: {steps:?}\n{fault}\n\nrepeat it with\n    \
         {SEED}={seed} cargo xtask test -- --test model\n"
    ))
}

/// Runs some steps on a new tenant; says how that fails.
fn failure_of(course: &Course, steps: &[Transition]) -> Option<String> {
    let run = || System::test_sequential(Config::default(), course.clone(), steps.to_vec(), None);
    let panic = catch_unwind(AssertUnwindSafe(run)).err()?;
    let text = panic.downcast_ref::<String>().cloned();
    Some(text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned())).unwrap_or_default())
}
