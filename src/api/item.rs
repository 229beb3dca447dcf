//! Checks the items of a page before they become rows: one that came before is a twin, and each may show that the
//! server looked at the filters of the question.

use std::collections::BTreeMap;

use super::endpoint::Query;
use super::rejection::Reason;
use super::twins::{self, Keyed, Twin};
use super::value::Slot;

/// A thing that a page lists.
pub(super) trait Item: Keyed {
    /// Filters of which an item may be silent although it passed them.
    const SILENT: &'static [&'static str] = &[];

    /// True when it shows that this filter of the question is in force.
    fn shows(&self, _filter: &str, _asked: &Query<'_>) -> bool {
        true
    }
}

/// The item, where there is one.
pub(super) fn valued<T>(item: &Slot<T>) -> Option<&T> {
    if let Slot::Value(item) = item { Some(item) } else { None }
}

/// The items that came before on the page, by place: where they came first, and the reason to keep those that differ.
pub(super) fn doubles<T: Item>(items: &[Slot<T>]) -> BTreeMap<usize, (usize, Option<Reason>)> {
    let keys = items.iter().map(|item| valued(item).and_then(Keyed::key));
    let double = |Twin { place, first }| {
        let differs = valued(&items[place]).filter(|_| items[place] != items[first]);
        (place, (first, differs.map(twins::reason)))
    };
    twins::twins(keys).into_iter().map(double).collect()
}

/// The filters that most items of a long page do not show to be in force. A server that ignores one shows its whole list,
/// which is longer than a page.
pub(super) fn unshown<T: Item>(items: &[Slot<T>], goes_on: bool, query: &Query<'_>) -> Vec<&'static str> {
    let (limit, count) = (query.limit as usize, items.len());
    if limit == 0 || 2 * count < limit || (count < limit && !goes_on) {
        return Vec::new();
    }
    let silent = |filter: &&str| {
        let shown = items.iter().filter_map(valued).filter(|item| item.shows(filter, query)).count();
        2 * shown < items.len()
    };
    T::SILENT.iter().copied().filter(|filter| query.param(filter).is_some()).filter(silent).collect()
}
