//! What was done, and how it was answered: so that a generator that does nothing is noticed.

use std::{collections::BTreeMap, fmt::Write as _, sync::Mutex};

/// Per kind of operation: accepted and refused; per code: how often.
#[derive(Default)]
struct Counts {
    kinds: BTreeMap<&'static str, [u64; 2]>,
    codes: BTreeMap<String, u64>,
}

static COUNTS: Mutex<Counts> = Mutex::new(Counts { kinds: BTreeMap::new(), codes: BTreeMap::new() });

/// Notes an answered request. A refusal has a code.
pub(crate) fn note(kind: &'static str, status: u16, code: &str) {
    let mut counts = COUNTS.lock().unwrap();
    counts.kinds.entry(kind).or_default()[usize::from(status >= 300)] += 1;
    if !code.is_empty() {
        *counts.codes.entry(code.to_owned()).or_default() += 1;
    }
}

/// Notes what became of one item of a batch.
pub(crate) fn note_outcome(code: &str) {
    if !code.is_empty() {
        *COUNTS.lock().unwrap().codes.entry(code.to_owned()).or_default() += 1;
    }
}

/// Notes that something came about which no status tells.
pub(crate) fn note_event(event: &str) {
    *COUNTS.lock().unwrap().codes.entry(format!("({event})")).or_default() += 1;
}

/// How many requests were answered.
pub(crate) fn operations() -> u64 {
    COUNTS.lock().unwrap().kinds.values().flatten().sum()
}

/// A table of all.
pub(crate) fn report() -> String {
    let counts = COUNTS.lock().unwrap();
    let mut text = String::from("  operation        accepted  refused\n");
    for (kind, [accepted, refused]) in &counts.kinds {
        writeln!(text, "  {kind:<15} {accepted:>9} {refused:>8}").unwrap();
    }
    for (code, count) in &counts.codes {
        writeln!(text, "  {code:<25} {count:>8}").unwrap();
    }
    text
}

/// Fails unless every kind of operation was accepted and refused, and every reason to refuse came about.
pub(crate) fn assert_nothing_is_missing() {
    let counts = COUNTS.lock().unwrap();
    for (kind, answers) in &counts.kinds {
        assert!(answers.iter().all(|count| *count > 0), "{kind} was never accepted, or never refused");
    }
    let missing: Vec<_> = REASONS.iter().filter(|code| !counts.codes.contains_key(**code)).collect();
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
    "revoked",
    "stale_version",
    "superseded",
    "validation",
];
