//! What the backend tells its operator: logs and metrics.
//!
//! Neither ever holds message text, a full phone number, a token or a secret. Labels come from closed
//! lists, so that no stranger can add a time series.

mod logs;
mod metrics;

pub use logs::{LogError, start_logging};
pub use metrics::Metrics;
