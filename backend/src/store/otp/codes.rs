//! Beginning a challenge: reserving the one live code of a number and channel, or joining the one that
//! `live` finds.

use std::fmt;
use std::time::Duration;

use uuid::Uuid;

use super::live::{find_live, join, resend};
use super::{BoundTo, CODE_TTL, RESERVED_FOR};
use crate::clock::Timestamp;
use crate::store::breaker::{self, Block, Breaker, Open};
use crate::store::execute::Execute;
use crate::store::limits::{self, Limit, Taken};
use crate::store::statement::statements;
use crate::store::transaction::Tx;
use crate::store::{Store, StoreError};

statements! {
    /// First come, first served: a simultaneous start at another replica waits here and then joins.
    RESERVE_CODE {
        both: "insert into otp_codes (id, phone_hash, channel, provider, is_test, reserved_at, expires_at)
               values ($1, $2, $3, $4, $5, $6, $7)
               on conflict (phone_hash, channel) where spent_at is null do nothing",
    }
    CREATE_CHALLENGE {
        both: "insert into otp_challenges (
                 id, code_id, phone_hash, binding, session_id, attempts, created_at, expires_at)
               values ($1, $2, $3, $4, $5, 0, $6, $7)",
    }
    /// A reservation that has died by itself stays dead.
    NOTE_CODE_SENT {
        both: "update otp_codes set sent_at = $2, expires_at = $3, provider_ref = $4, code_hash = $5
               where id = $1 and spent_at is null and sent_at is null",
    }
    SPEND_CODE {
        both: "update otp_codes set spent_at = $2 where id = $1 and spent_at is null",
    }
}

/// A challenge that somebody wants.
#[derive(Clone, Debug)]
pub struct ChallengeAsk {
    /// Its id: random, for whoever has it may guess.
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
    /// After what time a code is sent again rather than joined; [`CODE_TTL`] at most.
    pub joinable_for: Duration,
    /// Whether the provider can send a code that lives once more.
    pub resending: Resending,
    /// Whoever asks.
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

/// Who says that a code was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The provider, to this number.
    Answered,
    /// The provider was not there to say anything.
    Unanswered,
}

/// What became of the wish.
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

/// Whether a row was still waiting for the note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// It was.
    Yes,
    /// It had died by then.
    TooLate,
}

impl Store {
    /// Begins a challenge. A code is reserved and counted, or joined and counted, or nothing is.
    pub async fn begin_challenge(
        &self,
        ask: &ChallengeAsk,
        guard: &SendGuard,
        now: Timestamp,
    ) -> Result<Begun, StoreError> {
        let mut may_resend = ask.resending == Resending::Possible;
        // Between not finding a code and reserving one another start may have been faster. That one's is
        // then found, unless it is spent by then already.
        for _ in 0..4 {
            let mut tx = self.pools.begin_write().await?;
            let begun = match find_live(&mut tx, ask, now).await? {
                Some(live) if may_resend && live.may_be_resent(now) => {
                    may_resend = false;
                    resend(&mut tx, ask, &live, guard, now).await?
                }
                Some(live) => Some(join(&mut tx, ask, &live, guard, now).await?),
                None => match breaker::find_open(&mut tx, &guard.breakers, now).await? {
                    Some(open) => Some(Begun::Cut(open)),
                    None => reserve(&mut tx, ask, guard, now).await?,
                },
            };
            match begun {
                // What was counted on the way to a limit is rolled back.
                Some(limited @ Begun::Limited { .. }) => return Ok(limited),
                Some(begun) => {
                    tx.commit().await?;
                    return Ok(begun);
                }
                None => {}
            }
        }
        Err(StoreError::Overloaded)
    }

    /// Notes that the provider took the code.
    pub async fn note_code_sent(
        &self,
        code_id: Uuid,
        sent: &SentCode,
        now: Timestamp,
    ) -> Result<Noted, StoreError> {
        let params = (
            code_id,
            now,
            now.plus(CODE_TTL),
            sent.provider_ref.as_deref(),
            sent.code_hash.as_ref().map(|hash| &hash[..]),
        );
        let rows = self.pools.writes().execute(NOTE_CODE_SENT, params).await?;
        Ok(if rows == 1 {
            Noted::Yes
        } else {
            Noted::TooLate
        })
    }

    /// Notes that the code of a challenge begun at `begun_at` was certainly not sent: nothing joins it,
    /// and nothing is paid. That the provider was asked still counts.
    pub async fn note_code_refused(
        &self,
        code_id: Uuid,
        guard: &SendGuard,
        refusal: Refusal,
        begun_at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.pools.begin_write().await?;
        tx.execute(SPEND_CODE, (code_id, begun_at)).await?;
        let unspent = match refusal {
            Refusal::Answered => &guard.paid,
            Refusal::Unanswered => &[&guard.answers[..], &guard.paid].concat(),
        };
        limits::put_back(&mut tx, unspent, begun_at).await?;
        if let Some(block) = guard.block {
            breaker::uncount_sent(&mut tx, block, begun_at).await?;
        }
        tx.commit().await
    }

    /// Notes that a code is of no use any more: the next start sends another.
    pub async fn spend_code(&self, code_id: Uuid, now: Timestamp) -> Result<(), StoreError> {
        self.pools
            .writes()
            .execute(SPEND_CODE, (code_id, now))
            .await?;
        Ok(())
    }
}

/// `None` if another start was faster.
async fn reserve(
    tx: &mut Tx,
    ask: &ChallengeAsk,
    guard: &SendGuard,
    now: Timestamp,
) -> Result<Option<Begun>, StoreError> {
    let params = (
        ask.code_id,
        &ask.phone_hash[..],
        ask.channel,
        ask.provider,
        ask.is_test,
        now,
        now.plus(RESERVED_FOR),
    );
    if tx.execute(RESERVE_CODE, params).await? == 0 {
        return Ok(None);
    }
    create_challenge(tx, ask, ask.code_id, now, now.plus(CODE_TTL)).await?;
    if let Taken::Full { scope, until } = limits::take(tx, &guard.sends(), now).await? {
        return Ok(Some(Begun::Limited { scope, until }));
    }
    if let Some(block) = guard.block {
        breaker::count_sent(tx, block, now).await?;
    }
    Ok(Some(Begun::Send))
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
