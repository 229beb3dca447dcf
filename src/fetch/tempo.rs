//! The adaptive part of the pace: slower when the server asks for it, slowly back up. Pure: told the time.

use std::time::Duration;

use tokio::time::Instant;

/// The rate never falls below this share of the one set.
const RATE_FLOOR: f64 = 1.0 / 32.0;
/// Each success gives back this share of the rate set: after 30 it is whole again from any depth.
const RATE_STEP: f64 = 1.0 / 30.0;

/// The rate allowed now, and when the next request may leave.
///
/// Requests carry the epoch they left in, and each halving opens a new one: an answer to a request that left before
/// the last halving says nothing of the new rate, so it neither halves it again nor raises it.
#[derive(Debug)]
pub(super) struct Tempo {
    rate_set: f64,
    rate: f64,
    epoch: u64,
    paused_until: Option<Instant>,
    last: Option<Instant>,
}

impl Tempo {
    /// Starts at the rate set, which is never exceeded.
    pub(super) fn new(rate_set: f64) -> Tempo {
        Tempo { rate_set, rate: rate_set, epoch: 0, paused_until: None, last: None }
    }

    /// Requests per second allowed now.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// When the next request may leave, if not at once. At the rate set, only a pause holds it back here (the
    /// bucket does the rest); below it, requests are spaced evenly, without bursts.
    pub(super) fn due(&self) -> Option<Instant> {
        let slowed = self.rate < self.rate_set;
        let spaced = self.last.filter(|_| slowed);
        let spaced = spaced.map(|last| last + Duration::from_secs_f64(1.0 / self.rate));
        spaced.max(self.paused_until)
    }

    /// A request leaves at `now`; gives the epoch it leaves in.
    pub(super) fn leave(&mut self, now: Instant) -> u64 {
        self.last = Some(now);
        self.epoch
    }

    /// The server served a request that left in `epoch`. Says whether the rate is whole again by that.
    pub(super) fn succeeded(&mut self, epoch: u64) -> bool {
        let slowed = self.rate < self.rate_set;
        if epoch == self.epoch {
            self.rate = (self.rate + self.rate_set * RATE_STEP).min(self.rate_set);
        }
        slowed && self.rate == self.rate_set
    }

    /// The server asked a request that left in `epoch` to slow down: nobody leaves before `until`. Says whether
    /// the rate was halved for it.
    pub(super) fn throttled(&mut self, epoch: u64, until: Instant) -> bool {
        self.paused_until = self.paused_until.max(Some(until));
        let counts = epoch == self.epoch;
        if counts {
            self.rate = (self.rate / 2.0).max(self.rate_set * RATE_FLOOR);
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
        let mut tempo = Tempo::new(8.0);
        let epochs = [tempo.leave(now), tempo.leave(now), tempo.leave(now)];
        assert!(tempo.throttled(epochs[0], now + seconds(5)));
        assert!(!tempo.throttled(epochs[1], now + seconds(9)));
        assert!(!tempo.throttled(epochs[2], now + seconds(3)));
        assert_eq!(tempo.rate(), 4.0);
        assert_eq!(tempo.due(), Some(now + seconds(9)));
        let next = tempo.leave(now + seconds(9));
        assert!(tempo.throttled(next, now + seconds(10)));
        assert_eq!(tempo.rate(), 2.0);
    }

    #[test]
    fn answers_from_before_the_halving_do_not_raise_the_rate() {
        let now = Instant::now();
        let mut tempo = Tempo::new(8.0);
        let (one, two) = (tempo.leave(now), tempo.leave(now));
        tempo.throttled(one, now);
        tempo.succeeded(two);
        assert_eq!(tempo.rate(), 4.0);
        let three = tempo.leave(now);
        assert!(!tempo.succeeded(three));
        assert!(tempo.rate() > 4.0);
    }

    #[test]
    fn below_the_rate_set_requests_are_spaced() {
        let now = Instant::now();
        let mut tempo = Tempo::new(2.0);
        assert_eq!(tempo.due(), None);
        let epoch = tempo.leave(now);
        assert_eq!(tempo.due(), None, "the bucket alone paces at the rate set");
        tempo.throttled(epoch, now);
        assert_eq!(tempo.due(), Some(now + seconds(1)));
    }

    #[test]
    fn thirty_successes_restore_the_rate_from_the_floor() {
        let now = Instant::now();
        let mut tempo = Tempo::new(3.0);
        for _ in 0..10 {
            let epoch = tempo.leave(now);
            tempo.throttled(epoch, now);
        }
        assert_eq!(tempo.rate(), 3.0 / 32.0);
        for _ in 0..30 {
            let epoch = tempo.leave(now);
            tempo.succeeded(epoch);
        }
        assert_eq!(tempo.rate(), 3.0);
    }

    proptest! {
        #[test]
        fn the_rate_stays_within_its_bounds(set in 0.001f64..1e6, answers: Vec<Option<u8>>) {
            let now = Instant::now();
            let mut tempo = Tempo::new(set);
            for answer in answers {
                let epoch = tempo.leave(now);
                match answer {
                    None => assert!(!tempo.succeeded(epoch) || tempo.rate() == tempo.rate_set),
                    Some(wait) => {
                        let until = now + seconds(wait.into());
                        tempo.throttled(epoch, until);
                        prop_assert!(tempo.due() >= Some(until));
                    }
                }
                prop_assert!(tempo.rate() <= set && tempo.rate() >= set * RATE_FLOOR);
            }
        }
    }
}
