//! The backend's state as the last pull found it, and how trouble with the backend is reported.
//!
//! The pull publishes an [`Availability`] to the sender through a watch channel. A relay with `auth = hmac` delivers
//! nothing before the first pull is answered: the answer names the backend's environment, and the pull brings the
//! lines (the sets of own addresses) to the backend. An outage may last for days, so a [`TroubleReporter`] logs it
//! when it begins, when it ends and every ten minutes in between, not at every attempt.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::answer::Backend;
use super::trouble::Trouble;
use crate::clock::UnixMicros;

/// Whether posts may be sent to the backend, and if not, why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BackendState {
    /// No pull has been answered yet.
    #[default]
    Unknown,
    /// Posts may be sent. The environment is the expected one, and this installation holds the lease of the
    /// relay's name. Or the backend is too old for pulls, or refuses the heartbeat.
    Ready,
    /// Another installation holds the lease of this relay's name, and only the holder may send.
    LeasedElsewhere,
    /// The backend runs in this environment, which is not the expected one.
    WrongEnvironment(String),
}

/// What the last pull found out about the backend. By it, the sender decides whether it may send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Availability {
    pub state: BackendState,
    /// The version and environment that the last pull named; `None` before the first.
    pub backend: Option<Backend>,
    /// Whether messages need not wait for the lines of this run: the backend has accepted a heartbeat with them, or
    /// takes none. A message of a line that the backend does not know would begin a second conversation.
    pub lines_settled: bool,
}

/// Trouble that lasts is logged again after this time.
const REPEAT_AFTER: Duration = Duration::from_mins(10);

/// What currently keeps deliveries, or pulls, from succeeding. The status is stored as JSON for the command
/// `status`, which is another process. All fields are `None` while there is no trouble.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TroubleStatus {
    /// Code of the trouble.
    pub trouble: Option<String>,
    /// The trouble in words.
    pub text: Option<String>,
    /// When the trouble began, in microseconds since 1970.
    pub since: Option<i64>,
}

/// Logs trouble with the backend, and remembers the current one and since when it lasts.
#[derive(Debug, Default)]
pub struct TroubleReporter {
    current: Option<(Trouble, UnixMicros)>,
    logged_at: UnixMicros,
}

impl TroubleReporter {
    /// Records a failure. Returns the new status if it has changed. A new text of the same trouble changes
    /// the status, but is not logged.
    pub fn failed(&mut self, trouble: &Trouble, now: UnixMicros) -> Option<TroubleStatus> {
        let with_same_code = self
            .current
            .as_ref()
            .filter(|(current, _)| current.code() == trouble.code());
        let since = with_same_code.map_or(now, |(_, since)| *since);
        let is_new = with_same_code.is_none();
        let has_changed = with_same_code.is_none_or(|(current, _)| current != trouble);
        if is_new || now.since(self.logged_at) >= REPEAT_AFTER {
            self.logged_at = now;
            tracing::warn!(code = trouble.code(), since = %since, "{trouble}");
        }
        self.current = Some((trouble.clone(), since));
        has_changed.then(|| TroubleStatus {
            trouble: Some(trouble.code().to_owned()),
            text: Some(trouble.to_string()),
            since: Some(since.as_micros()),
        })
    }

    /// Records a success. Returns the new status if there was trouble before.
    pub fn succeeded(&mut self, now: UnixMicros) -> Option<TroubleStatus> {
        let (trouble, since) = self.current.take()?;
        let lasted_secs = now.since(since).as_secs();
        tracing::info!(code = trouble.code(), lasted_secs, "this trouble is over");
        Some(TroubleStatus::default())
    }

    /// Forgets the trouble without a line in the log. Returns the new status.
    pub fn reset(&mut self) -> TroubleStatus {
        self.current = None;
        TroubleStatus::default()
    }
}
