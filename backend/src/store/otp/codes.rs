//! Beginning a challenge: reserving the one live code of a number and channel, or joining the one that
//! `live` finds.

use uuid::Uuid;

use super::challenge::{
    Begun, ChallengeAsk, Refusal, Resending, SendGuard, SentCode, create_challenge,
};
use super::live::{find_live, join, resend};
use super::{CODE_TTL, RESERVED_FOR};
use crate::clock::Timestamp;
use crate::store::breaker;
use crate::store::execute::Execute;
use crate::store::limits::{self, Taken};
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
    /// A reservation that has died by itself stays dead.
    NOTE_CODE_SENT {
        both: "update otp_codes set sent_at = $2, expires_at = $3, provider_ref = $4, code_hash = $5
               where id = $1 and spent_at is null and sent_at is null",
    }
    SPEND_CODE {
        both: "update otp_codes set spent_at = $2 where id = $1 and spent_at is null",
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
                // What was counted on the way to a limit is rolled back, and with it that an old code was
                // retired: the next start that is not limited retires it.
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
