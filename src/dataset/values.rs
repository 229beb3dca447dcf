//! The distinct values of one column over all rows of a table, for a fan-out.

use std::collections::BTreeSet;

use super::columns::{Columns, Key};
use super::error::Error;
use super::layout::Layout;
use super::scan::each_batch;
use crate::storage::Storage;
use crate::table::Table;

/// Distinct values in order: the numbers by size, then the texts by their bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Values {
    /// The whole numbers.
    pub numbers: Vec<i64>,
    /// The texts.
    pub texts: Vec<String>,
}

impl Values {
    /// Returns the number of values.
    pub fn len(&self) -> usize {
        self.numbers.len() + self.texts.len()
    }

    /// True if there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns at most `count` values from index `from` on, as text.
    pub fn slice(&self, from: usize, count: usize) -> Vec<String> {
        let numbers = self.numbers.iter().skip(from).take(count).map(i64::to_string);
        let left = count - numbers.len();
        let texts = self.texts.iter().skip(from.saturating_sub(self.numbers.len())).take(left).cloned();
        numbers.chain(texts).collect()
    }
}

/// Values being gathered. A number may be held a few times.
#[derive(Default)]
pub(super) struct Gathered {
    numbers: Vec<i64>,
    /// The number of distinct numbers at the last merge.
    distinct: usize,
    texts: BTreeSet<String>,
}

impl Gathered {
    /// Numbers that are gathered before the first merge.
    const FEW: usize = 1 << 16;

    /// Takes a value, unless it is null.
    pub(super) fn take(&mut self, value: Option<Key<'_>>) {
        match value {
            Some(Key::Number(number)) => self.number(number),
            Some(Key::Text(text)) => self.text(text),
            None => {}
        }
    }

    fn number(&mut self, number: i64) {
        // Most rows repeat an earlier value, so room for half as many again is enough.
        if self.numbers.len() >= self.distinct + self.distinct / 2 + Self::FEW {
            self.merge();
        }
        self.numbers.push(number);
    }

    fn text(&mut self, text: &str) {
        if !self.texts.contains(text) {
            self.texts.insert(text.to_owned());
        }
    }

    fn merge(&mut self) {
        self.numbers.sort();
        self.numbers.dedup();
        self.distinct = self.numbers.len();
    }

    /// Returns each value once, in order.
    pub(super) fn values(mut self) -> Values {
        self.merge();
        Values { numbers: self.numbers, texts: self.texts.into_iter().collect() }
    }
}

/// Returns the distinct values of a column of a table. Memory grows by some twenty bytes for each distinct number.
///
/// # Errors
/// As [`Scan::each`](super::scan::Scan::each).
pub fn distinct(layout: &Layout, storage: &dyn Storage, table: &Table, column: &str) -> Result<Values, Error> {
    let mut gathered = Gathered::default();
    each_batch(layout, storage, table, &[column], &mut |batch| {
        let values = batch.keys(column);
        (0..batch.num_rows()).for_each(|row| gathered.take(values.get(row)));
    })?;
    Ok(gathered.values())
}

/// Like [`distinct`], but only of rows in which each (number column, number) of `where_all` holds.
///
/// # Errors
/// As [`Scan::each`](super::scan::Scan::each).
pub fn distinct_where(
    layout: &Layout,
    storage: &dyn Storage,
    table: &Table,
    column: &str,
    where_all: &[(&str, i64)],
) -> Result<Values, Error> {
    let mut gathered = Gathered::default();
    let columns: Vec<&str> = where_all.iter().map(|(column, _)| *column).chain([column]).collect();
    each_batch(layout, storage, table, &columns, &mut |batch| {
        let values = batch.keys(column);
        let fits = |row: &usize| where_all.iter().all(|(name, wanted)| batch.numbers(name).get(*row) == Some(*wanted));
        (0..batch.num_rows()).filter(fits).for_each(|row| gathered.take(values.get(row)));
    })?;
    Ok(gathered.values())
}

#[cfg(test)]
mod tests {
    use super::Values;

    #[test]
    fn slices_run_over_numbers_and_then_texts() {
        let values = Values { numbers: vec![2, 10, 11], texts: vec![String::from("a"), String::from("b")] };
        let slices: Vec<Vec<String>> = (0..6).step_by(2).map(|from| values.slice(from, 2)).collect();
        assert_eq!(slices, [vec!["2", "10"], vec!["11", "a"], vec!["b"]]);
        assert_eq!(values.slice(5, 2), Vec::<String>::new());
    }
}
