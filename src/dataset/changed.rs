//! Which values of a column stand in rows that say something new: what a fan-out over changed rows walks.

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use arrow::array::{ArrayRef, AsArray, RecordBatch, new_null_array};
use arrow::datatypes::Int64Type;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};

use super::error::Error;
use super::layout::Layout;
use super::scan::each_batch;
use super::values::{Gathered, Values};
use crate::storage::Storage;
use crate::table::{Column, Table};

/// The distinct values of a column in those rows of a pass that say something which no row of the passes `known` said:
/// of a new thing, or of one that differs in more than its counters.
///
/// Of every row only a hash is kept: 1.2 million of them take some 20 MB.
///
/// # Errors
/// [`Error::Disk`].
pub fn changed(
    layout: &Layout,
    storage: &dyn Storage,
    table: &'static Table,
    column: &str,
    pass: i64,
    known: &BTreeSet<i64>,
) -> Result<Values, Error> {
    let mut reader = Reader::new(table, column)?;
    let mut said: HashSet<u64> = HashSet::new();
    reader.each(layout, storage, |row| {
        if known.contains(&row.pass) {
            said.insert(row.hash);
        }
    })?;
    let mut gathered = Gathered::default();
    reader.each(layout, storage, |row| {
        if row.pass == pass && !said.contains(&row.hash) {
            gathered.take(row.values, row.number);
        }
    })?;
    Ok(gathered.values())
}

/// Reads what rows say.
struct Reader<'a> {
    table: &'static Table,
    column: &'a str,
    substance: Vec<Column>,
    converter: RowConverter,
}

/// What is told of a row.
struct Said<'a> {
    pass: i64,
    /// Of all it says of its thing.
    hash: u64,
    /// Where the value stands.
    values: &'a ArrayRef,
    number: usize,
}

impl<'a> Reader<'a> {
    fn new(table: &'static Table, column: &'a str) -> Result<Self, Error> {
        let substance = table.substance();
        let fields = substance.iter().map(|column| SortField::new(column.data_type.clone())).collect();
        let converter = RowConverter::new(fields).map_err(|error| Error::unfit(table, &error))?;
        Ok(Self { table, column, substance, converter })
    }

    /// Tells of every row.
    fn each(&mut self, layout: &Layout, storage: &dyn Storage, mut tell: impl FnMut(Said<'_>)) -> Result<(), Error> {
        let mut names: Vec<&str> = self.substance.iter().map(|column| column.name).collect();
        names.extend([self.column, "pass"]);
        let mut failure = None;
        each_batch(layout, storage, self.table, &names, &mut |batch| {
            if let Err(error) = self.read(batch, &mut tell) {
                failure = Some(error);
            }
        })?;
        failure.map_or(Ok(()), |error| Err(Error::unfit(self.table, &error)))
    }

    fn read(&mut self, batch: &RecordBatch, tell: &mut impl FnMut(Said<'_>)) -> Result<(), ArrowError> {
        // An older part may lack a column.
        let absent = |column: &Column| new_null_array(&column.data_type, batch.num_rows());
        let array = |column: &Column| batch.column_by_name(column.name).cloned().unwrap_or_else(|| absent(column));
        let arrays: Vec<ArrayRef> = self.substance.iter().map(array).collect();
        let rows = self.converter.convert_columns(&arrays)?;
        let schema = batch.schema();
        let passes = batch.column(schema.index_of("pass")?).as_primitive::<Int64Type>();
        let values = batch.column(schema.index_of(self.column)?);
        for (number, row) in rows.iter().enumerate() {
            let mut hasher = DefaultHasher::new();
            row.as_ref().hash(&mut hasher);
            tell(Said { pass: passes.value(number), hash: hasher.finish(), values, number });
        }
        Ok(())
    }
}
