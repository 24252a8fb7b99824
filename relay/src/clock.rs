//! The time of the wall clock, in microseconds since 1970 (UTC). Only this module reads that clock:
//! other code takes `now` or a [`Clock`] as an argument, and tests use a [`ManualClock`].
//!
//! The clock of an unattended Mac jumps (sleep, NTP, a flat battery), so a later reading may be an earlier time.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef};

/// A point in time, in microseconds since 1970 (UTC).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMicros(i64);

impl UnixMicros {
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(micros(span)))
    }

    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(micros(span)))
    }

    /// The time since `earlier`; zero if `earlier` is later than `self`.
    pub fn since(self, earlier: Self) -> Duration {
        let span = self.0.saturating_sub(earlier.0);
        Duration::from_micros(u64::try_from(span).unwrap_or(0))
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// RFC 3339 in UTC, without fractions of a second. A year that RFC 3339 cannot write is shown in microseconds.
impl fmt::Display for UnixMicros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = time::OffsetDateTime::from_unix_timestamp(self.as_secs());
        let text = seconds.ok().and_then(|at| {
            at.format(&time::format_description::well_known::Rfc3339)
                .ok()
        });
        match text {
            Some(text) => f.write_str(&text),
            None => write!(f, "{} µs", self.0),
        }
    }
}

impl ToSql for UnixMicros {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.into())
    }
}

impl FromSql for UnixMicros {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        i64::column_result(value).map(Self)
    }
}

/// A source of the current time.
pub trait Clock: Send + Sync {
    fn now(&self) -> UnixMicros;
}

/// The wall clock of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMicros {
        #[expect(
            clippy::disallowed_methods,
            reason = "all other code reads the wall clock through this implementation of `Clock`"
        )]
        let now = std::time::SystemTime::now();
        let since = now.duration_since(std::time::UNIX_EPOCH);
        UnixMicros(since.map_or(0, micros))
    }
}

/// A clock for tests, which changes only when a test moves it.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    pub fn at(start: UnixMicros) -> Self {
        Self(AtomicI64::new(start.0))
    }

    pub fn advance(&self, span: Duration) {
        self.0.fetch_add(micros(span), Ordering::SeqCst);
    }

    /// Moves the clock to another time, which may be an earlier one.
    pub fn set(&self, to: UnixMicros) {
        self.0.store(to.0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixMicros {
        UnixMicros(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_differences_saturate() {
        let start = UnixMicros::from_secs(100);
        assert_eq!(start.plus(Duration::MAX).as_micros(), i64::MAX);
        assert_eq!(
            start.since(start.plus(Duration::from_secs(1))),
            Duration::ZERO
        );
        assert_eq!(start.plus(Duration::from_millis(1500)).as_secs(), 101);
        assert_eq!(UnixMicros::from_micros(-1).as_secs(), -1);
    }

    #[test]
    fn times_are_shown_as_dates() {
        assert_eq!(
            UnixMicros::from_secs(1_700_000_000).to_string(),
            "2023-11-14T22:13:20Z"
        );
    }
}
