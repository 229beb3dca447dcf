//! Latencies: exact percentiles from counts per millisecond.

use std::collections::BTreeMap;

/// Counts per millisecond: few keys for any number of answers.
#[derive(Debug, Default)]
pub(super) struct Latency {
    counts: BTreeMap<i64, u64>,
    total: u64,
}

impl Latency {
    pub(super) fn add(&mut self, ms: i64) {
        *self.counts.entry(ms).or_default() += 1;
        self.total += 1;
    }

    /// Returns the latency that this share of the answers did not exceed, by nearest rank: always a measured value.
    pub(super) fn percentile(&self, percent: u64) -> Option<i64> {
        let rank = (self.total * percent).div_ceil(100).max(1);
        let mut passed = 0;
        let reached = self.counts.iter().find(|(_, count)| {
            passed += **count;
            passed >= rank
        });
        reached.map(|(ms, _)| *ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let mut latency = Latency::default();
        assert_eq!(latency.percentile(50), None);
        latency.add(7);
        assert_eq!((latency.percentile(0), latency.percentile(100)), (Some(7), Some(7)));
        let mut latency = Latency::default();
        (1..=200).rev().for_each(|ms| latency.add(ms));
        for (percent, ms) in [(50, 100), (95, 190), (99, 198), (100, 200)] {
            assert_eq!(latency.percentile(percent), Some(ms), "{percent}");
        }
    }
}
