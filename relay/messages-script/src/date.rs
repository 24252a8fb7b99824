//! Times in the unit of chat.db: nanoseconds since 2001-01-01T00:00:00Z.
//!
//! This module reads no clock; callers pass the time.

use std::ops::{Add, Sub};
use std::time::Duration;

/// 2001-01-01T00:00:00Z as Unix time.
const EPOCH_UNIX_SECS: i64 = 978_307_200;
const NANOS_PER_SEC: i64 = 1_000_000_000;

/// A time, in nanoseconds since 2001.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(i64);

impl Date {
    /// Converts nanoseconds since 2001, the unit of `message.date`.
    pub const fn from_apple_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    pub const fn from_unix_secs(secs: i64) -> Self {
        Self((secs - EPOCH_UNIX_SECS) * NANOS_PER_SEC)
    }

    pub const fn from_unix_micros(micros: i64) -> Self {
        Self(micros * 1000 - EPOCH_UNIX_SECS * NANOS_PER_SEC)
    }

    pub const fn from_unix_nanos(nanos: i64) -> Self {
        Self(nanos - EPOCH_UNIX_SECS * NANOS_PER_SEC)
    }

    /// The time `secs` seconds later, or earlier if negative, rounded to the microsecond.
    #[must_use]
    pub fn offset(self, secs: f64) -> Self {
        let micros = Duration::from_secs_f64((secs.abs() * 1e6).round() / 1e6);
        if secs < 0.0 {
            self - micros
        } else {
            self + micros
        }
    }

    /// Nanoseconds since 2001.
    pub const fn apple_nanos(self) -> i64 {
        self.0
    }

    /// Whole seconds since 2001, the unit of attachments and of databases before macOS 10.13.
    pub const fn apple_secs(self) -> i64 {
        self.0.div_euclid(NANOS_PER_SEC)
    }

    /// Seconds since 2001 with their fraction, the unit of the edit history.
    #[expect(
        clippy::cast_precision_loss,
        reason = "macOS writes a double in the edit history"
    )]
    pub fn apple_secs_f64(self) -> f64 {
        self.0 as f64 / NANOS_PER_SEC as f64
    }

    pub const fn unix_nanos(self) -> i64 {
        self.0 + EPOCH_UNIX_SECS * NANOS_PER_SEC
    }

    pub const fn unix_micros(self) -> i64 {
        self.unix_nanos().div_euclid(1000)
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

impl Add<Duration> for Date {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }
}

impl Sub<Duration> for Date {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(duration)))
    }
}
