//! Whether the backend may be sent to, as a pull finds it, and how it is told when it may not.
//!
//! A pull learns it at once and says so to the sender through a watch channel. The deliveries of an hmac
//! relay wait for its first word: it says which environment the backend is, and has told it the lines.
//! Trouble is told when it begins and when it ends, and once every ten minutes in between, not at every
//! attempt of an outage that may last for days.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::answer::Backend;
use super::trouble::Trouble;
use crate::clock::UnixMicros;
use crate::config::Auth;

/// Whether anything may be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// No pull has been answered yet.
    #[default]
    Unknown,
    /// The backend is the right one, and this installation is the one it listens to.
    Welcome,
    /// Another installation holds this relay's name.
    Elsewhere,
    /// The backend is of another environment.
    WrongEnvironment(String),
}

/// The backend as the last pull found it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Availability {
    /// Whether anything may be sent.
    pub standing: Standing,
    /// Which backend it is.
    pub backend: Option<Backend>,
    /// Whether the backend has taken in a heartbeat with the lines of this run. A message of a line that
    /// it does not know would begin another conversation.
    pub lines_told: bool,
}

impl Availability {
    /// Whether posts may go out by what the pull has heard. Messages are composed with lines only once
    /// these are known (`lines`); until then there may be posts of an earlier run, which the backend keeps
    /// by the lines that it was told then.
    pub fn lets_send(&self, auth: Auth, lines: Lines) -> bool {
        match self.standing {
            Standing::Welcome => self.lines_told || lines == Lines::NotKnown,
            // A bearer relay does not pull: the first answer tells which environment it is.
            Standing::Unknown => auth == Auth::Bearer,
            Standing::Elsewhere | Standing::WrongEnvironment(_) => false,
        }
    }
}

/// Whether this run knows the owner's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// chat.db was opened, and messages are composed with them.
    Known,
    /// chat.db was not read yet.
    NotKnown,
}

impl Lines {
    /// As the reading thread tells it.
    pub const fn of(known: bool) -> Self {
        if known { Self::Known } else { Self::NotKnown }
    }
}

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
