//! Challenges: what a start asks for, what it must not exceed, and what it comes to.

use std::fmt;
use std::time::Duration;

use uuid::Uuid;

use super::BoundTo;
use crate::clock::Timestamp;
use crate::store::breaker::{Block, Breaker, Open};
use crate::store::limits::Limit;

/// A challenge that is asked for.
#[derive(Clone, Debug)]
pub struct ChallengeAsk {
    /// Random, since it lets a client try codes.
    pub id: Uuid,
    /// Of the code, should one have to be sent.
    pub code_id: Uuid,
    /// Keyed hash of the number.
    pub phone_hash: [u8; 32],
    pub channel: &'static str,
    pub provider: &'static str,
    pub is_test: bool,
    /// After what time a code is sent again rather than joined; [`CODE_TTL`](super::CODE_TTL) at most.
    pub joinable_for: Duration,
    /// Whether a code that lives can be sent once more: after half a minute, twice at most. Otherwise a new
    /// code is sent when the old one is not joined any more.
    pub can_resend: bool,
    pub bound_to: BoundTo,
}

/// What a challenge must not exceed.
#[derive(Clone, Debug, Default)]
pub struct SendGuard {
    /// Where a code has to be sent: what counts each time that the provider is asked.
    pub asks: Vec<Limit>,
    /// What counts each time that the provider answers, also that it sends nothing.
    pub answers: Vec<Limit>,
    /// What counts what is paid.
    pub paid: Vec<Limit>,
    /// Where a live one is joined.
    pub joins: Vec<Limit>,
    /// Where codes go, if that is to be looked at.
    pub breakers: Vec<Breaker>,
    /// Where the code is counted that goes there.
    pub block: Option<Block>,
}

impl SendGuard {
    /// All that sending takes, together: in one order, and all or nothing.
    pub(super) fn sends(&self) -> Vec<Limit> {
        [&self.asks[..], &self.answers, &self.paid].concat()
    }
}

/// How it is known that a code was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The provider refused this number.
    Answered,
    /// The provider did not answer.
    Unanswered,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// The challenge is there and its code is to be sent, by the caller alone.
    Send,
    /// The challenge is there; its code was sent before, or is being sent.
    Joined,
    /// The same, and this code is to be sent once more, by the caller alone.
    SendAgain(Uuid),
    Limited {
        scope: &'static str,
        until: Timestamp,
    },
    /// Nothing is sent to that place.
    Cut(Open),
}

/// A code that the provider took.
#[derive(Clone, Default)]
pub struct SentCode {
    /// The provider's name for it.
    pub provider_ref: Option<String>,
    /// Keyed hash, where we check it.
    pub code_hash: Option<[u8; 32]>,
}

/// The code's hash is kept out.
impl fmt::Debug for SentCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SentCode")
            .field("provider_ref", &self.provider_ref)
            .finish_non_exhaustive()
    }
}
