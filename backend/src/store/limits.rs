//! Rate limits: counters that are exact also if several replicas count at the same moment.
//!
//! An event is counted against several limits or against none, in one transaction. Rows are locked in the order of
//! scope and key, so that two transactions cannot deadlock. A transaction that also locks other rows locks those
//! first. The callers decide what the scopes mean.

use std::time::Duration;

use super::execute::Execute;
use super::statement::statements;
use super::transaction::Tx;
use super::{Store, StoreError};
use crate::clock::Timestamp;

/// How long a counter is kept after its window, since an event may be taken back late.
const KEPT_AFTER: Duration = Duration::from_hours(1);

statements! {
    /// Returns no row, and counts nothing, if the count has reached $5.
    COUNT_UP {
        both: "insert into rate_counters (scope, key, window_start, count, expires_at)
               values ($1, $2, $3, 1, $4)
               on conflict (scope, key, window_start) do update set count = rate_counters.count + 1
               where rate_counters.count < $5
               returning count",
    }
    COUNT_DOWN {
        both: "update rate_counters set count = count - 1
               where scope = $1 and key = $2 and window_start = $3 and count > 0",
    }
    /// The sum of the counters that began after $3, and the beginning of the first of them.
    SUM_WINDOWS {
        both: "select cast(coalesce(sum(count), 0) as bigint), min(window_start) from rate_counters
               where scope = $1 and key = $2 and window_start > $3 and count > 0",
    }
}

/// The time over which events are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Spans of this length that follow each other, in UTC: for an hour, the full hours of the clock.
    Fixed(Duration),
    /// The last 24 to 25 hours, since events are counted by the full hour.
    LastDay,
}

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

impl Window {
    pub const HOUR: Self = Self::Fixed(HOUR);
    pub const TEN_MINUTES: Self = Self::Fixed(Duration::from_mins(10));
    pub const DAY: Self = Self::Fixed(DAY);

    /// The length of the time that one counter, a row, covers.
    const fn bucket(self) -> Duration {
        match self {
            Self::Fixed(span) => span,
            Self::LastDay => HOUR,
        }
    }

    /// How long an event counts, from the start of its bucket.
    const fn span(self) -> Duration {
        match self {
            Self::Fixed(span) => span,
            Self::LastDay => Duration::from_hours(25),
        }
    }
}

/// The beginning of the span of this length that `now` is in.
pub(in crate::store) fn window_start(now: Timestamp, span: Duration) -> Timestamp {
    let span = i64::try_from(span.as_micros()).expect("a window of days fits into microseconds");
    Timestamp::from_micros(now.as_micros().div_euclid(span) * span)
}

/// A limit of `max` events within the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The kind of event that is counted.
    pub scope: &'static str,
    /// Keyed hash of the number, address or other thing that the limit is for.
    pub key: [u8; 32],
    pub window: Window,
    pub max: u32,
}

/// The result of [`Store::count_event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitResult {
    /// The event is within all limits and was counted.
    Counted {
        /// How many more events all limits allow.
        left: u32,
    },
    /// A limit is exceeded, and nothing was counted.
    Exceeded {
        /// The scope of the exceeded limit that allows the next event last.
        scope: &'static str,
        /// The earliest time at which that limit may allow the next event.
        until: Timestamp,
    },
}

impl Store {
    /// Counts one event against all of `limits`, or against none.
    pub async fn count_event(
        &self,
        limits: &[Limit],
        now: Timestamp,
    ) -> Result<LimitResult, StoreError> {
        let mut tx = self.pools.begin_write().await?;
        let result = count_event(&mut tx, limits, now).await?;
        if let LimitResult::Counted { .. } = result {
            tx.commit().await?;
        }
        Ok(result)
    }

    /// The earliest time at which all of `limits` may allow an event again; `None` if they allow one now. Counts
    /// nothing.
    pub async fn exceeded_until(
        &self,
        limits: &[Limit],
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let mut until = None;
        for limit in limits {
            let (count, oldest) = self.read(limit, now).await?;
            if count >= i64::from(limit.max) {
                until = until.max(Some(oldest.unwrap_or(now).plus(limit.window.span())));
            }
        }
        Ok(until)
    }

