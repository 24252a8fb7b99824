//! When a bubble may be sent by its own times: pause, `not_before`, `not_after` and the person's quiet hours.

use std::time::Duration;

use crate::clock::UnixMicros;
use crate::state::ledger::dispatching::SendableBubble;

/// A reply may be sent for this long after it was made.
const REPLY_LIFETIME_SECS: i64 = 6 * 3600;
/// From this age on a reply waits for the end of the quiet hours.
const LATE_AFTER_SECS: i64 = 30 * 60;
/// A reply that has waited for the end of the quiet hours goes within this time after it.
const AFTER_QUIET_SECS: i64 = 3600;

/// What the times of a bubble say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timing {
    /// It may be sent now.
    Due,
    /// It may be sent after this time.
    Wait(Duration),
    /// It is too late.
    Expired,
}

/// Decides at `now`, when the backend's clock shows `backend_secs`.
pub(super) fn of(bubble: &SendableBubble, now: UnixMicros, backend_secs: i64) -> Timing {
    let pause = bubble.due_at.map_or(Duration::ZERO, |due| due.since(now));
    if bubble.is_released {
        return due_after(pause);
    }
    let mut end = bubble.not_after;
    let mut begin = bubble.not_before.unwrap_or(i64::MIN);
    if let Some(quiet) = bubble.quiet {
        let made_at = bubble.not_after.saturating_sub(REPLY_LIFETIME_SECS);
        let late_at = made_at.max(begin).saturating_add(LATE_AFTER_SECS);
        // From then on the quiet hours keep the reply, if they have not ended before.
        let caught_at = late_at.saturating_add(1).max(quiet.from);
        if caught_at < quiet.to && caught_at <= bubble.not_after && backend_secs >= caught_at {
            begin = begin.max(quiet.to);
            end = quiet.to.saturating_add(AFTER_QUIET_SECS);
        }
    }
    if backend_secs > end || begin > end {
        return Timing::Expired;
    }
    let until_begin = u64::try_from(begin.saturating_sub(backend_secs)).unwrap_or(0);
    due_after(pause.max(Duration::from_secs(until_begin)))
}

fn due_after(wait: Duration) -> Timing {
    if wait.is_zero() {
        Timing::Due
    } else {
        Timing::Wait(wait)
    }
}

#[cfg(test)]
mod tests {
    use shared_protocol::{Priority, QuietHours};

    use super::*;
    use crate::state::ledger::BubbleNumber;

    const MADE: i64 = 1_700_000_000;
    const HOUR: i64 = 3600;

    fn bubble(quiet: Option<(i64, i64)>) -> SendableBubble {
        SendableBubble {
            number: BubbleNumber(1),
            command_id: "cmd_1".to_owned(),
            bubble: 0,
            conversation: "-;+15550100001".to_owned(),
            line: None,
            priority: Priority::Reply,
            due_at: None,
            pause: Duration::ZERO,
            not_before: None,
            not_after: MADE + 6 * HOUR,
            quiet: quiet.map(|(from, to)| QuietHours { from, to }),
            is_released: false,
            taken_at: UnixMicros::from_secs(MADE),
        }
    }

    fn at(bubble: &SendableBubble, secs: i64) -> Timing {
        // The Mac's clock is six hours off. Only the backend's clock counts for the times of a command.
        of(bubble, UnixMicros::from_secs(secs + 6 * HOUR), secs)
    }

    #[test]
    fn a_reply_goes_within_six_hours() {
        let reply = bubble(None);
        assert_eq!(at(&reply, MADE), Timing::Due);
        assert_eq!(at(&reply, MADE + 6 * HOUR), Timing::Due);
        assert_eq!(at(&reply, MADE + 6 * HOUR + 1), Timing::Expired);
        let released = SendableBubble {
            is_released: true,
            ..reply
        };
        assert_eq!(at(&released, MADE + 60 * HOUR), Timing::Due);
    }

    #[test]
    fn a_pause_and_not_before_are_waited_for() {
        let now = UnixMicros::from_secs(MADE);
        let paused = SendableBubble {
            due_at: Some(now.plus(Duration::from_secs(2))),
            ..bubble(None)
        };
        assert_eq!(of(&paused, now, MADE), Timing::Wait(Duration::from_secs(2)));
        let later = SendableBubble {
            not_before: Some(MADE + 30),
            ..bubble(None)
        };
        assert_eq!(of(&later, now, MADE), Timing::Wait(Duration::from_secs(30)));
    }

    #[test]
    fn a_late_reply_waits_for_the_end_of_the_quiet_hours_and_goes_within_an_hour_after_it() {
        let (from, to) = (MADE + HOUR, MADE + 11 * HOUR);
        let reply = bubble(Some((from, to)));
        assert_eq!(at(&reply, MADE + HOUR / 4), Timing::Due, "in time, before");
        assert_eq!(at(&reply, MADE + HOUR - 1), Timing::Due, "late, but before");
        let wait = |secs: i64| Timing::Wait(Duration::from_secs(u64::try_from(secs).unwrap()));
        assert_eq!(at(&reply, MADE + HOUR), wait(10 * HOUR));
        assert_eq!(at(&reply, MADE + 8 * HOUR), wait(3 * HOUR));
        assert_eq!(at(&reply, to), Timing::Due);
        assert_eq!(at(&reply, to + HOUR), Timing::Due);
        assert_eq!(at(&reply, to + HOUR + 1), Timing::Expired);
        // A reply that is made in the quiet hours and not late answers a person who is awake.
        let awake = bubble(Some((MADE - HOUR, MADE + 5 * HOUR)));
        assert_eq!(at(&awake, MADE + 60), Timing::Due);
        assert_eq!(at(&awake, MADE + HOUR), wait(4 * HOUR));
        assert_eq!(at(&awake, MADE + 6 * HOUR), Timing::Due);
        assert_eq!(at(&awake, MADE + 6 * HOUR + 1), Timing::Expired);
    }

    #[test]
    fn quiet_hours_far_away_change_nothing() {
        let reply = bubble(Some((MADE + 20 * HOUR, MADE + 30 * HOUR)));
        assert_eq!(at(&reply, MADE + 6 * HOUR), Timing::Due);
        assert_eq!(at(&reply, MADE + 6 * HOUR + 1), Timing::Expired);
    }
}
