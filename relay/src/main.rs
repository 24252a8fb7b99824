//! `archety-relay`: reads the command line, runs the command, ends with its exit code.

fn main() -> std::process::ExitCode {
    archety_relay::cli::Cli::from_arguments().execute().into()
}
