//! What happens to models while requests go by: a schedule fixed by the seed, its clock the number of requests.

use super::Entry;
use super::random::{Random, Stream};

/// What happens to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It was not there before.
    Publish,
    /// It gets a new version and moves to the end of Oldest.
    PublishAgain,
    /// Its name changes, and nothing that lists are sorted by.
    Edit,
    /// It is gone.
    Unpublish,
}

/// One change of one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fate {
    /// The number of requests after which it has happened.
    pub(crate) after: u64,
    /// The model's position in the catalog.
    pub(crate) row: u32,
    pub(crate) change: Change,
}

/// Of a thousand models, how many meet each change.
const SHARES: &[(u8, u32)] = &[(0, 15), (1, 20), (2, 20), (3, 15)];

/// The fates of a catalog in the order of their time, spread over about four requests per page of 100 models.
pub(crate) fn schedule(seed: u64, entries: &[Entry]) -> Vec<Fate> {
    let span = u32::try_from(entries.len() / 25).unwrap_or(u32::MAX).max(8);
    let fate = |(row, entry): (u32, &Entry)| {
        let mut random = Random::new(seed, Stream::Fate, u64::from(entry.id));
        let change = match random.weighted(SHARES)? {
            0 => Change::Publish,
            1 => Change::PublishAgain,
            2 => Change::Edit,
            _ => Change::Unpublish,
        };
        Some(Fate { after: 1 + u64::from(random.below(span)), row, change })
    };
    let mut fates: Vec<Fate> = (0u32..).zip(entries).filter_map(fate).collect();
    fates.sort_by_key(|fate| (fate.after, fate.row));
    fates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_models_meet_each_change_and_most_meet_none() {
        let entries: Vec<Entry> = (1..=5000).map(|id| Entry { id, ..Entry::default() }).collect();
        let fates = schedule(1, &entries);
        assert!((250..450).contains(&fates.len()), "{}", fates.len());
        for change in [Change::Publish, Change::PublishAgain, Change::Edit, Change::Unpublish] {
            assert!(fates.iter().filter(|fate| fate.change == change).count() > 40, "{change:?}");
        }
        assert!(fates.windows(2).all(|pair| pair[0].after <= pair[1].after));
        assert!(fates.iter().all(|fate| (1..=200).contains(&fate.after)));
        assert_eq!(fates, schedule(1, &entries));
    }
}
