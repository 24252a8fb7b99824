//! Time as a value: the one place that reads the machine's clock.
//!
//! Everything else takes a [`Clock`] or a [`Timestamp`], so that tolerances, leases and windows are
//! tested at their edges without waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::macros::format_description;

/// A point in time, microseconds since 1970: what both databases keep exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From Unix seconds.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// Microseconds since 1970.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole Unix seconds.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This time and `span` more.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(micros(span)))
    }

    /// This time less `span`.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(micros(span)))
    }
}

impl Timestamp {
    /// As people read it: `2026-09-21 14:13:20 UTC`. A year that cannot be written so counts as the last or
    /// first that can.
    pub fn for_people(self) -> String {
        let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
        self.date().format(form).expect("years 0 to 9999 in UTC")
    }

    fn date(self) -> time::OffsetDateTime {
        const FIRST_YEAR: i128 = -62_167_219_200_000_000;
        const LAST_YEAR: i128 = 253_402_300_799_999_999;
        let micros = i128::from(self.0).clamp(FIRST_YEAR, LAST_YEAR);
        time::OffsetDateTime::from_unix_timestamp_nanos(micros * 1_000).expect("years 0 to 9999")
    }
}

/// RFC 3339 in UTC, as JSON has it. A year that it cannot write counts as the last or first that it can.
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

/// Tells the time: the machine's, or one that a test sets by hand.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// Stands still until it is set.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `start`.
    pub fn manual(start: Timestamp) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(start.as_micros())))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => system_now(),
            Self::Manual(micros) => Timestamp(micros.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock; the machine's stays as it is.
    pub fn advance(&self, span: Duration) {
        if let Self::Manual(now) = self {
            now.fetch_add(micros(span), Ordering::SeqCst);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the clock"
)]
fn system_now() -> Timestamp {
    // A clock before 1970 is as wrong as one can be; signatures fail on it and say so.
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(micros(since))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_times_as_rfc_3339() {
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
