//! The network's edge: a cache of answers within a budget, and the headers with which it reports its decisions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::call::Call;
use crate::sandbox::endpoint::answer::Answer;
use crate::sandbox::era::Era;

const BUDGET: usize = 64 << 20;
const CACHED: &str = "public, s-maxage=300, stale-while-revalidate=150";

/// An answer ready to be sent.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) answer: Answer,
    /// The body is compressed.
    pub(super) gzip: bool,
    pub(super) since: Instant,
}

/// The most recently used answers.
#[derive(Default)]
pub(super) struct Cache {
    kept: HashMap<String, (u64, Arc<Packed>)>,
    clock: u64,
    bytes: usize,
}

impl Cache {
    /// The answer kept under a key.
    pub(super) fn get(&mut self, key: &str) -> Option<Arc<Packed>> {
        self.clock += 1;
        let (used, packed) = self.kept.get_mut(key)?;
        *used = self.clock;
        Some(Arc::clone(packed))
    }

    /// Keeps an answer, and drops the longest unused ones beyond the budget.
    pub(super) fn put(&mut self, key: &str, packed: Arc<Packed>) {
        self.clock += 1;
        self.bytes += weight(key, &packed);
        if let Some((_, old)) = self.kept.insert(key.to_owned(), (self.clock, packed)) {
            self.bytes -= weight(key, &old);
        }
        while self.bytes > BUDGET {
            let oldest = self.kept.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| key.clone());
            let Some((key, (_, gone))) = oldest.and_then(|key| self.kept.remove_entry(&key)) else {
                break;
            };
            self.bytes -= weight(&key, &gone);
        }
    }
}

fn weight(key: &str, packed: &Packed) -> usize {
    key.len() + packed.answer.body.len() + 4 * packed.answer.items.len() + 200
}

/// Returns the `Cache-Control` of an answer.
pub(super) fn cache_control(era: Era, call: &Call, status: u16) -> &'static str {
    let missing_model = status == 404 && call.below().starts_with("models/");
    match status {
        400.. if era == Era::Sep2026 && !missing_model => "no-store, max-age=0",
        _ if bypassed(era, call) => "private, max-age=0, no-cache",
        500.. => "no-store",
        _ => CACHED,
    }
}

/// True when the edge never answers such a request from its cache.
fn bypassed(era: Era, call: &Call) -> bool {
    call.below() == "me" || (era == Era::Sep2026 && call.authorization)
}

/// Returns the `cf-cache-status` of an answer, and true when it comes from the cache. `made_before` is true for an answer
/// that was sent before.
pub(super) fn cache_status(era: Era, call: &Call, status: u16, made_before: bool) -> (&'static str, bool) {
    let cached = era != Era::Sep2026 || cache_control(era, call, status) == CACHED;
    match (bypassed(era, call), made_before && cached) {
        (true, _) => ("BYPASS", false),
        (_, true) => ("HIT", true),
        (_, false) => ("MISS", false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_unused_answers_go_first() {
        let packed = |size: usize| {
            Arc::new(Packed { answer: Answer::json(200, vec![b' '; size]), gzip: false, since: Instant::now() })
        };
        let mut cache = Cache::default();
        cache.put("a", packed(BUDGET / 3));
        cache.put("b", packed(BUDGET / 3));
        assert!(cache.get("a").is_some());
        cache.put("c", packed(BUDGET / 2));
        assert!(cache.get("b").is_none() && cache.get("a").is_some() && cache.get("c").is_some());
        cache.put("d", packed(BUDGET * 2));
        assert!(cache.get("d").is_none() && cache.bytes == 0);
    }
}
