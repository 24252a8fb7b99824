//! The program itself, as a developer runs it: what it posts, what it refuses to send, how it ends.
//!
//! Every test has a home of its own, and nothing of this machine's environment reaches the program.

#[path = "../../../tests/support/backend.rs"]
#[expect(dead_code, reason = "the tests of `archety-relay` use the rest")]
mod backend;
#[path = "../../../tests/cli/home.rs"]
#[expect(dead_code, reason = "the tests of `archety-relay` use the rest")]
mod home;
mod recordings;
mod replay;

use home::Home;
use test_process::Run;

const PROGRAM: &str = env!("CARGO_BIN_EXE_archety-replay");
