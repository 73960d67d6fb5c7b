//! What was done, and how it was answered: so that a generator that does nothing is noticed.

use std::{
    cell::Cell,
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Mutex, MutexGuard},
};

/// Which seeds a thread works on: both tests may run in one process.
#[derive(Clone, Copy)]
pub(crate) enum Seeds {
    Fixed,
    Fresh,
}

thread_local! {
    static SEEDS: Cell<Seeds> = const { Cell::new(Seeds::Fixed) };
}

/// What this thread notes from now on is about these.
pub(crate) fn count_for(seeds: Seeds) {
    SEEDS.set(seeds);
}

/// Per kind of operation: accepted and refused; per code: how often.
#[derive(Default)]
struct Counts {
    kinds: BTreeMap<&'static str, [u64; 2]>,
    codes: BTreeMap<String, u64>,
}

static COUNTS: [Mutex<Counts>; 2] =
    [const { Mutex::new(Counts { kinds: BTreeMap::new(), codes: BTreeMap::new() }) }; 2];

fn counts() -> MutexGuard<'static, Counts> {
    COUNTS[SEEDS.get() as usize].lock().unwrap()
}

/// Notes an answered request. A refusal has a code.
pub(crate) fn note(kind: &'static str, status: u16, code: &str) {
    let mut noted = counts();
    noted.kinds.entry(kind).or_default()[usize::from(status >= 300)] += 1;
    if !code.is_empty() {
        *noted.codes.entry(code.to_owned()).or_default() += 1;
    }
}

/// Notes what became of one item of a batch.
pub(crate) fn note_outcome(code: &str) {
    if !code.is_empty() {
        *counts().codes.entry(code.to_owned()).or_default() += 1;
    }
}

/// Notes that something came about which no status tells.
pub(crate) fn note_event(event: &str) {
    *counts().codes.entry(format!("({event})")).or_default() += 1;
}

/// How many requests were answered.
pub(crate) fn operations() -> u64 {
    counts().kinds.values().flatten().sum()
}

/// A table of all.
pub(crate) fn report() -> String {
    let noted = counts();
    let mut text = String::from("  operation        accepted  refused\n");
    for (kind, [accepted, refused]) in &noted.kinds {
        writeln!(text, "  {kind:<15} {accepted:>9} {refused:>8}").unwrap();
    }
    for (code, count) in &noted.codes {
        writeln!(text, "  {code:<25} {count:>8}").unwrap();
    }
    text
}

/// Fails unless every kind of operation was accepted and refused, and every reason to refuse came about.
pub(crate) fn assert_nothing_is_missing() {
    let noted = counts();
    for (kind, answers) in &noted.kinds {
        assert!(answers.iter().all(|count| *count > 0), "{kind} was never accepted, or never refused");
    }
    let missing: Vec<_> = REASONS.iter().filter(|code| !noted.codes.contains_key(**code)).collect();
    assert!(missing.is_empty(), "never came about: {missing:?}");
}

/// Every way in which these calls are refused, and what else must come about.
const REASONS: &[&str] = &[
    "(adopted)",
    "(burst)",
    "(outlasted)",
    "(replayed)",
    "action_not_permitted",
    "already_frozen",
    "already_revoked",
    "below_committed",
    "budget_exhausted",
    "capture_exceeds_hold",
    "caveat_not_met",
    "cost_center_conflict",
    "department_conflict",
    "expired",
    "forged",
    "frozen",
    "hold_closed",
    "hold_expired",
    "idempotency_mismatch",
    "is_root",
    "limit_exceeded",
    "made_offline",
    "malformed",
    "max_per_spend_exceeded",
    "missing",
    "narrower_than_parent",
    "not_found",
    "not_frozen",
    "precondition_required",
    "refund_exceeds_spend",
    "own_refund",
    "revoked",
    "secret_shown_once",
    "stale_preview",
    "stale_version",
    "superseded",
    "validation",
];
