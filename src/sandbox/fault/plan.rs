//! The choice of the fault that strikes a request: counts requests, pages and failures per fault.

use std::collections::HashMap;

use super::Fault;
use crate::sandbox::catalog::random::{Random, Stream};

/// The faults of a run and their counts.
pub(crate) struct Plan {
    seed: u64,
    faults: Vec<(Fault, Progress)>,
    /// Per walk (URL without its cursor, limit and `_`), its cursors in the order of their first request.
    walks: HashMap<String, Vec<String>>,
}

/// One fault's counts.
#[derive(Default)]
struct Progress {
    requests: u64,
    failures: HashMap<String, u32>,
}

/// The parts of a request that faults look at.
pub(crate) struct Target<'a> {
    /// Below `/api/v1/`.
    pub(crate) path: &'a str,
    /// Path and query as sent.
    pub(crate) url: &'a str,
    pub(crate) pairs: &'a [(String, String)],
}

impl Plan {
    pub(crate) fn new(seed: u64, faults: Vec<Fault>) -> Plan {
        let faults = faults.into_iter().map(|fault| (fault, Progress::default())).collect();
        Plan { seed, faults, walks: HashMap::new() }
    }

    /// Returns the first fault that strikes this request. Must be called exactly once per request, because it counts them.
    pub(crate) fn strike(&mut self, asked: &Target<'_>) -> Option<Fault> {
        let (walk, page) = self.page(asked);
        let mut struck = None;
        for (index, (fault, progress)) in (0u64..).zip(&mut self.faults) {
            if !on_path(fault, asked.path) {
                continue;
            }
            progress.requests += 1;
            if struck.is_some() {
                continue;
            }
            // A page is the same however many items are asked for.
            let place = if fault.page.is_some() { format!("{page} {walk}") } else { asked.url.to_owned() };
            let failures = progress.failures.get(&place).copied();
            let strikes = match failures {
                Some(count) => fault.times == 0 || count < fault.times,
                None => chosen(fault, progress.requests, page, self.seed ^ index.rotate_left(40)),
            };
            if strikes {
                progress.failures.insert(place, failures.unwrap_or(0) + 1);
                struck = Some(fault.clone());
            }
        }
        struck
    }

    /// Returns the walk, and the number of the page in it, from 1; a repeated request keeps its page's number.
    fn page(&mut self, asked: &Target<'_>) -> (String, u64) {
        if self.faults.iter().all(|(fault, _)| fault.page.is_none()) {
            return (String::new(), 0);
        }
        let (mut walk, mut place) = (asked.path.to_owned(), String::new());
        for (key, value) in asked.pairs {
            match key.as_str() {
                "cursor" | "page" => place.push_str(value),
                "limit" | "_" => {}
                _ => walk.push_str(&format!("&{key}={value}")),
            }
        }
        let places = self.walks.entry(walk.clone()).or_default();
        let index = places.iter().position(|known| *known == place).unwrap_or_else(|| {
            places.push(place);
            places.len() - 1
        });
        (walk, index as u64 + 1)
    }
}

fn on_path(fault: &Fault, path: &str) -> bool {
    fault.path.as_ref().is_none_or(|wanted| match wanted.strip_suffix('/') {
        Some(_) => path.starts_with(wanted.as_str()),
        None => path == wanted,
    })
}

fn chosen(fault: &Fault, request: u64, page: u64, seed: u64) -> bool {
    let lucky = |share: f64| {
        let draw = Random::new(seed, Stream::Share, request).next() >> 11;
        (draw as f64) / ((1u64 << 53) as f64) < share
    };
    fault.nth.is_none_or(|nth| request == nth)
        && fault.every.is_none_or(|every| request.is_multiple_of(every))
        && fault.share.is_none_or(lucky)
        && fault.page.is_none_or(|wanted| page == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests the URLs in turn; returns true for each one that the fault strikes.
    fn struck(fault: &str, urls: &[&str]) -> Vec<bool> {
        let mut plan = Plan::new(7, vec![fault.parse().unwrap()]);
        let strikes = urls.iter().map(|url| {
            let (path, query) = url.split_once('?').unwrap_or((url, ""));
            let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            plan.strike(&Target { path, url, pairs: &pairs }).is_some()
        });
        strikes.collect()
    }

    #[test]
    fn faults_strike_where_and_as_often_as_configured() {
        let urls = ["models?a", "models?b", "models?b", "models?b", "tags?c"];
        assert_eq!(struck("kind=cut,nth=2", &urls), [false, true, false, false, false]);
        assert_eq!(struck("kind=cut,nth=2,times=2", &urls), [false, true, true, false, false]);
        assert_eq!(struck("kind=cut,nth=2,times=0", &urls), [false, true, true, true, false]);
        assert_eq!(struck("kind=cut,path=tags,nth=1", &urls), [false, false, false, false, true]);
        assert_eq!(struck("kind=cut,every=2", &urls), [false, true, false, false, false]);
        assert_eq!(struck("kind=cut", &urls), [true, true, false, false, true]);
    }

    #[test]
    fn pages_are_counted_within_their_walk() {
        let urls = [
            "models?t=1",
            "models?t=2",
            "models?t=1&cursor=x",
            "models?t=1&cursor=x&limit=50&_=7",
            "models?t=2&cursor=y",
        ];
        assert_eq!(struck("kind=cut,page=2", &urls), [false, false, true, false, true]);
        assert_eq!(struck("kind=cut,page=2,times=2", &urls), [false, false, true, true, true]);
    }

    #[test]
    fn a_share_is_close_to_what_was_asked_and_repeats() {
        let urls: Vec<String> = (0..4000).map(|n| format!("models?{n}")).collect();
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        let first = struck("kind=cut,share=0.05", &urls);
        let count = first.iter().filter(|struck| **struck).count();
        assert!((140..260).contains(&count), "{count}");
        assert_eq!(first, struck("kind=cut,share=0.05", &urls));
    }
}
