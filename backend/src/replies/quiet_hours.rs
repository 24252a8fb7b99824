//! The quiet hours of a person, in which a late reply waits.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp as Instant, Zoned};
use shared_protocol::QuietHours;

use crate::clock::Timestamp;

/// Quiet hours begin at this hour, and end the next morning.
const FROM_HOUR: i8 = 22;
const TO_HOUR: i8 = 8;

/// The quiet hours that go on at `now`, or else the next ones. `None` if the time is beyond the calendar.
pub(super) fn quiet_hours(now: Timestamp, zone: &TimeZone) -> Option<QuietHours> {
    let local = Instant::from_second(now.as_secs())
        .ok()?
        .to_zoned(zone.clone());
    let is_before_the_end = local.hour() < TO_HOUR;
    let first_day = if is_before_the_end {
        local.yesterday().ok()?
    } else {
        local
    };
    let at = |day: &Zoned, hour| {
        // A time that a change of clocks leaves out moves to the next that exists; of a doubled one the first counts.
        let time = day.date().to_datetime(Time::constant(hour, 0, 0, 0));
        let zoned = time.to_zoned(zone.clone()).ok()?;
        Some(zoned.timestamp().as_second())
    };
    Some(QuietHours {
        from: at(&first_day, FROM_HOUR)?,
        to: at(&first_day.tomorrow().ok()?, TO_HOUR)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).expect("a zone")
    }

    fn secs(text: &str) -> i64 {
        text.parse::<Instant>().expect("a time").as_second()
    }

    fn quiet(now: &str, name: &str) -> (i64, i64) {
        let now = Timestamp::from_secs(secs(now));
        let quiet = quiet_hours(now, &zone(name)).expect("a time of the calendar");
        (quiet.from, quiet.to)
    }

    #[test]
    fn the_current_or_the_next_night() {
        let night = (secs("2026-11-28T22:00:00Z"), secs("2026-11-29T08:00:00Z"));
        for now in [
            "2026-11-28T08:00:00Z",
            "2026-11-28T23:30:00Z",
            "2026-11-29T07:59:59Z",
        ] {
            assert_eq!(quiet(now, "UTC"), night, "{now}");
        }
        let in_berlin = (secs("2026-11-28T21:00:00Z"), secs("2026-11-29T07:00:00Z"));
        assert_eq!(quiet("2026-11-28T12:00:00Z", "Europe/Berlin"), in_berlin);
    }

    #[test]
    fn a_night_in_which_clocks_change_is_longer_or_shorter() {
        let (from, to) = quiet("2026-10-24T20:00:00Z", "Europe/Berlin");
        assert_eq!(to - from, 11 * 60 * 60);
        let (from, to) = quiet("2026-03-28T21:00:00Z", "Europe/Berlin");
        assert_eq!(to - from, 9 * 60 * 60);
    }

    #[test]
    fn a_time_beyond_the_calendar_has_no_quiet_hours() {
        let end = Timestamp::from_micros(i64::MAX);
        assert_eq!(quiet_hours(end, &TimeZone::UTC), None);
    }
}
