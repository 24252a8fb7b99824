//! The values that the dispatcher works with.

use std::time::Duration;

/// How often and how long texts are sent. `archety-relay` has the defaults. Benches and tests have shorter times.
#[derive(Clone, Debug)]
pub struct SendLimits {
    /// Numbers of texts and the times in which a line may send them.
    pub texts: Vec<RateLimit>,
    /// The same for first answers to people who wrote.
    pub first_answers: Vec<RateLimit>,
    /// The same for chats in which neither side has written.
    pub cold_chats: Vec<RateLimit>,
    /// So many failures of the last `failure_window` texts stop sending.
    pub failures: usize,
    pub failure_window: usize,
    /// So many chats whose texts failed in a row stop sending.
    pub failed_chats: usize,
    /// How long failures stop sending.
    pub stop_for: Duration,
    /// How long `osascript` may take.
    pub script_timeout: Duration,
    /// After this time another chat may send while the first script still runs.
    pub other_chat_after: Duration,
    /// How long a text may be without a row in chat.db after the script has ended.
    pub row_within: Duration,
    /// How long an answer of the backend proves that this installation may send, from the poll that it answers. The
    /// backend's lease, which counts from the same poll, lasts longer.
    pub lease: Duration,
    /// How long a bubble waits while an incoming message of its chat is on its way to the backend.
    pub incoming_wait: Duration,
    /// The pause after an attempt that sent nothing.
    pub retry_after: Duration,
    /// How long nothing is sent after the state could not be read or written.
    pub trouble_pause: Duration,
}

/// At most `count` texts within `window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    pub count: u32,
    pub window: Duration,
}

const fn rate(count: u32, window: Duration) -> RateLimit {
    RateLimit { count, window }
}

impl Default for SendLimits {
    fn default() -> Self {
        let (minute, hour, day) = (
            Duration::from_mins(1),
            Duration::from_hours(1),
            Duration::from_hours(24),
        );
        Self {
            texts: vec![rate(20, minute), rate(200, hour), rate(1_500, day)],
            first_answers: vec![rate(200, day)],
            cold_chats: vec![rate(20, hour), rate(40, day)],
            failures: 5,
            failure_window: 20,
            failed_chats: 3,
            stop_for: Duration::from_mins(15),
            script_timeout: Duration::from_secs(150),
            other_chat_after: Duration::from_secs(10),
            row_within: Duration::from_secs(10),
            lease: Duration::from_mins(1),
            incoming_wait: Duration::from_secs(5),
            retry_after: Duration::from_mins(1),
            trouble_pause: Duration::from_secs(10),
        }
    }
}

impl SendLimits {
    /// The same limits with all times divided by `divisor`, except the lease.
    #[must_use]
    pub fn faster(&self, divisor: u32) -> Self {
        let faster = |rates: &[RateLimit]| {
            let each = rates
                .iter()
                .map(|limit| rate(limit.count, limit.window / divisor));
            each.collect()
        };
        Self {
            texts: faster(&self.texts),
            first_answers: faster(&self.first_answers),
            cold_chats: faster(&self.cold_chats),
            stop_for: self.stop_for / divisor,
            script_timeout: self.script_timeout / divisor,
            other_chat_after: self.other_chat_after / divisor,
            row_within: self.row_within / divisor,
            incoming_wait: self.incoming_wait / divisor,
            retry_after: self.retry_after / divisor,
            trouble_pause: self.trouble_pause / divisor,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faster_limits_divide_all_times_but_the_lease_and_keep_the_counts() {
        let (real, faster) = (SendLimits::default(), SendLimits::default().faster(100));
        assert_eq!(
            faster.texts,
            [
                rate(20, Duration::from_millis(600)),
                rate(200, Duration::from_secs(36)),
                rate(1_500, Duration::from_secs(864)),
            ]
        );
        let times = |limits: &SendLimits| {
            [
                limits.first_answers[0].window,
                limits.cold_chats[0].window,
                limits.stop_for,
                limits.script_timeout,
                limits.other_chat_after,
                limits.row_within,
                limits.incoming_wait,
                limits.retry_after,
                limits.trouble_pause,
            ]
        };
        assert_eq!(times(&faster), times(&real).map(|time| time / 100));
        let counts = |limits: &SendLimits| {
            let (failures, window) = (limits.failures, limits.failure_window);
            (failures, window, limits.failed_chats, limits.lease)
        };
        assert_eq!(counts(&faster), counts(&real));
    }
}