    /// The number of events in the window that `now` is in.
    pub async fn event_count(&self, limit: &Limit, now: Timestamp) -> Result<i64, StoreError> {
        let (count, _) = self.read(limit, now).await?;
        Ok(count)
    }

    /// The number of events in the window, and the beginning of the oldest bucket with events.
    async fn read(
        &self,
        limit: &Limit,
        now: Timestamp,
    ) -> Result<(i64, Option<Timestamp>), StoreError> {
        let since = match limit.window {
            // The statement leaves out a counter that began exactly at `since`.
            Window::Fixed(span) => window_start(now, span).minus(Duration::from_micros(1)),
            Window::LastDay => now.minus(limit.window.span()),
        };
        let params = (limit.scope, &limit.key[..], since);
        self.pools.reads().one(SUM_WINDOWS, params).await
    }

    /// Takes back an event that was counted at `counted_at`.
    pub async fn uncount_event(
        &self,
        limits: &[Limit],
        counted_at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.pools.begin_write().await?;
        uncount_event(&mut tx, limits, counted_at).await?;
        tx.commit().await
    }
}

/// [`Store::count_event`] inside a transaction, which has to be rolled back on [`LimitResult::Exceeded`].
pub(in crate::store) async fn count_event(
    tx: &mut Tx,
    limits: &[Limit],
    now: Timestamp,
) -> Result<LimitResult, StoreError> {
    let mut left = u32::MAX;
    let mut exceeded: Option<(Timestamp, &'static str)> = None;
    // All limits are checked, also after one that is exceeded: the next event has to wait for the last of them.
    for limit in in_lock_order(limits) {
        match count_up(tx, limit, now).await? {
            Ok(left_of_limit) => left = left.min(left_of_limit),
            Err(until) => exceeded = exceeded.max(Some((until, limit.scope))),
        }
    }
    Ok(match exceeded {
        Some((until, scope)) => LimitResult::Exceeded { scope, until },
        None => LimitResult::Counted { left },
    })
}

/// [`Store::uncount_event`] inside a transaction.
pub(in crate::store) async fn uncount_event(
    tx: &mut Tx,
    limits: &[Limit],
    counted_at: Timestamp,
) -> Result<(), StoreError> {
    for limit in in_lock_order(limits) {
        let start = window_start(counted_at, limit.window.bucket());
        tx.execute(COUNT_DOWN, (limit.scope, &limit.key[..], start))
            .await?;
    }
    Ok(())
}

fn in_lock_order(limits: &[Limit]) -> Vec<&Limit> {
    let mut limits: Vec<_> = limits.iter().collect();
    limits.sort_by_key(|limit| (limit.scope, limit.key));
    limits
}

/// Counts an event. Returns how many more the limit allows, or when it allows the next one.
async fn count_up(
    tx: &mut Tx,
    limit: &Limit,
    now: Timestamp,
) -> Result<Result<u32, Timestamp>, StoreError> {
    let start = window_start(now, limit.window.bucket());
    let end = start.plus(limit.window.span());
    let max = i64::from(limit.max);
    if max == 0 {
        return Ok(Err(end));
    }
    let (scope, key) = (limit.scope, &limit.key[..]);
    let params = (scope, key, start, end.plus(KEPT_AFTER), max);
    let count: Option<i64> = tx.optional_value(COUNT_UP, params).await?;
    if matches!(limit.window, Window::Fixed(_)) {
        return Ok(count.map(|count| remaining(max, count)).ok_or(end));
    }
    // The row of this hour is locked now: the sum has all events that other transactions counted before, and
    // later ones wait.
    let since = now.minus(limit.window.span());
    let (sum, oldest): (i64, Option<Timestamp>) = tx.one(SUM_WINDOWS, (scope, key, since)).await?;
    Ok(if count.is_some() && sum <= max {
        Ok(remaining(max, sum))
    } else {
        Err(oldest.unwrap_or(start).plus(limit.window.span()))
    })
}

fn remaining(max: i64, count: i64) -> u32 {
    u32::try_from(max - count).unwrap_or(0)
}
