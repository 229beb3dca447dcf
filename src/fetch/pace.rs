//! The pace of the whole process: bounds requests under way, and delays the next one until it may leave.

use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

use super::adaptive_rate::AdaptiveRate;
use super::settings::{Error, Settings, at_least_one};

/// The pause when the server asks to slow down without naming a time.
const PAUSE: Duration = Duration::from_secs(2);

/// The allowed rates, in requests per second.
const RATES: RangeInclusive<f64> = 0.001..=1_000_000.0;

/// A request that leaves this late does not delay those after it.
const LATE_MAX: Duration = Duration::from_millis(20);

/// Clock of the bucket, set to the instant a request was due. Timers wake some milliseconds late; counting from the due
/// instant keeps the full rate at a burst of one.
#[derive(Debug)]
struct ManualClock(Mutex<Instant>);

impl ManualClock {
    fn set(&self, now: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }
}

impl Clock for ManualClock {
    type Instant = std::time::Instant;

    fn now(&self) -> Self::Instant {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).into_std()
    }
}

/// Paces all requests: a bound on those under way, a token bucket as the hard ceiling, and in front of it the adaptive rate.
/// First come, first served.
#[derive(Debug)]
pub(super) struct Pace {
    in_flight: Semaphore,
    /// Held by the request that is next; holds how late the last one left.
    turn: tokio::sync::Mutex<Duration>,
    adaptive: Mutex<AdaptiveRate>,
    bucket: RateLimiter<NotKeyed, InMemoryState, ManualClock, NoOpMiddleware<std::time::Instant>>,
}

/// The right to have one request under way, until dropped.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    pace: &'a Pace,
    epoch: u64,
    _in_flight: Option<SemaphorePermit<'a>>,
}

impl Pace {
    pub(super) fn new(settings: &Settings) -> Result<Pace, Error> {
        let rate = settings.requests_per_second;
        let quota = quota(rate).ok_or_else(|| Error::Range {
            name: "requests_per_second",
            value: rate.to_string(),
            range: "between 0.001 and 1000000",
        })?;
        let burst = at_least_one("burst", settings.burst)?;
        let in_flight = at_least_one("in_flight", settings.in_flight)?.get() as usize;
        Ok(Pace {
            in_flight: Semaphore::new(in_flight.min(Semaphore::MAX_PERMITS)),
            turn: tokio::sync::Mutex::default(),
            adaptive: Mutex::new(AdaptiveRate::new(rate)),
            bucket: RateLimiter::direct_with_clock(quota.allow_burst(burst), ManualClock(Mutex::new(Instant::now()))),
        })
    }

    /// Requests per second allowed now: the configured rate, or less after throttling.
    pub(super) fn rate(&self) -> f64 {
        self.adaptive().rate()
    }

    /// Waits until one more request may leave. Dropping the wait loses nothing.
    pub(super) async fn admit(&self) -> Permit<'_> {
        // Fails only when closed, which never happens.
        let in_flight = self.in_flight.acquire().await.ok();
        let asked = Instant::now();
        let mut late = self.turn.lock().await;
        // The instant it may leave, as known so far: a request behind a late one counts from when that one was due.
        let mut due = asked.checked_sub(*late).unwrap_or(asked);
        loop {
            let now = Instant::now();
            // Checked after every wait: a pause may have begun meanwhile.
            due = due.max(now.checked_sub(LATE_MAX).unwrap_or(now)).max(self.adaptive().due().unwrap_or(due));
            if due > now {
                sleep_until(due).await;
            } else if let Err(early) = self.check(due) {
                due = early;
            } else {
                *late = now - due;
                return Permit { pace: self, epoch: self.adaptive().leave(now), _in_flight: in_flight };
            }
        }
    }

    /// Takes a token as of `due`, or returns the instant at which there will be one.
    fn check(&self, due: Instant) -> Result<(), Instant> {
        self.bucket.clock().set(due);
        self.bucket.check().map_err(|early| Instant::from_std(early.earliest_possible()))
    }

    fn adaptive(&self) -> MutexGuard<'_, AdaptiveRate> {
        self.adaptive.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the bucket's quota for a rate, or `None` outside `RATES`.
fn quota(rate: f64) -> Option<Quota> {
    let rate = Some(rate).filter(|rate| RATES.contains(rate))?;
    Quota::with_period(Duration::from_secs_f64(1.0 / rate))
}

