//! Begins challenges.
//!
//! A challenge reserves a new code for its number and channel, or joins the live code: one that is reserved or sent,
//! and neither spent nor expired. A live code may be sent once more, which counts against the same limits as a new
//! code. Of simultaneous starts only one sends the code.

use uuid::Uuid;

use super::challenge::{BeginResult, ChallengeRequest, SendGuard, SentCode, UnsentReason};
use super::{CODE_TTL, MAX_RESENDS, RESEND_AFTER, RESERVED_FOR};
use crate::clock::Timestamp;
use crate::store::breaker;
use crate::store::execute::Execute;
use crate::store::limits::{self, LimitResult};
use crate::store::statement::statements;
use crate::store::transaction::Tx;
use crate::store::{Store, StoreError};

/// How often [`Store::begin_challenge`] looks for a live code.
const MAX_ROUNDS: usize = 4;

statements! {
    /// A simultaneous start at another replica waits for this row and then joins the code.
    RESERVE_CODE {
        both: "insert into otp_codes (id, phone_hash, channel, provider, is_test, reserved_at, expires_at)
               values ($1, $2, $3, $4, $5, $6, $7)
               on conflict (phone_hash, channel) where spent_at is null do nothing",
    }
    NOTE_CODE_SENT {
        both: "update otp_codes set sent_at = $2, expires_at = $3, provider_ref = $4, code_hash = $5
               where id = $1 and spent_at is null and sent_at is null",
    }
    SPEND_CODE {
        both: "update otp_codes set spent_at = $2 where id = $1 and spent_at is null",
    }
    CREATE_CHALLENGE {
        both: "insert into otp_challenges (
                 id, code_id, phone_hash, binding, session_id, attempts, created_at, expires_at)
               values ($1, $2, $3, $4, $5, 0, $6, $7)",
    }
    /// Ends a code that has expired, that is too old to be joined, or whose provider is not configured any more.
    RETIRE_CODE {
        both: "update otp_codes set spent_at = $4
               where phone_hash = $1 and channel = $2 and spent_at is null
                 and (expires_at <= $4 or reserved_at <= $5 or provider <> $3)",
    }
    FIND_LIVE_CODE {
        both: "select id, reserved_at, sent_at, expires_at, resends, resent_at from otp_codes
               where phone_hash = $1 and channel = $2 and spent_at is null",
    }
    CLAIM_RESEND {
        both: "update otp_codes set resends = resends + 1, resent_at = $2
               where id = $1 and resends = $3 and spent_at is null",
    }
    /// The provider may have sent a different code.
    NOTE_CODE_RESENT {
        both: "update otp_codes set provider_ref = coalesce($2, provider_ref),
                 code_hash = coalesce($3, code_hash)
               where id = $1 and spent_at is null",
    }
}

#[derive(sqlx::FromRow)]
struct LiveCode {
    id: Uuid,
    reserved_at: Timestamp,
    sent_at: Option<Timestamp>,
    expires_at: Timestamp,
    resends: i32,
    resent_at: Option<Timestamp>,
}

impl LiveCode {
    /// Whether the code may be sent once more at `now`.
    fn may_be_resent(&self, now: Timestamp) -> bool {
        let last = self.resent_at.or(self.sent_at);
        let is_due = last.is_some_and(|at| at.plus(RESEND_AFTER) <= now);
        is_due && self.resends < MAX_RESENDS
    }

    /// The expiry of the code. A code that is not sent yet gets the lifetime of a sent one.
    fn will_expire_at(&self) -> Timestamp {
        match self.sent_at {
            Some(_) => self.expires_at,
            None => self.reserved_at.plus(CODE_TTL),
        }
    }
}

impl Store {
    /// Reserves or joins a code and counts that against the limits of `guard`. If a limit is exceeded, nothing
    /// changes.
    pub async fn begin_challenge(
        &self,
        request: &ChallengeRequest,
        guard: &SendGuard,
        now: Timestamp,
    ) -> Result<BeginResult, StoreError> {
        let mut may_resend = request.can_resend;
        // If no live code is found, another start may reserve one first. The next round then finds that code,
        // unless it is spent already.
        for _ in 0..MAX_ROUNDS {
            let mut tx = self.pools.begin_write().await?;
            let begun = match retire_or_find_live(&mut tx, request, now).await? {
                Some(live) if may_resend && live.may_be_resent(now) => {
                    may_resend = false;
                    resend(&mut tx, request, &live, guard, now).await?
                }
                Some(live) => Some(join(&mut tx, request, &live, guard, now).await?),
                None => reserve(&mut tx, request, guard, now).await?,
            };
            match begun {
                // The counted events are rolled back, and so is the retirement of an old code, which the next
                // start within the limits repeats.
                Some(limited @ BeginResult::Limited { .. }) => return Ok(limited),
                Some(begun) => {
                    tx.commit().await?;
                    return Ok(begun);
                }
                None => {}
            }
        }
        Err(StoreError::Overloaded)
    }

    /// Records that the provider accepted the code. Returns `false` if the reservation has ended before.
    pub async fn note_code_sent(
        &self,
        code_id: Uuid,
        sent: &SentCode,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let params = (
            code_id,
            now,
            now.plus(CODE_TTL),
            sent.provider_ref.as_deref(),
            sent.code_hash.as_ref().map(|hash| &hash[..]),
        );
        let mut writes = self.pools.writes();
        Ok(writes.execute(NOTE_CODE_SENT, params).await? == 1)
    }

