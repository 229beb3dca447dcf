//! Items of a page: how each becomes rows, and the checks before that.

use std::collections::BTreeMap;

use super::page::{Page, Query, Taken};
use super::rejection::Reason;
use super::twins::{self, Keyed, Sieve, Twin};
use super::value::Slot;
use crate::table::{Provenance, Tables};

/// The rows of one page under construction.
pub(super) struct PageRows<'t> {
    pub(super) tables: &'t mut Tables,
    /// The provenance of the rows.
    pub(super) at: Provenance<'t>,
    /// Removes the twins inside items.
    pub(super) sieve: Sieve,
}

/// An item of a list, or the answer to a look-up.
pub(super) trait Item: Keyed + Sized {
    /// Filters that an item may pass without showing it.
    const SILENT: &'static [&'static str] = &[];

    /// True if the item shows that this filter of the query is in force.
    fn shows(&self, _filter: &str, _query: &Query<'_>) -> bool {
        true
    }

    /// The instant by which lists by age sort the item (milliseconds since 1970); `None` if it does not say.
    fn date(&self) -> Option<i64> {
        None
    }

    /// True if a page with these dates and this next cursor cannot be the one that the query's cursor asks for: the server
    /// ignored the cursor.
    fn is_elsewhere(_page: &Page, _query: &Query<'_>) -> bool {
        false
    }

    /// True if the item lacks what all things of its kind have, and has what those of another endpoint have: a cache gave the
    /// answer to another question.
    fn is_another(&self) -> bool {
        false
    }

    /// The reason why the item does not match the query; `None` if it matches or does not say.
    fn stray(&self, _query: &Query<'_>) -> Option<Reason> {
        None
    }

    /// Appends the rows of the item, its parts included.
    ///
    /// # Errors
    /// The reason why no table can take it; then nothing was appended.
    fn push(self, query: &Query<'_>, rows: &mut PageRows<'_>) -> Result<Taken, Reason>;
}

/// The item in a slot, if it holds one.
pub(super) fn valued<T>(item: &Slot<T>) -> Option<&T> {
    if let Slot::Value(item) = item { Some(item) } else { None }
}

/// The reason why an item is not what was asked for; `None` if it is, or does not say.
pub(super) fn foreign<T: Item>(item: &T, query: &Query<'_>) -> Option<Reason> {
    match item.is_another() {
        true => Some(Reason::foreign(&format!("it is no {}", T::NOUN))),
        false => item.stray(query),
    }
}

/// The repeated items of a page by position: the position of the first one, and the reason to keep those that differ from it.
pub(super) fn doubles<T: Item>(items: &[Slot<T>]) -> BTreeMap<usize, (usize, Option<Reason>)> {
    let keys = items.iter().map(|item| valued(item).and_then(Keyed::key));
    let double = |Twin { place, first }| {
        let differs = valued(&items[place]).filter(|_| items[place] != items[first]);
        (place, (first, differs.map(twins::reason)))
    };
    twins::twins(keys).into_iter().map(double).collect()
}

/// The filters that most items of a long page do not show to be in force. A server that ignores a filter returns its whole
/// list, which is longer than a page, so short pages are not checked.
pub(super) fn unshown<T: Item>(items: &[Slot<T>], has_next: bool, query: &Query<'_>) -> Vec<&'static str> {
    let (limit, count) = (query.limit as usize, items.len());
    if limit == 0 || 2 * count < limit || (count < limit && !has_next) {
        return Vec::new();
    }
    let silent = |filter: &&str| {
        let shown = items.iter().filter_map(valued).filter(|item| item.shows(filter, query)).count();
        2 * shown < items.len()
    };
    T::SILENT.iter().copied().filter(|filter| query.param(filter).is_some()).filter(silent).collect()
}
