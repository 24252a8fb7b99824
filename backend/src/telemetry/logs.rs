//! Structured logs on standard error: text in development, JSON in production.

use std::io::IsTerminal;

use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, fmt};

use crate::config::Environment;

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("LOG_LEVEL: not a filter; use a level such as info, or archety_backend=debug,info")]
    Filter(#[source] ParseError),
    #[error("logging was started twice")]
    Twice,
}

/// Starts logging for the whole process.
pub fn start_logging(filter: &str, environment: Environment) -> Result<(), LogError> {
    let filter: Targets = filter.parse().map_err(LogError::Filter)?;
    let layer = fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match environment {
        Environment::Development => layer.with_target(false).compact().boxed(),
        // A request or a job has only one span, so the list of all spans would only repeat that span.
        Environment::Production => layer
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(layer)
        .with(filter)
        .try_init()
        .map_err(|_: TryInitError| LogError::Twice)
}
