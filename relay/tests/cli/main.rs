//! The program itself, as its owner runs it: what it prints, what it leaves behind, how it ends.
//!
//! Every test has a home of its own, and nothing of this machine's environment reaches the program.

#[expect(dead_code, reason = "the tests of `archety-replay` use the rest")]
mod backend;
mod config;
mod decode;
mod home;
mod outbox;
mod quarantine;
mod recordings;
mod run;
mod status;
mod trace;

use home::{Home, Run};

const PROGRAM: &str = env!("CARGO_BIN_EXE_archety-relay");
