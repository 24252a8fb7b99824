//! Logs and metrics for the operator of the backend.
//!
//! Logs and metrics never hold message text, a full phone number, a token or a secret. Labels of metrics come
//! from closed lists, so that a client cannot add a time series.

mod logs;
mod metrics;

pub use logs::{LogError, start_logging};
pub use metrics::process_metrics;
