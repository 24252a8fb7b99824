//! Which timestamp an attempt is signed with.
//!
//! The backend refuses a pair of id and timestamp that it has seen. Timestamps have whole seconds, so
//! the clock alone would repeat them: two attempts within a second, or a relay that was killed and
//! started again within one. Hence they ascend per id, and all lie above the second of the start.

use std::collections::HashMap;

use shared_protocol::TOLERANCE_SECS;

/// The timestamps given out so far, for the posts that are still under way.
#[derive(Debug)]
pub struct Timestamps {
    floor: i64,
    last: HashMap<i64, i64>,
}

impl Timestamps {
    /// For a relay that started in the second `started_at`.
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
            // The clock was set back: going on from its old time, every attempt would be refused.
            self.floor = now;
            self.last.clear();
            next = now;
        }
        self.last.insert(seq, next);
        next
    }

    /// Forgets a post that will not be sent again.
    pub fn settled(&mut self, seq: i64) {
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
    fn attempts_of_one_second_ascend_and_lie_after_the_start() {
        let mut timestamps = Timestamps::new(100);
        assert_eq!([0; 3].map(|_| timestamps.next(1, 100)), [101, 102, 103]);
        assert_eq!(timestamps.next(2, 100), 101);
        assert_eq!(timestamps.next(1, 500), 500);
        timestamps.settled(1);
        assert_eq!(
            timestamps.last.len(),
            1,
            "only what is under way is remembered"
        );
    }

    #[test]
    fn a_clock_that_is_set_back_is_followed() {
        let five_years = 5 * 365 * 86_400;
        let mut timestamps = Timestamps::new(100 + five_years);
        timestamps.next(1, 100 + five_years);
        assert_eq!(timestamps.next(1, 105), 105);
        assert_eq!(timestamps.next(1, 105), 106);
    }

    proptest! {
        #[test]
        fn they_always_ascend_while_the_clock_does(steps in proptest::collection::vec(0_i64..3, 1..50)) {
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
