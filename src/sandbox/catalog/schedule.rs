//! The changes of models under the trap `mutation`: a schedule fixed by the seed, whose clock is the number of requests.

use super::entry::{Change, Entry};
use super::random::{Random, Stream};

/// One change of one model, due after a number of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScheduledChange {
    /// Number of requests after which it has happened.
    pub(crate) after: u64,
    /// The model's position in the catalog.
    pub(crate) row: u32,
    pub(crate) change: Change,
}

/// Models in a thousand that get each change.
const SHARES: &[(u8, u32)] = &[(0, 15), (1, 20), (2, 20), (3, 15)];

/// Returns the changes of a catalog in the order of their time, spread over about four requests per page of 100 models.
pub(crate) fn schedule(seed: u64, entries: &[Entry]) -> Vec<ScheduledChange> {
    let span = u32::try_from(entries.len() / 25).unwrap_or(u32::MAX).max(8);
    let scheduled = |(row, entry): (u32, &Entry)| {
        let mut random = Random::new(seed, Stream::Schedule, u64::from(entry.id));
        let change = match random.weighted(SHARES)? {
            0 => Change::Publish,
            1 => Change::PublishAgain,
            2 => Change::Edit,
            _ => Change::Unpublish,
        };
        Some(ScheduledChange { after: 1 + u64::from(random.below(span)), row, change })
    };
    let mut changes: Vec<ScheduledChange> = (0u32..).zip(entries).filter_map(scheduled).collect();
    changes.sort_by_key(|change| (change.after, change.row));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_models_get_each_change_and_most_get_none() {
        let entries: Vec<Entry> = (1..=5000).map(|id| Entry { id, ..Entry::default() }).collect();
        let changes = schedule(1, &entries);
        assert!((250..450).contains(&changes.len()), "{}", changes.len());
        for kind in [Change::Publish, Change::PublishAgain, Change::Edit, Change::Unpublish] {
            assert!(changes.iter().filter(|change| change.change == kind).count() > 40, "{kind:?}");
        }
        assert!(changes.windows(2).all(|pair| pair[0].after <= pair[1].after));
        assert!(changes.iter().all(|change| (1..=200).contains(&change.after)));
        assert_eq!(changes, schedule(1, &entries));
    }
}
