//! The timestamps that attempts are signed with.
//!
//! The backend refuses a request if it has received the same message id with the same timestamp before. Timestamps
//! are whole seconds, so two attempts within a second would get the same one from the clock, even with a restart in
//! between. So the timestamps of an id ascend, and all are later than the second in which the relay started. If the
//! clock is set back by more than the backend tolerates, they begin anew at the clock's time.

use std::collections::HashMap;

use shared_protocol::TOLERANCE_SECS;

/// Chooses the timestamps of attempts.
#[derive(Debug)]
pub struct Timestamps {
    /// The earliest timestamp of any attempt.
    floor: i64,
    /// The last timestamp of each post that may be sent again.
    last: HashMap<i64, i64>,
}

impl Timestamps {
    /// `started_at` is the second in which the relay started.
    pub fn new(started_at: i64) -> Self {
        Self {
            floor: started_at + 1,
            last: HashMap::new(),
        }
    }

    /// The timestamp of the next attempt of the post `seq`, at `now` in Unix seconds.
    pub fn next(&mut self, seq: i64, now: i64) -> i64 {
        let mut next = self.ascending(seq, now);
        if next > now + TOLERANCE_SECS {
            // The clock was set back. The backend would refuse timestamps that go on from the old time.
            self.floor = now;
            self.last.clear();
            next = now;
        }
        self.last.insert(seq, next);
        next
    }

    /// Forgets a post that is not sent again.
    pub fn forget(&mut self, seq: i64) {
        self.last.remove(&seq);
    }

    fn ascending(&self, seq: i64, now: i64) -> i64 {
        let after_last = self.last.get(&seq).map_or(i64::MIN, |last| last + 1);
        now.max(self.floor).max(after_last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn timestamps_within_one_second_ascend_and_are_later_than_the_start() {
        let mut timestamps = Timestamps::new(100);
        assert_eq!([0; 3].map(|_| timestamps.next(1, 100)), [101, 102, 103]);
        assert_eq!(timestamps.next(2, 100), 101);
        assert_eq!(timestamps.next(1, 500), 500);
        timestamps.forget(1);
        assert_eq!(timestamps.last.len(), 1, "finished posts are forgotten");
    }

    #[test]
    fn timestamps_follow_a_clock_that_is_set_back() {
        let five_years = 5 * 365 * 86_400;
        let mut timestamps = Timestamps::new(100 + five_years);
        timestamps.next(1, 100 + five_years);
        assert_eq!(timestamps.next(1, 105), 105);
        assert_eq!(timestamps.next(1, 105), 106);
    }

    proptest! {
        #[test]
        fn timestamps_ascend_while_the_clock_does(steps in proptest::collection::vec(0_i64..3, 1..50)) {
            let mut timestamps = Timestamps::new(1000);
            let (mut now, mut last) = (1000, 1000);
            for step in steps {
                now += step;
                let next = timestamps.next(1, now);
                prop_assert!(next > last);
                last = next;
            }
        }
    }
}
