//! The server's clock and this machine's, either of which may be wrong: no watermark is later than both. Pure.

use jiff::{SignedDuration, Timestamp};

use super::pass::{Pass, begun_at};
use crate::api::CATALOG_BEGAN;
use crate::dataset::commit::WalkState;
use crate::definition::Crawl;

/// Clocks that differ by more are reported.
const DIFFER: SignedDuration = SignedDuration::from_hours(24);

/// Returns the time (milliseconds since 1970) by the clock that is behind: a date that is too early only repeats requests.
pub(super) fn earlier(server: Option<Timestamp>, here: Timestamp) -> i64 {
    server.map_or(here, |server| server.min(here)).as_millisecond()
}

/// Returns the time (milliseconds since 1970) by the server's clock; by this machine's where the server sends none, or one that is
/// behind the catalog.
pub(super) fn servers(server: Option<Timestamp>, here: Timestamp) -> i64 {
    server.map(Timestamp::as_millisecond).filter(|at| *at >= CATALOG_BEGAN).unwrap_or(here.as_millisecond())
}

/// Returns true when the two clocks are so far apart that one is wrong.
pub(super) fn differ(server: Timestamp, here: Timestamp) -> bool {
    server.duration_since(here).abs() > DIFFER
}

/// Makes each walk of a new pass that would begin in the future one that builds on no other, because an earlier pass got a wrong
/// date. Returns a sentence for each.
pub(super) fn heal(pass: &mut Pass, crawl: &Crawl, now: Timestamp) -> Vec<String> {
    let mut healed = Vec::new();
    for definition in crawl.walks.iter().filter(|_| !pass.resumed) {
        let name = &definition.name;
        let Some(walk) = pass.walks.get_mut(name) else { continue };
        // Its own `from` is no date that a pass got.
        let got = walk.since.filter(|since| walk.from != Some(*since));
        let late = got.and_then(|since| Timestamp::from_millisecond(since).ok()).filter(|since| *since > now);
        if let Some(since) = late {
            let (begun, list) = match walk.from {
                Some(from) => (begun_at(definition, from, None), "its list from `from` on"),
                None => (WalkState::default(), "the whole list"),
            };
            *walk = WalkState { from: walk.from, ..begun };
            healed.push(format!(
                "walk `{name}`: it was to begin at {}, which is later than now; an earlier pass got a wrong date, so \
                 this one went through {list}",
                since.strftime("%Y-%m-%d %H:%M:%S UTC")
            ));
        }
        walk.reached = walk.reached.map(|reached| reached.min(now.as_millisecond()));
    }
    healed
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::pass::Earlier;
    use super::*;
    use crate::api::ENDPOINTS;
    use crate::dataset::manifest::SeenCursors;
    use crate::definition;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_clock_that_is_behind_counts() {
        let here = at("2026-11-29T12:00:00Z");
        for (server, counts, apart) in [
            (None, "2026-11-29T12:00:00Z", false),
            (Some("2026-11-29T11:59:00Z"), "2026-11-29T11:59:00Z", false),
            (Some("2026-11-30T11:59:00Z"), "2026-11-29T12:00:00Z", false),
            (Some("2099-12-31T23:59:59Z"), "2026-11-29T12:00:00Z", true),
            (Some("1970-01-01T00:00:00Z"), "1970-01-01T00:00:00Z", true),
        ] {
            let server = server.map(at);
            assert_eq!(earlier(server, here), at(counts).as_millisecond(), "{server:?}");
            assert_eq!(server.is_some_and(|server| differ(server, here)), apart, "{server:?}");
        }
        for (server, counts) in [
            (None, "2026-11-29T12:00:00Z"),
            (Some("2026-11-29T11:59:59Z"), "2026-11-29T11:59:59Z"),
            (Some("2099-01-01T00:00:00Z"), "2099-01-01T00:00:00Z"),
            (Some("1970-01-01T00:00:00Z"), "2026-11-29T12:00:00Z"),
        ] {
            assert_eq!(servers(server.map(at), here), at(counts).as_millisecond(), "{server:?}");
        }
    }

    #[test]
    fn what_would_begin_later_than_now_begins_at_the_beginning() {
        let now = at("2026-11-29T12:00:00Z");
        let text = "server = 'sandbox'\ndataset = 'd'\n[[walk]]\nname = 'a'\nendpoint = 'models'\nparams = { sort = 'Oldest' }";
        let crawl = definition::parse("x", text, ENDPOINTS).unwrap().0;
        let began = |since: &str, from: Option<&str>, resumed| {
            let walk = WalkState {
                since: Some(at(since).as_millisecond()),
                from: from.map(|from| at(from).as_millisecond()),
                reached: Some(at("2099-06-01T00:00:00Z").as_millisecond()),
                ..WalkState::default()
            };
            let mut pass = Pass {
                number: 2,
                resumed,
                walks: BTreeMap::from([(String::from("a"), walk)]),
                seen_cursors: SeenCursors::new(),
                definition: serde_json::Value::Null,
                earlier: Earlier::default(),
            };
            let sentences = heal(&mut pass, &crawl, now).join("");
            (pass.walks["a"].clone(), sentences)
        };
        let of = |since, resumed| began(since, None, resumed);
        let (walk, sentences) = of("2099-05-29T00:00:00Z", false);
        assert_eq!(walk, WalkState::default());
        assert!(
            sentences.starts_with("walk `a`: it was to begin at 2099-05-29 00:00:00 UTC, which is later"),
            "{sentences}"
        );
        let (walk, sentences) = of("2026-11-28T00:00:00Z", false);
        assert_eq!(
            (walk.since, walk.reached),
            (Some(at("2026-11-28T00:00:00Z").as_millisecond()), Some(now.as_millisecond()))
        );
        assert_eq!(sentences, "");
        assert!(of("2099-05-29T00:00:00Z", true).0.since.is_some(), "pages of it are numbered already");

        let (walk, sentences) = began("2099-05-29T00:00:00Z", Some("2026-11-01T00:00:00Z"), false);
        let from = Some(at("2026-11-01T00:00:00Z").as_millisecond());
        let cursor = walk.partitions[""].cursor.as_deref();
        assert_eq!(
            (walk.since, walk.from, walk.reached, cursor),
            (from, from, None, Some("2026-11-01 00:00:00.000|0"))
        );
        assert!(sentences.ends_with("so this one went through its list from `from` on"), "{sentences}");
        // This machine's clock is behind, and the crawl file's own date is not.
        let (walk, sentences) = began("2099-05-29T00:00:00Z", Some("2099-05-29T00:00:00Z"), false);
        assert_eq!((walk.since, sentences.as_str()), (walk.from, ""));
    }
}