    /// Records that the provider sent the code again, perhaps under another id or as another code.
    pub async fn note_code_resent(&self, code_id: Uuid, sent: &SentCode) -> Result<(), StoreError> {
        let code_hash = sent.code_hash.as_ref().map(|hash| &hash[..]);
        let params = (code_id, sent.provider_ref.as_deref(), code_hash);
        let mut writes = self.pools.writes();
        writes.execute(NOTE_CODE_RESENT, params).await?;
        Ok(())
    }

    /// Records that the code of a challenge begun at `begun_at` was certainly not sent: no start joins it, and it
    /// does not count as a paid message. If the provider failed, its answer does not count either. The request to the
    /// provider still counts.
    pub async fn note_code_unsent(
        &self,
        code_id: Uuid,
        guard: &SendGuard,
        reason: UnsentReason,
        begun_at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.pools.begin_write().await?;
        tx.execute(SPEND_CODE, (code_id, begun_at)).await?;
        let uncounted = match reason {
            UnsentReason::NumberRefused => &guard.paid,
            UnsentReason::ProviderFailed => &[&guard.answers[..], &guard.paid].concat(),
        };
        limits::uncount_event(&mut tx, uncounted, begun_at).await?;
        if let Some(block) = guard.block {
            breaker::uncount_sent(&mut tx, block, begun_at).await?;
        }
        tx.commit().await
    }

    /// Ends a code, so that the next start sends another one.
    pub async fn spend_code(&self, code_id: Uuid, now: Timestamp) -> Result<(), StoreError> {
        let mut writes = self.pools.writes();
        writes.execute(SPEND_CODE, (code_id, now)).await?;
        Ok(())
    }
}

/// Returns the live code of the number and channel. Ends the code instead if it cannot be joined any more.
async fn retire_or_find_live(
    tx: &mut Tx,
    request: &ChallengeRequest,
    now: Timestamp,
) -> Result<Option<LiveCode>, StoreError> {
    let (phone_hash, joinable_since) = (&request.phone_hash[..], now.minus(request.joinable_for));
    let params = (
        phone_hash,
        request.channel,
        request.provider,
        now,
        joinable_since,
    );
    tx.execute(RETIRE_CODE, params).await?;
    tx.optional(FIND_LIVE_CODE, (phone_hash, request.channel))
        .await
}

/// Joins a live code and claims the right to send it once more. Returns `None` if that is not possible now: the
/// caller then rolls back the transaction and only joins the code.
async fn resend(
    tx: &mut Tx,
    request: &ChallengeRequest,
    live: &LiveCode,
    guard: &SendGuard,
    now: Timestamp,
) -> Result<Option<BeginResult>, StoreError> {
    let open = breaker::find_or_open(tx, &guard.breakers, now).await?;
    let params = (live.id, now, live.resends);
    if open.is_some() || tx.execute(CLAIM_RESEND, params).await? == 0 {
        return Ok(None);
    }
    create_challenge(tx, request, live.id, now, live.will_expire_at()).await?;
    Ok(match limits::count_event(tx, &guard.sends(), now).await? {
        LimitResult::Counted { .. } => Some(BeginResult::SendAgain(live.id)),
        LimitResult::Exceeded { .. } => None,
    })
}

/// Joins a live code.
async fn join(
    tx: &mut Tx,
    request: &ChallengeRequest,
    live: &LiveCode,
    guard: &SendGuard,
    now: Timestamp,
) -> Result<BeginResult, StoreError> {
    create_challenge(tx, request, live.id, now, live.will_expire_at()).await?;
    Ok(match limits::count_event(tx, &guard.joins, now).await? {
        LimitResult::Counted { .. } => BeginResult::Joined,
        LimitResult::Exceeded { scope, until } => BeginResult::Limited { scope, until },
    })
}

/// Reserves a new code. Returns `None` if another start has reserved one first.
async fn reserve(
    tx: &mut Tx,
    request: &ChallengeRequest,
    guard: &SendGuard,
    now: Timestamp,
) -> Result<Option<BeginResult>, StoreError> {
    if let Some(open) = breaker::find_or_open(tx, &guard.breakers, now).await? {
        return Ok(Some(BeginResult::BreakerOpen(open)));
    }
    let params = (
        request.code_id,
        &request.phone_hash[..],
        request.channel,
        request.provider,
        request.is_test,
        now,
        now.plus(RESERVED_FOR),
    );
    if tx.execute(RESERVE_CODE, params).await? == 0 {
        return Ok(None);
    }
    create_challenge(tx, request, request.code_id, now, now.plus(CODE_TTL)).await?;
    if let LimitResult::Exceeded { scope, until } =
        limits::count_event(tx, &guard.sends(), now).await?
    {
        return Ok(Some(BeginResult::Limited { scope, until }));
    }
    if let Some(block) = guard.block {
        breaker::count_sent(tx, block, now).await?;
    }
    Ok(Some(BeginResult::Send))
}

async fn create_challenge(
    tx: &mut Tx,
    request: &ChallengeRequest,
    code_id: Uuid,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    let params = (
        request.id,
        code_id,
        &request.phone_hash[..],
        request.bound_to.browser_digest(),
        request.bound_to.session,
        now,
        expires_at,
    );
    tx.execute(CREATE_CHALLENGE, params).await?;
    Ok(())
}
