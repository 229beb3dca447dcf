//! The choice of the requests that get a false answer: by their parameters, and most of them only the first time.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::sandbox::catalog::random::{Random, Stream};
use crate::sandbox::endpoint::feed;
use crate::sandbox::era::Era;
use crate::sandbox::traps::{Trap, Traps};

/// A false answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trick {
    /// Empty and without a cursor; true for a database query that takes 20 seconds.
    FalseEnd(bool),
    /// As if this parameter had not been sent.
    Unfiltered(&'static str),
    /// No feed service is configured that knows the cursor.
    Discontinued,
    /// A cached 404 for something that exists.
    Denied,
    /// An empty list.
    Emptied,
    /// The page, but as if it were the last.
    CutShort,
    /// The page with a link to the next one, but no cursor.
    LinkOnly,
}

/// Requests that agree in these parameters are for the same rows.
const SAME: &[&str] = &["cursor", "modelVersionId", "modelId", "types", "browsingLevel", "nsfw", "sort"];
const LOOKUPS: &[&str] = &["models/", "model-versions/"];
const LISTS: &[&str] = &["models", "images", "creators", "tags"];
/// An outage takes the last [`OUTAGE`] of this many requests for lists.
const OUTAGE_EVERY: u64 = 200;
const OUTAGE: u64 = 50;

/// The tricks of a run and the requests they were played on.
pub(crate) struct Tricks {
    seed: u64,
    traps: Traps,
    era: Era,
    played: HashSet<u64>,
    /// Requests for lists so far.
    lists: u64,
}

impl Tricks {
    pub(crate) fn new(seed: u64, traps: Traps, era: Era) -> Tricks {
        Tricks { seed, traps, era, played: HashSet::new(), lists: 0 }
    }

    /// Returns the trick played on a request for a path below `/api/v1/`, with a key or without.
    pub(crate) fn strike(&mut self, path: &str, pairs: &[(String, String)], keyed: bool) -> Option<Trick> {
        let sent = |key: &str| pairs.iter().any(|(name, value)| name == key && !value.is_empty());
        let key = key(path, pairs);
        let mut random = Random::new(self.seed, Stream::Trick, key);
        let mut draw = |trap, per_mille| random.chance(per_mille) && self.traps.has(trap);
        if LOOKUPS.iter().any(|start| path.starts_with(start)) {
            // The newest edge caches only the errors of one path, and none for callers with a key.
            let kept = self.era != Era::Sep2026 || (path.starts_with("models/") && !keyed);
            let kept = kept && !self.traps.has(Trap::NoEdgeCache);
            return (draw(Trap::CachedNegatives, 100) && pairs.is_empty() && kept).then_some(Trick::Denied);
        }
        let database = sent("modelId") && !sent("modelVersionId");
        let ended = draw(Trap::FalseEnds, if database { 125 } else { 40 });
        let unfiltered = draw(Trap::ForeignFilter, 25);
        let resumed = pairs.iter().any(|(name, value)| name == "cursor" && feed::is_cursor(value));
        if draw(Trap::FeedRestarts, 100) && path == "images" && resumed {
            let others: Vec<_> = pairs.iter().filter(|(name, _)| name != "cursor").cloned().collect();
            return self.played.insert(self::key("restarted", &others)).then_some(Trick::Discontinued);
        }
        let by_cursor = matches!(path, "models" | "images");
        if draw(Trap::EarlyEnd, 60) && by_cursor && sent("cursor") {
            return Some(Trick::CutShort);
        }
        let linked = draw(Trap::LinkWithoutCursor, 100) && by_cursor;
        if LISTS.contains(&path) && self.traps.has(Trap::Outage) {
            self.lists += 1;
            if self.lists % OUTAGE_EVERY >= OUTAGE_EVERY - OUTAGE {
                return Some(Trick::Emptied);
            }
        }
        let trick = match path {
            _ if linked => Trick::LinkOnly,
            "images" if ended && sent("cursor") => Trick::FalseEnd(database),
            "images" if unfiltered && sent("modelVersionId") => Trick::Unfiltered("modelVersionId"),
            "models" if unfiltered && sent("types") => Trick::Unfiltered("types"),
            _ => return None,
        };
        self.played.insert(key).then_some(trick)
    }
}

fn key(path: &str, pairs: &[(String, String)]) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    for same in SAME {
        let values = pairs.iter().filter(|(name, _)| name == same).map(|(_, value)| value);
        values.for_each(|value| (same, value).hash(&mut hasher));
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strike(tricks: &mut Tricks, url: &str) -> Option<Trick> {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        tricks.strike(path, &pairs, false)
    }

    /// Requests the URLs in turn; returns the number of those on which this trick is played.
    fn count(traps: &str, trick: Trick, url: impl Fn(u32) -> String) -> usize {
        let mut tricks = Tricks::new(1, traps.parse().unwrap(), Era::Sep2026);
        (0..1000).filter(|n| strike(&mut tricks, &url(*n)) == Some(trick)).count()
    }

    #[test]
    fn tricks_strike_their_share_and_only_where_they_belong() {
        let deep = |n| format!("images?modelId=3&cursor={n}");
        assert!((90..160).contains(&count("false-ends", Trick::FalseEnd(true), deep)));
        assert_eq!(count("foreign-filter", Trick::FalseEnd(true), deep), 0);
        assert_eq!(count("false-ends", Trick::FalseEnd(false), |n| format!("images?modelVersionId={n}")), 0);
        let filter = |n| format!("images?modelVersionId={n}");
        assert!((10..45).contains(&count("foreign-filter", Trick::Unfiltered("modelVersionId"), filter)));
        assert!((70..130).contains(&count("cached-negatives", Trick::Denied, |n| format!("models/{n}"))));
        assert_eq!(count("cached-negatives", Trick::Denied, |n| format!("models/{n}?again=1")), 0);
        assert_eq!(count("cached-negatives", Trick::Denied, |n| format!("model-versions/{n}")), 0);
    }

    #[test]
    fn a_walk_over_the_feed_is_broken_off_once() {
        let page = |n| format!("images?modelVersionId=7&cursor=feed:1712265847499:{n}");
        assert_eq!(count("feed-restarts", Trick::Discontinued, page), 1);
        let walk = |n| format!("images?modelVersionId={n}&cursor=feed:1712265847499:7");
        assert!((60..140).contains(&count("feed-restarts", Trick::Discontinued, walk)));
        assert_eq!(count("feed-restarts", Trick::Discontinued, |n| format!("images?cursor={n}|1712265847499")), 0);
    }

    #[test]
    fn asked_again_the_answer_is_true_unless_it_is_cached() {
        let mut tricks = Tricks::new(1, Traps::all(), Era::Aug2026);
        let urls: Vec<String> = (0..400).map(|n| format!("images?modelId=3&cursor={n}")).collect();
        assert!(urls.iter().filter(|url| strike(&mut tricks, url).is_some()).count() > 10);
        assert!(urls.iter().all(|url| strike(&mut tricks, &format!("{url}&limit=50&again=1")).is_none()));
        let lookups: Vec<String> = (0..400).map(|n| format!("model-versions/{n}")).collect();
        let first: Vec<_> = lookups.iter().map(|url| strike(&mut tricks, url)).collect();
        assert!(first.contains(&Some(Trick::Denied)));
        assert_eq!(first, lookups.iter().map(|url| strike(&mut tricks, url)).collect::<Vec<_>>());
    }
}
