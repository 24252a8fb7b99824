//! Programs that tests start: a [`Run`] is one that has ended, a [`Running`] is one that still runs.
//!
//! A test builds the [`Command`](std::process::Command) itself, so it decides about arguments, variables and
//! folder. No program outlives its test: a `Running` is killed when it is dropped.

#![allow(
    missing_docs,
    reason = "the library serves this project's tests alone: a doc line has to say what a name does not"
)]

mod run;
mod running;

use std::time::{Duration, Instant};

pub use run::Run;
pub use running::Running;
pub use rustix::process::Signal;

/// Longest wait for a condition, for a loaded machine. The wait ends as soon as the condition holds.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Waits until the condition holds.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < until, "it never came about that {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