impl Permit<'_> {
    /// Records that the server served this request. Returns the rate if that restored the configured one.
    pub(super) fn succeeded(&self) -> Option<f64> {
        let mut adaptive = self.pace.adaptive();
        adaptive.succeeded(self.epoch).then(|| adaptive.rate())
    }

    /// Records that the server asked to slow down: all requests pause for `wait`. Returns the pause, unless this is one more
    /// refusal of the same moment.
    pub(super) fn throttled(&self, wait: Option<Duration>) -> Option<Duration> {
        let pause = wait.unwrap_or(PAUSE);
        let until = Instant::now() + pause;
        let news = self.pace.adaptive().throttled(self.epoch, until);
        news.then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use tokio::time::sleep;

    use super::*;

    fn pace(requests_per_second: f64, burst: u32, in_flight: u32) -> Result<Pace, Error> {
        Pace::new(&Settings {
            requests_per_second,
            burst,
            in_flight,
            ..Settings::new(url::Url::parse("http://localhost").unwrap())
        })
    }

    /// Admits `count` instant requests one after the other; returns the seconds it took.
    async fn drain(pace: &Pace, count: usize) -> f64 {
        let began = Instant::now();
        for _ in 0..count {
            pace.admit().await.succeeded();
        }
        began.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn the_bucket_is_a_ceiling_with_a_burst() {
        let pace = pace(5.0, 3, 8).unwrap();
        assert_eq!(drain(&pace, 3).await, 0.0);
        let took = drain(&pace, 10).await;
        assert!((2.0..2.02).contains(&took), "{took}");
        sleep(Duration::from_secs(60)).await;
        assert_eq!(drain(&pace, 3).await, 0.0);
        assert!(drain(&pace, 1).await > 0.1, "no more than the burst is saved up");
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_oversleep_is_not_lost() {
        // Each period is below the resolution of the runtime's timer.
        let pace = pace(3000.0, 1, 8).unwrap();
        let took = drain(&pace, 3001).await;
        assert!((1.0..1.002).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_asked_for_is_not_made_up_for() {
        let pace = Arc::new(pace(1000.0, 1, 8).unwrap());
        drain(&pace, 10).await;
        sleep(Duration::from_secs(5)).await;
        let took = drain(&pace, 101).await;
        assert!((0.1..0.102).contains(&took), "{took}");
        // Somebody waits, and the whole process stands still.
        let mut waiting = pin!(pace.admit());
        assert!(waiting.as_mut().now_or_never().is_none());
        tokio::time::advance(Duration::from_secs(5)).await;
        drop(waiting.await);
        let took = drain(&pace, 101).await;
        let made_up = LATE_MAX.as_secs_f64();
        assert!((0.1 - made_up..0.102 - made_up).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_pauses_and_slows_everybody() {
        let pace = pace(10.0, 5, 8).unwrap();
        let (one, two) = (pace.admit().await, pace.admit().await);
        let pause = Duration::from_secs(30);
        assert_eq!(one.throttled(Some(pause)), Some(pause));
        assert_eq!(two.throttled(Some(pause)), None);
        drop((one, two));
        assert_eq!(pace.rate(), 5.0);
        let began = Instant::now();
        let permit = pace.admit().await;
        assert_eq!(began.elapsed(), pause);
        let began = Instant::now();
        drop((permit, pace.admit().await));
        assert_eq!(began.elapsed(), Duration::from_millis(200));
        drain(&pace, 30).await;
        assert_eq!(pace.rate(), 10.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_back_who_already_waits() {
        let pace = Arc::new(pace(1.0, 1, 8).unwrap());
        let first = pace.admit().await;
        let began = Instant::now();
        let waiting = tokio::spawn({
            let pace = Arc::clone(&pace);
            async move { drop(pace.admit().await) }
        });
        tokio::task::yield_now().await;
        first.throttled(Some(Duration::from_secs(10)));
        waiting.await.unwrap();
        assert_eq!(began.elapsed(), Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_bound_are_under_way_and_all_get_their_turn() {
        let pace = Arc::new(pace(1000.0, 1000, 3).unwrap());
        let (under_way, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let (pace, under_way, most) = (pace.clone(), under_way.clone(), most.clone());
                tokio::spawn(async move {
                    let permit = pace.admit().await;
                    let now = under_way.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    sleep(Duration::from_secs(1)).await;
                    under_way.fetch_sub(1, Ordering::SeqCst);
                    drop(permit);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(most.load(Ordering::SeqCst), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_first_leaves_first() {
        let pace = pace(1.0, 1, 8).unwrap();
        drop(pace.admit().await);
        let mut first = pin!(pace.admit());
        assert!(first.as_mut().now_or_never().is_none());
        sleep(Duration::from_millis(1500)).await;
        // There is a token now, but it is not for who comes last.
        let mut second = pin!(pace.admit());
        assert!(second.as_mut().now_or_never().is_none());
        assert!(first.now_or_never().is_some());
        drop(second.await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_wait_takes_nothing() {
        let pace = pace(1.0, 1, 1).unwrap();
        let began = Instant::now();
        drop(pace.admit().await);
        for _ in 0..5 {
            assert!(pace.admit().now_or_never().is_none());
        }
        drop(pace.admit().await);
        assert_eq!(began.elapsed(), Duration::from_secs(1));
    }

    #[test]
    fn numbers_out_of_range_make_no_pace() {
        for (rate, burst, in_flight, name) in [
            (0.0, 1, 1, "requests_per_second"),
            (-1.0, 1, 1, "requests_per_second"),
            (f64::NAN, 1, 1, "requests_per_second"),
            (f64::INFINITY, 1, 1, "requests_per_second"),
            (1.0, 0, 1, "burst"),
            (1.0, 1, 0, "in_flight"),
        ] {
            match pace(rate, burst, in_flight) {
                Err(Error::Range { name: named, .. }) => assert_eq!(named, name),
                other => panic!("{rate} {burst} {in_flight}: {other:?}"),
            }
        }
    }
}
