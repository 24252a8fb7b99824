//! How delivery stands, for `status` and the log. Trouble is told when it begins and when it ends, and
//! once every ten minutes in between, not at every attempt of an outage that may last for days.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Trouble;
use crate::clock::UnixMicros;

const REPEAT_AFTER: Duration = Duration::from_mins(10);

/// How delivery stands. Kept in the state, so that `status` sees it from another process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standstill {
    /// Code of what keeps posts from being delivered; none while all is well.
    pub trouble: Option<String>,
    /// The same for people.
    pub text: Option<String>,
    /// Since when, in microseconds.
    pub since: Option<i64>,
}

/// The last trouble that was told.
#[derive(Debug, Default)]
pub struct Reporter {
    current: Option<(Trouble, UnixMicros)>,
    told_at: UnixMicros,
}

impl Reporter {
    /// Takes note of a trouble; what stands now if that is news. Another cause of the same trouble is
    /// news for `status`, and none for the log.
    pub fn trouble(&mut self, trouble: &Trouble, now: UnixMicros) -> Option<Standstill> {
        let known = self
            .current
            .as_ref()
            .filter(|(t, _)| t.code() == trouble.code());
        let news = known.is_none();
        let other_text = known.is_some_and(|(t, _)| t != trouble);
        let since = known.map_or(now, |(_, since)| *since);
        if news || now.since(self.told_at) >= REPEAT_AFTER {
            self.told_at = now;
            tracing::warn!(code = trouble.code(), since = %since, "{trouble}");
        }
        self.current = Some((trouble.clone(), since));
        (news || other_text).then(|| self.standstill())
    }

    /// Takes note of a delivery; what stands now if that is news.
    pub fn delivered(&mut self, now: UnixMicros) -> Option<Standstill> {
        let (trouble, since) = self.current.take()?;
        let lasted_secs = now.since(since).as_secs();
        tracing::info!(code = trouble.code(), lasted_secs, "delivering again");
        Some(self.standstill())
    }

    /// Forgets the trouble, of which nothing was written down while it lasted; what stands now.
    pub fn forget(&mut self) -> Standstill {
        self.current = None;
        Standstill::default()
    }

    fn standstill(&self) -> Standstill {
        self.current
            .as_ref()
            .map_or_else(Standstill::default, |(trouble, since)| Standstill {
                trouble: Some(trouble.code().to_owned()),
                text: Some(trouble.to_string()),
                since: Some(since.as_micros()),
            })
    }
}
