//! The crawler's pace by the server's own log: never above the rate set, no slower, and silent when asked to be.
//! And how much memory it takes meanwhile.

use crate::support::{Logged, Room, Sandbox, assert_exit, read, requests};

/// The jitter of arrivals: a request may seem to have left that much earlier than it did.
const JITTER: f64 = 0.05;

// Slow enough that a busy machine can follow: what bounds the crawl is to be the bucket, not the processor.
const RATE: f64 = 10.0;
const BURST: f64 = 5.0;

/// Six walks in the smallest pages: more than enough to have a request ready for every token.
fn crawl() -> String {
    let mut text = format!("pace = {{ requests_per_second = {RATE:?}, burst = {BURST}, in_flight = 8 }}\n");
    for walk in 0..6 {
        text.push_str(&format!(
            "[[walk]]\nname = \"walk_{walk}\"\nendpoint = \"models\"\n\
             params = {{ sort = \"Oldest\", nsfw = true, limit = 1 }}\n"
        ));
    }
    text
}

/// The times at which requests arrived.
fn times(log: &[Logged]) -> Vec<f64> {
    log.iter().map(|request| request.at).collect()
}

/// Between any two requests: no more of them than burst + rate × time.
fn assert_bounded(times: &[f64]) {
    for (first, from) in times.iter().enumerate() {
        for (last, to) in times.iter().enumerate().skip(first) {
            let (count, most) = ((last - first + 1) as f64, BURST + RATE * (to - from + JITTER));
            assert!(count <= most, "{count} requests from {from:.3} s to {to:.3} s; {most:.1} are allowed");
        }
    }
}

#[test]
fn it_asks_at_the_rate_set_and_never_faster() {
    let sandbox = Sandbox::start(&["--models", "200", "--latency", "150"]);
    let room = Room::new(&crawl(), &sandbox.base);
    assert_exit(&room.run(&["--deadline", "14s"]), 3);
    let times = times(&requests(&sandbox));
    assert_bounded(&times);

    const SPAN: f64 = 10.0;
    let end = times.last().unwrap() - SPAN;
    assert!(end - times[0] > 2.0, "the crawl was over before it could be measured");
    for from in times.iter().filter(|from| **from <= end) {
        let used = times.iter().filter(|at| (*from..*from + SPAN).contains(*at)).count() as f64;
        assert!(used >= 0.97 * RATE * SPAN, "{used} tokens were used in the {SPAN} s from {from:.3} s on");
    }
}

/// After a refusal with `Retry-After: 2` nobody asks for two seconds, then everybody more slowly, then at the rate set.
fn assert_heeded(code: &str) {
    let fault = format!("kind=status,code={code},retry_after=2,nth=25");
    let sandbox = Sandbox::start(&["--models", "200", "--latency", "20", "--fault", &fault]);
    let room = Room::new(&crawl(), &sandbox.base);
    assert_exit(&room.run(&["--deadline", "12s"]), 3);
    let log = requests(&sandbox);
    let times = times(&log);
    assert_bounded(&times);

    let refused = log.iter().position(|request| request.status != Some(200)).expect("the fault struck");
    let pause = times[refused]..times[refused] + 2.0;
    // Those that had left before the refusal arrived still come in.
    let stray: Vec<&f64> = times.iter().filter(|at| (pause.start + 0.3..pause.end).contains(*at)).collect();
    assert!(stray.is_empty(), "{code}: asked during the pause of {pause:?}: {stray:?}");

    let after: Vec<f64> = times.iter().copied().filter(|at| *at >= pause.end).collect();
    let within = |from: f64, to: f64| after.iter().filter(|at| (from..to).contains(*at)).count() as f64 / (to - from);
    let resumed = after[0];
    assert!(within(resumed, resumed + 0.5) <= 0.8 * RATE, "{code}: it went on as if nothing had been said");
    let end = after[after.len() - 1];
    let recovered = within(end - 3.0, end);
    assert!(recovered >= 0.85 * RATE, "{code}: the rate did not recover, it is {recovered} a second");
}

#[test]
fn it_pauses_after_too_many_requests() {
    assert_heeded("429");
}

#[test]
fn it_pauses_after_service_unavailable() {
    assert_heeded("503");
}

#[test]
fn without_in_flight_to_spare_latency_bounds_it() {
    let sandbox = Sandbox::start(&["--models", "200", "--latency", "100"]);
    let room = Room::new(&crawl().replace("in_flight = 8", "in_flight = 1"), &sandbox.base);
    assert_exit(&room.run(&["--deadline", "2s"]), 3);
    let log = requests(&sandbox);
    for pair in times(&log).windows(2) {
        assert!(pair[1] - pair[0] >= 0.1 - JITTER, "two requests were under way at {:.3} s", pair[1]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn memory_is_bounded_whatever_the_catalog() {
    // Unoptimized, larger catalogs take a minute.
    let [few, many] = if cfg!(debug_assertions) { ["500", "1500"] } else { ["2000", "10000"] };
    read("../../scripts/memory", &[few, many, "--binary", env!("CARGO_BIN_EXE_civitrawl")]);
}
