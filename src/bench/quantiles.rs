//! Statistics of a histogram.

use std::collections::BTreeMap;

use super::results::Histogram;

impl Histogram {
    /// The number of values.
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, &(_, count)| sum.saturating_add(count))
    }

    /// The value, in nanoseconds, that a share `q` (0 to 1) of all values doesn't exceed.
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let count = self.count();
        // For a share such as 0.999, the product with the count may be slightly above the exact whole number.
        let rank = ((q * count as f64 - RANK_SLACK).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0u64;
        for &(value, count) in &self.buckets {
            seen = seen.saturating_add(count);
            if seen >= rank {
                return Some(value);
            }
        }
        None
    }

    /// The largest value, in nanoseconds.
    pub fn max(&self) -> Option<u64> {
        self.quantile(1.0)
    }

    /// Merges the values of several histograms into one.
    pub fn merged<'a>(histograms: impl IntoIterator<Item = &'a Histogram>) -> Histogram {
        let mut buckets = BTreeMap::<u64, u64>::new();
        for &(value, count) in histograms.into_iter().flat_map(|histogram| &histogram.buckets) {
            let sum = buckets.entry(value).or_default();
            *sum = sum.saturating_add(count);
        }
        Histogram { buckets: buckets.into_iter().collect() }
    }
}

/// More than the rounding error of a rank in any run, and far less than one value.
const RANK_SLACK: f64 = 1e-6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_nearest_rank() {
        let histogram = Histogram { buckets: (1..=1000).map(|value| (value, 1)).collect() };
        for (q, value) in [(0.0, 1), (0.001, 1), (0.5, 500), (0.9, 900), (0.99, 990), (0.999, 999), (1.0, 1000)] {
            assert_eq!(histogram.quantile(q), Some(value), "{q}");
        }
        assert_eq!(histogram.max(), Some(1000));
        assert_eq!(Histogram::default().quantile(0.5), None);
    }

    #[test]
    fn merged_histograms_hold_the_values_of_each() {
        let a = Histogram { buckets: vec![(1, 2), (5, 1)] };
        let b = Histogram { buckets: vec![(5, 3), (7, 1)] };
        assert_eq!(Histogram::merged([&a, &b]).buckets, [(1, 2), (5, 4), (7, 1)]);
    }
}
