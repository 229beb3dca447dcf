//! The budget of one page, requests and time, and the waits between its requests.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use tokio::time::Instant;

/// A wait longer than this is cut to the end of the budget, for one last request.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// Most requests of a page that cost no attempt because the server did not begin with them.
const FORGIVEN_MAX: u32 = 10;

/// The requests and the time that one page or file may take.
#[derive(Debug)]
pub(super) struct Budget {
    attempts_max: u32,
    elapsed_max: Duration,
    attempts: u32,
    forgiven: u32,
    began: Option<Instant>,
    delays: ExponentialBackoff,
}

impl Budget {
    pub(super) fn new(attempts_max: u32, elapsed_max: Duration) -> Budget {
        Budget { attempts_max, elapsed_max, attempts: 0, forgiven: 0, began: None, delays: delays() }
    }

    /// Lowers the bounds to these where they are higher.
    pub(super) fn narrow(&mut self, attempts_max: u32, elapsed_max: Duration) {
        self.attempts_max = self.attempts_max.min(attempts_max);
        self.elapsed_max = self.elapsed_max.min(elapsed_max);
    }

    /// Counts a request and returns its number, from 1. The time runs from the first request, so waiting for the first turn
    /// costs nothing.
    pub(super) fn begin(&mut self) -> u32 {
        self.began.get_or_insert_with(Instant::now);
        self.attempts += 1;
        self.attempts
    }

    /// Takes back the last request, which the server did not begin with; returns false when that happened too often.
    pub(super) fn forgive(&mut self) -> bool {
        let forgives = self.forgiven < FORGIVEN_MAX;
        if forgives {
            self.forgiven += 1;
            self.attempts -= 1;
        }
        forgives
    }

    /// Requests made, but for those taken back.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Time since the first request.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.map_or(Duration::ZERO, |began| began.elapsed())
    }

    /// Returns the wait that the server asks for, cut to the remaining time if it is beyond an hour.
    pub(super) fn bounded(&self, asked: Duration) -> Duration {
        if asked > WAIT_MAX { asked.min(self.remaining()) } else { asked }
    }

    /// Returns the wait before the next request, at least as long as the server asks, or `None` when the budget is spent.
    pub(super) fn wait(&mut self, asked: Option<Duration>) -> Option<Duration> {
        let asked = asked.map(|asked| self.bounded(asked));
        if self.attempts >= self.attempts_max {
            return None;
        }
        let remaining = self.remaining();
        // Jitter does not push a wait that fits out of the budget.
        let own = self.delays.next_backoff().unwrap_or(WAIT_MAX);
        let wait = asked.unwrap_or_default().max(own.min(remaining));
        (wait <= remaining && !remaining.is_zero()).then_some(wait)
    }

    fn remaining(&self) -> Duration {
        self.elapsed_max.saturating_sub(self.elapsed())
    }
}

/// Returns random delays with full jitter: uniform from 0 to 1 s, 2 s, 4 s … at most 60 s. At factor 1 the generator draws
/// from 0 to twice its interval, so its intervals are half of these. It measures no time; the budget does.
fn delays() -> ExponentialBackoff {
    let mut delays = ExponentialBackoff {
        initial_interval: Duration::from_millis(500),
        randomization_factor: 1.0,
        multiplier: 2.0,
        max_interval: Duration::from_secs(30),
        max_elapsed_time: None,
        ..ExponentialBackoff::default()
    };
    delays.reset();
    delays
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn budget(attempts_max: u32, elapsed_max: Duration) -> Budget {
        let mut budget = Budget::new(attempts_max, elapsed_max);
        budget.begin();
        budget
    }

    #[test]
    fn delays_double_up_to_a_minute_with_full_jitter() {
        let mut sums = [0.0; 10];
        for _ in 0..400 {
            let mut delays = delays();
            for (n, sum) in sums.iter_mut().enumerate() {
                let delay = delays.next_backoff().unwrap();
                let ceiling = seconds(60.min(1 << n)) + Duration::from_micros(1);
                assert!(delay <= ceiling, "{n}: {delay:?}");
                *sum += delay.as_secs_f64() / ceiling.as_secs_f64();
            }
        }
        for sum in sums {
            let mean = sum / 400.0;
            assert!((0.4..0.6).contains(&mean), "{mean}");
        }
    }

    #[test]
    fn attempts_are_bounded() {
        let mut budget = budget(3, seconds(600));
        assert!(budget.wait(None).is_some());
        assert_eq!(budget.begin(), 2);
        assert!(budget.wait(None).is_some());
        assert_eq!(budget.begin(), 3);
        assert_eq!(budget.wait(None), None);
    }

    #[tokio::test(start_paused = true)]
    async fn time_is_bounded_and_runs_from_the_first_request() {
        let mut waiting = Budget::new(100, seconds(60));
        advance(seconds(600)).await;
        assert_eq!(waiting.elapsed(), Duration::ZERO);
        waiting.begin();
        advance(seconds(50)).await;
        assert_eq!(waiting.wait(Some(seconds(10))), Some(seconds(10)));
        assert_eq!(waiting.wait(Some(seconds(11))), None);
        advance(seconds(10)).await;
        assert_eq!(waiting.wait(None), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_server_is_not_asked_sooner_than_it_says() {
        for _ in 0..100 {
            let wait = budget(9, seconds(600)).wait(Some(seconds(2)));
            assert_eq!(wait, Some(seconds(2)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_above_an_hour_is_cut_to_what_remains() {
        let mut long = budget(9, seconds(7200));
        assert_eq!(long.wait(Some(seconds(3600))), Some(seconds(3600)));
        assert_eq!(long.wait(Some(seconds(86_400))), Some(seconds(7200)));
        let mut short = budget(9, seconds(600));
        assert_eq!(short.wait(Some(seconds(86_400))), Some(seconds(600)));
        assert_eq!(short.wait(Some(seconds(3600))), None);
    }
}
