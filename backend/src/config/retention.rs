//! How long what is over is kept before it is removed. What belongs to a person and is not over stays
//! until they are deleted, unless a setting says how long messages, conversations and participants are kept.

use std::time::Duration;

use super::{Problems, Variables};

const DAY: Duration = Duration::from_hours(24);
const MOST_DAYS: u32 = 3_650;

/// How long what is over is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// What happened at the door.
    pub auth_events: Duration,
    /// Sessions, once they have ended.
    pub sessions: Duration,
    /// Jobs, once they were given up.
    pub dead_jobs: Duration,
    /// Messages, since they were stored; for ever if none is set.
    pub messages: Option<Duration>,
    /// Conversations without messages, since they began; for ever if none is set.
    pub conversations: Option<Duration>,
    /// Participants of conversations without messages, since they were first seen; if none is set, as long
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
    pub(super) fn read(variables: &Variables, found: &mut Problems) -> Self {
        let mut given = |key| match variables.get(key)?.parse::<u32>() {
            Ok(days) if (1..=MOST_DAYS).contains(&days) => Some(DAY * days),
            _ => {
                found.push(key, format!("must be a number of days, 1 to {MOST_DAYS}"));
                None
            }
        };
        let messages = given("RETENTION_MESSAGES_DAYS");
        let conversations = given("RETENTION_CONVERSATIONS_DAYS");
        let participants = given("RETENTION_PARTICIPANTS_DAYS");
        let mut days = |key, default| given(key).unwrap_or(default);
        let default = Self::default();
        Self {
            auth_events: days("RETENTION_AUTH_EVENTS_DAYS", default.auth_events),
            sessions: days("RETENTION_SESSIONS_DAYS", default.sessions),
            dead_jobs: days("RETENTION_DEAD_JOBS_DAYS", default.dead_jobs),
            messages,
            conversations,
            participants,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_and_nonsense_is_named() {
        let read = |pairs: &[(&str, &str)]| {
            let mut found = Problems::default();
            let read = Retention::read(&Variables::of(pairs.iter().copied()), &mut found);
            (
                read,
                found.as_slice().iter().map(|p| p.key).collect::<Vec<_>>(),
            )
        };
        assert_eq!(read(&[]), (Retention::default(), vec![]));
        let (read_one, wrong) = read(&[("RETENTION_SESSIONS_DAYS", "7")]);
        assert_eq!((read_one.sessions, wrong), (DAY * 7, vec![]));
        let (history, wrong) = read(&[
            ("RETENTION_MESSAGES_DAYS", "365"),
            ("RETENTION_CONVERSATIONS_DAYS", "1"),
        ]);
        assert_eq!(history.messages, Some(DAY * 365));
        assert_eq!(history.conversations, Some(DAY));
        assert_eq!((history.participants, wrong), (None, vec![]));
        let (_, wrong) = read(&[
            ("RETENTION_MESSAGES_DAYS", "0"),
            ("RETENTION_CONVERSATIONS_DAYS", "for ever"),
            ("RETENTION_PARTICIPANTS_DAYS", "-1"),
            ("RETENTION_AUTH_EVENTS_DAYS", "0"),
            ("RETENTION_SESSIONS_DAYS", "a week"),
            ("RETENTION_DEAD_JOBS_DAYS", "3651"),
        ]);
        assert_eq!(wrong.len(), 6);
    }
}
