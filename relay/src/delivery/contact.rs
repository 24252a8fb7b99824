//! What sender and pull know of the backend together: which one it is, and whether it may be sent to.
//!
//! A pull learns it at once and says so to the sender through a watch channel. The deliveries of an hmac
//! relay wait for its first word: it says which environment the backend is, and has told it the lines.

use super::verdict::Backend;
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
pub struct Contact {
    /// Whether anything may be sent.
    pub standing: Standing,
    /// Which backend it is.
    pub backend: Option<Backend>,
    /// Whether the backend has taken in a heartbeat with the lines of this run. A message of a line that
    /// it does not know would begin another conversation.
    pub lines_told: bool,
}

impl Contact {
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
