//! The crawler's pace by the server's own log: never above the rate set, no slower, and silent when asked to be.
//! And how much memory it takes meanwhile.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{Logged, Room, Sandbox, Server, answer, ask, assert_exit, get, printed, program, read, requests};

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

/// Models at a pace of many a second, beside posts, of which the server answers one a second.
const BESIDE: &str = "pace = { requests_per_second = 20.0, burst = 1, in_flight = 2 }\n\
    retry = { attempts = 8, elapsed = \"5m\" }\n\
    [[walk]]\nname = \"posts\"\nendpoint = \"post\"\nfor_each = { list = [\"1001\", \"1002\", \"1003\", \"1004\"] }\n\
    [[walk]]\nname = \"models\"\nendpoint = \"models\"\nparams = { sort = \"Oldest\", nsfw = true, limit = 5 }\n";

/// The places of posts and of models among all requests, in the order of their arrival.
fn places(paths: impl Iterator<Item = String>) -> (Vec<usize>, Vec<usize>) {
    let all: Vec<String> = paths.filter(|path| !path.ends_with("/enums")).collect();
    let of =
        |part: &str| all.iter().enumerate().filter(|(_, path)| path.contains(part)).map(|(place, _)| place).collect();
    (of("/posts/"), of("/models"))
}

#[test]
fn a_limit_of_an_endpoints_own_slows_that_alone() {
    let sandbox = Sandbox::start(&["--models", "150", "--era", "2026-09", "--traps", "none"]);
    let (behind, tries) = (sandbox.base.trim_end_matches("/api/v1").to_owned(), AtomicUsize::new(0));
    let server = Server::answering(move |request| match request.target.contains("/posts/") {
        true if tries.fetch_add(1, Ordering::SeqCst) == 0 => {
            answer("429 Too Many Requests", "retry-after: 6\r\n", "{}")
        }
        true => answer("404 Not Found", "", r#"{"error":"No post"}"#),
        false => answer("200 OK", "", &get(&format!("{behind}{}", request.target))),
    });
    let room = Room::new(BESIDE, &server.base);
    let output = room.run(&[]);
    assert_exit(&output, 4);
    let (posts, models) = places(server.requests().into_iter().map(|request| request.target));
    assert!(models.len() >= 30, "{models:?}");
    // Thirty pages take less than the six seconds of the refusal, and no place under way is held by the posts that wait.
    assert!(models[29] < posts[1], "posts {posts:?} among models {models:?}");
    assert_eq!(posts.len(), 5, "each is asked for, one of them twice");
    let said = printed(&output);
    assert!(said.contains("the server asked to slow down endpoint=\"post\""), "{said}");
}

#[test]
fn a_limit_that_others_used_up_is_waited_for_beside_the_rest() {
    let sandbox = Sandbox::start(&["--models", "150", "--era", "2026-09", "--traps", "posts-limit"]);
    // Other programs behind this address have asked for as many as there may be.
    assert!((0..60).all(|_| ask(&format!("{}/posts/1000", sandbox.base)).status != 429));
    let room = Room::new(BESIDE, &sandbox.base);
    assert_exit(&room.run(&["--deadline", "6s"]), 3);
    let log = requests(&sandbox).into_iter().skip(60).map(|request| request.path);
    let (posts, models) = places(log);
    assert_eq!(posts.len(), 1, "the others wait for the end of the minute");
    assert!(models.len() >= 20, "{models:?}");
}

#[test]
fn a_plan_counts_a_limit_of_an_endpoints_own() {
    let text = "[[walk]]\nname = \"posts\"\nendpoint = \"post\"\nfor_each = { range = [1, 7200] }\n";
    let room = Room::new(&format!("pace = {{ requests_per_second = 100.0 }}\n{text}"), "https://civitai.com/api/v1");
    let output = program().arg("plan").arg(room.file()).output().expect("the program runs");
    assert_exit(&output, 0);
    assert!(printed(&output).contains("about 7 200 requests in 2 h"), "{}", printed(&output));
}

#[cfg(target_os = "linux")]
#[test]
fn memory_is_bounded_whatever_the_catalog() {
    // Unoptimized, larger catalogs take a minute.
    let [few, many] = if cfg!(debug_assertions) { ["500", "1500"] } else { ["2000", "10000"] };
    read("../../scripts/memory", &[few, many, "--binary", env!("CARGO_BIN_EXE_civitrawl")]);
}
