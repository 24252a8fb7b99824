//! Whether codes that are sent somewhere are ever confirmed: who pumps messages confirms none.
//!
//! Codes are counted in the five minutes in which they were sent, and a confirmation counts where its
//! code does; what is judged is the last two hours less the youngest codes, which may yet be confirmed.
//! Where enough were sent and too few confirmed, nothing is sent for an hour. A place that is cut off
//! takes no other with it.

use std::time::Duration;

use super::connection::{Conn, on_conn};
use super::limits::{COUNT_DOWN, window_start};
use super::statements::statements;
use crate::clock::Timestamp;

const BUCKET: Duration = Duration::from_mins(5);
/// By then a code is confirmed or will not be.
const RIPE_AFTER: Duration = Duration::from_mins(10);
const JUDGED: Duration = Duration::from_hours(2);
const OPEN_FOR: Duration = Duration::from_hours(1);
/// The one row of an open breaker has no window.
const NO_WINDOW: Timestamp = Timestamp::from_micros(0);

statements! {
    COUNT_CODE {
        both: "insert into rate_counters (scope, key, window_start, count, expires_at) \
               values ($1, $2, $3, 1, $4) \
               on conflict (scope, key, window_start) do update set count = rate_counters.count + 1",
    }
    SUM_CODES {
        both: "select cast(coalesce(sum(count), 0) as bigint) from rate_counters \
               where scope = $1 and key = $2 and window_start > $3 and window_start <= $4",
    }
    BREAKER_OPEN_UNTIL {
        both: "select expires_at from rate_counters \
               where scope = $1 and key = $2 and window_start = $3 and expires_at > $4",
    }
    /// Returns a row to the one that opened it.
    OPEN_BREAKER {
        both: "insert into rate_counters (scope, key, window_start, count, expires_at) \
               values ($1, $2, $3, 1, $4) \
               on conflict (scope, key, window_start) do update set \
                 count = rate_counters.count + 1, expires_at = excluded.expires_at \
               where rate_counters.expires_at <= $5 \
               returning count",
    }
}

/// What a breaker watches over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// A block of ten thousand numbers.
    Prefix,
    /// A country.
    Country,
}

impl Area {
    /// As a label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prefix => "prefix",
            Self::Country => "country",
        }
    }

    const fn sent(self) -> &'static str {
        match self {
            Self::Prefix => "sent_prefix",
            Self::Country => "sent_country",
        }
    }

    const fn confirmed(self) -> &'static str {
        match self {
            Self::Prefix => "confirmed_prefix",
            Self::Country => "confirmed_country",
        }
    }

    const fn open(self) -> &'static str {
        match self {
            Self::Prefix => "open_prefix",
            Self::Country => "open_country",
        }
    }
}

/// One place to which codes are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// What kind of place.
    pub area: Area,
    /// Which: a keyed hash.
    pub key: [u8; 32],
    /// Fewer codes prove nothing.
    pub min_sent: u32,
    /// The share, in percent, that has to be confirmed. 0: any will do.
    pub min_percent: u32,
}

/// Nothing is sent there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// What kind of place.
    pub area: Area,
    /// Until when.
    pub until: Timestamp,
    /// Whether it was this look that opened it.
    pub since: Since,
}

/// When a breaker opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// With this look.
    Now,
    /// Earlier.
    Before,
}

/// Finds an open breaker, or one that has to open now, and opens it.
pub(in crate::store) async fn find_open(
    conn: &mut Conn<'_>,
    breakers: &[Breaker],
    now: Timestamp,
) -> Result<Option<Open>, sqlx::Error> {
    for breaker in breakers {
        let area = breaker.area;
        if let Some(until) = open_until(conn, breaker, now).await? {
            let since = Since::Before;
            return Ok(Some(Open { area, until, since }));
        }
        if is_failing(conn, breaker, now).await? {
            let until = now.plus(OPEN_FOR);
            let since = open(conn, breaker, now, until).await?;
            return Ok(Some(Open { area, until, since }));
        }
    }
    Ok(None)
}

