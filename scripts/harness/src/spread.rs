//! The spread of measured times.

use std::fmt;
use std::time::Duration;

/// Measured times, sorted.
#[derive(Clone, Debug, Default)]
pub struct Spread(Vec<Duration>);

impl Spread {
    /// The spread of these times.
    pub fn of(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut times: Vec<_> = times.into_iter().collect();
        times.sort_unstable();
        Self(times)
    }

    /// The time that `percent` of all times don't exceed (nearest rank).
    pub fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }

    /// The longest time.
    pub fn max(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
        let (p50, p99) = (self.percentile(50), self.percentile(99));
        write!(
            f,
            "p50 {}, p99 {}, max {}",
            ms(p50),
            ms(p99),
            ms(self.max())
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_times() {
        let spread = Spread::of((1..=100).rev().map(Duration::from_millis));
        assert_eq!(spread.percentile(50), Duration::from_millis(50));
        assert_eq!(spread.percentile(99), Duration::from_millis(99));
        assert_eq!(spread.max(), Duration::from_millis(100));
        assert_eq!(Spread::default().percentile(50), Duration::ZERO);
    }
}
