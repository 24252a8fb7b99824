//! The program on the command line: posted messages, refusals, and exit codes.
//!
//! Every test has its own home folder, and the program inherits no environment variable.

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
