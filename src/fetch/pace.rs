//! The pace of the whole process: bounds requests under way, and delays the next one until it may leave. An endpoint with a
//! limit of its own waits for that first, and holds up nobody else meanwhile.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// Seconds in which an endpoint gets what it takes in a minute. A request of a lane may leave half of the difference late
/// without delaying the next one; the other half is for what the network does to them.
const LANE_MINUTE: f64 = 61.0;

/// A request of a lane that leaves this late, since others have their turn before it, does not delay those after it.
const LANE_LATE_MAX: Duration = Duration::from_millis(500);

/// Paces all requests: a bound on those under way, a token bucket as the hard ceiling, and in front of it the adaptive rate.
/// First come, first served.
#[derive(Debug)]
pub(super) struct Pace {
    in_flight: Semaphore,
    /// Held by the request that is next; holds how late the last one left.
    turn: tokio::sync::Mutex<Duration>,
    adaptive: SharedRate,
    bucket: RateLimiter<NotKeyed, InMemoryState, ManualClock, NoOpMiddleware<std::time::Instant>>,
    /// The lanes in use, by the endpoint's name.
    lanes: Mutex<BTreeMap<&'static str, Arc<Lane>>>,
}

/// The requests of an endpoint with a limit of its own. They leave evenly, so that no minute has more of them.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) endpoint: &'static str,
    /// Held by the request that is next.
    turn: tokio::sync::Mutex<()>,
    adaptive: SharedRate,
}

/// An adaptive rate, shared by the requests that it paces.
#[derive(Debug, Clone)]
struct SharedRate(Arc<Mutex<AdaptiveRate>>);

impl SharedRate {
    fn new(rate: AdaptiveRate) -> Self {
        Self(Arc::new(Mutex::new(rate)))
    }

    fn lock(&self) -> MutexGuard<'_, AdaptiveRate> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane {
    fn new(endpoint: &'static str, a_minute: u32) -> Self {
        let adaptive = SharedRate::new(AdaptiveRate::evenly_spaced(f64::from(a_minute) / LANE_MINUTE));
        Self { endpoint, turn: tokio::sync::Mutex::default(), adaptive }
    }

    /// Returns the instant at which the next request may leave; `None` for now.
    fn due(&self) -> Option<Instant> {
        self.adaptive.lock().due().filter(|due| *due > Instant::now())
    }

    /// Records that a request leaves at `now`; returns its epoch.
    fn leave(&self, now: Instant) -> u64 {
        let mut adaptive = self.adaptive.lock();
        let due = adaptive.due().unwrap_or(now);
        adaptive.leave(due.max(now.checked_sub(LANE_LATE_MAX).unwrap_or(now)))
    }
}

/// The right to have one request under way, until dropped.
#[derive(Debug)]
pub(super) struct Permit<'a> {
    /// The rate that its answer concerns.
    adaptive: SharedRate,
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
            adaptive: SharedRate::new(AdaptiveRate::new(rate)),
            bucket: RateLimiter::direct_with_clock(quota.allow_burst(burst), ManualClock(Mutex::new(Instant::now()))),
            lanes: Mutex::default(),
        })
    }

    /// Requests per second allowed now: the configured rate, or less after throttling.
    pub(super) fn rate(&self) -> f64 {
        self.adaptive.lock().rate()
    }

    /// Returns the lane of an endpoint that takes so many requests a minute.
    pub(super) fn lane(&self, endpoint: &'static str, a_minute: u32) -> Arc<Lane> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(lanes.entry(endpoint).or_insert_with(|| Arc::new(Lane::new(endpoint, a_minute))))
    }

    /// Waits until one more request may leave, in its lane if it has one. Dropping the wait loses nothing.
    pub(super) async fn admit(&self, lane: Option<&Lane>) -> Permit<'_> {
        // Held until it leaves: two that are due would otherwise leave together.
        let _turn = match lane {
            Some(lane) => Some(lane.turn.lock().await),
            None => None,
        };
        loop {
            while let Some(due) = lane.and_then(Lane::due) {
                sleep_until(due).await;
            }
            if let Some(permit) = self.next(lane).await {
                return permit;
            }
        }
    }

    /// Waits for the turn among all requests; `None` if its lane was slowed meanwhile.
    async fn next(&self, lane: Option<&Lane>) -> Option<Permit<'_>> {
        // Fails only when closed, which never happens.
        let in_flight = self.in_flight.acquire().await.ok();
        let asked = Instant::now();
        let mut late = self.turn.lock().await;
        // The instant it may leave, as known so far: a request behind a late one counts from when that one was due.
        let mut due = asked.checked_sub(*late).unwrap_or(asked);
        loop {
            let now = Instant::now();
            // Checked after every wait: a pause may have begun meanwhile.
            due = due.max(now.checked_sub(LATE_MAX).unwrap_or(now)).max(self.adaptive.lock().due().unwrap_or(due));
            if due > now {
                sleep_until(due).await;
            } else if lane.is_some_and(|lane| lane.due().is_some()) {
                return None;
            } else if let Err(early) = self.check(due) {
                due = early;
            } else {
                *late = now - due;
                let mut permit = Permit {
                    adaptive: self.adaptive.clone(),
                    epoch: self.adaptive.lock().leave(now),
                    _in_flight: in_flight,
                };
                if let Some(lane) = lane {
                    permit.epoch = lane.leave(now);
                    permit.adaptive = lane.adaptive.clone();
                }
                return Some(permit);
            }
        }
    }

    /// Takes a token as of `due`, or returns the instant at which there will be one.
    fn check(&self, due: Instant) -> Result<(), Instant> {
        self.bucket.clock().set(due);
        self.bucket.check().map_err(|early| Instant::from_std(early.earliest_possible()))
    }
}

