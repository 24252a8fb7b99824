//! Programs that tests start: a [`Run`] is a program that has ended, a [`Running`] a program that still runs.
//!
//! A test builds the [`Command`](std::process::Command) itself, so it decides about arguments, variables and
//! folder. No program outlives its test: a `Running` is killed when it is dropped.

#![allow(
    missing_docs,
    reason = "only tests of this project use the library: a doc line is written where the name does not suffice"
)]

mod run;
mod running;

use std::time::{Duration, Instant};

pub use run::Run;
pub use running::Running;
pub use rustix::process::Signal;

/// Longest wait for a condition, for a loaded machine. The wait ends as soon as the condition holds.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Waits until `holds` returns true. Panics after [`DEADLINE`]; `what` says in the message what was waited for.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "it never came about that {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
