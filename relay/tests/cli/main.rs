//! The program `archety-relay`: its output, the files that it writes, and its exit codes.
//!
//! Every test has a home folder of its own. The program gets no variables of this machine's environment.

#[path = "../support/backend.rs"]
#[expect(dead_code, reason = "the tests of delivery use the other items")]
mod backend;
mod config;
mod decode;
mod home;
mod ledger;
mod moves;
mod outbox;
mod quarantine;
mod recordings;
mod run;
mod status;
mod trace;

use home::Home;
use test_process::Run;

const PROGRAM: &str = env!("CARGO_BIN_EXE_archety-relay");
