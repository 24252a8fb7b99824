//! `archety-relay`: reads the command line, runs the command, ends with its exit code.

fn main() -> std::process::ExitCode {
    let limits = archety_relay::dispatch::SendLimits::default();
    archety_relay::cli::Cli::from_arguments()
        .execute(limits)
        .into()
}
