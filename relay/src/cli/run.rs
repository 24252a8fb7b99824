//! `run`: watches chat.db and delivers messages until it is stopped.

use std::time::Duration;

use super::flags::ConfigFlags;
use super::output;
use crate::config::Auth;
use crate::dispatch::SendLimits;
use crate::lifecycle::{self, ExitCode};
use crate::pipeline::FirstRun;

/// Watch chat.db and deliver, until stopped by SIGTERM or Ctrl-C.
///
/// The first run starts with what arrives from now on; what is in chat.db already is recorded and not
/// forwarded, unless --since says how far to go back. Later runs continue where the last one ended.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// On the first run, forward messages of the last while too, such as 12h or 7d; they are stored
    /// and never answered
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    since: Option<Duration>,
}

impl Args {
    pub(super) fn execute(
        &self,
        flags: &ConfigFlags,
        limits: SendLimits,
    ) -> anyhow::Result<ExitCode> {
        let (config, backend) = flags.config_and_backend()?;
        output::log_to_stderr(&config.log);
        if backend.secret.key().is_weak() {
            tracing::warn!(
                "the secret is shorter than 24 bytes; a backend in production refuses it (make one \
                 with `archety-backend secret new`)"
            );
        }
        if backend.auth == Auth::Bearer {
            tracing::warn!("auth is bearer: answers are not signed and there are no commands");
        }
        let first_run = self.since.map_or(FirstRun::Now, FirstRun::Since);
        lifecycle::run(&config, backend, first_run, limits)?;
        Ok(ExitCode::Done)
    }
}

pub(super) fn parse_span(text: &str) -> Result<Duration, String> {
    let parse = || {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit_secs = match &text[digits.len()..] {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return None,
        };
        digits.parse::<u64>().ok()?.checked_mul(unit_secs)
    };
    parse()
        .map(Duration::from_secs)
        .ok_or_else(|| "write it as a number and s, m, h or d, such as 12h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_number_with_a_unit() {
        assert_eq!(parse_span("12h"), Ok(Duration::from_hours(12)));
        assert_eq!(parse_span("7d"), Ok(Duration::from_hours(168)));
        for bad in [
            "",
            "12",
            "h",
            "-1h",
            "1w",
            "99999999999999999999d",
            "18446744073709551615d",
        ] {
            assert!(parse_span(bad).is_err(), "{bad}");
        }
    }
}
