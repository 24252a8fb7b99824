//! The request that starts a challenge, its limits and its results.

use std::fmt;
use std::time::Duration;

use uuid::Uuid;

use super::ChallengeOwner;
use crate::clock::Timestamp;
use crate::store::breaker::{Block, Breaker, OpenBreaker};
use crate::store::limits::Limit;

/// The request that starts a challenge.
#[derive(Clone, Debug)]
pub struct ChallengeRequest {
    /// Random, since a client that knows the id may try codes.
    pub id: Uuid,
    /// The id of the code, if a new one has to be sent.
    pub code_id: Uuid,
    /// Keyed hash of the number.
    pub phone_hash: [u8; 32],
    pub channel: &'static str,
    pub provider: &'static str,
    pub is_test: bool,
    /// How long a code can be joined, at most [`CODE_TTL`](super::CODE_TTL). After that a new code is sent.
    pub joinable_for: Duration,
    /// Whether the provider can send a live code again. It does so after [`RESEND_AFTER`](super::RESEND_AFTER), at
    /// most twice.
    pub can_resend: bool,
    pub bound_to: ChallengeOwner,
}

/// The limits on sending a code.
#[derive(Clone, Debug, Default)]
pub struct SendGuard {
    /// Limits on requests to the provider.
    pub requests: Vec<Limit>,
    /// Limits on answers of the provider, refusals included.
    pub answers: Vec<Limit>,
    /// Limits on messages that cost money.
    pub paid: Vec<Limit>,
    /// Limits on starts that join a live code.
    pub joins: Vec<Limit>,
    /// Breakers that stop codes to blocks and countries where few codes are confirmed.
    pub breakers: Vec<Breaker>,
    /// The block of numbers for which the breakers count the code.
    pub block: Option<Block>,
}

impl SendGuard {
    /// The limits against which the sending of a code counts: against all of them, or against none.
    pub(super) fn sends(&self) -> Vec<Limit> {
        [&self.requests[..], &self.answers, &self.paid].concat()
    }
}

/// The reason why a code was certainly not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnsentReason {
    /// The provider refused this number.
    NumberRefused,
    /// The provider could not send a code to any number, so its answer tells nothing about this one.
    ProviderFailed,
}

/// The result of [`Store::begin_challenge`](crate::store::Store::begin_challenge).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BeginResult {
    /// The challenge was created, and the caller has to send its code.
    Send,
    /// The challenge was created; its code was sent before, or another request is sending it.
    Joined,
    /// The challenge was created, and the caller has to send the live code with this id once more.
    SendAgain(Uuid),
    /// A limit of this scope is exceeded, and nothing was changed.
    Limited {
        scope: &'static str,
        until: Timestamp,
    },
    /// A breaker is open, so no code is sent.
    BreakerOpen(OpenBreaker),
}

/// A code that the provider accepted.
#[derive(Clone, Default)]
pub struct SentCode {
    /// The provider's id of the code.
    pub provider_ref: Option<String>,
    /// Keyed hash; `None` for a code that the provider checks.
    pub code_hash: Option<[u8; 32]>,
}

impl fmt::Debug for SentCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SentCode")
            .field("provider_ref", &self.provider_ref)
            .finish_non_exhaustive()
    }
}