/// Returns the bucket's quota for a rate, or `None` outside `RATES`.
fn quota(rate: f64) -> Option<Quota> {
    let rate = Some(rate).filter(|rate| RATES.contains(rate))?;
    Quota::with_period(Duration::from_secs_f64(1.0 / rate))
}

impl Permit<'_> {
    /// Requests per second allowed now of those that share this one's rate.
    pub(super) fn rate(&self) -> f64 {
        self.adaptive.lock().rate()
    }

    /// Records that the server served this request. Returns true if that restored the configured rate.
    pub(super) fn succeeded(&self) -> bool {
        self.adaptive.lock().succeeded(self.epoch)
    }

    /// Records that the server asked to slow down: the requests of this one's lane, or without a lane all, pause for `wait`.
    /// Returns the pause, unless this is one more refusal of the same moment.
    pub(super) fn throttled(&self, wait: Option<Duration>) -> Option<Duration> {
        let pause = wait.unwrap_or(PAUSE);
        let news = self.adaptive.lock().throttled(self.epoch, Instant::now() + pause);
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
            pace.admit(None).await.succeeded();
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
        let mut waiting = pin!(pace.admit(None));
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
        let (one, two) = (pace.admit(None).await, pace.admit(None).await);
        let pause = Duration::from_secs(30);
        assert_eq!(one.throttled(Some(pause)), Some(pause));
        assert_eq!(two.throttled(Some(pause)), None);
        drop((one, two));
        assert_eq!(pace.rate(), 5.0);
        let began = Instant::now();
        let permit = pace.admit(None).await;
        assert_eq!(began.elapsed(), pause);
        let began = Instant::now();
        drop((permit, pace.admit(None).await));
        assert_eq!(began.elapsed(), Duration::from_millis(200));
        drain(&pace, 30).await;
        assert_eq!(pace.rate(), 10.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_back_who_already_waits() {
        let pace = Arc::new(pace(1.0, 1, 8).unwrap());
        let first = pace.admit(None).await;
        let began = Instant::now();
        let waiting = tokio::spawn({
            let pace = Arc::clone(&pace);
            async move { drop(pace.admit(None).await) }
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
                    let permit = pace.admit(None).await;
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
        drop(pace.admit(None).await);
        let mut first = pin!(pace.admit(None));
        assert!(first.as_mut().now_or_never().is_none());
        sleep(Duration::from_millis(1500)).await;
        // There is a token now, but it is not for who comes last.
        let mut second = pin!(pace.admit(None));
        assert!(second.as_mut().now_or_never().is_none());
        assert!(first.now_or_never().is_some());
        drop(second.await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_wait_takes_nothing() {
        let pace = pace(1.0, 1, 1).unwrap();
        let began = Instant::now();
        drop(pace.admit(None).await);
        for _ in 0..5 {
            assert!(pace.admit(None).now_or_never().is_none());
        }
        drop(pace.admit(None).await);
        assert_eq!(began.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_keeps_its_minute_whatever_the_pace_and_holds_nobody_up() {
        let pace = Arc::new(pace(10.0, 1, 2).unwrap());
        let lane = pace.lane("post", 60);
        assert!(Arc::ptr_eq(&lane, &pace.lane("post", 60)));
        let began = Instant::now();
        let posts: Vec<_> = (0..3)
            .map(|_| {
                let (pace, lane) = (Arc::clone(&pace), Arc::clone(&lane));
                tokio::spawn(async move {
                    let mut left = Vec::new();
                    for _ in 0..50 {
                        pace.admit(Some(&lane)).await.succeeded();
                        left.push(Instant::now());
                    }
                    left
                })
            })
            .collect();
        // More of them wait than may be under way, and the others keep the pace beside them, but for the turns that they take.
        let took = drain(&pace, 1000).await;
        assert!((100.0..112.0).contains(&took), "{took}");
        let mut left = Vec::new();
        for post in posts {
            left.extend(post.await.unwrap());
        }
        left.sort();
        assert!(left.windows(61).all(|minute| minute[60] - minute[0] > Duration::from_secs(60)));
        let took = began.elapsed().as_secs_f64();
        assert!((149.0..154.0).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_slows_a_lane_slows_nobody_else() {
        let pace = pace(10.0, 1, 8).unwrap();
        let lane = pace.lane("post", 600);
        let pause = Duration::from_secs(30);
        let began = Instant::now();
        assert_eq!(pace.admit(Some(&lane)).await.throttled(Some(pause)), Some(pause));
        assert_eq!(pace.rate(), 10.0);
        let took = drain(&pace, 100).await;
        assert!((9.9..10.2).contains(&took), "{took}");
        let permit = pace.admit(Some(&lane)).await;
        assert_eq!(began.elapsed(), pause);
        assert!(permit.rate() < 6.0, "{}", permit.rate());
        // Nor does the lane's success raise the pace of the others.
        pace.admit(None).await.throttled(Some(Duration::ZERO));
        permit.succeeded();
        assert_eq!(pace.rate(), 5.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_that_is_slowed_while_it_waits_for_its_turn_takes_none() {
        let pace = pace(1.0, 1, 8).unwrap();
        let lane = pace.lane("post", 600);
        let first = pace.admit(Some(&lane)).await;
        let began = Instant::now();
        let mut second = pin!(pace.admit(Some(&lane)));
        tokio::time::timeout(Duration::from_millis(500), second.as_mut()).await.unwrap_err();
        first.throttled(Some(Duration::from_secs(30)));
        tokio::time::timeout(Duration::from_secs(1), second.as_mut()).await.unwrap_err();
        assert!(pace.admit(None).now_or_never().is_some(), "the token of the one that waits is another's");
        drop(second.await);
        assert_eq!(began.elapsed(), Duration::from_millis(30_500));
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
