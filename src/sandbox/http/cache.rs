//! Answers kept for the next time the same URL is asked for, within a budget; it stands for the network's edge cache.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::answer::Answer;

const BUDGET: usize = 64 << 20;

/// An answer ready to be sent.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) answer: Answer,
    /// The body is compressed.
    pub(crate) gzip: bool,
    pub(crate) since: Instant,
}

/// The most recently used answers.
#[derive(Default)]
pub(crate) struct Cache {
    kept: HashMap<String, (u64, Arc<Packed>)>,
    clock: u64,
    bytes: usize,
}

impl Cache {
    /// What is kept under a key.
    pub(crate) fn get(&mut self, key: &str) -> Option<Arc<Packed>> {
        self.clock += 1;
        let (used, packed) = self.kept.get_mut(key)?;
        *used = self.clock;
        Some(Arc::clone(packed))
    }

    /// Keeps an answer, at the cost of those unused for longest.
    pub(crate) fn put(&mut self, key: &str, packed: Arc<Packed>) {
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
