//! The network's edge: a cache of answers within a budget, and the headers with which it reports its decisions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::call::Call;
use crate::sandbox::endpoint::answer::Answer;
use crate::sandbox::era::Era;
use crate::sandbox::traps::{Trap, Traps};

const BUDGET: usize = 64 << 20;

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

/// The edge at one answer: everything that its headers depend on.
pub(super) struct Edge<'a> {
    pub(super) era: Era,
    pub(super) traps: Traps,
    pub(super) call: &'a Call,
    pub(super) status: u16,
}

impl Edge<'_> {
    /// Returns the `Cache-Control` of the answer.
    pub(super) fn cache_control(&self) -> &'static str {
        let path = self.call.below();
        let missing_model = self.status == 404 && path.starts_with("models/");
        match self.status {
            400.. if self.era == Era::Sep2026 && !missing_model => "no-store, max-age=0",
            _ if self.bypassed() || self.traps.has(Trap::NoEdgeCache) => "private, max-age=0, no-cache",
            500.. => "no-store",
            _ if path.starts_with("/api/download/") => "no-store",
            200 if path.starts_with("model-versions/by-hash/") => "public, s-maxage=3600, stale-while-revalidate=1800",
            _ => "public, s-maxage=300, stale-while-revalidate=150",
        }
    }

    /// True when the edge never answers such a request from its cache.
    fn bypassed(&self) -> bool {
        self.call.below() == "me" || (self.era == Era::Sep2026 && self.call.authorization)
    }

    /// Returns the `cf-cache-status` of the answer, and true when it comes from the cache. `made_before` is true for an
    /// answer that was sent before.
    pub(super) fn cache_status(&self, made_before: bool) -> (&'static str, bool) {
        let cached = self.era != Era::Sep2026 || self.cache_control().starts_with("public");
        match (self.bypassed(), made_before && cached) {
            _ if self.traps.has(Trap::NoEdgeCache) => ("DYNAMIC", false),
            (true, _) => ("BYPASS", false),
            (_, true) => ("HIT", true),
            (_, false) => ("MISS", false),
        }
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
