//! Estimates how many pages lie between two windows of a list whose dates are uneven: by the ids, which rise with the dates but
//! for some disorder, and by the dates, where they are as dense at both ends. Pure.

use std::collections::{BTreeMap, HashMap};

/// The pages of a walk's windows, as far as an estimate needs them. Of this run only.
#[derive(Debug, Default)]
pub(crate) struct Density {
    /// By the instant at which a window begins: its first page.
    first: BTreeMap<i64, Seen>,
    /// By window: its last page.
    last: HashMap<String, Seen>,
    /// Pages behind another of their window, and the ids between the two.
    pages: i64,
    ids: i64,
}

/// A page of a window.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// Its middle id: single ids may be far from their neighbours.
    id: i64,
    /// Milliseconds between its first row and its last.
    span: i64,
}

/// The part of a window that is not walked yet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ahead {
    pub(crate) pages: f64,
    /// Milliseconds that a page spans, if it is like the last one.
    pub(crate) span: i64,
}

impl Density {
    /// Counts a page of a window. `from` is the window's beginning, given with its first page; `dates` are those of the page's
    /// first row and its last.
    pub(super) fn count(&mut self, window: &str, from: Option<i64>, ids: &[i64], dates: (i64, i64)) {
        let mut sorted = ids.to_vec();
        sorted.sort_unstable();
        let Some(id) = sorted.get(sorted.len() / 2).copied() else { return };
        let seen = Seen { id, span: dates.1.saturating_sub(dates.0).max(1) };
        if let Some(from) = from {
            self.first.insert(from, seen);
        }
        if let Some(before) = self.last.insert(window.to_owned(), seen) {
            self.pages += 1;
            self.ids = self.ids.saturating_add(id.saturating_sub(before.id));
        }
    }

    /// Returns what lies between a window's last page, which ends at the instant `at`, and the window that begins at `until`;
    /// `None` while one of the two has no page, or ids do not rise.
    pub(crate) fn ahead(&self, window: &str, at: i64, until: i64) -> Option<Ahead> {
        let (last, end) = (self.last.get(window)?, self.first.get(&until)?);
        let by_id = self.pages as f64 * end.id.saturating_sub(last.id) as f64 / self.ids as f64;
        let by_date = until.saturating_sub(at) as f64 / last.span.max(end.span) as f64;
        (self.ids > 0).then_some(Ahead { pages: by_id.max(by_date), span: last.span })
    }

    /// Forgets the last page of a window that is over.
    pub(super) fn end(&mut self, window: &str) {
        self.last.remove(window);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts pages of ten rows, each by its window, the window's beginning, its first id and its first date; a row a millisecond.
    fn counted(pages: &[(&str, Option<i64>, i64, i64)]) -> Density {
        let mut density = Density::default();
        for (window, from, id, at) in pages {
            let ids: Vec<i64> = (*id..id + 10).collect();
            density.count(window, *from, &ids, (*at, at + 9));
        }
        density
    }

    const SPARSE: i64 = 9_000_000_000;

    #[test]
    fn ids_count_pages_where_dates_are_uneven() {
        let mut density = counted(&[("1", Some(0), 0, 100), ("1", None, 10, 110)]);
        density.count("2", Some(SPARSE), &(500..510).collect::<Vec<_>>(), (SPARSE, 2 * SPARSE));
        assert_eq!(density.ahead("1", 119, SPARSE), Some(Ahead { pages: 49.0, span: 9 }));
    }

    #[test]
    fn dates_count_pages_where_ids_are_in_no_order() {
        let density = counted(&[("1", Some(0), 500, 100), ("2", Some(209), 0, 209), ("1", None, 510, 110)]);
        assert_eq!(density.ahead("1", 119, 209), Some(Ahead { pages: 10.0, span: 9 }));
    }

    #[test]
    fn nothing_is_known_until_both_windows_have_a_page_and_ids_rise() {
        for pages in [
            &[("1", Some(0), 0, 100), ("1", None, 10, 110)][..],
            &[("2", Some(9000), 500, 9000)],
            &[("1", Some(0), 0, 100), ("2", Some(9000), 500, 9000)],
            &[("1", Some(0), 90, 100), ("2", Some(9000), 500, 9000), ("1", None, 80, 110)],
        ] {
            assert_eq!(counted(pages).ahead("1", 119, 9000), None, "{pages:?}");
        }
    }

    #[test]
    fn one_strange_id_changes_nothing() {
        let mut density = counted(&[("1", Some(0), 0, 100), ("2", Some(SPARSE), 500, SPARSE), ("1", None, 10, 110)]);
        density.count("1", None, &[SPARSE, 21, 22, 23, 24], (120, SPARSE));
        assert!(density.ahead("1", 129, SPARSE).unwrap().pages < 80.0);
    }
}
