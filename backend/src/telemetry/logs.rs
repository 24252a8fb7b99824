//! Structured logs on standard error: text for eyes, JSON for programs.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::config::{LogFormat, LoggingConfig};

/// Logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `LOG_LEVEL` is not a filter.
    #[error("LOG_LEVEL: not a filter; use a level such as info, or archety_backend=debug,info")]
    Filter(#[source] ParseError),
    /// The process logs already.
    #[error("logging was started twice")]
    Twice,
}

/// Starts logging for the whole process.
pub fn start_logging(config: &LoggingConfig) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(&config.filter).map_err(LogError::Filter)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match config.format {
        LogFormat::Text => builder.with_target(false).compact().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(|_| LogError::Twice)
}
