//! `archety-relay`, with the times of its send limits divided by [`FASTER`], for benches and tests.
//!
//! It has the commands, the configuration and the code of `archety-relay`. The limits are part of the program, so no
//! setting gives them to `archety-relay`.

use archety_harness::FASTER;
use archety_relay::cli::Cli;
use archety_relay::dispatch::SendLimits;

fn main() -> std::process::ExitCode {
    let limits = SendLimits::default().faster(FASTER);
    Cli::from_arguments().execute(limits).into()
}
