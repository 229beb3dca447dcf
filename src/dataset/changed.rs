//! Finds the values of a column in rows that say something new, for a fan-out over changed rows.

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};

use super::cancel::Cancel;
use super::columns::{Columns, Key};
use super::error::Error;
use super::scan::Scan;
use super::values::{Gathered, Values};
use crate::table::{Column, Table};

/// The rows and the column that are compared.
#[derive(Debug, Clone, Copy)]
pub struct ChangedQuery<'a> {
    /// The table.
    pub table: &'static Table,
    /// The column whose values are returned.
    pub column: &'a str,
    /// The pass whose rows are new.
    pub pass: i64,
    /// Earlier passes whose rows are known.
    pub known: &'a BTreeSet<i64>,
}

/// Returns the distinct values of a column in those rows of a pass that no row of the known passes equals. Counters do not
/// count as a difference.
///
/// Memory holds one hash per row: 1.2 million rows take some 20 MB.
///
/// # Errors
/// As [`Scan::each_until`].
pub fn changed(rows: &Scan<'_>, query: &ChangedQuery<'_>, cancel: Cancel<'_>) -> Result<Values, Error> {
    let mut reader = Reader::new(query)?;
    let mut known: HashSet<u64> = HashSet::new();
    reader.each(rows, cancel, |row| {
        if query.known.contains(&row.pass) {
            known.insert(row.hash);
        }
    })?;
    let mut gathered = Gathered::default();
    reader.each(rows, cancel, |row| {
        if row.pass == query.pass && !known.contains(&row.hash) {
            gathered.take(row.value);
        }
    })?;
    Ok(gathered.window().values)
}

/// Reads the rows of a table as hashes.
struct Reader<'a> {
    table: &'static Table,
    column: &'a str,
    /// The columns that are compared.
    substance: Vec<Column>,
    converter: RowConverter,
}

struct HashedRow<'a> {
    pass: i64,
    /// Hash of the compared columns.
    hash: u64,
    value: Option<Key<'a>>,
}

impl<'a> Reader<'a> {
    fn new(query: &ChangedQuery<'a>) -> Result<Self, Error> {
        let substance = query.table.substance();
        let fields = substance.iter().map(|column| SortField::new(column.data_type.clone())).collect();
        let converter = RowConverter::new(fields).map_err(|error| Error::unfit(query.table, &error))?;
        Ok(Self { table: query.table, column: query.column, substance, converter })
    }

    /// Calls `show` with every row.
    fn each(&mut self, rows: &Scan<'_>, cancel: Cancel<'_>, mut show: impl FnMut(HashedRow<'_>)) -> Result<(), Error> {
        let mut names: Vec<&str> = self.substance.iter().map(|column| column.name).collect();
        names.extend([self.column, "pass"]);
        let mut failure = None;
        rows.each_until(cancel, &names, &mut |batch| {
            if let Err(error) = self.read(batch, &mut show) {
                failure = Some(error);
            }
        })?;
        failure.map_or(Ok(()), |error| Err(Error::unfit(self.table, &error)))
    }

    fn read(&mut self, batch: &RecordBatch, show: &mut impl FnMut(HashedRow<'_>)) -> Result<(), ArrowError> {
        // An older part may lack a column.
        let absent = |column: &Column| new_null_array(&column.data_type, batch.num_rows());
        let array = |column: &Column| batch.column_by_name(column.name).cloned().unwrap_or_else(|| absent(column));
        let arrays: Vec<ArrayRef> = self.substance.iter().map(array).collect();
        let rows = self.converter.convert_columns(&arrays)?;
        let (passes, values) = (batch.numbers("pass"), batch.keys(self.column));
        for (number, row) in rows.iter().enumerate() {
            let Some(pass) = passes.get(number) else { continue };
            let mut hasher = DefaultHasher::new();
            row.as_ref().hash(&mut hasher);
            show(HashedRow { pass, hash: hasher.finish(), value: values.get(number) });
        }
        Ok(())
    }
}