async fn open_until(
    conn: &mut Conn<'_>,
    breaker: &Breaker,
    now: Timestamp,
) -> Result<Option<Timestamp>, sqlx::Error> {
    on_conn!(conn, BREAKER_OPEN_UNTIL, |db, sql| {
        sqlx::query_scalar(sql)
            .bind(breaker.area.open())
            .bind(&breaker.key[..])
            .bind(NO_WINDOW)
            .bind(now)
            .fetch_optional(db)
            .await
    })
}

async fn is_failing(
    conn: &mut Conn<'_>,
    breaker: &Breaker,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let sent = sum(conn, breaker.area.sent(), breaker, now).await?;
    if sent == 0 || sent < i64::from(breaker.min_sent) {
        return Ok(false);
    }
    let confirmed = sum(conn, breaker.area.confirmed(), breaker, now).await?;
    Ok(confirmed * 100 < sent * i64::from(breaker.min_percent))
}

async fn sum(
    conn: &mut Conn<'_>,
    scope: &'static str,
    breaker: &Breaker,
    now: Timestamp,
) -> Result<i64, sqlx::Error> {
    let ripe = now.minus(RIPE_AFTER);
    on_conn!(conn, SUM_CODES, |db, sql| {
        sqlx::query_scalar(sql)
            .bind(scope)
            .bind(&breaker.key[..])
            .bind(ripe.minus(JUDGED))
            .bind(ripe)
            .fetch_one(db)
            .await
    })
}

async fn open(
    conn: &mut Conn<'_>,
    breaker: &Breaker,
    now: Timestamp,
    until: Timestamp,
) -> Result<Since, sqlx::Error> {
    let opened: Option<i64> = on_conn!(conn, OPEN_BREAKER, |db, sql| {
        sqlx::query_scalar(sql)
            .bind(breaker.area.open())
            .bind(&breaker.key[..])
            .bind(NO_WINDOW)
            .bind(until)
            .bind(now)
            .fetch_optional(db)
            .await
    })?;
    Ok(opened.map_or(Since::Before, |_| Since::Now))
}

/// Counts a code that is about to be sent.
pub(in crate::store) async fn count_sent(
    conn: &mut Conn<'_>,
    breakers: &[Breaker],
    sent_at: Timestamp,
) -> Result<(), sqlx::Error> {
    for breaker in breakers {
        count(conn, breaker.area.sent(), breaker, sent_at).await?;
    }
    Ok(())
}

/// Counts the confirmation of a code that was sent at `sent_at`.
pub(in crate::store) async fn count_confirmed(
    conn: &mut Conn<'_>,
    breakers: &[Breaker],
    sent_at: Timestamp,
) -> Result<(), sqlx::Error> {
    for breaker in breakers {
        count(conn, breaker.area.confirmed(), breaker, sent_at).await?;
    }
    Ok(())
}

async fn count(
    conn: &mut Conn<'_>,
    scope: &'static str,
    breaker: &Breaker,
    sent_at: Timestamp,
) -> Result<(), sqlx::Error> {
    let start = window_start(sent_at, BUCKET);
    on_conn!(conn, COUNT_CODE, |db, sql| {
        sqlx::query(sql)
            .bind(scope)
            .bind(&breaker.key[..])
            .bind(start)
            .bind(start.plus(JUDGED + OPEN_FOR))
            .execute(db)
            .await
            .map(drop)
    })
}

/// Takes back what [`count_sent`] counted: the code was not sent.
pub(in crate::store) async fn uncount_sent(
    conn: &mut Conn<'_>,
    breakers: &[Breaker],
    sent_at: Timestamp,
) -> Result<(), sqlx::Error> {
    for breaker in breakers {
        on_conn!(conn, COUNT_DOWN, |db, sql| {
            sqlx::query(sql)
                .bind(breaker.area.sent())
                .bind(&breaker.key[..])
                .bind(window_start(sent_at, BUCKET))
                .execute(db)
                .await
                .map(drop)
        })?;
    }
    Ok(())
}
