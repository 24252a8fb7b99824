//! The code of a number and channel that lives: found, joined, and sent once more.
//!
//! A code is sent once more within the limits of any message. Of simultaneous starts one sends it.

use uuid::Uuid;

use super::challenge::{Begun, ChallengeAsk, Joined, SendGuard, SentCode, create_challenge};
use super::{CODE_TTL, MAX_RESENDS, RESEND_AFTER};
use crate::clock::Timestamp;
use crate::store::breaker;
use crate::store::execute::Execute;
use crate::store::limits::{self, Taken};
use crate::store::statement::statements;
use crate::store::transaction::Tx;
use crate::store::{Store, StoreError};

statements! {
    /// A code whose time is over, that is to be sent again by now, or whose provider is not asked any
    /// more, makes room.
    RETIRE_CODE {
        both: "update otp_codes set spent_at = $4
               where phone_hash = $1 and channel = $2 and spent_at is null
                 and (expires_at <= $4 or reserved_at <= $5 or provider <> $3)",
    }
    FIND_LIVE_CODE {
        both: "select id, reserved_at, sent_at, expires_at, resends, resent_at from otp_codes
               where phone_hash = $1 and channel = $2 and spent_at is null",
    }
    /// Of simultaneous starts one sends the code again.
    CLAIM_RESEND {
        both: "update otp_codes set resends = resends + 1, resent_at = $2
               where id = $1 and resends = $3 and spent_at is null",
    }
    /// The provider may have made another code of it.
    NOTE_CODE_RESENT {
        both: "update otp_codes set provider_ref = coalesce($2, provider_ref),
                 code_hash = coalesce($3, code_hash)
               where id = $1 and spent_at is null",
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct LiveCode {
    id: Uuid,
    reserved_at: Timestamp,
    sent_at: Option<Timestamp>,
    expires_at: Timestamp,
    resends: i32,
    resent_at: Option<Timestamp>,
}

impl LiveCode {
    /// Whether it may be sent once more at `now`.
    pub(super) fn may_be_resent(&self, now: Timestamp) -> bool {
        let last = self.resent_at.or(self.sent_at);
        let is_due = last.is_some_and(|at| at.plus(RESEND_AFTER) <= now);
        is_due && self.resends < MAX_RESENDS
    }

    /// One that is on its way will live as long as one that has arrived.
    fn will_expire_at(&self) -> Timestamp {
        match self.sent_at {
            Some(_) => self.expires_at,
            None => self.reserved_at.plus(CODE_TTL),
        }
    }
}

impl Store {
    /// Notes that the provider took a code once more.
    pub async fn note_code_resent(&self, code_id: Uuid, sent: &SentCode) -> Result<(), StoreError> {
        let code_hash = sent.code_hash.as_ref().map(|hash| &hash[..]);
        let params = (code_id, sent.provider_ref.as_deref(), code_hash);
        self.pools
            .writes()
            .execute(NOTE_CODE_RESENT, params)
            .await?;
        Ok(())
    }
}

pub(super) async fn find_live(
    tx: &mut Tx,
    ask: &ChallengeAsk,
    now: Timestamp,
) -> Result<Option<LiveCode>, StoreError> {
    let (phone_hash, joinable_since) = (&ask.phone_hash[..], now.minus(ask.joinable_for));
    let params = (phone_hash, ask.channel, ask.provider, now, joinable_since);
    tx.execute(RETIRE_CODE, params).await?;
    tx.optional(FIND_LIVE_CODE, (phone_hash, ask.channel)).await
}

/// Joins a code that lives and claims to send it once more, within the limits of any message. `None` if
/// that is not possible now: the transaction is then to be given up, and the code to be joined alone.
pub(super) async fn resend(
    tx: &mut Tx,
    ask: &ChallengeAsk,
    live: &LiveCode,
    guard: &SendGuard,
    now: Timestamp,
) -> Result<Option<Begun>, StoreError> {
    let open = breaker::find_open(tx, &guard.breakers, now).await?;
    if open.is_some()
        || tx
            .execute(CLAIM_RESEND, (live.id, now, live.resends))
            .await?
            == 0
    {
        return Ok(None);
    }
    create_challenge(tx, ask, live.id, now, live.will_expire_at()).await?;
    Ok(match limits::take(tx, &guard.sends(), now).await? {
        Taken::Yes { .. } => Some(Begun::SendAgain(live.id)),
        Taken::Full { .. } => None,
    })
}

pub(super) async fn join(
    tx: &mut Tx,
    ask: &ChallengeAsk,
    live: &LiveCode,
    guard: &SendGuard,
    now: Timestamp,
) -> Result<Begun, StoreError> {
    let expires_at = live.will_expire_at();
    create_challenge(tx, ask, live.id, now, expires_at).await?;
    let joinable_until = expires_at.min(live.reserved_at.plus(ask.joinable_for));
    Ok(match limits::take(tx, &guard.joins, now).await? {
        Taken::Yes { .. } => Begun::Joined(Joined { joinable_until }),
        Taken::Full { scope, until } => Begun::Limited { scope, until },
    })
}
