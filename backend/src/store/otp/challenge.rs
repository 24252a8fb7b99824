//! Challenges: what a start asks for, what it must not exceed, and what it comes to.

use std::fmt;
use std::time::Duration;

use uuid::Uuid;

use super::BoundTo;
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::breaker::{Block, Breaker, Open};
use crate::store::execute::Execute;
use crate::store::limits::Limit;
use crate::store::statement::statements;
use crate::store::transaction::Tx;

statements! {
    CREATE_CHALLENGE {
        both: "insert into otp_challenges (
                 id, code_id, phone_hash, binding, session_id, attempts, created_at, expires_at)
               values ($1, $2, $3, $4, $5, 0, $6, $7)",
    }
}

/// A challenge that is asked for.
#[derive(Clone, Debug)]
pub struct ChallengeAsk {
    /// Its id: random, since it lets a client try codes.
    pub id: Uuid,
    /// The id of the code, should one have to be sent.
    pub code_id: Uuid,
    /// Keyed hash of the number.
    pub phone_hash: [u8; 32],
    /// How the code travels.
    pub channel: &'static str,
    /// Who would send it.
    pub provider: &'static str,
    /// Whether the number is a test number.
    pub is_test: bool,
    /// After what time a code is sent again rather than joined; [`CODE_TTL`](super::CODE_TTL) at most.
    pub joinable_for: Duration,
    /// Whether the provider can send a code that lives once more.
    pub resending: Resending,
    /// The client that asks.
    pub bound_to: BoundTo,
}

/// Whether a code that lives can be sent once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resending {
    /// After half a minute, twice at most.
    Possible,
    /// A new code is sent instead, when the old one is not joined any more.
    No,
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

/// Where the word comes from that a code was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The provider, to this number.
    Answered,
    /// The provider was not there to say anything.
    Unanswered,
}

/// What a start came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// The challenge is there and its code is to be sent, by the caller alone.
    Send,
    /// The challenge is there; its code was sent before, or is being sent.
    Joined(Joined),
    /// The same, and this code is to be sent once more, by the caller alone.
    SendAgain(Uuid),
    /// Too often.
    Limited {
        /// What is full.
        scope: &'static str,
        /// Until when.
        until: Timestamp,
    },
    /// Nothing is sent to that place.
    Cut(Open),
}

/// The live code that a challenge joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// When it dies, or the next one is sent.
    pub joinable_until: Timestamp,
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

pub(super) async fn create_challenge(
    tx: &mut Tx,
    ask: &ChallengeAsk,
    code_id: Uuid,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    let params = (
        ask.id,
        code_id,
        &ask.phone_hash[..],
        ask.bound_to.browser.as_ref().map(|digest| &digest[..]),
        ask.bound_to.session,
        now,
        expires_at,
    );
    tx.execute(CREATE_CHALLENGE, params).await?;
    Ok(())
}
