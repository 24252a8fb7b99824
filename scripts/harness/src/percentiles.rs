//! Percentiles of measured times.

use std::fmt;
use std::time::Duration;

/// Measured times, sorted.
#[derive(Clone, Debug, Default)]
pub struct Percentiles(Vec<Duration>);

impl Percentiles {
    /// Sorts the times.
    pub fn of(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut times: Vec<_> = times.into_iter().collect();
        times.sort_unstable();
        Self(times)
    }

    /// The time that `percent` percent of all times do not exceed (nearest rank).
    pub fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }

    /// The longest time.
    pub fn max(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }
}

impl fmt::Display for Percentiles {
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
    fn a_percentile_is_one_of_the_measured_times() {
        let percentiles = Percentiles::of((1..=100).rev().map(Duration::from_millis));
        assert_eq!(percentiles.percentile(50), Duration::from_millis(50));
        assert_eq!(percentiles.percentile(99), Duration::from_millis(99));
        assert_eq!(percentiles.max(), Duration::from_millis(100));
        assert_eq!(Percentiles::default().percentile(50), Duration::ZERO);
    }
}
