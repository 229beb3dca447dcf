//! The sort orders of the models list.

use super::entry::Entry;

/// The eight sort words of the models list, as seven orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    HighestRated,
    MostDownloaded,
    MostDiscussed,
    MostCollected,
    MostImages,
    Newest,
    Oldest,
}

impl Sort {
    pub(crate) const WORDS: &[(&str, Sort)] = &[
        ("Highest Rated", Sort::HighestRated),
        ("Most Downloaded", Sort::MostDownloaded),
        ("Most Liked", Sort::HighestRated),
        ("Most Discussed", Sort::MostDiscussed),
        ("Most Collected", Sort::MostCollected),
        ("Most Images", Sort::MostImages),
        ("Newest", Sort::Newest),
        ("Oldest", Sort::Oldest),
    ];
    /// Every order once.
    pub(crate) const ALL: [Sort; 7] = [
        Sort::HighestRated,
        Sort::MostDownloaded,
        Sort::MostDiscussed,
        Sort::MostCollected,
        Sort::MostImages,
        Sort::Newest,
        Sort::Oldest,
    ];

    /// True for the sorts whose cursor is a date.
    pub(crate) fn by_date(self) -> bool {
        matches!(self, Sort::Newest | Sort::Oldest)
    }

    /// The two counters that a metric sort orders by, descending.
    pub(crate) fn counters(self, entry: &Entry) -> (i64, i64) {
        let (first, second) = match self {
            Sort::HighestRated => (entry.thumbs_up, entry.downloads),
            Sort::MostDownloaded => (entry.downloads, entry.thumbs_up),
            Sort::MostDiscussed => (entry.comments, entry.thumbs_up),
            Sort::MostCollected => (entry.collected, entry.thumbs_up),
            Sort::MostImages | Sort::Newest | Sort::Oldest => (entry.images, entry.thumbs_up),
        };
        (i64::from(first), i64::from(second))
    }
}

/// Returns the ascending key of a row under a sort by date; undated rows are last under both.
pub(super) fn date_key(sort: Sort, entry: &Entry) -> (bool, Option<i64>, i64) {
    let sign = if sort == Sort::Newest { -1 } else { 1 };
    (entry.last_version_at.is_none(), entry.last_version_at.map(|ms| sign * ms), sign * i64::from(entry.id))
}

/// Returns the positions of all entries in the order of a sort.
pub(super) fn ordered(entries: &[Entry], sort: Sort) -> Vec<u32> {
    let mut order: Vec<u32> = (0u32..).take(entries.len()).collect();
    let entry = |position: &u32| &entries[*position as usize];
    match sort {
        Sort::Newest | Sort::Oldest => order.sort_by_key(|p| date_key(sort, entry(p))),
        _ => order.sort_by_key(|p| {
            let (first, second) = sort.counters(entry(p));
            (-first, -second, entry(p).id)
        }),
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_put_the_undated_last() {
        let entry = |id, at| Entry { id, last_version_at: at, ..Entry::default() };
        let entries = [entry(1, Some(5)), entry(2, None), entry(3, Some(9)), entry(4, Some(5))];
        assert_eq!(ordered(&entries, Sort::Newest), [2, 3, 0, 1]);
        assert_eq!(ordered(&entries, Sort::Oldest), [0, 3, 2, 1]);
    }
}
