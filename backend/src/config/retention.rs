//! How long rows are kept before they are removed: audit events, ended sessions, and dead jobs, which are the jobs that
//! were given up.
//!
//! A person's messages, conversations and participants stay until the person is deleted, unless a setting says
//! how long they are kept.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::Reader;

const DAY: Duration = Duration::from_hours(24);
const ALLOWED_DAYS: RangeInclusive<u32> = 1..=3_650;

/// How long each kind of row is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Audit events of sign-ins and commands.
    pub auth_events: Duration,
    /// Sessions, since they ended.
    pub sessions: Duration,
    /// Dead jobs, since their last attempt.
    pub dead_jobs: Duration,
    /// Messages, since they were stored; `None` keeps them for ever.
    pub messages: Option<Duration>,
    /// Conversations without messages, since they began; `None` keeps them for ever.
    pub conversations: Option<Duration>,
    /// Participants of conversations without messages, since they were first seen; `None` keeps them as long
    /// as their conversation.
    pub participants: Option<Duration>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            auth_events: DAY * 180,
            sessions: DAY * 30,
            dead_jobs: DAY * 30,
            messages: None,
            conversations: None,
            participants: None,
        }
    }
}

impl Retention {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let default = Self::default();
        let mut days = |key| {
            reader.optional(key, |text| {
                let days = text.parse().ok();
                Some(DAY * days.filter(|days| ALLOWED_DAYS.contains(days))?)
            })
        };
        Self {
            messages: days("RETENTION_MESSAGES_DAYS"),
            conversations: days("RETENTION_CONVERSATIONS_DAYS"),
            participants: days("RETENTION_PARTICIPANTS_DAYS"),
            auth_events: days("RETENTION_AUTH_EVENTS_DAYS").unwrap_or(default.auth_events),
            sessions: days("RETENTION_SESSIONS_DAYS").unwrap_or(default.sessions),
            dead_jobs: days("RETENTION_DEAD_JOBS_DAYS").unwrap_or(default.dead_jobs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Variables};

    #[test]
    fn days_are_read_and_other_texts_are_refused() {
        let retention_and_refused = |pairs: &[(&str, &str)]| {
            let variables = Variables::of(pairs.iter().copied());
            let mut reader = Reader::new(&variables, Environment::Production);
            let retention = Retention::read(&mut reader);
            let refused: Vec<_> = reader.problems.0.iter().map(|it| it.key).collect();
            (retention, refused)
        };
        assert_eq!(retention_and_refused(&[]), (Retention::default(), vec![]));
        let (retention, refused) = retention_and_refused(&[("RETENTION_SESSIONS_DAYS", "7")]);
        assert_eq!((retention.sessions, refused), (DAY * 7, vec![]));
        let (retention, refused) = retention_and_refused(&[
            ("RETENTION_MESSAGES_DAYS", "365"),
            ("RETENTION_CONVERSATIONS_DAYS", "1"),
        ]);
        assert_eq!(retention.messages, Some(DAY * 365));
        assert_eq!(retention.conversations, Some(DAY));
        assert_eq!((retention.participants, refused), (None, vec![]));
        let (_, refused) = retention_and_refused(&[
            ("RETENTION_MESSAGES_DAYS", "0"),
            ("RETENTION_CONVERSATIONS_DAYS", "for ever"),
            ("RETENTION_PARTICIPANTS_DAYS", "-1"),
            ("RETENTION_AUTH_EVENTS_DAYS", "0"),
            ("RETENTION_SESSIONS_DAYS", "a week"),
            ("RETENTION_DEAD_JOBS_DAYS", "3651"),
        ]);
        assert_eq!(refused.len(), 6);
    }
}
