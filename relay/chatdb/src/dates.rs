//! Dates of chat.db count from 2001: in nanoseconds since macOS 10.13, in seconds before.
//!
//! An upgrade of macOS does not rewrite old rows, so one database can have both units. The unit of each date is
//! found by its size. Dates stay integers, because a double rounds a date of today by up to 128 ns.

/// 2001-01-01T00:00:00Z in Unix seconds.
pub(crate) const APPLE_EPOCH_UNIX_SECS: i64 = 978_307_200;

/// Dates below this value are in seconds, all others in nanoseconds. In nanoseconds this value is 17 minutes after
/// the start of 2001; in seconds it is the year 33658.
const SECONDS_BELOW: i64 = 1_000_000_000_000;

/// Converts a date column to microseconds since 1970. `None` for 0, which stands for no date, for a date before 2001,
/// and for one after 2200: some columns have the largest integer.
pub(crate) fn from_apple_date(raw: i64) -> Option<i64> {
    /// 2200-01-01T00:00:00Z.
    const END_UNIX_MICROS: i64 = 7_258_118_400 * 1_000_000;
    if raw <= 0 {
        return None;
    }
    let micros_since_2001 = if raw < SECONDS_BELOW {
        raw.checked_mul(1_000_000)?
    } else {
        raw / 1_000
    };
    let micros = micros_since_2001.checked_add(APPLE_EPOCH_UNIX_SECS * 1_000_000)?;
    (micros < END_UNIX_MICROS).then_some(micros)
}

/// Converts microseconds since 1970 to nanoseconds since 2001.
pub(crate) fn to_apple_nanos(unix_micros: i64) -> i64 {
    unix_micros
        .saturating_sub(APPLE_EPOCH_UNIX_SECS * 1_000_000)
        .saturating_mul(1_000)
}

/// A timestamp in nanoseconds and in seconds since 2001, as lower bounds for the date index. The seconds are rounded
/// down, and neither bound lies among the dates of the other unit.
pub(crate) fn index_bounds(unix_micros: i64) -> (i64, i64) {
    let nanos = to_apple_nanos(unix_micros).max(SECONDS_BELOW);
    let seconds = (unix_micros / 1_000_000 - APPLE_EPOCH_UNIX_SECS).max(1);
    (nanos, seconds.min(SECONDS_BELOW))
}

/// The value below which a date column is in seconds.
pub(crate) const fn seconds_limit() -> i64 {
    SECONDS_BELOW
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_units_give_the_same_instant() {
        let unix = 1_699_123_456;
        let apple = unix - APPLE_EPOCH_UNIX_SECS;
        assert_eq!(from_apple_date(apple), Some(unix * 1_000_000));
        assert_eq!(
            from_apple_date(apple * 1_000_000_000 + 123_456_789),
            Some(unix * 1_000_000 + 123_456)
        );
        assert_eq!(
            from_apple_date(to_apple_nanos(unix * 1_000_000)),
            Some(unix * 1_000_000)
        );
    }

    #[test]
    fn absent_and_absurd_dates_are_none() {
        for raw in [0, -1, i64::MIN, i64::MAX, 999_999_999_999] {
            assert_eq!(from_apple_date(raw), None, "{raw}");
        }
    }

    #[test]
    fn nanoseconds_survive_beyond_what_a_double_holds() {
        let nanos = 783_000_000_123_456_789;
        assert_eq!(from_apple_date(nanos), from_apple_date(nanos + 210));
        assert_ne!(from_apple_date(nanos), from_apple_date(nanos + 211));
    }

    #[test]
    fn the_bounds_of_the_index_are_never_of_the_other_unit() {
        for unix in [
            i64::MIN,
            0,
            APPLE_EPOCH_UNIX_SECS * 1_000_000,
            1_790_000_000_000_000,
            i64::MAX,
        ] {
            let (nanos, seconds) = index_bounds(unix);
            assert!(nanos >= seconds_limit(), "{unix}");
            assert!((1..=seconds_limit()).contains(&seconds), "{unix}");
        }
        let (nanos, seconds) = index_bounds(1_790_000_000_500_000);
        assert_eq!(nanos, 811_692_800_500_000_000);
        assert_eq!(seconds, 811_692_800, "a second that began before counts");
    }
}
