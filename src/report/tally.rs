//! Counts by name, and the most frequent names, in bounded memory: however many names there are, each is counted exactly.
//!
//! Names that do not fit are left for another reading of the same rows. Each reading takes a share of all names, those whose hashes
//! are in an interval, and of each share only the most frequent names are kept.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

/// Most names that are kept.
pub(super) const MOST: usize = 12;
/// Bytes of names and their counts that are held at once: room for every creator of the catalog and all but the rarest of its tags.
const BYTES: usize = 24 << 20;
/// Bytes of a name's count, with its place in a hash table that is half full.
const EACH: usize = 2 * size_of::<(String, u64)>();

/// The most frequent names, and the sums of the others.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// At most [`MOST`] names with their counts, the most frequent first; ties are sorted by name.
    pub(super) names: Vec<(String, u64)>,
    /// The number of other names, and their counts together.
    pub(super) others: (u64, u64),
    /// The count of things without a name.
    pub(super) nameless: u64,
}

/// Takes a name, `None` for a thing without one, and how often it came.
type Add<'a> = dyn FnMut(Option<&str>, u64) + 'a;

impl Tally {
    /// Counts the names that `read` adds. It is called again for as long as there are names that were not counted yet, and adds
    /// the same ones each time.
    ///
    /// # Errors
    /// The errors of `read`.
    pub(super) fn of<E>(mut read: impl FnMut(&mut Add<'_>) -> Result<(), E>) -> Result<Self, E> {
        Self::within(BYTES, &mut read)
    }

    fn within<E>(bytes: usize, read: &mut dyn FnMut(&mut Add<'_>) -> Result<(), E>) -> Result<Self, E> {
        let (hasher, mut tally) = (RandomState::new(), Self::default());
        let mut share = Some(Share::new(&hasher, 0));
        while let Some(mut counted) = share {
            tally.nameless = 0;
            read(&mut |name, count| match name {
                Some(name) => counted.add(name, count, bytes),
                None => tally.nameless = tally.nameless.saturating_add(count),
            })?;
            share = counted.next();
            counted.counts.into_iter().for_each(|(name, count)| tally.take(name, count));
        }
        Ok(tally)
    }

    /// Returns the counts of a few names.
    pub(super) fn of_few<'a>(counts: impl IntoIterator<Item = (&'a str, u64)>) -> Self {
        let mut tally = Self::default();
        counts.into_iter().for_each(|(name, count)| tally.take(name.to_owned(), count));
        tally
    }

    /// Adds a name that was not added before.
    fn take(&mut self, name: String, count: u64) {
        let place = self.names.partition_point(|(other, most)| (Reverse(*most), other) < (Reverse(count), &name));
        self.names.insert(place, (name, count));
        if self.names.len() > MOST
            && let Some((_, count)) = self.names.pop()
        {
            self.others = (self.others.0 + 1, self.others.1.saturating_add(count));
        }
    }

    /// Returns the place of a name among the most frequent ones.
    pub(super) fn place(&self, name: Option<&str>) -> Option<usize> {
        self.names.iter().position(|(other, _)| Some(&**other) == name)
    }

    /// Returns the sum of all counts, without the nameless.
    pub(super) fn total(&self) -> u64 {
        self.names.iter().fold(self.others.1, |sum, (_, count)| sum.saturating_add(*count))
    }
}

/// The counts of the names whose hashes are in an interval.
struct Share<'a> {
    hasher: &'a RandomState,
    first: u64,
    last: u64,
    counts: HashMap<String, u64>,
    bytes: usize,
}

impl<'a> Share<'a> {
    fn new(hasher: &'a RandomState, first: u64) -> Self {
        Self { hasher, first, last: u64::MAX, counts: HashMap::new(), bytes: 0 }
    }

    /// Counts a name that is in the share. Where its names take more than these bytes, the share becomes half as wide.
    fn add(&mut self, name: &str, count: u64, bytes: usize) {
        if let Some(known) = self.counts.get_mut(name) {
            *known = known.saturating_add(count);
        } else if (self.first..=self.last).contains(&self.hasher.hash_one(name)) {
            self.bytes += name.len() + EACH;
            self.counts.insert(name.to_owned(), count);
            // A name alone is held, however long it is.
            while self.bytes > bytes && self.counts.len() > 1 {
                self.last = self.first + (self.last - self.first) / 2;
                let Self { hasher, last, counts, bytes, .. } = self;
                counts.retain(|name, _| hasher.hash_one(&**name) <= *last);
                *bytes = counts.keys().map(|name| name.len() + EACH).sum();
            }
        }
    }

    /// Returns the share of all names behind it; `None` if it is the last.
    fn next(&self) -> Option<Self> {
        Some(Self::new(self.hasher, self.last.checked_add(1)?))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    /// Returns the tally of names counted in so many bytes, and the number of readings that it took.
    fn tally(names: &[(Option<&str>, u64)], bytes: usize) -> (Tally, usize) {
        let mut readings = 0;
        let Ok(tally) = Tally::within::<Infallible>(bytes, &mut |add| {
            readings += 1;
            names.iter().for_each(|(name, count)| add(*name, *count));
            Ok(())
        });
        (tally, readings)
    }

    #[test]
    fn the_most_frequent_come_first_and_nothing_is_lost() {
        let letters: Vec<String> = ('a'..='z').map(String::from).collect();
        let mut names: Vec<(Option<&str>, u64)> = letters.iter().map(|name| (Some(&**name), 1)).collect();
        names.extend([(Some("z"), 1), (Some("b"), 2), (None, 3), (Some("y"), 1)]);
        for bytes in [usize::MAX, 3 * EACH, 1] {
            let (tally, readings) = tally(&names, bytes);
            let first: Vec<(&str, u64)> = tally.names.iter().map(|(name, count)| (&**name, *count)).collect();
            assert_eq!(first[..5], [("b", 3), ("y", 2), ("z", 2), ("a", 1), ("c", 1)]);
            assert_eq!((first.len(), tally.others, tally.nameless, tally.total()), (MOST, (14, 14), 3, 30));
            assert_eq!(readings == 1, bytes == usize::MAX, "{readings} readings");
        }
        assert_eq!(Tally::of_few([]), Tally::default());
    }

    proptest! {
        #[test]
        fn every_name_is_counted_exactly_however_few_are_held(
            names in prop::collection::vec((prop::option::of("[a-e]{0,3}"), 0..5_u64), 0..200), held in 1..50_usize
        ) {
            let names: Vec<(Option<&str>, u64)> = names.iter().map(|(name, count)| (name.as_deref(), *count)).collect();
            let mut counts: HashMap<&str, u64> = HashMap::new();
            names.iter().for_each(|(name, count)| name.iter().for_each(|name| *counts.entry(name).or_default() += count));
            let mut expected = Tally::of_few(counts);
            expected.nameless = names.iter().filter(|(name, _)| name.is_none()).map(|(_, count)| count).sum();
            let (found, readings) = tally(&names, held * EACH);
            prop_assert_eq!(found, expected);
            prop_assert!(readings <= names.len() + 1, "{} readings", readings);
        }
    }
}
