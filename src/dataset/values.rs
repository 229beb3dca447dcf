//! The distinct values of one column over all rows of a table: what a fan-out walks over.

use std::collections::BTreeSet;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;

use super::Error;
use super::layout::Layout;
use super::scan::each_batch;
use super::storage::Storage;
use crate::table::Table;

/// The distinct values of a column of a table, as text; numbers in the order of numbers.
/// Memory grows with the number of values, 1.2 million ids take some 40 MB while they are gathered.
///
/// # Errors
/// [`Error::Disk`].
pub fn distinct(layout: &Layout, storage: &dyn Storage, table: &Table, column: &str) -> Result<Vec<String>, Error> {
    let (mut numbers, mut texts): (BTreeSet<i64>, BTreeSet<String>) = (BTreeSet::new(), BTreeSet::new());
    each_batch(layout, storage, table, &[column], &mut |batch| {
        // Columns of other types name nothing that can be asked for; an older part may lack the column.
        let Some(values) = batch.column_by_name(column) else { return };
        if let Some(values) = values.as_primitive_opt::<Int64Type>() {
            numbers.extend(values.iter().flatten());
        }
        for text in values.as_string_opt::<i32>().into_iter().flatten().flatten() {
            if !texts.contains(text) {
                texts.insert(text.to_owned());
            }
        }
    })?;
    Ok(numbers.iter().map(i64::to_string).chain(texts).collect())
}
