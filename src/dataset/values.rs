//! The distinct values of one column over all rows of a table: what a fan-out walks over.

use std::collections::BTreeSet;

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;

use super::error::Error;
use super::layout::Layout;
use super::scan::each_batch;
use crate::storage::Storage;
use crate::table::Table;

/// Distinct values in their order: numbers by size, then texts by their letters.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Values {
    /// Those that are whole numbers.
    pub numbers: Vec<i64>,
    /// The others.
    pub texts: Vec<String>,
}

impl Values {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.numbers.len() + self.texts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those from one place on, at most so many, as text.
    pub fn slice(&self, from: usize, count: usize) -> Vec<String> {
        let numbers = self.numbers.iter().skip(from).take(count).map(i64::to_string);
        let left = count - numbers.len();
        let texts = self.texts.iter().skip(from.saturating_sub(self.numbers.len())).take(left).cloned();
        numbers.chain(texts).collect()
    }
}

/// Values being gathered, each once or a few times over.
#[derive(Default)]
pub(super) struct Gathered {
    numbers: Vec<i64>,
    /// How many of the numbers were distinct when that was last looked at.
    distinct: usize,
    texts: BTreeSet<String>,
}

impl Gathered {
    /// Numbers that are gathered before they are looked at.
    const FEW: usize = 1 << 16;

    /// Takes the value in one row of a column; null, and one of a type that nothing can be asked for by, is none.
    pub(super) fn take(&mut self, values: &dyn Array, row: usize) {
        if values.is_null(row) {
            return;
        }
        if let Some(numbers) = values.as_primitive_opt::<Int64Type>() {
            self.number(numbers.value(row));
        } else if let Some(texts) = values.as_string_opt::<i32>() {
            self.text(texts.value(row));
        }
    }

    fn number(&mut self, number: i64) {
        // Most rows repeat what was there before: room for half as many again is enough.
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

    /// Each once, in their order.
    pub(super) fn values(mut self) -> Values {
        self.merge();
        Values { numbers: self.numbers, texts: self.texts.into_iter().collect() }
    }
}

/// The distinct values of a column of a table.
/// Memory grows with the number of values, by some twenty bytes for each that is a number.
///
/// # Errors
/// [`Error::Disk`].
pub fn distinct(layout: &Layout, storage: &dyn Storage, table: &Table, column: &str) -> Result<Values, Error> {
    let mut gathered = Gathered::default();
    each_batch(layout, storage, table, &[column], &mut |batch| {
        // An older part may lack the column.
        let Some(values) = batch.column_by_name(column) else { return };
        (0..batch.num_rows()).for_each(|row| gathered.take(values, row));
    })?;
    Ok(gathered.values())
}

/// Like [`distinct`], of those rows only whose number columns named in `where_all` have the numbers named with them.
///
/// # Errors
/// [`Error::Disk`].
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
        let number = |column: &str, row: usize| {
            let numbers = batch.column_by_name(column)?.as_primitive_opt::<Int64Type>()?;
            numbers.is_valid(row).then(|| numbers.value(row))
        };
        let Some(values) = batch.column_by_name(column) else { return };
        let fits = |row: &usize| where_all.iter().all(|(column, wanted)| number(column, *row) == Some(*wanted));
        (0..batch.num_rows()).filter(fits).for_each(|row| gathered.take(values, row));
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
