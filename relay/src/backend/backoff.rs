//! How long to wait after a failure: exponential backoff with full jitter, or as long as the backend asks.
//!
//! Full jitter is a uniform draw from zero to the bound. It spreads the retries of relays that the same
//! outage has stopped.

use std::time::Duration;

use rand::{Rng, RngExt};

/// The longest `Retry-After` that is obeyed. A longer one is a mistake, or another server's answer.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// A rule for the waits between attempts: the bound begins at `base` and doubles with each failure up to `cap`.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
}

impl Backoff {
    /// For a failure of one post, which delays the later posts of its lane.
    pub const LANE: Self = Self {
        base: Duration::from_millis(500),
        cap: Duration::from_mins(5),
    };

    /// For a failure of the backend as a whole. The cap is short, so that a deploy of one minute delays
    /// messages by about one minute.
    pub const BACKEND: Self = Self {
        base: Duration::from_millis(500),
        cap: Duration::from_mins(1),
    };

    /// The longest wait after `failures` failures in a row, if the backend asked for no wait.
    pub fn bound(self, failures: u32) -> Duration {
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1).min(31));
        self.base
            .saturating_mul(doubled.unwrap_or(u32::MAX))
            .min(self.cap)
    }

    /// The wait after `failures` failures in a row. If the backend asked for a wait (`retry_after`), the result is
    /// that time, at most an hour, and up to a tenth more, so that not all relays return at once.
    pub fn delay(
        self,
        failures: u32,
        retry_after: Option<Duration>,
        rng: &mut impl Rng,
    ) -> Duration {
        match retry_after {
            Some(asked) => {
                let asked = asked.min(MAX_RETRY_AFTER);
                asked + draw(asked / 10, rng)
            }
            None => draw(self.bound(failures), rng),
        }
    }

    /// The longest wait that [`Self::delay`] returns. A next attempt that is further away was written under
    /// a clock that has been set back since.
    pub fn longest() -> Duration {
        MAX_RETRY_AFTER + MAX_RETRY_AFTER / 10
    }
}

fn draw(bound: Duration, rng: &mut impl Rng) -> Duration {
    bound.mul_f64(rng.random::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn bounds_double_up_to_the_cap() {
        let bounds: Vec<_> = [0, 1, 2, 3, 4, 10, 11, u32::MAX]
            .map(|n| Backoff::LANE.bound(n).as_millis())
            .into();
        assert_eq!(
            bounds,
            [500, 500, 1000, 2000, 4000, 256_000, 300_000, 300_000]
        );
    }

    proptest! {
        #[test]
        fn waits_stay_within_their_bounds(seed: u64, failures: u32, asked in proptest::option::of(0_u64..100_000)) {
            let mut rng = StdRng::seed_from_u64(seed);
            let asked = asked.map(Duration::from_secs);
            let delay = Backoff::LANE.delay(failures, asked, &mut rng);
            prop_assert!(delay <= Backoff::longest());
            match asked {
                Some(asked) => prop_assert!(delay >= asked.min(MAX_RETRY_AFTER)),
                None => prop_assert!(delay <= Backoff::LANE.bound(failures)),
            }
        }
    }

    #[test]
    fn waits_spread_from_zero_to_the_bound() {
        let mut rng = StdRng::seed_from_u64(7);
        let draws: Vec<_> = (0..1000)
            .map(|_| Backoff::LANE.delay(3, None, &mut rng).as_millis())
            .collect();
        assert!(draws.iter().any(|&ms| ms < 200), "some are short");
        assert!(draws.iter().any(|&ms| ms > 1800), "some are long");
    }
}
