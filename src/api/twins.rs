//! Twins: things that one page shows twice. The first one counts.

use std::collections::HashSet;

use super::rejection::Reason;

/// The key of a thing, unique on its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key<'k> {
    Id(i64),
    Name(&'k str),
}

/// A thing that a page may show twice.
pub(super) trait Keyed: PartialEq {
    /// The noun for sentences.
    const NOUN: &'static str;

    /// The key among things of its kind; `None` if it has none.
    fn key(&self) -> Option<Key<'_>>;
}

/// Implements [`Keyed`] for a type: its noun, and the key of a value.
macro_rules! keyed {
    ($type:ty, $noun:literal, |$thing:ident| $key:expr) => {
        impl Keyed for $type {
            const NOUN: &'static str = $noun;

            fn key(&self) -> Option<Key<'_>> {
                let $thing = self;
                $key
            }
        }
    };
}
pub(super) use keyed;

/// The position of a repeated thing in its list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Twin {
    pub(super) place: usize,
    /// The position of its first occurrence.
    pub(super) first: usize,
}

/// Lists up to this length are compared pairwise.
const SHORT: usize = 16;

/// Returns the twins of a list, sorted by position.
pub(super) fn twins<K: Ord>(keys: impl Iterator<Item = Option<K>>) -> Vec<Twin> {
    let mut sorted: Vec<(K, usize)> = (0..).zip(keys).filter_map(|(place, key)| Some((key?, place))).collect();
    sorted.sort_unstable();
    let same = sorted.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1);
    let mut twins: Vec<Twin> =
        same.flat_map(|same| same[1..].iter().map(|(_, place)| Twin { place: *place, first: same[0].1 })).collect();
    twins.sort_unstable_by_key(|twin| twin.place);
    twins
}

/// Removes twins from a list; their positions are counted from `from`.
pub(super) fn take_out<T>(list: &mut Vec<T>, from: usize, twins: &[Twin]) {
    let mut again = twins.iter().map(|twin| from + twin.place).peekable();
    let mut place = 0..;
    list.retain(|_| place.next().is_none_or(|place| again.next_if_eq(&place).is_none()));
}

fn has_twins<T: Keyed>(list: &[T]) -> bool {
    if list.len() > SHORT {
        return !twins(list.iter().map(Keyed::key)).is_empty();
    }
    let again = |(place, thing): (usize, &T)| {
        let key = thing.key();
        key.is_some() && list[..place].iter().any(|before| before.key() == key)
    };
    list.iter().enumerate().any(again)
}

/// Returns the reason to keep a twin that differs from the first.
pub(super) fn reason<T: Keyed>(twin: &T) -> Reason {
    let key = match twin.key() {
        Some(Key::Id(id)) => id.to_string(),
        Some(Key::Name(name)) => format!("`{name}`"),
        None => String::new(),
    };
    Reason::twin(T::NOUN, &key)
}

/// Removes twins from the lists inside the items of one page.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    /// The versions seen on the page. A version repeated by another model is a twin too.
    versions: HashSet<i64>,
    found: Found,
}

/// The twins inside one item.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) count: u64,
    /// Set by the first twin that differs.
    pub(super) reason: Option<Reason>,
}

impl Sieve {
    /// Removes the twins of a list.
    pub(super) fn sift<T: Keyed>(&mut self, list: &mut Vec<T>) {
        if !has_twins(list) {
            return;
        }
        let twins = twins(list.iter().map(Keyed::key));
        for Twin { place, first } in &twins {
            self.found.note(&list[*place], list[*place] == list[*first]);
        }
        take_out(list, 0, &twins);
    }

    /// Removes the twins of a model's versions, and versions that the page already showed.
    pub(super) fn sift_versions<T: Keyed>(&mut self, list: &mut Vec<T>) {
        self.sift(list);
        list.retain(|version| {
            let Some(Key::Id(id)) = version.key() else { return true };
            let new = self.versions.insert(id);
            if !new {
                self.found.note(version, false);
            }
            new
        });
    }

    /// Returns the twins found since the last call.
    pub(super) fn take(&mut self) -> Found {
        std::mem::take(&mut self.found)
    }
}

impl Found {
    fn note<T: Keyed>(&mut self, twin: &T, same: bool) {
        self.count += 1;
        if !same {
            self.reason.get_or_insert_with(|| reason(twin));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Keyed for (i64, u8) {
        const NOUN: &'static str = "pair";

        fn key(&self) -> Option<Key<'_>> {
            (self.0 != 0).then_some(Key::Id(self.0))
        }
    }

    proptest! {
        #[test]
        fn the_first_of_each_is_left_in_its_order(list in prop::collection::vec((0..12i64, 0..2u8), 0..40)) {
            let mut expected: Vec<(i64, u8)> = Vec::new();
            let mut differ = false;
            for thing in &list {
                match expected.iter().find(|known| known.0 == thing.0 && thing.0 != 0) {
                    Some(known) => differ |= known != thing,
                    None => expected.push(*thing),
                }
            }
            let (mut sieve, mut sifted) = (Sieve::default(), list.clone());
            sieve.sift(&mut sifted);
            let found = sieve.take();
            prop_assert_eq!(&sifted, &expected);
            prop_assert_eq!((found.count as usize, found.reason.is_some()), (list.len() - expected.len(), differ));
        }
    }
}
