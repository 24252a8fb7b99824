//! The program itself, as its owner runs it: what it prints, what it leaves behind, how it ends.
//!
//! Every test has a home of its own, and nothing of this machine's environment reaches the program.

mod backend;
mod config;
mod decode;
mod home;
mod outbox;
mod quarantine;
mod recordings;
mod replay;
mod run;
mod status;
mod trace;

use home::{Home, Run};
