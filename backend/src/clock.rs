//! Timestamps and the only reader of the machine's clock.
//!
//! All other modules take a [`Clock`] or a [`Timestamp`] as an argument, so that tests set the time instead of
//! waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::macros::format_description;

/// A point in time in microseconds since 1970, the precision of both databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole Unix seconds.
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

    /// The time that passed since `earlier`; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let micros = self.0.saturating_sub(earlier.0);
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }
}

impl Timestamp {
    /// The time in the format `2026-09-21 14:13:20 UTC`. Years before 0 or after 9999 are shown as the start of
    /// year 0 or the end of year 9999.
    pub fn human_readable(self) -> String {
        let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
        self.date().format(format).expect("years 0 to 9999 in UTC")
    }

    fn date(self) -> time::OffsetDateTime {
        const FIRST_YEAR: i128 = -62_167_219_200_000_000;
        const LAST_YEAR: i128 = 253_402_300_799_999_999;
        let micros = i128::from(self.0).clamp(FIRST_YEAR, LAST_YEAR);
        time::OffsetDateTime::from_unix_timestamp_nanos(micros * 1_000).expect("years 0 to 9999")
    }
}

/// RFC 3339 in UTC. Years before 0 or after 9999 are written as the start of year 0 or the end of year 9999.
impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use time::format_description::well_known::Rfc3339;
        let text = self
            .date()
            .format(&Rfc3339)
            .expect("years 0 to 9999 in UTC");
        serializer.serialize_str(&text)
    }
}

impl utoipa::PartialSchema for Timestamp {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        use utoipa::openapi::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .into()
    }
}

impl utoipa::ToSchema for Timestamp {}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// The source of the current time.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock for tests, which only [`Clock::advance`] moves.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    pub fn manual(start: Timestamp) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(start.as_micros())))
    }

    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => system_now(),
            Self::Manual(micros) => Timestamp(micros.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock. Does nothing to the machine's clock.
    pub fn advance(&self, span: Duration) {
        if let Self::Manual(now) = self {
            now.fetch_add(micros(span), Ordering::SeqCst);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "no other function reads the clock"
)]
fn system_now() -> Timestamp {
    // A clock before 1970 reads as 1970. Signatures are then refused with an error about the time.
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(micros(since_1970))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_times_are_rfc_3339() {
        let json = |micros| serde_json::to_string(&Timestamp::from_micros(micros)).expect("json");
        assert_eq!(json(0), "\"1970-01-01T00:00:00Z\"");
        assert_eq!(
            json(1_790_000_000_000_001),
            "\"2026-09-21T14:13:20.000001Z\""
        );
        assert_eq!(json(i64::MIN), "\"0000-01-01T00:00:00Z\"");
        assert_eq!(json(i64::MAX), "\"9999-12-31T23:59:59.999999Z\"");
    }
}
