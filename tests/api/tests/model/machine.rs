//! The state machine that proptest generates and shrinks from.
//!
//! What it knows of a state is little: ids, tokens and instants exist only once the server has answered. The reference
//! that judges each answer therefore runs beside the server, in [`crate::system`], and steps name things symbolically.

use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;

use crate::operation::{self, Transition};

/// Time zones of tenants, with full hours at different minutes of UTC's.
pub(crate) const ZONES: [&str; 3] = ["UTC", "America/St_Johns", "Asia/Kathmandu"];

/// How many steps grow the tree first.
const YOUTH: usize = 6;

/// How a case is set up, and how far it has come.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    pub(crate) zone: &'static str,
    /// Whether things expire in the middle of the case.
    pub(crate) is_brief: bool,
    /// Whether requests are sent at once.
    pub(crate) is_concurrent: bool,
    steps: usize,
}

pub(crate) struct Machine;

impl ReferenceStateMachine for Machine {
    type State = Course;
    type Transition = Transition;

    fn init_state() -> BoxedStrategy<Course> {
        let zone = proptest::sample::select(&ZONES[..]);
        (zone, proptest::bool::weighted(0.35), proptest::bool::weighted(0.2))
            .prop_map(|(zone, is_brief, is_concurrent)| Course { zone, is_brief, is_concurrent, steps: 0 })
            .boxed()
    }

    fn transitions(course: &Course) -> BoxedStrategy<Transition> {
        let step = operation::step(course.is_brief, course.steps < YOUTH);
        if course.is_concurrent && course.steps >= YOUTH {
            return prop_oneof![4 => step, 1 => operation::burst()].boxed();
        }
        step
    }

    fn apply(course: Course, _: &Transition) -> Course {
        Course { steps: course.steps + 1, ..course }
    }
}
