//! Bounds a list without end: counts the pages of a partition that brought nothing new to it in this pass. Pure.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Pages in a row that may show nothing but items which the partition showed before in this pass.
pub const STALE_MAX: u64 = 20;
/// Empty pages in a row that are walked while the cursor moves along the list.
pub const EMPTY_MAX: u64 = 600;
/// Empty pages in a row that are walked although the cursor does not move, or cannot be parsed.
pub const UNMOVED_MAX: u64 = 100;
/// The most ids remembered of a partition.
const SAMPLE_MAX: usize = 512;

/// A sample of the ids that a partition showed in this pass, and counts of pages without new ones.
///
/// The sample is chosen by the hash of the ids, so it is clear for each id if it belongs there. A list that begins again is
/// noticed however long it is and whenever the crawl is killed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Novelty {
    /// An id belongs to the sample if its hash ends with so many zero bits.
    zeros: u32,
    sample: BTreeSet<i64>,
    /// Pages in a row that brought nothing new.
    stale: u64,
    /// Empty pages in a row.
    empty: u64,
    /// The number of them whose cursor did not move.
    unmoved: u64,
}

impl Novelty {
    /// True if no page was counted yet.
    pub fn is_fresh(&self) -> bool {
        *self == Self::default()
    }

    /// Counts a page with these ids; `moves` is true if its next cursor is further along the list.
    pub fn count(&mut self, keys: &[i64], items: u64, moves: bool) {
        if items == 0 {
            self.empty += 1;
            self.unmoved += u64::from(!moves);
            return;
        }
        (self.empty, self.unmoved) = (0, 0);
        let (mut new, mut known) = (false, false);
        for key in keys.iter().filter(|key| is_chosen(**key, self.zeros)) {
            let is_new = self.sample.insert(*key);
            (new, known) = (new || is_new, known || !is_new);
        }
        while self.sample.len() > SAMPLE_MAX {
            self.zeros += 1;
            self.sample.retain(|key| is_chosen(*key, self.zeros));
        }
        match (new, known) {
            (true, _) => self.stale = 0,
            (false, true) => self.stale += 1,
            // No id of the page belongs to the sample, so nothing is known.
            (false, false) => {}
        }
    }

    /// Counts a page that was given up.
    pub fn count_given_up(&mut self) {
        self.stale += 1;
    }

    /// Returns the reason for which the list must be considered endless, if there is one.
    pub fn is_endless(&self) -> Option<String> {
        if self.stale >= STALE_MAX {
            return Some(format!("{} pages in a row brought nothing that this walk had not shown before", self.stale));
        }
        if self.unmoved > UNMOVED_MAX {
            return Some(format!("{} pages in a row were empty, and their cursors lead nowhere", self.empty));
        }
        (self.empty > EMPTY_MAX).then(|| format!("{} pages in a row were empty", self.empty))
    }
}

fn is_chosen(key: i64, zeros: u32) -> bool {
    // The finalizer of SplitMix64, so that consecutive ids are not chosen together.
    let mut hash = key.cast_unsigned().wrapping_add(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (hash ^ (hash >> 31)).trailing_zeros() >= zeros
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the number of pages of 100 until a list that repeats after `period` items is considered endless.
    fn pages_until_noticed(period: i64, killed_every: Option<u64>) -> u64 {
        let mut novelty = Novelty::default();
        for page in 0..1_000_000 {
            let first = page * 100;
            let keys: Vec<i64> = (first..first + 100).map(|n| n % period).collect();
            novelty.count(&keys, 100, true);
            if novelty.is_endless().is_some() {
                return page as u64 + 1;
            }
            if killed_every.is_some_and(|every| (page as u64).is_multiple_of(every)) {
                novelty = serde_json::from_str(&serde_json::to_string(&novelty).unwrap()).unwrap();
            }
            assert!(novelty.sample.len() <= SAMPLE_MAX);
        }
        u64::MAX
    }

    #[test]
    fn a_list_that_begins_again_is_noticed_however_long_it_is() {
        for (period, at_most) in [(1, 25), (200, 25), (1000, 40), (10_000, 140), (100_000, 1100), (1_000_000, 12_000)] {
            let noticed = pages_until_noticed(period, None);
            assert!(noticed <= at_most, "{period}: {noticed}");
            assert_eq!(pages_until_noticed(period, Some(3)), noticed, "{period}");
        }
    }

    #[test]
    fn a_list_without_repeats_never_ends_so() {
        let mut novelty = Novelty::default();
        for page in 0..20_000 {
            let keys: Vec<i64> = (page * 50..page * 50 + 100).collect();
            novelty.count(&keys, 100, true);
            assert_eq!(novelty.is_endless(), None, "{page}");
        }
    }

    #[test]
    fn empty_pages_are_walked_while_the_cursor_moves_on() {
        let after = |pages: u64, moves: bool| {
            let mut novelty = Novelty::default();
            (0..pages).for_each(|_| novelty.count(&[], 0, moves));
            novelty.is_endless().is_some()
        };
        assert!(!after(EMPTY_MAX, true) && after(EMPTY_MAX + 1, true));
        assert!(!after(UNMOVED_MAX, false) && after(UNMOVED_MAX + 1, false));
    }
}
