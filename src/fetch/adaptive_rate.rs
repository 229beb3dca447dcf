//! The adaptive part of the pace: halves the rate when the server asks for it, then slowly restores it. Pure: callers pass the time.

use std::time::Duration;

use tokio::time::Instant;

/// The rate never falls below this share of the configured one.
const RATE_FLOOR: f64 = 1.0 / 32.0;
/// Each success restores this share of the configured rate: 30 successes restore all of it.
const RATE_STEP: f64 = 1.0 / 30.0;

/// The rate allowed now, and the instant at which the next request may leave.
///
/// Requests carry the epoch they left in, and each halving begins a new one: an answer to a request that left before the last
/// halving neither halves the rate again nor raises it, because it says nothing about the new rate.
#[derive(Debug)]
pub(super) struct AdaptiveRate {
    configured: f64,
    /// True if requests are spaced evenly at the configured rate too.
    even: bool,
    rate: f64,
    epoch: u64,
    paused_until: Option<Instant>,
    last: Option<Instant>,
}

impl AdaptiveRate {
    /// Starts at the configured rate, which is never exceeded.
    pub(super) fn new(configured: f64) -> AdaptiveRate {
        AdaptiveRate { configured, even: false, rate: configured, epoch: 0, paused_until: None, last: None }
    }

    /// Starts at the configured rate, which is never exceeded, not even by two requests.
    pub(super) fn evenly_spaced(configured: f64) -> AdaptiveRate {
        AdaptiveRate { even: true, ..Self::new(configured) }
    }

    /// Requests per second allowed now.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// Returns the instant at which the next request may leave, or `None` for now. At the configured rate only a pause delays
    /// it here, unless requests are always spaced (a bucket does the rest); below that rate they are, without bursts.
    pub(super) fn due(&self) -> Option<Instant> {
        let slowed = self.even || self.rate < self.configured;
        let spaced = self.last.filter(|_| slowed);
        let spaced = spaced.map(|last| last + Duration::from_secs_f64(1.0 / self.rate));
        spaced.max(self.paused_until)
    }

    /// Records that a request leaves at `now`; returns its epoch.
    pub(super) fn leave(&mut self, now: Instant) -> u64 {
        self.last = Some(now);
        self.epoch
    }

    /// Records that the server served a request of `epoch`. Returns true when that restored the configured rate.
    pub(super) fn succeeded(&mut self, epoch: u64) -> bool {
        let slowed = self.rate < self.configured;
        if epoch == self.epoch {
            self.rate = (self.rate + self.configured * RATE_STEP).min(self.configured);
        }
        slowed && self.rate == self.configured
    }

    /// Records that the server answered a request of `epoch` by asking to slow down: no request leaves before `until`. Returns
    /// true when that halved the rate.
    pub(super) fn throttled(&mut self, epoch: u64, until: Instant) -> bool {
        self.paused_until = self.paused_until.max(Some(until));
        let counts = epoch == self.epoch;
        if counts {
            self.rate = (self.rate / 2.0).max(self.configured * RATE_FLOOR);
            self.epoch += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn several_refusals_of_one_moment_count_once() {
        let now = Instant::now();
        let mut rate = AdaptiveRate::new(8.0);
        let epochs = [rate.leave(now), rate.leave(now), rate.leave(now)];
        assert!(rate.throttled(epochs[0], now + seconds(5)));
        assert!(!rate.throttled(epochs[1], now + seconds(9)));
        assert!(!rate.throttled(epochs[2], now + seconds(3)));
        assert_eq!(rate.rate(), 4.0);
        assert_eq!(rate.due(), Some(now + seconds(9)));
        let next = rate.leave(now + seconds(9));
        assert!(rate.throttled(next, now + seconds(10)));
        assert_eq!(rate.rate(), 2.0);
    }

    #[test]
    fn answers_from_before_the_halving_do_not_raise_the_rate() {
        let now = Instant::now();
        let mut rate = AdaptiveRate::new(8.0);
        let (one, two) = (rate.leave(now), rate.leave(now));
        rate.throttled(one, now);
        rate.succeeded(two);
        assert_eq!(rate.rate(), 4.0);
        let three = rate.leave(now);
        assert!(!rate.succeeded(three));
        assert!(rate.rate() > 4.0);
    }

    #[test]
    fn below_the_rate_set_requests_are_spaced() {
        let now = Instant::now();
        let mut rate = AdaptiveRate::new(2.0);
        assert_eq!(rate.due(), None);
        let epoch = rate.leave(now);
        assert_eq!(rate.due(), None, "the bucket alone paces at the rate set");
        rate.throttled(epoch, now);
        assert_eq!(rate.due(), Some(now + seconds(1)));
    }

    #[test]
    fn thirty_successes_restore_the_rate_from_the_floor() {
        let now = Instant::now();
        let mut rate = AdaptiveRate::new(3.0);
        for _ in 0..10 {
            let epoch = rate.leave(now);
            rate.throttled(epoch, now);
        }
        assert_eq!(rate.rate(), 3.0 / 32.0);
        for _ in 0..30 {
            let epoch = rate.leave(now);
            rate.succeeded(epoch);
        }
        assert_eq!(rate.rate(), 3.0);
    }

    proptest! {
        #[test]
        fn the_rate_stays_within_its_bounds(set in 0.001f64..1e6, answers: Vec<Option<u8>>) {
            let now = Instant::now();
            let mut rate = AdaptiveRate::new(set);
            for answer in answers {
                let epoch = rate.leave(now);
                match answer {
                    None => assert!(!rate.succeeded(epoch) || rate.rate() == rate.configured),
                    Some(wait) => {
                        let until = now + seconds(wait.into());
                        rate.throttled(epoch, until);
                        prop_assert!(rate.due() >= Some(until));
                    }
                }
                prop_assert!(rate.rate() <= set && rate.rate() >= set * RATE_FLOOR);
            }
        }
    }
}
