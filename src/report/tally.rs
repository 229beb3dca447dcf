//! Counts by name, and the most frequent names.

use std::collections::HashMap;

/// Counts by name.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: HashMap<String, u64>,
    /// The count of things without a name.
    pub(super) nameless: u64,
}

/// The most frequent names, and the sum of the others.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Top {
    pub(super) names: Vec<(String, u64)>,
    /// The number of other names, and their counts together.
    pub(super) others: (u64, u64),
}

impl Tally {
    pub(super) fn add(&mut self, name: Option<&str>, count: u64) {
        let Some(name) = name else {
            self.nameless = self.nameless.saturating_add(count);
            return;
        };
        match self.counts.get_mut(name) {
            Some(known) => *known = known.saturating_add(count),
            None => drop(self.counts.insert(name.to_owned(), count)),
        }
    }

    /// Returns the sum of all counts, without the nameless.
    pub(super) fn total(&self) -> u64 {
        self.counts.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Returns the count of a name.
    pub(super) fn count(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or_default()
    }

    /// Returns at most this many names, the most frequent first; ties are sorted by name.
    pub(super) fn top(&self, most: usize) -> Top {
        let mut names: Vec<(&String, u64)> = self.counts.iter().map(|(name, count)| (name, *count)).collect();
        names.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        let rest = names.split_off(most.min(names.len()));
        let others = (rest.len() as u64, rest.iter().fold(0, |sum: u64, (_, count)| sum.saturating_add(*count)));
        Top { names: names.into_iter().map(|(name, count)| (name.clone(), count)).collect(), others }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_come_first_and_nothing_is_lost() {
        let mut tally = Tally::default();
        for name in ["b", "c", "a", "b", "d", "c"] {
            tally.add(Some(name), 1);
        }
        tally.add(None, 3);
        let top = tally.top(3);
        let names: Vec<(&str, u64)> = top.names.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        assert_eq!((names, top.others), (vec![("b", 2), ("c", 2), ("a", 1)], (1, 1)));
        assert_eq!((tally.total(), tally.nameless, tally.count("c"), tally.count("x")), (6, 3, 2, 0));
        assert_eq!(Tally::default().top(5), Top { names: Vec::new(), others: (0, 0) });
    }
}
