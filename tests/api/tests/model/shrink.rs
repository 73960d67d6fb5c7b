//! Makes a failing sequence short: leaves out ever smaller parts as long as it still fails.
//!
//! Proptest leaves out one step at a time, and each trial runs all the others against the server: of a sequence of a hundred
//! steps that takes longer than anybody waits. Steps are symbolic, so that any part of a sequence makes sense.

use std::time::{Duration, Instant};

/// Nobody waits longer.
const PATIENCE: Duration = Duration::from_mins(2);

/// The shortest sequence found, and how it fails.
pub(crate) fn shrunk<T: Clone>(
    mut steps: Vec<T>,
    mut fault: String,
    fails: impl Fn(&[T]) -> Option<String>,
) -> (Vec<T>, String) {
    let began = Instant::now();
    let mut part = steps.len().div_ceil(2).max(1);
    loop {
        let before = steps.len();
        let mut end = before;
        // From the back: whatever comes after the failing step matters least.
        while end > 0 && began.elapsed() < PATIENCE {
            let start = end.saturating_sub(part);
            let mut fewer = steps.clone();
            fewer.drain(start..end);
            if let Some(found) = fails(&fewer) {
                (steps, fault) = (fewer, found);
            }
            end = start;
        }
        let is_shortest = part == 1 && steps.len() == before;
        if is_shortest || began.elapsed() >= PATIENCE {
            return (steps, fault);
        }
        part = part.div_ceil(2);
    }
}

#[test]
fn what_does_not_matter_is_left_out() {
    let fails = |steps: &[u32]| {
        let is_wrong = steps.contains(&3) && steps.contains(&77);
        is_wrong.then(|| steps.len().to_string())
    };
    let (steps, fault) = shrunk((0..100).collect(), String::new(), fails);
    assert_eq!((steps, fault), (vec![3, 77], "2".to_owned()));
}
