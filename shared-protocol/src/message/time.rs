//! Times in requests and answers.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time: microseconds since 1970, written on the wire as Unix seconds, an integer when
/// whole and a fraction otherwise.
///
/// Seconds as a double are precise to the microsecond until the year 2242, but not to the nanosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageTime(i64);

impl MessageTime {
    /// Latest time that is accepted: the end of the year 9999, in microseconds.
    pub const MAX_MICROS: i64 = 253_402_300_799 * 1_000_000;

    /// The time at `micros` microseconds since 1970. A time before 1970 or after the year 9999 becomes the
    /// nearest bound.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(0, Self::MAX_MICROS))
    }

    /// The time at `secs` seconds since 1970, with the same bounds.
    pub fn from_secs(secs: i64) -> Self {
        Self::from_micros(secs.saturating_mul(1_000_000))
    }

    /// Microseconds since 1970.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole Unix seconds.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }
}

impl Serialize for MessageTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % 1_000_000 == 0 {
            serializer.serialize_i64(self.as_secs())
        } else {
            #[expect(
                clippy::cast_precision_loss,
                reason = "up to the year 2255 the microseconds fit a double exactly"
            )]
            serializer.serialize_f64(self.0 as f64 / 1e6)
        }
    }
}

impl<'de> Deserialize<'de> for MessageTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let secs = f64::deserialize(deserializer)?;
        #[expect(
            clippy::cast_precision_loss,
            reason = "the seconds up to the year 9999 fit a double exactly"
        )]
        let max = (Self::MAX_MICROS / 1_000_000) as f64;
        if !(0.0..=max).contains(&secs) {
            return Err(D::Error::custom(
                "must be Unix seconds between 0 and the year 9999, not milliseconds",
            ));
        }
        // Only the fraction is multiplied: `secs * 1e6` would be rounded a second time.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the range was checked, so both numbers fit an i64"
        )]
        let (whole, fraction) = (secs.trunc() as i64, (secs.fract() * 1e6).round() as i64);
        Ok(Self(whole * 1_000_000 + fraction))
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for MessageTime {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "the seconds up to the year 9999 fit a double exactly"
        )]
        let latest = (Self::MAX_MICROS / 1_000_000) as f64;
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::Type::Number)
            .description(Some("Unix seconds"))
            .minimum(Some(0.0))
            .maximum(Some(latest))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for MessageTime {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_seconds_are_integers_and_fractions_survive() {
        let whole: MessageTime = serde_json::from_str("1699123456").unwrap();
        assert_eq!(serde_json::to_string(&whole).unwrap(), "1699123456");
        let fraction: MessageTime = serde_json::from_str("1699123456.123457").unwrap();
        assert_eq!(fraction.as_micros(), 1_699_123_456_123_457);
        assert_eq!(
            serde_json::to_string(&fraction).unwrap(),
            "1699123456.123457"
        );
        // Beyond 2038 a parser that rounds twice is off by a microsecond.
        let later: MessageTime = serde_json::from_str("4481987505.673906").unwrap();
        assert_eq!(later.as_micros(), 4_481_987_505_673_906);
    }

    #[test]
    fn milliseconds_strings_and_negatives_are_refused() {
        for bad in [
            "1699123456000",
            "-1",
            "\"1699123456\"",
            "null",
            "1e300",
            "true",
        ] {
            assert!(serde_json::from_str::<MessageTime>(bad).is_err(), "{bad}");
        }
    }
}
