//! Counters of what may happen only so often, exact also if several replicas count at the same moment.
//!
//! Several limits are taken together or not at all, in one transaction. Rows are locked in one order,
//! that of scope and key, so that two transactions never wait for each other in a circle; a transaction
//! that also touches other rows touches those first. What the scopes mean is decided elsewhere.

use std::time::Duration;

use super::execute::Execute;
use super::statement::statements;
use super::transaction::Tx;
use super::{Store, StoreError};
use crate::clock::Timestamp;

/// A counter is kept a while after its window, for what is put back late.
const KEPT_AFTER: Duration = Duration::from_hours(1);

statements! {
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
    /// How much lies in the last windows, and since when.
    COUNT_BACK {
        both: "select cast(coalesce(sum(count), 0) as bigint), min(window_start) from rate_counters
               where scope = $1 and key = $2 and window_start > $3 and count > 0",
    }
}

/// Over what time something is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The clock's own spans of this length, UTC.
    Fixed(Duration),
    /// The last 24 hours, whenever they are looked at; counted by the hour, so up to one hour more.
    LastDay,
}

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

impl Window {
    /// The clock's full hours.
    pub const HOUR: Self = Self::Fixed(HOUR);
    /// Six in each of the clock's full hours.
    pub const TEN_MINUTES: Self = Self::Fixed(Duration::from_mins(10));
    /// The clock's full days.
    pub const DAY: Self = Self::Fixed(DAY);

    const fn bucket(self) -> Duration {
        match self {
            Self::Fixed(span) => span,
            Self::LastDay => HOUR,
        }
    }

    /// How long what is counted now counts from the start of its bucket.
    const fn span(self) -> Duration {
        match self {
            Self::Fixed(span) => span,
            Self::LastDay => Duration::from_hours(25),
        }
    }
}

/// When the span of this length began that `now` is in.
pub(in crate::store) fn window_start(now: Timestamp, span: Duration) -> Timestamp {
    let span = i64::try_from(span.as_micros()).expect("windows are days at most");
    Timestamp::from_micros(now.as_micros().div_euclid(span) * span)
}

/// One thing that may happen `most` times within the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is counted.
    pub scope: &'static str,
    /// For whom: a keyed hash.
    pub key: [u8; 32],
    /// Over what time.
    pub window: Window,
    /// How often.
    pub most: u32,
}

/// Whether it may happen once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It may, and is counted.
    Yes {
        /// How often it may happen after this: the least of the limits.
        left: u32,
    },
    /// It may not, and nothing is counted.
    Full {
        /// The limit that holds it up longest.
        scope: &'static str,
        /// Until when.
        until: Timestamp,
    },
}

impl Store {
    /// Counts one event against all of `limits`, or against none.
    pub async fn take(&self, limits: &[Limit], now: Timestamp) -> Result<Taken, StoreError> {
        let mut tx = self.pools.begin_write().await?;
        let taken = take(&mut tx, limits, now).await?;
        if let Taken::Yes { .. } = taken {
            tx.commit().await?;
        }
        Ok(taken)
    }

    /// Until when one of `limits` is full, without counting anything.
    pub async fn full_until(
        &self,
        limits: &[Limit],
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let mut until = None;
        for limit in limits {
            let (count, oldest) = self.read(limit, now).await?;
            if count >= i64::from(limit.most) {
                until = until.max(Some(oldest.unwrap_or(now).plus(limit.window.span())));
            }
        }
        Ok(until)
    }

    /// How often it happened in the window that `now` lies in.
    pub async fn counted(&self, limit: &Limit, now: Timestamp) -> Result<i64, StoreError> {
        let (count, _) = self.read(limit, now).await?;
        Ok(count)
    }

    /// How often it happened in the window, and when the oldest of its buckets began.
    async fn read(
        &self,
        limit: &Limit,
        now: Timestamp,
    ) -> Result<(i64, Option<Timestamp>), StoreError> {
        let since = match limit.window {
            Window::Fixed(span) => window_start(now, span).minus(Duration::from_micros(1)),
            Window::LastDay => now.minus(limit.window.span()),
        };
        let params = (limit.scope, &limit.key[..], since);
        self.pools.reads().one(COUNT_BACK, params).await
    }

    /// Takes back what was counted at `taken_at`.
    pub async fn put_back(&self, limits: &[Limit], taken_at: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.pools.begin_write().await?;
        put_back(&mut tx, limits, taken_at).await?;
        tx.commit().await
    }
}

/// As [`Store::take`], inside a transaction, which is to be given up on [`Taken::Full`].
pub(in crate::store) async fn take(
    tx: &mut Tx,
    limits: &[Limit],
    now: Timestamp,
) -> Result<Taken, StoreError> {
    let mut left = u32::MAX;
    let mut full: Option<(Timestamp, &'static str)> = None;
    // After the first that is full the others are looked at too: only the last to open lets it pass.
    for limit in in_order(limits) {
        match count_up(tx, limit, now).await? {
            Ok(remaining) => left = left.min(remaining),
            Err(until) => full = full.max(Some((until, limit.scope))),
        }
    }
    Ok(
        full.map_or(Taken::Yes { left }, |(until, scope)| Taken::Full {
            scope,
            until,
        }),
    )
}

/// As [`Store::put_back`], inside a transaction.
pub(in crate::store) async fn put_back(
    tx: &mut Tx,
    limits: &[Limit],
    taken_at: Timestamp,
) -> Result<(), StoreError> {
    for limit in in_order(limits) {
        let start = window_start(taken_at, limit.window.bucket());
        tx.execute(COUNT_DOWN, (limit.scope, &limit.key[..], start))
            .await?;
    }
    Ok(())
}

fn in_order(limits: &[Limit]) -> Vec<&Limit> {
    let mut limits: Vec<_> = limits.iter().collect();
    limits.sort_by_key(|limit| (limit.scope, limit.key));
    limits
}

/// How often it may happen after this, or when it may again.
async fn count_up(
    tx: &mut Tx,
    limit: &Limit,
    now: Timestamp,
) -> Result<Result<u32, Timestamp>, StoreError> {
    let start = window_start(now, limit.window.bucket());
    let end = start.plus(limit.window.span());
    let most = i64::from(limit.most);
    if most == 0 {
        return Ok(Err(end));
    }
    let (scope, key) = (limit.scope, &limit.key[..]);
    let params = (scope, key, start, end.plus(KEPT_AFTER), most);
    let count: Option<i64> = tx.optional_value(COUNT_UP, params).await?;
    if let (Window::Fixed(_), count) = (limit.window, count) {
        return Ok(count.map(|count| remaining(most, count)).ok_or(end));
    }
    // The row of this hour is locked now, so what others count in it is seen or waits.
    let since = now.minus(limit.window.span());
    let (sum, oldest): (i64, Option<Timestamp>) = tx.one(COUNT_BACK, (scope, key, since)).await?;
    Ok(if count.is_some() && sum <= most {
        Ok(remaining(most, sum))
    } else {
        Err(oldest.unwrap_or(start).plus(limit.window.span()))
    })
}

fn remaining(most: i64, count: i64) -> u32 {
    u32::try_from(most - count).unwrap_or(0)
}
